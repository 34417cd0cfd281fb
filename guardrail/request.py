"""Turns a caller's arguments into a :class:`GenerationRequest`: defaults filled in, ranges
checked, one seed, one record and one destination an image."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from guardrail.backends.interface import Defaults
from guardrail.contracts import GenerationRequest
from guardrail.errors import ConfigurationError
from guardrail.guidance import canvas_size, guidance_of
from guardrail.identifiers import SEED_MAX, check_seed, new_id, new_seed
from guardrail.presets import styled

MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
MAX_COUNT = 64
MAX_NAME = 255
"""Characters of a tenant or a purpose, which the record's queries go by."""
MAX_PIXELS = 8192
MAX_STEPS = 1000


class Options(TypedDict, total=False):
    """What a caller may say about a generation besides the prompt. Left out or None means: the
    model's default."""

    negative_prompt: str | None
    seed: int | None
    """0..2**64-1, of the first image; a batch takes seed, seed + 1, ... (modulo 2**64). Drawn
    from the system's entropy, and recorded, when left out."""
    width: int | None
    """Pixels."""
    height: int | None
    """Pixels."""
    steps: int | None
    """Denoising steps, 1..1000."""
    guidance_scale: float | None
    """0..100."""
    scheduler: str | None
    """A name such as ``ddim``, ``dpmpp-2m``, ``euler``, or a diffusers class name."""
    image: Any
    """A picture to change: a path, the bytes of a file, or a Pillow image. The result has its
    size, unless ``width`` or ``height`` say otherwise."""
    mask: Any
    """A picture of the size of ``image``: white is drawn anew (inpainting)."""
    outpaint: tuple[int, int, int, int] | None
    """Pixels to add to ``image`` on the left, top, right and bottom (outpainting)."""
    strength: float | None
    """How much of ``image`` is redrawn, above 0 to 1."""
    keep_outside: bool
    """Whether what the mask leaves out stays as it was, to the byte. Default: true."""
    control: Any
    """A picture whose edges guide the drawing, for a model with a ControlNet."""
    control_kind: str
    """``edges`` (default): find the edges of ``control``. ``map``: use it as it is."""
    control_scale: float | None
    """Weight of ``control``, 0..2."""
    aspect_ratio: str | None
    """``portrait``, ``landscape``, ... or ``W:H``, at about the model's native area."""
    style: str | None
    """The name of a style preset, which is worked into the prompt before it is judged."""
    count: int
    """Images to make, 1..64; each has its own seed and record."""
    actor: str | None
    """Who asks, for the record; personal data, erasable."""
    tenant: str | None
    purpose: str | None
    metadata: Mapping[str, Any]
    """JSON data of the caller's own, kept with the record."""
    output: str | Path | None
    """A file to write; its ending decides the format. Several images are numbered."""
    overwrite: bool


def build_request(prompt: str, given: Options, defaults: Defaults) -> GenerationRequest:
    """Return the request that ``given`` means for a model with ``defaults``.

    Raises :class:`ConfigurationError` naming the argument, before anything is recorded, and
    ``TypeError`` for an argument that does not exist.
    """
    unknown = sorted(set(given) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    _check_texts(prompt, given)
    count = _whole("count", given.get("count", 1), 1, MAX_COUNT)
    asked, unwanted = styled(given.get("style"), prompt, given.get("negative_prompt"))
    guidance = guidance_of(given)
    width, height = canvas_size(given, guidance, defaults)
    return GenerationRequest(
        request_id=new_id(),
        record_ids=tuple(new_id() for _ in range(count)),
        prompt=asked,
        negative_prompt=unwanted,
        width=_whole("width", width, 1, MAX_PIXELS),
        height=_whole("height", height, 1, MAX_PIXELS),
        steps=_whole("steps", _or(given.get("steps"), defaults.steps), 1, MAX_STEPS),
        guidance_scale=_guidance(_or(given.get("guidance_scale"), defaults.guidance_scale)),
        scheduler=given.get("scheduler"),
        seeds=_seeds(given.get("seed"), count),
        actor=given.get("actor"),
        tenant=given.get("tenant"),
        purpose=given.get("purpose"),
        metadata=_metadata(given.get("metadata", {})),
        mode=guidance.mode,
        inputs=guidance.inputs,
        strength=guidance.strength,
        outpaint=guidance.outpaint,
        keep_outside=guidance.keep_outside,
        control_scale=guidance.control_scale,
        destinations=_destinations(given.get("output"), count, given.get("overwrite", False)),
    )


def media_type_of(destination: str | Path) -> str:
    """Return the media type for a file name. Raises :class:`ConfigurationError`."""
    suffix = Path(destination).suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise ConfigurationError(
            f"Pictures cannot be written as {suffix or 'a file without an ending'}.",
            hint=f"End the file name in one of: {', '.join(MEDIA_TYPES)}.",
        )
    return MEDIA_TYPES[suffix]


def _check_texts(prompt: str, given: Options) -> None:
    names = ("negative_prompt", "actor", "tenant", "purpose", "scheduler", "style", "aspect_ratio")
    for name, value in (("prompt", prompt), *((name, given.get(name)) for name in names)):
        if not isinstance(value, str) and (value is not None or name == "prompt"):
            raise ConfigurationError(f"{name} must be text, not {type(value).__name__}.")
        if name in ("tenant", "purpose") and value and len(value) > MAX_NAME:
            raise ConfigurationError(f"{name} must be at most {MAX_NAME} characters long.")


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigurationError(f"{name} must be a whole number from {low} to {high}.")
    return value


def _guidance(scale: Any) -> float:
    if not isinstance(scale, int | float) or not math.isfinite(scale) or not 0 <= scale <= 100:
        raise ConfigurationError("guidance_scale must be a number from 0 to 100.")
    return float(scale)


def _seeds(seed: int | None, count: int) -> tuple[int, ...]:
    if seed is None:
        return tuple(new_seed() for _ in range(count))
    try:
        check_seed(seed)
    except ValueError as error:
        raise ConfigurationError(f"seed: {error}.") from error
    return tuple((seed + offset) % (SEED_MAX + 1) for offset in range(count))


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            "metadata must be JSON data: text, numbers, lists and objects with text keys."
        ) from error
    return copied


def _destinations(output: str | Path | None, count: int, overwrite: bool) -> tuple[str, ...]:
    if output is None:
        return ()
    path = Path(output).expanduser().absolute()
    media_type_of(path)
    if not path.parent.is_dir():
        raise ConfigurationError(f"The folder {path.parent} does not exist.", hint="Make it first.")
    paths = [path] if count == 1 else [numbered(path, n) for n in range(1, count + 1)]
    taken = next((p for p in paths if p.exists()), None)
    if taken is not None and not overwrite:
        raise ConfigurationError(
            f"{taken} exists already.", hint="Choose another name, or allow it to be overwritten."
        )
    return tuple(str(p) for p in paths)


def numbered(path: Path, number: int) -> Path:
    """Return ``out-2.png`` for ``out.png`` and 2."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}")
