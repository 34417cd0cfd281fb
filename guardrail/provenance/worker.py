"""What runs in the confined child: take a file, parse it, send back what it says as JSON."""

from __future__ import annotations

import io
import json
import struct
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from guardrail.provenance.encoding import pixels_sha256, plain
from guardrail.provenance.native import Reading, Unreadable, read

LENGTH = struct.Struct(">Q")
"""Each part of a message is preceded by its length."""
_DECODED = ("PNG", "JPEG", "WEBP")
_MAX_WRITTEN = 64 * 1024
"""Bytes of a file it may write: its last words."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What parsing one file gave."""

    outcome: Reading | Unreadable | None
    """None: it carries no manifest."""
    pixels_sha256: str | None = None


def parse_here(content: bytes, media_type: str | None, anchors: str | None) -> Parsed:
    """Parse a file in this very process: for files that were made here."""
    return Parsed(read(content, media_type, anchors), _pixels(content))


def serve() -> None:
    """Answer until the input ends. Each answer follows the limits its question came with."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while (head := _part(source)) is not None:
        content = _part(source) or b""
        asked = json.loads(head)
        _limit(asked)
        reply = json.dumps(_answer(content, asked)).encode()
        target.write(LENGTH.pack(len(reply)) + reply)
        target.flush()


def _answer(content: bytes, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        parsed = parse_here(content, asked["media_type"], asked["anchors"])
    except MemoryError:
        return {"unreadable": "Limits"}
    data: dict[str, Any] = {"pixels_sha256": parsed.pixels_sha256}
    if isinstance(parsed.outcome, Unreadable):
        data["unreadable"] = parsed.outcome.kind
    elif parsed.outcome is not None:
        data |= {
            "state": parsed.outcome.state,
            "store": json.dumps(parsed.outcome.store),
            "crjson": parsed.outcome.crjson,
        }
    return data


def _part(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return source.read(LENGTH.unpack(head)[0])


def _limit(asked: Mapping[str, Any]) -> None:
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + asked["seconds"]) + 1
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: _MAX_WRITTEN,
    }
    if size := _address_space():
        limits[resource.RLIMIT_AS] = size + asked["memory"]
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _address_space() -> int | None:
    """Return the address space of this process in bytes, where the system tells (Linux)."""
    try:
        with open("/proc/self/statm", "rb") as stream:  # noqa: PTH123 (once per file: be quick)
            pages = int(stream.read().split()[0])
    except OSError:
        return None
    import resource  # noqa: PLC0415

    return pages * resource.getpagesize()


def _pixels(content: bytes) -> str | None:
    """Decode and hash the pixels; None for whatever is not a picture we decode."""
    from PIL import Image  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # A picture of more than 89 million pixels: not decoded, whatever it claims to be.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_DECODED) as image:
                return pixels_sha256(plain(image))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 (Pillow raises anything on damaged files; absence is the answer)
        return None
