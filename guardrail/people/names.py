"""Finds people of a register in a text: by name in every view of it, misspelt, or by role."""

from __future__ import annotations

from bisect import bisect_right
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
from guardrail.people.roles import (
    canonical,
    leading_words,
    occurrences,
    with_barriers,
    words_of,
)
from guardrail.people.table import PREFIXES
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


_FEW, _MANY = PREFIXES
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

    @property
    def digest(self) -> str:
        """Which version of the register this is."""
        return self._compiled.digest

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
        text, find = view.text, self._find
        ends = _word_ends(view)
        for start, flag in enumerate(view.starts):
            if not flag:
                continue
            limit, at = start + self._reach(text, start), bisect_right(ends, start)
            while at < len(ends) and ends[at] <= limit:
                for value in find(text[start : ends[at]]):
                    if value & 3 in wanted:
                        yield start, ends[at], value
                at += 1
        if view.name in _WHOLE:
            yield from self._glued(view)

    def _reach(self, text: str, start: int) -> int:
        """How long a name that begins here can be at most."""
        if not self._may_begin(text[start : start + _FEW]):
            return _FEW - 1
        return MAX_NAME if self._may_begin(text[start : start + _MANY]) else _MANY - 1

    def _glued(self, view: View) -> Iterator[tuple[int, int, int]]:
        """Names of several words inside one long word, as in hashtags."""
        text = view.text
        for begin, after in _long_words(view):
            for start in range(begin, after - MIN_GLUED + 1):
                if self._reach(text, start) == MAX_NAME:
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
        if not self._may_hold_roles(text):
            return
        words = words_of(text)
        for at, word in enumerate(words):
            for number in self._compiled.of_word(ROLE + word.text):
                for role in _role(self._compiled, number):
                    span = occurrences(role, words, at)
                    if span is None:
                        continue
                    yield self._hit(number, *span, "plain")

    def _may_hold_roles(self, text: str) -> bool:
        """Whether all words of some role occur at all, in whatever order."""
        there = leading_words(text)
        for word in there:
            for number in self._compiled.of_word(ROLE + word):
                if there.issuperset(_role(self._compiled, number)[0]):
                    return True
        return False

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


@lru_cache(maxsize=8192)
def _role(compiled: Compiled, number: int) -> tuple[tuple[str, ...], ...]:
    text = compiled.text(number)
    return tuple(dict.fromkeys((canonical(text), with_barriers(text))))


@lru_cache(maxsize=1)
def load_name_index() -> NameIndex:
    """Return the index over the shipped register, opened once a process."""
    return NameIndex.open(SHIPPED)
