"""Make the embedded model: ``python -m training [STAGE ...]``; without a stage, all in order.

Every stage resumes: what is finished is skipped, what was interrupted goes on. ``text``, ``clip``
and ``probe`` need nothing but the pictures and may run beside the others. ``TRAINING_THREADS``
sets the threads of one stage (default 2). Times are in ``training/README.md``.
"""

from __future__ import annotations

import importlib
import os
import sys

import torch

STAGES = {
    "pictures": ("training.data", "render"),
    "text": ("training.parser", "train"),
    "vae": ("training.vae", "train"),
    "latents": ("training.export", "encode_latents"),
    "decoder": ("training.decoder", "train"),
    "unet": ("training.unet", "train"),
    "controlnet": ("training.controlnet", "train"),
    "clip": ("training.clip", "train"),
    "probe": ("training.probe", "train"),
    "export": ("training.export", "export"),
    "evaluate": ("training.evaluate", "main"),
}
"""Each stage's module and function; modules are imported when their stage runs."""


def run(stage: str) -> None:
    """Run one stage."""
    if stage not in STAGES:
        raise SystemExit(f"unknown stage {stage!r}; stages: {', '.join(STAGES)}")
    module, function = STAGES[stage]
    getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("TRAINING_THREADS", "2")))
    for name in sys.argv[1:] or STAGES:
        run(name)
