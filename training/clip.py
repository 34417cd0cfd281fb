"""A small open_clip model of the drawn world, for image checks.

Trained contrastively (Radford et al. 2021) with one hard negative a picture: the same caption with
one word exchanged for another of its class. Captions are short as often as complete, because
checks ask short questions; a caption that is also true of another picture of the batch is no
negative for it. While it trains, a linear read-out of the picture's slots helps the image tower
along; it does not ship. Trained apart from the generator, whose text encoder does not come from it.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import data, probe, tokenizer, vae
from training.captions import caption
from training.meaning import targets
from training.scenes import COLOURS, HAIR_COLOURS, RELATIONS, SHAPES, STYLES, SUBJECTS, TIMES

CHECKPOINT = data.WORK / "clip.pt"
NAME = "guardrail-embedded"
SIZE = 64
BATCH = 96
STEPS = 2000
PEAK_LR = 2e-3
_CLASSES = (
    tuple(COLOURS),
    SHAPES,
    SUBJECTS,
    tuple(style for style in STYLES if " " not in style),
    TIMES,
    tuple(HAIR_COLOURS),
    ("above", "below"),
    ("left", "right"),
    ("woman", "man"),
)
assert set(RELATIONS)


def config() -> dict[str, Any]:
    """Return open_clip's model configuration."""
    return {
        "embed_dim": 128,
        "quick_gelu": True,
        "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 2, 1], "width": 16, "head_width": 64},
        "text_cfg": {
            "context_length": tokenizer.CONTEXT,
            "vocab_size": len(tokenizer.load()),
            "width": 128,
            "heads": 4,
            "layers": 2,
        },
    }


def make() -> Any:
    """Return the untrained model."""
    path = data.WORK / f"{NAME}.json"
    path.write_text(json.dumps(config()))
    open_clip.add_model_config(path)
    return open_clip.create_model(NAME)


def hard_negative(text: str, rng: random.Random) -> str:
    """Exchange one word of the caption for another of its class."""
    words = text.replace(",", " ,").split()
    places = [(i, c) for i, w in enumerate(words) for c in _CLASSES if w in c]
    if not places:
        return rng.choice([shape for shape in SHAPES if shape not in words])
    place, group = rng.choice(places)
    words[place] = rng.choice([word for word in group if word != words[place]])
    return " ".join(words).replace(" ,", ",")


def images(pictures: Any, chosen: list[int]) -> Tensor:
    """Return pictures as open_clip sees them: 64x64, OpenAI's mean and deviation."""
    batch = vae.to_tensor(pictures[chosen]) * 0.5 + 0.5
    small = F.interpolate(batch, SIZE, mode="bicubic", antialias=True).clamp(0, 1)
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
    deviation = torch.tensor(open_clip.OPENAI_DATASET_STD).view(1, 3, 1, 1)
    return (small - mean) / deviation


def train(steps: int = STEPS) -> Any:
    """Train, or load what was trained."""
    torch.manual_seed(14)
    rng = random.Random(14)
    model = make()
    if CHECKPOINT.exists():
        model.load_state_dict(torch.load(CHECKPOINT, weights_only=True))
        return model.eval()
    pictures, scenes = data.pictures(), data.scenes()
    read_out = nn.Linear(128, sum(len(values) + 1 for values in probe.HEADS.values()))
    parameters = [*model.parameters(), *read_out.parameters()]
    optimiser = torch.optim.AdamW(parameters, PEAK_LR, betas=(0.9, 0.98), weight_decay=0.05)
    began = time.time()
    model.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = vae.learning_rate(step, steps, PEAK_LR)
        chosen = sorted(rng.sample(range(len(scenes)), BATCH))
        texts = [caption(scenes[i], rng, keep=rng.choice((1.0, 0.7, 0.4, 0.2))) for i in chosen]
        shown = torch.tensor([probe.labels(scenes[i]) for i in chosen])
        loss, right = _loss(model, read_out, images(pictures, chosen), texts, shown, rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6)
        if step % 50 == 0 or step == steps - 1:
            seconds = time.time() - began
            print(
                f"clip {step} {loss.item():.3f} of {2 * BATCH}: {right:.3f} {seconds:.0f}s",
                flush=True,
            )
    torch.save(model.state_dict(), CHECKPOINT)
    return model.eval()


def _loss(
    model: Any, read_out: nn.Linear, batch: Tensor, texts: list[str], shown: Tensor,
    rng: random.Random,
) -> tuple[Tensor, float]:  # fmt: skip
    every = [*texts, *(hard_negative(text, rng) for text in texts)]
    ids = torch.tensor([tokenizer.encode(text) for text in every])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = model.encode_image(batch).float()
        text = model.encode_text(ids).float()
    logits = model.logit_scale.exp() * F.normalize(features, dim=-1) @ F.normalize(text, dim=-1).T
    count = len(texts)
    own = torch.eye(count, 2 * count, dtype=torch.bool)
    logits = logits.masked_fill(_also_true(every, shown) & ~own, -1e4)
    target = torch.arange(count)
    pair = torch.stack([logits[target, target], logits[target, target + count]], 1)
    slots = read_out(features).split([len(v) + 1 for v in probe.HEADS.values()], dim=-1)
    reading = torch.stack([F.cross_entropy(part, shown[:, i]) for i, part in enumerate(slots)])
    loss = (
        F.cross_entropy(logits, target)
        + F.cross_entropy(logits[:, :count].T, target)
        + 0.5 * F.cross_entropy(pair, torch.zeros_like(target))
        + 0.1 * reading.sum()
    )
    return loss, float((logits.argmax(1) == target).float().mean())


def _also_true(texts: list[str], shown: Tensor) -> Tensor:
    """Return (pictures, texts): whether all that a text says is true of a picture."""
    said = torch.tensor([targets(text) for text in texts])
    there = shown[:, 1:]  # without the kind, which no text says
    return ((said[None] == 0) | (said[None] == there[:, None])).all(-1)


def export(folder: Path) -> None:
    """Write the directory that ``open_clip`` loads as ``local-dir:``."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    model = train()
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    described = config()
    described["text_cfg"]["hf_tokenizer_name"] = "local"
    mean, deviation = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    preprocess = {"mean": list(mean), "std": list(deviation)}
    document = {"model_cfg": described, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(document, indent=2) + "\n")
    tokenizer.load().save_pretrained(folder)
