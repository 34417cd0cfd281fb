"""Sharpens the decoder on fixed latents, beside the denoiser's training.

The encoder, and with it the space the denoiser learns, stays as it is. A little noise on the
latents makes the decoder forgive what a denoiser gets not quite right.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from training import data, unet, vae

CHECKPOINT = data.WORK / "decoder.pt"
CELLS = 9
"""Side of a crop, in latent cells of eight pixels."""
BATCH = 16
STEPS = 4500
PEAK_LR = 8e-4
NOISE = 0.02
"""Deviation of the noise, in units of each channel's own."""


def train(steps: int = STEPS) -> None:
    """Train, or go on from the last checkpoint. Prints a line every hundred steps."""
    torch.manual_seed(16)
    rng = np.random.default_rng(16)
    pictures = data.pictures()
    stored = torch.load(unet.LATENTS, weights_only=True)
    latents, deviation = stored["latents"], stored["deviation"].view(1, -1, 1, 1)
    model = vae.make()
    model.load_state_dict(torch.load(vae.CHECKPOINT, weights_only=True)["model"])
    parameters = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    optimiser = torch.optim.AdamW(parameters, PEAK_LR, betas=(0.9, 0.99), weight_decay=0.0)
    first = vae.resume(CHECKPOINT, model, optimiser)
    began = time.time()
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = vae.learning_rate(step, steps, PEAK_LR)
        chosen = np.sort(rng.integers(0, len(pictures), BATCH))
        y, x = (int(i) for i in rng.integers(0, 16 - CELLS + 1, 2))
        clean = latents[chosen, :, y : y + CELLS, x : x + CELLS].float()
        target = vae.to_tensor(pictures[chosen, 8 * y : 8 * (y + CELLS), 8 * x : 8 * (x + CELLS)])
        noisy = clean + NOISE * deviation * torch.randn_like(clean)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model.decode(noisy).sample.float()
        total = _loss(output, target)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            l1 = float((output.detach() - target).abs().mean()) / 2
            print(f"decoder {step} l1 {l1:.4f} {time.time() - began:.0f}s", flush=True)
        if step % 500 == 499 or step == steps - 1:
            vae.save(CHECKPOINT, model, optimiser, step + 1)


def _loss(output: Tensor, target: Tensor) -> Tensor:
    """The autoencoder's loss, with more weight on edges."""
    difference = output - target
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return vae.loss(output, target) + edges


def trained() -> AutoencoderKL:
    """Return the autoencoder with the sharpest decoder there is, latents not yet normalised."""
    model = vae.make()
    path = CHECKPOINT if CHECKPOINT.exists() else vae.CHECKPOINT
    model.load_state_dict(torch.load(path, weights_only=True)["model"])
    return model.eval()
