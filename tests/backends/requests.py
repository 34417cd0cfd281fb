"""Requests to a backend, and what came out of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from PIL.Image import Image

from guardrail.contracts import GeneratedImage, GenerationRequest
from guardrail.identifiers import new_id


def request(**changes: Any) -> GenerationRequest:
    """A small request; ``changes`` replace its fields."""
    base = GenerationRequest(
        request_id=new_id(),
        record_ids=(new_id(),),
        prompt="a red house",
        width=64,
        height=64,
        steps=2,
        guidance_scale=3.0,
        seeds=(7,),
    )
    return replace(base, **changes)


def pixels(image: GeneratedImage) -> str:
    """The SHA-256 of the raw pixels."""
    return hashlib.sha256(image.image.tobytes()).hexdigest()


def largest_difference(first: Image, second: Image) -> int:
    """The largest difference of any channel of any pixel, 0..255."""
    pair = (np.asarray(image, dtype=np.int16) for image in (first, second))
    return int(np.abs(np.subtract(*pair)).max())
