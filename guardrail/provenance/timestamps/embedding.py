"""Putting a time-stamp into a signed file, in place.

A C2PA signature is a ``COSE_Sign1`` whose unprotected header ends in padding: c2pa-rs leaves 10 kB
for exactly this. The box it lies in is covered by no hash (the signature could not cover itself),
so replacing padding by a time-stamp of the same length changes nothing that was signed
(C2PA 2.2 section 10.3.2.5, ``sigTst2``). The finished file is read back by c2pa-rs afterwards:
a mistake here is a file that does not leave.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SIGNATURE_BOX = b"c2cs\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
_TAG, _ARRAY_4, _NULL = 0xD2, 0x84, b"\xf6"
_PAD = b"\x63pad"
_SPARE = 300
"""So much padding is left that its length is always written with two bytes."""


class NoRoom(Exception):
    """The file has no signature of the expected shape, or too little padding."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the signature lies in the manifest store, and its parts."""

    start: int
    end: int
    protected: bytes
    padding: int
    """Length of the padding."""
    signature: bytes
    """As it is encoded, head included: what a time-stamp is of."""


def message_to_stamp(content: bytes, media_type: str) -> bytes:
    """Return what a time-stamp of this file's signature has to be of: a ``Sig_structure`` around
    the signature, as for a countersignature (RFC 8152 section 4.4). Raises :class:`NoRoom`."""
    slot = _slot(_gather(content, media_type)[0])
    return b"\x84\x70CounterSignature" + slot.protected + b"\x40" + _octets(slot.signature)


def embed(content: bytes, media_type: str, token: bytes) -> bytes:
    """Return the file with the time-stamp in place of padding; same length, same pixels.

    Raises :class:`NoRoom` where it does not fit.
    """
    store, pieces = _gather(content, media_type)
    slot = _slot(store)
    stamp = b"\x67sigTst2\xa1\x69tstTokens\x81\xa1\x63val" + _octets(token)
    left = slot.padding - len(stamp)
    if left < _SPARE:
        raise NoRoom("the time-stamp is larger than the room for it")
    header = b"\xa2" + stamp + _PAD + _octets(b"\x00" * left)
    cose = bytes((_TAG, _ARRAY_4)) + slot.protected + header + _NULL + slot.signature
    if len(cose) != slot.end - slot.start:
        raise NoRoom("the signature has another shape")
    stamped = store[: slot.start] + cose + store[slot.end :]
    return _scatter(content, media_type, pieces, stamped)


def _slot(store: bytes) -> Slot:
    """Find the signature of the active manifest: the last one in the store."""
    box = store.rfind(_SIGNATURE_BOX)
    start = store.find(bytes((_TAG, _ARRAY_4)), box)
    if box < 0 or start < 0:
        raise NoRoom("no signature was found")
    try:
        at = start + 2
        protected_end = _skip_octets(store, at)
        if store[protected_end : protected_end + 5] != b"\xa1" + _PAD:
            raise NoRoom("the signature has another header")
        pad_at = protected_end + 5
        pad_end = _skip_octets(store, pad_at)
        if store[pad_end : pad_end + 1] != _NULL:
            raise NoRoom("the signature has another shape")
        end = _skip_octets(store, pad_end + 1)
    except IndexError as error:
        raise NoRoom("the signature is cut off") from error
    return Slot(
        start=start,
        end=end,
        protected=store[at:protected_end],
        padding=pad_end - pad_at - 3,
        signature=store[pad_end + 1 : end],
    )


def _skip_octets(data: bytes, at: int) -> int:
    """Return the end of the CBOR byte string at ``at``."""
    kind, short = data[at] >> 5, data[at] & 0x1F
    if kind != 2:
        raise NoRoom("the signature has another shape")
    if short < 24:
        return at + 1 + short
    size = {24: 1, 25: 2, 26: 4}.get(short, 0)
    if size == 0:
        raise NoRoom("the signature has another shape")
    return at + 1 + size + int.from_bytes(data[at + 1 : at + 1 + size], "big")


def _octets(content: bytes) -> bytes:
    """Encode a CBOR byte string of up to 64 KiB."""
    length = len(content)
    if length < 24:
        return bytes((0x40 + length,)) + content
    head = bytes((0x58, length)) if length < 256 else b"\x59" + struct.pack(">H", length)
    return head + content


Pieces = list[tuple[int, int]]
"""Where the manifest store lies in a file, as (begin, end); in order."""


def _gather(content: bytes, media_type: str) -> tuple[bytes, Pieces]:
    pieces = list(_FINDERS[media_type](content))
    if not pieces:
        raise NoRoom("no manifest was found")
    return b"".join(content[begin:end] for begin, end in pieces), pieces


def _scatter(content: bytes, media_type: str, pieces: Pieces, store: bytes) -> bytes:
    """Return the file with another store of the same length."""
    made, done = bytearray(content), 0
    for begin, end in pieces:
        made[begin:end] = store[done : done + end - begin]
        done += end - begin
    if media_type == "image/png":
        [(begin, end)] = pieces
        made[end : end + 4] = struct.pack(">I", zlib.crc32(made[begin - 4 : end]))
    return bytes(made)


def _png(content: bytes) -> Iterator[tuple[int, int]]:
    at = 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        if content[at + 4 : at + 8] == b"caBX":
            yield at + 8, at + 8 + length
            return
        at += 12 + length


def _webp(content: bytes) -> Iterator[tuple[int, int]]:
    at = 12
    while at + 8 <= len(content):
        (length,) = struct.unpack("<I", content[at + 4 : at + 8])
        if content[at : at + 4] == b"C2PA":
            yield at + 8, at + 8 + length
            return
        at += 8 + length + length % 2


def _jpeg(content: bytes) -> Iterator[tuple[int, int]]:
    """A manifest store lies in APP11 segments (JPEG XT, ISO 19566-5 annex D), each with its own
    head; all but the first repeat the head of the box."""
    at, head = 2, 12  # marker, length, and CI, En, Z
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        if content[at + 1] == 0xEB and content[at + 4 : at + 6] == b"JP":
            yield at + head, at + 2 + length
            head = 20  # LBox and TBox once more
        at += 2 + length


_FINDERS: dict[str, Callable[[bytes], Iterator[tuple[int, int]]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}
