"""Finds people of a register in a text: by name in every view of it, misspelt, or by role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import OSA

from guardrail.people.compile import (
    NEAR,
    ROLE,
    SHIPPED,
    SURNAME,
    WORD,
    Kind,
    Variant,
    shortened,
    words_of_name,
)
from guardrail.people.compiled import Compiled
from guardrail.people.register import Person
from guardrail.people.roles import canonical, occurrences, words_of
from guardrail.people.table import PREFIX
from guardrail.text import View

MAX_NAME = 48
"""Letters of the longest name that is looked for."""
MIN_GLUED = 8
"""Letters a name of several words has at least to be found inside one longer word."""
MIN_LONE = 6
"""Letters a lone name has at least for its misspellings to count."""
INFLECTION = 3
"""Letters that may follow a name in a script that writes endings on (Korean, Hindi, ...)."""


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
            yield from self._glued(view, starts)

    def _values(
        self, text: str, start: int, end: int, wanted: frozenset[int]
    ) -> Iterator[tuple[int, int, int]]:
        for value in self._find(text[start:end]):
            if value & 3 in wanted:
                yield start, end, value

    def _glued(self, view: View, starts: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Names of several words inside one long word, as in hashtags."""
        text = view.text
        for begin, after in zip(starts, [*starts[1:], len(text)], strict=False):
            if after - begin <= MIN_GLUED or not text[begin:after].isascii():
                continue
            for start in range(begin, after - MIN_GLUED + 1):
                if self._may_begin(text[start : start + PREFIX]):
                    for end in range(start + MIN_GLUED, min(after, start + MAX_NAME) + 1):
                        for value in self._find(text[start:end]):
                            flags = self._compiled.entry(value >> 2)[1]
                            if value & 3 == Variant.EXACT and flags & Kind.SEVERAL_WORDS:
                                yield start, end, value

    def misspelt(self, view: View) -> Iterator[NameHit]:
        """Yield names that one edit turns into a name of the register: a letter left out, put in,
        replaced, or two neighbours swapped. ``view`` is the plain one."""
        words = _words(view)
        for at, (word, start, end) in enumerate(words):
            for number in self._find(WORD + word):
                found = self._one_edit_off(number, words, at)
                if found:
                    yield self._hit(number, *view.span(*found), "misspelt")
            if end - start >= MIN_LONE - 1 and not self._find(WORD + word):
                yield from self._lone(view, word, start, end)

    def _lone(self, view: View, word: str, start: int, end: int) -> Iterator[NameHit]:
        for key in shortened(word):
            for number in self._find(NEAR + key):
                name = words_of_name(self._compiled.text(number))[0]
                if len(name) >= MIN_LONE and OSA.distance(name, word, score_cutoff=1) == 1:
                    yield self._hit(number, *view.span(start, end), "misspelt")

    def _one_edit_off(
        self, number: int, words: Sequence[tuple[str, int, int]], at: int
    ) -> tuple[int, int] | None:
        name = _name_words(self._compiled, number)
        place = name.index(words[at][0])
        first = at - place
        if first < 0 or first + len(name) > len(words):
            return None
        edits = 0
        for wanted, (word, _, _) in zip(name, words[first : first + len(name)], strict=True):
            if wanted != word:
                edits += OSA.distance(wanted, word, score_cutoff=1)
                if edits > 1 or len(wanted) < 3 or len(word) < 2:
                    return None
        return (words[first][1], words[first + len(name) - 1][2]) if edits == 1 else None

    def roles(self, text: str) -> Iterator[NameHit]:
        """Yield people described by an office, a role or a work."""
        words = words_of(text)
        for at, word in enumerate(words):
            for number in self._find(ROLE + word.text):
                span = occurrences(_role(self._compiled, number), words, at)
                if span:
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
        near = view.ends[index] or (
            not char.isascii() and any(view.ends[index + 1 : index + 1 + INFLECTION])
        )
        if near:
            found.append(index + 1)
    return found


def _after(ends: Sequence[int], start: int) -> int:
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if ends[middle] <= start:
            low = middle + 1
        else:
            high = middle
    return low


def _words(view: View) -> list[tuple[str, int, int]]:
    begins = [i for i, flag in enumerate(view.starts) if flag]
    return [
        (view.text[start:end], start, end)
        for start, end in zip(begins, [*begins[1:], len(view.text)], strict=False)
    ]


@lru_cache(maxsize=8192)
def _name_words(compiled: Compiled, number: int) -> tuple[str, ...]:
    return tuple(words_of_name(compiled.text(number)))


@lru_cache(maxsize=8192)
def _role(compiled: Compiled, number: int) -> tuple[str, ...]:
    return canonical(compiled.text(number))


@lru_cache(maxsize=1)
def load_name_index() -> NameIndex:
    """Return the index over the shipped register, opened once a process."""
    return NameIndex.open(SHIPPED)
