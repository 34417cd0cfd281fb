"""The pictures a request brings along, how they guide it, and what size the result has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardrail.backends.interface import Defaults
from guardrail.errors import ConfigurationError
from guardrail.inputs import InputPicture, InputRole
from guardrail.pictures import MAX_SIDE, read_picture
from guardrail.presets import aspect_ratio

CONTROL_KINDS = {"edges": InputRole.CONTROL_EDGES, "map": InputRole.CONTROL_MAP}


@dataclass(frozen=True, slots=True)
class Guidance:
    """What guides a generation besides words."""

    mode: str
    inputs: tuple[InputPicture, ...] = ()
    strength: float | None = None
    outpaint: tuple[int, int, int, int] | None = None
    keep_outside: bool = True
    control_scale: float | None = None

    def picture(self, *roles: InputRole) -> InputPicture | None:
        """The input in one of ``roles``, if any."""
        return next((picture for picture in self.inputs if picture.role in roles), None)


def guidance_of(given: Mapping[str, Any]) -> Guidance:
    """Read the pictures among a caller's options, and decide the mode.

    Raises :class:`ConfigurationError` for a picture that cannot be used, and for options that
    need one that is not there.
    """
    image = _read(given, "image", InputRole.IMAGE)
    mask = _read(given, "mask", InputRole.MASK)
    control = _read(given, "control", _control_role(given.get("control_kind", "edges")))
    outpaint = _borders(given.get("outpaint"))
    for name in ("mask", "outpaint", "strength"):
        if image is None and given.get(name) is not None:
            raise ConfigurationError(f"{name} needs an image.", hint="Give the picture as image.")
    if control is None and given.get("control_scale") is not None:
        raise ConfigurationError("control_scale needs a control picture.")
    if mask and outpaint:
        raise ConfigurationError("A request takes a mask or outpaint, not both.")
    if image and mask and mask.image.size != image.image.size:
        sizes = ("x".join(map(str, p.image.size)) for p in (mask, image))
        raise ConfigurationError(
            "The mask has {} pixels and the image {}.".format(*sizes),
            hint="Make the mask the size of the image.",
        )
    return Guidance(
        mode=_mode(image, mask, outpaint),
        inputs=tuple(picture for picture in (image, mask, control) if picture),
        strength=_number(given, "strength", 1.0, above=True),
        outpaint=outpaint,
        keep_outside=bool(given.get("keep_outside", True)),
        control_scale=_number(given, "control_scale", 2.0, above=False),
    )


def canvas_size(
    given: Mapping[str, Any], guidance: Guidance, defaults: Defaults
) -> tuple[Any, Any]:
    """Return the width and height of the result, in pixels.

    Without a word about it: the image's size with its added borders; the model's native area in
    the proportions of the control picture; else the model's native size. Raises
    :class:`ConfigurationError` for two statements that exclude each other.
    """
    width, height, ratio = (given.get(name) for name in ("width", "height", "aspect_ratio"))
    image = guidance.picture(InputRole.IMAGE)
    if ratio is not None and (image or width is not None or height is not None):
        raise ConfigurationError("aspect_ratio excludes an image, a width and a height.")
    if guidance.outpaint and image:
        if width is not None or height is not None:
            raise ConfigurationError("With outpaint, the borders decide the size.")
        left, top, right, bottom = guidance.outpaint
        return image.image.width + left + right, image.image.height + top + bottom
    if image:
        return _fitted(width, height, image.image.size)
    control = guidance.picture(*CONTROL_KINDS.values())
    if ratio is not None:
        native = _of_native_area(aspect_ratio(ratio), defaults)
    elif control and width is None and height is None:
        native = _of_native_area(control.image.size, defaults)
    else:
        native = defaults.width, defaults.height
    return native[0] if width is None else width, native[1] if height is None else height


def _read(given: Mapping[str, Any], name: str, role: InputRole) -> InputPicture | None:
    source = given.get(name)
    return None if source is None else read_picture(source, role)


def _control_role(kind: Any) -> InputRole:
    if kind not in CONTROL_KINDS:
        raise ConfigurationError(
            "control_kind is not known.", hint=f"Known: {', '.join(CONTROL_KINDS)}."
        )
    return CONTROL_KINDS[kind]


def _mode(image: Any, mask: Any, outpaint: Any) -> str:
    if image is None:
        return "text-to-image"
    if outpaint:
        return "outpainting"
    return "inpainting" if mask else "image-to-image"


def _borders(borders: Any) -> tuple[int, int, int, int] | None:
    if borders is None:
        return None
    try:
        left, top, right, bottom = borders
    except (TypeError, ValueError) as error:
        raise ConfigurationError("outpaint must be four whole numbers.") from error
    sides = (left, top, right, bottom)
    if any(isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MAX_SIDE for n in sides):
        raise ConfigurationError(f"outpaint must be four whole numbers from 0 to {MAX_SIDE}.")
    if not any(sides):
        raise ConfigurationError("outpaint adds nothing.", hint="Give at least one side pixels.")
    return sides


def _number(given: Mapping[str, Any], name: str, most: float, *, above: bool) -> float | None:
    """A number from 0 to ``most``; ``above`` excludes 0."""
    value = given.get(name)
    if value is None:
        return None
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
    if not fits or (above and value == 0):
        least = "above 0 and" if above else "from 0 and"
        raise ConfigurationError(f"{name} must be a number {least} up to {most:g}.")
    return float(value)


def _fitted(width: Any, height: Any, size: tuple[int, int]) -> tuple[Any, Any]:
    """The size asked for; the other side follows the picture's proportions."""
    if width is None and height is None:
        return size
    if height is None and isinstance(width, int):
        return width, max(1, round(size[1] * width / size[0]))
    if width is None and isinstance(height, int):
        return max(1, round(size[0] * height / size[1])), height
    return width, height


def _of_native_area(ratio: tuple[float, float], defaults: Defaults) -> tuple[int, int]:
    """Width and height in a ratio, of about the native area, in the model's multiples."""
    area, proportion = defaults.width * defaults.height, ratio[0] / ratio[1]
    sides = (math.sqrt(area * proportion), math.sqrt(area / proportion))
    step = defaults.multiple
    width, height = (max(step, round(side / step) * step) for side in sides)
    return width, height
