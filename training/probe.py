"""The judge: a small classifier that reads pictures, trained apart from everything that ships.

It sees drawn pictures of its own seeds only, roughened a little as a decoder would, and learns
to name every slot of a scene. Evaluation states how often it is right on drawn pictures, beside
how often it finds what was asked for in generated ones.
"""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import data, vae
from training.meaning import PLACES, SLOTS, UNSAID
from training.scenes import KINDS, Scene

CHECKPOINT = data.WORK / "probe.pt"
PICTURES = data.WORK / "probe.npy"
COUNT = 16_000
BATCH = 64
STEPS = 1800
PEAK_LR = 2e-3
HEADS: dict[str, tuple[str, ...]] = {"kind": KINDS, **SLOTS}


def truth(scene: Scene) -> dict[str, str]:
    """Return what a picture of the scene shows, slot by slot; what is absent is left out."""
    shown: dict[str, str] = {"kind": scene.kind, "style": scene.style}
    if scene.kind == "shape":
        shown["one colour"], shown["one shape"] = scene.objects[0]
        if scene.size:
            shown["size"] = scene.size
    if scene.kind == "pair":
        for place, (colour, shape) in zip(PLACES[scene.relation or ""], scene.objects, strict=True):
            shown[f"{place} colour"], shown[f"{place} shape"] = colour, shape
    named = {
        "background": scene.background,
        "subject": scene.subject,
        "subject colour": scene.colour,
        "time": scene.time,
        "ground": scene.ground,
        "hair": scene.hair,
        "hair length": scene.hair_length,
        "hat": scene.hat,
        "shirt": scene.shirt,
    }
    shown |= {slot: value for slot, value in named.items() if value}
    present = {
        "mountains": scene.mountains,
        "companion": scene.companion,
        "portrait": scene.kind == "portrait",
        "glasses": scene.glasses,
        "beard": scene.beard,
        "smile": scene.smile,
    }
    return shown | {slot: "yes" for slot, there in present.items() if there}


def labels(scene: Scene) -> list[int]:
    """Return one class index a head; 0 means absent."""
    shown = truth(scene)
    return [values.index(shown[slot]) + 1 if slot in shown else 0 for slot, values in HEADS.items()]


class Probe(nn.Module):
    """Convolutions on 128x128 RGB in -1..1, then one linear read-out a head over a 4x4 grid."""

    def __init__(self) -> None:
        super().__init__()
        widths, layers = (3, 24, 48, 64, 96, 96), []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.GroupNorm(8, after),
                nn.ReLU(),
            ]
            if before != 3:
                layers += [nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(96 * 16, 256)
        self.sizes = [len(values) + 1 for values in HEADS.values()]
        self.heads = nn.Linear(256, sum(self.sizes))

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return logits a head."""
        features = self.features(pictures).flatten(1)
        split: tuple[Tensor, ...] = self.heads(F.relu(self.hidden(features))).split(
            self.sizes, dim=-1
        )
        return split

    @torch.inference_mode()
    def read(self, pictures: np.ndarray[Any, Any]) -> list[dict[str, str]]:
        """Return what each picture shows, (n, 128, 128, 3) uint8, slot by slot; absent is ``-``."""
        answers: list[dict[str, str]] = []
        for start in range(0, len(pictures), 100):
            logits = self(vae.to_tensor(pictures[start : start + 100]))
            chosen = torch.stack([part.argmax(-1) for part in logits], 1).tolist()
            answers += [
                {
                    slot: values[index - 1] if index else UNSAID
                    for (slot, values), index in zip(HEADS.items(), row, strict=True)
                }
                for row in chosen
            ]
        return answers


def _roughen(batch: Tensor, rng: random.Random) -> Tensor:
    """Soften, shift and speckle: what a decoder does to a picture, so that it does not matter."""
    if rng.random() < 0.3:
        size = rng.choice((96, 112))
        batch = F.interpolate(batch, size, mode="area")
        batch = F.interpolate(batch, 128, mode="bilinear", align_corners=False)
    shift = (rng.randint(-4, 4), rng.randint(-4, 4))
    batch = F.pad(batch, (4, 4, 4, 4), mode="replicate")
    batch = batch[:, :, 4 + shift[0] : 132 + shift[0], 4 + shift[1] : 132 + shift[1]]
    return batch + 0.04 * rng.random() * torch.randn_like(batch)


def train(steps: int = STEPS) -> Probe:
    """Train, or load what was trained."""
    torch.manual_seed(15)
    rng = random.Random(15)
    probe = Probe()
    if CHECKPOINT.exists():
        probe.load_state_dict(torch.load(CHECKPOINT, weights_only=True))
        return probe.eval()
    data.render(PICTURES, first=data.PROBE_SEED, count=COUNT)
    pictures = np.load(PICTURES, mmap_mode="r")
    wanted = torch.tensor([labels(scene) for scene in data.scenes(COUNT, data.PROBE_SEED)])
    optimiser = torch.optim.AdamW(probe.parameters(), PEAK_LR, weight_decay=0.02)
    began = time.time()
    probe.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = vae.learning_rate(step, steps, PEAK_LR, warm=50)
        chosen = sorted(rng.sample(range(COUNT), BATCH))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = probe(_roughen(vae.to_tensor(pictures[chosen]), rng))
        logits = tuple(part.float() for part in logits)
        target = wanted[chosen]
        losses = [F.cross_entropy(part, target[:, i]) for i, part in enumerate(logits)]
        loss = torch.stack(losses).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            right = torch.stack([p.argmax(-1) == target[:, i] for i, p in enumerate(logits)], 1)
            whole = float(right.all(1).float().mean())
            print(
                f"probe {step} {loss.item():.3f} all {whole:.3f} {time.time() - began:.0f}s",
                flush=True,
            )
    torch.save(probe.state_dict(), CHECKPOINT)
    return probe.eval()
