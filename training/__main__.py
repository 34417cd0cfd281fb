"""Make the embedded model: ``python -m training [STAGE ...]``; without a stage, all in order.

Every stage resumes: what is finished is skipped, what was interrupted goes on. On two cores of
2024 the whole takes about two and a half hours; ``clip`` needs nothing of the others but the
pictures and may run beside them.
"""

from __future__ import annotations

import os
import sys

import torch

from training import data

STAGES = ("pictures", "vae", "latents", "text", "unet", "clip", "probe", "export", "evaluate")


def run(stage: str) -> None:
    """Run one stage. Imports are per stage, so that each starts quickly."""
    if stage == "pictures":
        data.render()
    elif stage == "vae":
        from training import vae

        vae.train()
    elif stage == "latents":
        from training import export, unet

        unet.encode_latents(export.trained_vae())
    elif stage == "text":
        from training import parser

        parser.train()
    elif stage == "unet":
        from training import unet

        unet.train()
    elif stage == "clip":
        from training import clip

        clip.train()
    elif stage == "probe":
        from training import probe

        probe.train()
    elif stage == "export":
        from training import export

        export.export()
    elif stage == "evaluate":
        from training import evaluate

        evaluate.main()
    else:
        raise SystemExit(f"unknown stage {stage!r}; stages: {', '.join(STAGES)}")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("TRAINING_THREADS", "2")))
    for name in sys.argv[1:] or STAGES:
        run(name)
