"""A small ControlNet (Zhang et al. 2023) that follows edges, on the frozen denoiser.

Its maps are what ``guardrail.backends.edges.canny`` makes of the drawn pictures: the same that a
user's picture becomes.
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image
from torch import Tensor, nn

from guardrail.backends.edges import canny
from training import data, parser, tokenizer, unet
from training.captions import caption
from training.vae import learning_rate, resume, save

CHECKPOINT = data.WORK / "controlnet.pt"
EDGES = data.WORK / "edges.npy"
COUNT = 16_000
"""Pictures whose edges are drawn: the first ones."""
BATCH = 24
STEPS = 900
PEAK_LR = 1e-3
EMPTY = 0.3
"""Share of empty captions, so that the edges alone must do."""
_CHUNK = 400


def frozen() -> tuple[UNet2DConditionModel, Any]:
    """Return the trained denoiser and text encoder, averaged weights, not to be trained."""
    state = torch.load(unet.CHECKPOINT, weights_only=True)["average"]
    denoiser, text = unet.make(), parser.make()
    for module, prefix in ((denoiser, "unet."), (text, "text.")):
        part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        module.load_state_dict(part)
        module.requires_grad_(False).eval()
    return denoiser, text


def make(denoiser: UNet2DConditionModel) -> ControlNetModel:
    """Return the untrained ControlNet: a copy of the encoder, its outputs zero."""
    return ControlNetModel.from_unet(denoiser, conditioning_embedding_out_channels=(8, 16, 32, 48))


def _edges(first: int) -> np.ndarray[Any, Any]:
    pictures = data.pictures()[first : first + _CHUNK]
    maps = [np.asarray(canny(Image.fromarray(np.asarray(p))).convert("L")) for p in pictures]
    return np.packbits(np.stack(maps) > 127, axis=-1)


def draw_edges() -> None:
    """Write the edge maps, one bit a pixel: (count, 128, 16) uint8."""
    if EDGES.exists():
        return
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        np.save(EDGES, np.concatenate([*pool.map(_edges, range(0, COUNT, _CHUNK))]))


def maps(packed: Any, chosen: list[int]) -> Tensor:
    """Return edge maps as the pipeline prepares them: (n, 3, 128, 128) in 0..1."""
    bits = np.unpackbits(packed[chosen], axis=-1).astype(np.float32)
    return torch.from_numpy(bits)[:, None].expand(-1, 3, -1, -1).contiguous()


def train(steps: int = STEPS) -> None:
    """Train, or go on from the last checkpoint. Prints a line every hundred steps."""
    torch.manual_seed(19)
    draw_edges()
    packed, latents, scenes = np.load(EDGES), unet.load_latents(), data.scenes(COUNT)
    denoiser, text = frozen()
    model = make(denoiser)
    for module in (denoiser, model):
        module.set_attn_processor(AttnProcessor())
    optimiser = torch.optim.AdamW(model.parameters(), PEAK_LR, betas=(0.9, 0.99))
    first = resume(CHECKPOINT, model, optimiser)
    rng, alphas = random.Random(19 + first), unet.scheduler().alphas_cumprod.float()
    began, recent = time.time(), []
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, PEAK_LR, warm=50)
        chosen = [rng.randrange(COUNT) for _ in range(BATCH)]
        texts = ["" if rng.random() < EMPTY else caption(scenes[i], rng) for i in chosen]
        with torch.no_grad():
            hidden = text(torch.tensor([tokenizer.encode(t) for t in texts])).last_hidden_state
        loss = _loss(denoiser, model, latents[chosen].float(), hidden, maps(packed, chosen), alphas)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        recent.append(loss.item())
        if step % 100 == 99:
            seconds = time.time() - began
            print(f"controlnet {step + 1} v {np.mean(recent):.4f} {seconds:.0f}s", flush=True)
            recent = []
            save(CHECKPOINT, model, optimiser, step + 1)


def _loss(
    denoiser: UNet2DConditionModel,
    model: ControlNetModel,
    clean: Tensor,
    hidden: Tensor,
    edges: Tensor,
    alphas: Tensor,
) -> Tensor:
    steps = torch.randint(0, 1000, (len(clean),))
    noise = torch.randn_like(clean)
    alpha = alphas[steps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    wanted = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    with torch.autocast("cpu", dtype=torch.bfloat16):
        down, middle = model(noisy, steps, hidden, edges, return_dict=False)
        guess = denoiser(
            noisy,
            steps,
            hidden,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample.float()
    return (guess - wanted).square().mean()


def trained() -> ControlNetModel:
    """Return the trained ControlNet."""
    model = make(frozen()[0])
    model.load_state_dict(torch.load(CHECKPOINT, weights_only=True)["model"])
    return model.eval()
