"""A request's pictures as the model needs them, and its answer as the caller asked for it.

Models take sizes in multiples of a few pixels. The canvas is the asked-for size rounded up, the
borders repeat the picture's edge, and what is beyond the asked-for size is cut off again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from guardrail.backends.edges import canny
from guardrail.contracts import GenerationRequest
from guardrail.inputs import InputRole

MASKED = 128
"""Grey level from which a mask counts as white."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What the model is given, each picture of ``size``; None where the request has none."""

    size: tuple[int, int]
    """Width and height in pixels, multiples of what the model takes."""
    wanted: tuple[int, int]
    """Width and height of the result."""
    image: Image.Image | None = None
    mask: Image.Image | None = None
    """L, only black and white: white is drawn anew."""
    control: Image.Image | None = None
    keep_outside: bool = False

    def result(self, drawn: Image.Image) -> Image.Image:
        """Return what the model drew, cut to the wanted size; what the mask leaves out is the
        input's, to the byte, where that was asked for."""
        if self.keep_outside and self.image and self.mask:
            drawn = Image.composite(drawn.convert("RGB"), self.image, self.mask)
        return drawn if drawn.size == self.wanted else drawn.crop((0, 0, *self.wanted))


def canvas_for(request: GenerationRequest, multiple: int) -> Canvas:
    """Return the canvas of a request for a model that takes multiples of ``multiple`` pixels."""
    wanted = (request.width, request.height)
    width, height = (-(-side // multiple) * multiple for side in wanted)
    image, mask = _painted(request, wanted)
    return Canvas(
        size=(width, height),
        wanted=wanted,
        image=None if image is None else _padded(image, (width, height)),
        mask=None if mask is None else _padded(mask, (width, height)),
        control=_control(request, wanted, (width, height)),
        keep_outside=request.keep_outside,
    )


def _painted(
    request: GenerationRequest, wanted: tuple[int, int]
) -> tuple[Image.Image | None, Image.Image | None]:
    """The picture to start from and the mask, in the wanted size."""
    given, masked = request.input(InputRole.IMAGE), request.input(InputRole.MASK)
    if given is None:
        return None, None
    if request.outpaint:
        return _extended(given.image, request.outpaint)
    image = _sized(given.image, wanted, Image.Resampling.LANCZOS)
    if masked is None:
        return image, None
    mask = masked.image.point(lambda level: 255 if level >= MASKED else 0)
    return image, _sized(mask, wanted, Image.Resampling.NEAREST)


def _extended(
    image: Image.Image, borders: tuple[int, int, int, int]
) -> tuple[Image.Image, Image.Image]:
    """The picture with borders that repeat its edge, and a mask that is white there."""
    left, top, right, bottom = borders
    around = [(top, bottom), (left, right)]
    extended = np.pad(np.asarray(image), [*around, (0, 0)], "edge")
    mask = np.pad(np.zeros((image.height, image.width), np.uint8), around, constant_values=255)
    return Image.fromarray(extended), Image.fromarray(mask)


def _control(
    request: GenerationRequest, wanted: tuple[int, int], size: tuple[int, int]
) -> Image.Image | None:
    edges = request.input(InputRole.CONTROL_EDGES)
    if edges is not None:
        found = canny(_sized(edges.image, wanted, Image.Resampling.LANCZOS))
        return _padded(found, size, mode="constant")
    given = request.input(InputRole.CONTROL_MAP)
    if given is None:
        return None
    return _padded(_sized(given.image, wanted, Image.Resampling.BILINEAR), size)


def _sized(image: Image.Image, size: tuple[int, int], filter_: Image.Resampling) -> Image.Image:
    return image if image.size == size else image.resize(size, filter_)


def _padded(image: Image.Image, size: tuple[int, int], mode: Any = "edge") -> Image.Image:
    if image.size == size:
        return image
    around = [(0, size[1] - image.height), (0, size[0] - image.width)]
    pixels = np.asarray(image)
    return Image.fromarray(np.pad(pixels, around + [(0, 0)] * (pixels.ndim - 2), mode))
