"""Files changed at random, in the ways files are changed: by accident and on purpose."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable

from PIL import Image, ImageFile

from guardrail.provenance.encoding import plain

Mutation = Callable[[random.Random, bytes, bytes], bytes]
"""Takes a source of chance, a file and another file; returns the changed file."""


def flip_bit(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def set_bytes(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    at, size = chance.randrange(len(content)), chance.choice((1, 2, 4, 8, 64))
    return content[:at] + chance.randbytes(size) + content[at + size :]


def set_length(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    """Overwrite four bytes by a number that a length field would hold."""
    at = chance.randrange(max(len(content) - 4, 1))
    value = chance.choice((0, 1, 7, 8, 2**16, 2**31 - 1, 2**31, 2**32 - 1, len(content)))
    return content[:at] + value.to_bytes(4, "big") + content[at + 4 :]


def cut_out(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + content[at + chance.randrange(1, 200) :]


def cut_off(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def repeat(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    at, size = chance.randrange(len(content)), chance.randrange(1, 2000)
    return content[: at + size] + content[at : at + size] + content[at + size :]


def insert(chance: random.Random, content: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + chance.randbytes(chance.randrange(1, 100)) + content[at:]


def splice(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]


def graft(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Put a piece of another file over a piece of this one, at the same place."""
    at = chance.randrange(min(len(content), len(other)))
    size = chance.randrange(1, 4000)
    return content[:at] + other[at : at + size] + content[at + size :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bit, set_bytes, set_length, cut_out, cut_off, repeat, insert, splice, graft,
)  # fmt: skip


def mutate(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Return the file after one to three changes, never the file itself."""
    changed = content
    while changed == content or not changed:
        changed = content
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            if changed:
                changed = chance.choice(MUTATIONS)(chance, changed, other)
    return changed


def lenient_pixels(content: bytes) -> bytes | None:
    """Decode a picture as a forgiving viewer would: checksums of PNG are not looked at, and
    what is missing stays grey. None for what even that cannot show."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP"))
            return plain(image).tobytes()
    except Exception:  # noqa: BLE001 (whatever Pillow raises: not shown)
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
