"""Pictures that people bring in: read within limits, upright, in one colour mode.

A picture file is hostile until proven otherwise. Its format is one of three, its size is read from
the header before a pixel is decoded, and what Pillow raises becomes one sentence.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrail.errors import ConfigurationError
from guardrail.inputs import InputPicture, InputRole

if TYPE_CHECKING:
    from PIL.Image import Image

PictureSource = Any
"""A path (text or ``Path``), the bytes of a file, or a Pillow image."""

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 64 * 2**20
MAX_SIDE = 8192
"""Pixels."""
MAX_PIXELS = 40_000_000
"""Width times height: 120 MB decoded, before the model sees it."""
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
"""8 bits a channel. Others would be clipped or misread by a conversion."""


def read_picture(source: PictureSource, role: InputRole) -> InputPicture:
    """Return a picture, ready for the model, in the role it plays.

    A file's orientation tag is applied, transparency is laid over white, and several frames are
    refused. Raises :class:`ConfigurationError` saying what is wrong with it.
    """
    from PIL import Image as pillow  # noqa: N813, PLC0415 (light commands need no pictures)

    if isinstance(source, pillow.Image):
        _require_size(role, source.size)
        image = _in_mode(role, source)
        digest = pixels_digest(image)
        return InputPicture(role, image, digest, digest)
    content = _content(role, source)
    image = _in_mode(role, _decode(role, content))
    digest = hashlib.sha256(content).hexdigest()
    return InputPicture(role, image, digest, pixels_digest(image), content)


def pixels_digest(image: Image) -> str:
    """Return the SHA-256 of mode, size and raw pixel bytes, hexadecimal."""
    head = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def _content(role: InputRole, source: PictureSource) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif isinstance(source, str | Path):
        path = Path(source).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"There is no {role} file at {path}.")
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read ({error.strerror}).") from error
    else:
        raise ConfigurationError(
            f"The {role} must be a path, the bytes of a file or a Pillow image, "
            f"not {type(source).__name__}."
        )
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"The {role} file is larger than {MAX_BYTES // 2**20} MiB.")
    return content


def _decode(role: InputRole, content: bytes) -> Image:
    """Decode a file whose header promises what the limits allow."""
    from PIL import Image as pillow  # noqa: N813, PLC0415
    from PIL import ImageOps  # noqa: PLC0415

    try:
        with pillow.open(io.BytesIO(content), formats=FORMATS) as opened:
            _require_size(role, opened.size)
            if getattr(opened, "n_frames", 1) != 1:
                raise ConfigurationError(
                    f"The {role} is an animation.", hint="Save one of its frames and use that."
                )
            opened.load()
            return ImageOps.exif_transpose(opened)
    except ConfigurationError:
        raise
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise _too_large(role, "far too many") from error
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise ConfigurationError(
            f"The {role} is not a whole PNG, JPEG or WebP picture ({type(error).__name__})."
        ) from error


def _require_size(role: InputRole, size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < 1 or max(size) > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_large(role, f"{width}x{height}")


def _too_large(role: InputRole, size: str) -> ConfigurationError:
    return ConfigurationError(
        f"The {role} has {size} pixels; it may have up to {MAX_SIDE} a side and "
        f"{MAX_PIXELS // 1_000_000} million in all.",
        hint="Scale it down first.",
    )


def _in_mode(role: InputRole, image: Image) -> Image:
    from PIL import Image as pillow  # noqa: N813, PLC0415

    if image.mode not in _MODES:
        raise ConfigurationError(
            f"The {role} has pixels of the kind {image.mode}, not 8 bits a channel.",
            hint="Convert it to an ordinary RGB or grey picture first.",
        )
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", over.size, "white"), over)
    return image.convert("L" if role is InputRole.MASK else "RGB")
