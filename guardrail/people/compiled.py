"""The compiled form of a register: a file that is mapped into memory and looked up in place.

magic, SHA-256 of all that follows the header, five section lengths
people    one register line each, tab-separated
texts     the spelling of each entry
persons   where each line of ``people`` begins, and one past the last
entries   two numbers each: person and flags, where its spelling begins in ``texts``; and an end
table     keys to entries (:mod:`guardrail.people.table`)
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from guardrail.errors import ConfigurationError
from guardrail.people.register import Person, parse_line, write_line
from guardrail.people.table import Table, write_table

MAGIC = b"GRPEOPLE"
_HEADER = struct.Struct("<8s32s6I")
FLAG_BITS = 4
"""Bits of an entry's first number that are flags; the rest numbers its person."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One form of one person, as the compiler writes it."""

    person: int
    flags: int
    text: str


def write_compiled(
    people: Iterable[Person], entries: Sequence[Entry], keys: Mapping[str, int | Sequence[int]]
) -> bytes:
    """Return the compiled form. ``keys`` map to numbers that mean something to the caller."""
    lines, persons = bytearray(), array("I", [0])
    for person in people:
        lines += write_line(replace(person, aliases=(), scripts=(), roles=())).encode()
        persons.append(len(lines))
    texts, numbers = bytearray(), array("I")
    for entry in entries:
        numbers.extend((entry.person << FLAG_BITS | entry.flags, len(texts)))
        texts += entry.text.encode()
    numbers.extend((0, len(texts)))
    if sys.byteorder == "big":
        persons.byteswap()
        numbers.byteswap()
    sections = [bytes(lines), bytes(texts), persons.tobytes(), numbers.tobytes()]
    sections.append(write_table(keys))
    content = b"".join(sections)
    digest = hashlib.sha256(content).digest()
    return _HEADER.pack(MAGIC, digest, *(len(s) for s in sections), 0) + content


class Compiled:
    """A compiled register, opened. Safe to share between threads."""

    def __init__(self, data: memoryview) -> None:
        """Open ``data``. Raises :class:`ConfigurationError` when it is no compiled register."""
        if len(data) < _HEADER.size or data[:8] != MAGIC:
            raise ConfigurationError("The file is not a compiled register of people.")
        _, digest, *lengths, _ = _HEADER.unpack_from(data)
        at, cuts = _HEADER.size, []
        for length in lengths:
            cuts.append(data[at : at + length])
            at += length
        if len(data) < at:
            raise ConfigurationError("The compiled register of people is cut off.")
        self.digest: str = digest.hex()
        """SHA-256 of the content as it was compiled: which version this is."""
        self._lines, self._texts = cuts[0], cuts[1]
        self._persons, self._entries = (_numbers(cut) for cut in cuts[2:4])
        self.table = Table(cuts[4])
        """Keys to the numbers that the compiler gave."""
        self.person = lru_cache(maxsize=4096)(self._person)
        self.text = lru_cache(maxsize=4096)(self._text)
        self.of_word = lru_cache(maxsize=32_768)(self._of_word)

    @classmethod
    def open(cls, path: Path) -> Compiled:
        """Map the file at ``path`` into memory. Raises :class:`ConfigurationError`."""
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"The compiled register {path.name} cannot be read."
            ) from error
        return cls(memoryview(mapped))

    def entry(self, number: int) -> tuple[int, int]:
        """Return the person's number and the flags of an entry."""
        packed = self._entries[2 * number]
        return packed >> FLAG_BITS, packed & ((1 << FLAG_BITS) - 1)

    def _of_word(self, key: str) -> tuple[int, ...]:
        """What stands for a marked word; prompts share most of their words."""
        return tuple(self.table.find(key))

    def _text(self, number: int) -> str:
        begin, end = self._entries[2 * number + 1], self._entries[2 * number + 3]
        return bytes(self._texts[begin:end]).decode()

    def _person(self, number: int) -> Person:
        begin, end = self._persons[number], self._persons[number + 1]
        return parse_line(bytes(self._lines[begin:end]).decode(), f"person {number}")

    def __len__(self) -> int:
        return len(self._persons) - 1


def _numbers(cut: memoryview) -> memoryview:
    if sys.byteorder == "little":
        return cut.cast("I")
    part = array("I", bytes(cut))
    part.byteswap()
    return memoryview(part)
