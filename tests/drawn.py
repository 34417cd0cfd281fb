"""A backend without torch: pictures computed from the seed. For tests of the flow around it."""

from __future__ import annotations

import hashlib
import time

import numpy as np
from PIL import Image

from guardrail.backends import Defaults, Progress
from guardrail.contracts import GeneratedImage, GenerationRequest, ModelIdentity

WEIGHTS = hashlib.sha256(b"drawn").hexdigest()


class DrawnBackend:
    """Draws a gradient for each seed; ``step_seconds`` makes it as slow as a model."""

    def __init__(self, *, step_seconds: float = 0.0, blank: tuple[int, ...] = ()) -> None:
        self.step_seconds = step_seconds
        self.blank = blank
        """Seeds whose picture comes out black, as a failing model's would."""
        self.requests: list[GenerationRequest] = []
        self.identity = ModelIdentity("drawn", None, WEIGHTS, {"drawn.bin": WEIGHTS}, "Drawn")
        self.defaults = Defaults(width=64, height=64, steps=4, guidance_scale=3.0, multiple=8)

    def generate(
        self, request: GenerationRequest, *, on_progress: Progress | None = None
    ) -> tuple[GeneratedImage, ...]:
        """Make one image for each seed."""
        self.requests.append(request)
        for step in range(request.steps):
            time.sleep(self.step_seconds)
            if on_progress:
                on_progress(step + 1, request.steps)
        return tuple(self._one(request, index, seed) for index, seed in enumerate(request.seeds))

    def _one(self, request: GenerationRequest, index: int, seed: int) -> GeneratedImage:
        rng = np.random.default_rng(seed)
        shape = (request.height, request.width, 3)
        pixels = rng.integers(0, 255, shape, dtype=np.uint8)
        if seed in self.blank:
            pixels[:] = 0
        return GeneratedImage(
            image=Image.fromarray(pixels),
            seed=seed,
            index=index,
            reproduction={
                "pipeline_class": "Drawn",
                "scheduler": {"class": "None", "config": {}},
                "parameters": {
                    "width": request.width,
                    "height": request.height,
                    "num_inference_steps": request.steps,
                    "guidance_scale": request.guidance_scale,
                    "scheduler": request.scheduler,
                },
                "batch": {
                    "size": request.count,
                    "seeds": [str(s) for s in request.seeds],
                    "index": index,
                },
            },
            milliseconds=1.0,
        )
