"""A read-only table from short texts to numbers that is mapped into memory, not read.

Open addressing over CRC-32, linear probing. A million keys are opened as fast as ten; only what
is looked up is touched. All integers are little-endian, 32 bits.

    header   magic, key count, slot count, filter bits, four section lengths
    filter   one bit a hashed prefix of a key: says no to most texts without a look-up
    slots    key number + 1, or 0
    places   where each key begins in ``keys``, and one past the last
    first    where each key's values begin in ``values``, and one past the last
    values   what the keys stand for
    keys     UTF-8, one after the other
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Mapping, Sequence
from zlib import crc32

from guardrail.errors import ConfigurationError

MAGIC = b"GRNAMES1"
PREFIXES = (4, 8)
"""Numbers of first letters of a key that the filter knows; shorter keys count whole."""
_HEADER = struct.Struct("<8s7I")
_LOAD = 2
"""Slots a key, at least."""


def write_table(entries: Mapping[str, int | Sequence[int]]) -> bytes:
    """Return the table for ``entries``. Keys are short; values fit 32 bits."""
    slot_count = 1 << max(4, (len(entries) * _LOAD).bit_length())
    bits = max(1 << 16, slot_count * 4)
    filter_ = bytearray(bits // 8)
    slots, places, first = array("I", bytes(4 * slot_count)), array("I", [0]), array("I", [0])
    values, keys = array("I"), bytearray()
    for number, name in enumerate(sorted(entries), 1):
        key, stands_for = name.encode(), entries[name]
        slot = crc32(key) & (slot_count - 1)
        while slots[slot]:
            slot = (slot + 1) & (slot_count - 1)
        slots[slot] = number
        keys += key
        places.append(len(keys))
        values.extend((stands_for,) if isinstance(stands_for, int) else stands_for)
        first.append(len(values))
        for letters in PREFIXES:
            bit = crc32(name[:letters].encode()) & (bits - 1)
            filter_[bit >> 3] |= 1 << (bit & 7)
    sections = [bytes(filter_), *(_little(part) for part in (slots, places, first, values))]
    header = _HEADER.pack(MAGIC, len(entries), slot_count, bits, len(values), len(keys), 0, 0)
    return header + b"".join(sections) + bytes(keys)


def _little(part: array[int]) -> bytes:
    if sys.byteorder == "big":
        part.byteswap()
    return part.tobytes()


class Table:
    """Looks up keys in a table. Safe to share between threads."""

    def __init__(self, data: memoryview) -> None:
        """Open ``data``. Raises :class:`ConfigurationError` when it is no table."""
        if len(data) < _HEADER.size or data[:8] != MAGIC:
            raise ConfigurationError("The file is not a compiled name index.")
        _, count, slots, bits, values, key_bytes, _, _ = _HEADER.unpack_from(data)
        at = _HEADER.size
        cuts = []
        for size in (bits // 8, 4 * slots, 4 * (count + 1), 4 * (count + 1), 4 * values, key_bytes):
            cuts.append(data[at : at + size])
            at += size
        if len(data) < at:
            raise ConfigurationError("The compiled name index is cut off.")
        self._filter, self._keys = cuts[0], cuts[5]
        self._slots, self._places, self._first, self._values = (
            cut.cast("I") if sys.byteorder == "little" else _swapped(cut) for cut in cuts[1:5]
        )
        self._mask, self._bits = slots - 1, bits - 1
        self.count = count
        """How many keys there are."""
        self.size = at
        """Bytes that the table takes."""

    def may_begin(self, prefix: str) -> bool:
        """Return False when no key begins with ``prefix``, as many letters as one of
        :data:`PREFIXES`, or is it."""
        bit = crc32(prefix.encode()) & self._bits
        return bool(self._filter[bit >> 3] >> (bit & 7) & 1)

    def find(self, key: str) -> Sequence[int]:
        """Return the values of ``key``; none when it is not in the table."""
        wanted = key.encode()
        slots, places, mask = self._slots, self._places, self._mask
        slot = crc32(wanted) & mask
        while number := slots[slot]:
            if self._keys[places[number - 1] : places[number]] == wanted:
                return self._values[self._first[number - 1] : self._first[number]]
            slot = (slot + 1) & mask
        return ()


def _swapped(cut: memoryview) -> memoryview:
    part = array("I", bytes(cut))
    part.byteswap()
    return memoryview(part)
