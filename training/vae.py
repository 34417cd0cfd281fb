"""The autoencoder: AutoencoderKL, 128x128 RGB to 16x16x4 latents.

It starts as a linear pass-through (average-pooled RGB in, nearest-upsampled RGB out) and learns
the detail on top. Started at random, so small a network with group normalisation loses the flat
colours, and does not find them again in the time two cores have.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from training import data

CHECKPOINT = data.WORK / "vae.pt"
CHANNELS = (16, 32, 48, 64)
CONSTANT = 8.0
"""Two channels hold +8 and -8, so that normalising over all channels keeps the colours' level."""
CROP = 64
BATCH = 16
STEPS = 4000
PEAK_LR = 1.5e-3


def make() -> AutoencoderKL:
    """Return the untrained autoencoder."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(CHANNELS),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=128,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


@torch.no_grad()
def start_as_pass_through(vae: AutoencoderKL, sample: Tensor) -> None:
    """Set the weights so that the network is a linear average pool and its nearest inverse.

    ``sample``: pictures (n, 3, h, w) in -1..1, to calibrate the two output layers on.
    """
    for part in (vae.encoder, vae.decoder):
        for name, module in part.named_modules():
            if name.endswith("conv2"):
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)
            elif name.endswith("conv_shortcut"):
                _identity(module, 0)
            elif name.endswith("downsamplers.0.conv"):
                module.weight.mul_(0.05)
                for channel in range(5):
                    module.weight[channel] = 0
                    module.weight[channel, channel, :2, :2] = 0.25
                nn.init.zeros_(module.bias)
            elif name.endswith("upsamplers.0.conv"):
                _identity(module, 1)
        _start_conv_in(part.conv_in)
        part.conv_norm_out.bias[:3] = 3.0  # SiLU is near linear there
    for convolution, size in ((vae.quant_conv, 8), (vae.post_quant_conv, 4)):
        convolution.weight.copy_(torch.eye(size)[..., None, None])
        nn.init.zeros_(convolution.bias)
    small = F.avg_pool2d(sample, 8)
    detail = F.avg_pool2d(sample.mean(1, keepdim=True), 8)
    _calibrate(vae.encoder, sample, torch.cat([small, detail], 1), 4)
    vae.encoder.conv_out.bias[4:] = -8.0  # the log-variance: start almost deterministic
    _calibrate(vae.decoder, torch.cat([small, detail], 1), F.interpolate(small, scale_factor=8), 3)


def _identity(convolution: nn.Conv2d, centre: int) -> None:
    convolution.weight.mul_(0.2)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    for channel in range(min(5, *convolution.weight.shape[:2])):
        convolution.weight[channel] = 0
        convolution.weight[channel, channel, centre, centre] = 1


def _start_conv_in(convolution: nn.Conv2d) -> None:
    for channel in range(5):
        convolution.weight[channel] = 0
        convolution.bias[channel] = 0
        if channel < 3:
            convolution.weight[channel, channel, 1, 1] = 1
    convolution.bias[3], convolution.bias[4] = CONSTANT, -CONSTANT


def _calibrate(part: Any, inputs: Tensor, target: Tensor, outputs: int) -> None:
    """Fit the centre tap of ``part.conv_out`` to ``target`` by least squares."""
    seen: list[Tensor] = []
    hook = part.conv_out.register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    part(inputs)
    hook.remove()
    features = seen[0].movedim(1, -1).flatten(0, -2)[:, :3]
    ones = torch.ones(len(features), 1)
    wanted = target.movedim(1, -1).flatten(0, -2)
    known = torch.cat([features, ones], 1).double()
    solution = torch.linalg.solve(known.T @ known, known.T @ wanted.double()).float()
    part.conv_out.weight[:] *= 0.02
    part.conv_out.weight[:outputs, :, :, :] = 0
    part.conv_out.weight[:outputs, :3, 1, 1] = solution[:3].T
    part.conv_out.bias[:] = 0
    part.conv_out.bias[:outputs] = solution[3]


def to_tensor(batch: np.ndarray[Any, Any]) -> Tensor:
    """Return (n, h, w, 3) uint8 as (n, 3, h, w) float in -1..1."""
    return torch.from_numpy(np.array(batch)).movedim(-1, 1).float() / 127.5 - 1


def _crops(pictures: Any, rng: np.random.Generator) -> Tensor:
    """Random crops: the network is convolutional, so small ones teach as well, for less."""
    chosen = np.sort(rng.integers(0, len(pictures), BATCH))
    y, x = rng.integers(0, 128 - CROP + 1, 2)
    return to_tensor(pictures[chosen, y : y + CROP, x : x + CROP])


def loss(output: Tensor, target: Tensor) -> Tensor:
    """L1, gradients (edges), squared error and chroma (difference of channels)."""
    difference = output - target
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    chroma = (difference - difference.mean(1, keepdim=True)).abs().mean()
    return difference.abs().mean() + 0.5 * edges + 2 * difference.square().mean() + 0.3 * chroma


def learning_rate(step: int, steps: int, peak: float, warm: int = 150) -> float:
    """Linear warm-up, then a cosine to two percent of the peak."""
    if step < warm:
        return peak * (step + 1) / warm
    progress = (step - warm) / max(1, steps - warm)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def train(steps: int = STEPS) -> AutoencoderKL:
    """Train, or go on from the last checkpoint. Prints a line every hundred steps."""
    torch.manual_seed(11)
    rng = np.random.default_rng(11)
    pictures = data.pictures()
    vae = make()
    start_as_pass_through(vae, to_tensor(pictures[:32]))
    optimiser = torch.optim.AdamW(vae.parameters(), PEAK_LR, betas=(0.9, 0.99), weight_decay=0.0)
    first = resume(CHECKPOINT, vae, optimiser)
    began = time.time()
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, PEAK_LR)
        target = _crops(pictures, rng)
        posterior = vae.encode(target).latent_dist
        output = vae.decode(posterior.sample()).sample
        total = loss(output, target) + 1e-4 * posterior.kl().mean() / 256
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            l1 = float((output.detach() - target).abs().mean()) / 2
            print(f"vae {step} l1 {l1:.4f} {time.time() - began:.0f}s", flush=True)
        if step % 400 == 399 or step == steps - 1:
            save(CHECKPOINT, vae, optimiser, step + 1)
    return vae.eval()


def resume(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Load a checkpoint if there is one; return the step to go on from."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def save(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
    """Write a checkpoint in one step."""
    partial = path.with_suffix(".partial")
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
    torch.save(state, partial)
    partial.rename(path)
