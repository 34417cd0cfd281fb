"""What a pipeline returned, as pictures; numbers that are none are a failure, not black pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from guardrail.errors import BackendError


def as_pictures(returned: Any, size: tuple[int, int]) -> list[Image.Image]:
    """Return the pictures of a pipeline's output, each RGB, RGBA or L and of ``size``.

    ``returned`` is an array of shape (images, height, width, channels) in 0..1, or a list of
    pictures from a pipeline that gives nothing else. Arrays are looked at first: cast to bytes,
    not-a-number becomes black, and a failure passes for a picture.

    Raises :class:`BackendError` for anything that is not a picture of that size.
    """
    pictures = _decode(returned) if isinstance(returned, np.ndarray) else list(returned)
    if not pictures or not all(isinstance(picture, Image.Image) for picture in pictures):
        raise BackendError("The model did not return pictures.")
    other = next((picture.size for picture in pictures if picture.size != size), None)
    if other:
        raise BackendError(
            f"The model returned {other[0]}x{other[1]} pixels instead of {size[0]}x{size[1]}.",
            hint=f"Ask for {other[0]}x{other[1]}.",
        )
    return [p if p.mode in ("RGB", "RGBA", "L") else p.convert("RGB") for p in pictures]


def _decode(array: np.ndarray[Any, Any]) -> list[Image.Image]:
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4):
        raise BackendError("The model did not return pictures.")
    if not np.isfinite(array).all():
        raise BackendError(
            "The model returned not-a-number instead of pixels.",
            hint="Half precision overflowed, most likely: load it with dtype bfloat16 or float32.",
        )
    # The same rounding as diffusers' own conversion, so the pixels are the same to the byte.
    pixels = (array * 255).round().astype(np.uint8)
    return [Image.fromarray(p[..., 0] if p.shape[-1] == 1 else p) for p in pixels]
