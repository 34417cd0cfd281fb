"""Finds people of a register in a text: by name in every view of it, misspelt, or by role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from guardrail.people.compile import (
    ROLE,
    SHIPPED,
    SURNAME,
    Kind,
    Variant,
)
from guardrail.people.compiled import Compiled
from guardrail.people.misspelling import misspellings
from guardrail.people.register import Person
from guardrail.people.roles import canonical, occurrences, with_barriers, words_of
from guardrail.people.table import PREFIX
from guardrail.text import View
from guardrail.text.scripts import ending_may_follow

MAX_NAME = 48
"""Letters of the longest name that is looked for."""
MIN_GLUED = 8
"""Letters a name of several words has at least to be found inside one longer word."""


class Form(StrEnum):
    """What of a person was found."""

    NAME = "name"
    ALIAS = "alias"
    SCRIPT = "script"
    ROLE = "role"
    SURNAME = "surname"


_FORMS = (Form.NAME, Form.ALIAS, Form.SCRIPT, Form.ROLE)


@dataclass(frozen=True, slots=True)
class NameHit:
    """One person found: who, by which form, where in the original text."""

    person: Person
    form: Form
    matched: str
    """The register's own spelling."""
    start: int
    end: int
    view: str
    needs_context: bool = False
    """True for a form that is also an ordinary word or another person's name."""


class NameIndex:
    """An immutable index over people; safe to share between threads."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._find = compiled.table.find
        self._may_begin = compiled.table.may_begin

    @classmethod
    def open(cls, path: Path) -> NameIndex:
        """Open a compiled register. Raises :class:`ConfigurationError`."""
        return cls(Compiled.open(path))

    def __len__(self) -> int:
        return len(self._compiled)

    def hits(self, views: Sequence[View]) -> Iterator[NameHit]:
        """Yield every name and alias, each place once, in the first view that shows it."""
        seen: set[tuple[int, int, int]] = set()
        for view in views:
            for start, end, value in self._in_view(view):
                hit = (*view.span(start, end), value >> 2)
                if hit not in seen:
                    seen.add(hit)
                    yield self._hit(value >> 2, hit[0], hit[1], view.name)

    def _in_view(self, view: View) -> Iterator[tuple[int, int, int]]:
        wanted = _VARIANTS.get(view.name, _EXACT)
        text, may_begin = view.text, self._may_begin
        starts = [i for i, flag in enumerate(view.starts) if flag]
        ends = _word_ends(view)
        for start in starts:
            limit = start + MAX_NAME
            if may_begin(text[start : start + PREFIX]):
                at = _after(ends, start)
                while at < len(ends) and ends[at] <= limit:
                    yield from self._values(text, start, ends[at], wanted)
                    at += 1
            else:
                for end in (start + 1, start + 2, start + 3):
                    if end <= len(text) and view.ends[end - 1]:
                        yield from self._values(text, start, end, wanted)
        if view.name in _WHOLE:
            yield from self._glued(view)

    def _values(
        self, text: str, start: int, end: int, wanted: frozenset[int]
    ) -> Iterator[tuple[int, int, int]]:
        for value in self._find(text[start:end]):
            if value & 3 in wanted:
                yield start, end, value

    def _glued(self, view: View) -> Iterator[tuple[int, int, int]]:
        """Names of several words inside one long word, as in hashtags."""
        text = view.text
        for begin, after in _long_words(view):
            for start in range(begin, after - MIN_GLUED + 1):
                if self._may_begin(text[start : start + PREFIX]):
                    for end in range(start + MIN_GLUED, min(after, start + MAX_NAME) + 1):
                        for value in self._find(text[start:end]):
                            flags = self._compiled.entry(value >> 2)[1]
                            if value & 3 == Variant.EXACT and flags & Kind.SEVERAL_WORDS:
                                yield start, end, value

    def misspelt(self, text: str) -> Iterator[NameHit]:
        """Yield names that one edit turns into a name of the register: a letter left out, put in,
        replaced, or two neighbours swapped."""
        for found in misspellings(self._compiled, text):
            yield self._hit(found.entry, found.start, found.end, "misspelt")

    def roles(self, text: str) -> Iterator[NameHit]:
        """Yield people described by an office, a role or a work."""
        words = words_of(text)
        for at, word in enumerate(words):
            for number in self._find(ROLE + word.text):
                for role in _role(self._compiled, number):
                    span = occurrences(role, words, at)
                    if span is None:
                        continue
                    yield self._hit(number, *span, "plain")

    def of_surname(self, surname: str) -> Iterator[Person]:
        """Yield people whose last name is ``surname``, folded, the register's first ones first."""
        for number in self._find(SURNAME + surname):
            yield self._compiled.person(self._compiled.entry(number)[0])

    def _hit(self, number: int, start: int, end: int, view: str) -> NameHit:
        person, flags = self._compiled.entry(number)
        return NameHit(
            self._compiled.person(person),
            _FORMS[flags & 3],
            self._compiled.text(number),
            start,
            end,
            view,
            bool(flags & Kind.NEEDS_CONTEXT),
        )


_EXACT = frozenset({int(Variant.EXACT)})
_VARIANTS = {
    "squeezed": frozenset({int(Variant.EXACT), int(Variant.SQUEEZED)}),
    "stemmed": frozenset({int(Variant.EXACT), int(Variant.STEMMED)}),
}
_WHOLE = frozenset({"plain", "leet", "leet-l", "skeleton", "skeleton-leet", "squeezed"})


def _word_ends(view: View) -> list[int]:
    """Positions after which a name can end, in order."""
    if view.text.isascii():
        return [i + 1 for i, flag in enumerate(view.ends) if flag]
    found = []
    for index, char in enumerate(view.text):
        if view.ends[index] or any(view.ends[index + 1 : index + 1 + ending_may_follow(char)]):
            found.append(index + 1)
    return found


def _long_words(view: View) -> Iterator[tuple[int, int]]:
    """Stretches that stand together in the original, whatever their capitals."""
    origin, begin = view.origin, 0
    for index in range(1, len(view.text) + 1):
        if index == len(view.text) or origin[index] > origin[index - 1] + 1:
            if index - begin > MIN_GLUED and view.text[begin:index].isascii():
                yield begin, index
            begin = index


def _after(ends: Sequence[int], start: int) -> int:
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if ends[middle] <= start:
            low = middle + 1
        else:
            high = middle
    return low


@lru_cache(maxsize=8192)
def _role(compiled: Compiled, number: int) -> tuple[tuple[str, ...], ...]:
    text = compiled.text(number)
    return tuple(dict.fromkeys((canonical(text), with_barriers(text))))


@lru_cache(maxsize=1)
def load_name_index() -> NameIndex:
    """Return the index over the shipped register, opened once a process."""
    return NameIndex.open(SHIPPED)
