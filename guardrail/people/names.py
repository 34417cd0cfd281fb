"""Finds people of the register in a text by name, in every view of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from guardrail.people.register import Person, load_register
from guardrail.text import PhraseIndex, View

CONTEXT = "*"
"""Ends an alias that is also an ordinary word or name: alone it proves nothing."""


class Form(StrEnum):
    """What of a person was found."""

    NAME = "name"
    ALIAS = "alias"
    SCRIPT = "script"
    ROLE = "role"


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


@dataclass(frozen=True, slots=True)
class _Entry:
    person: Person
    form: Form
    text: str
    needs_context: bool


class NameIndex:
    """An immutable index over people; safe to share between threads."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._entries = [entry for person in people for entry in _entries(person)]
        self._index = PhraseIndex([entry.text for entry in self._entries])

    def hits(self, views: Sequence[View]) -> Iterator[NameHit]:
        """Yield every name, alias and role found; the same place may be found in several views."""
        for hit in self._index.hits(views):
            entry = self._entries[hit.phrase]
            yield NameHit(
                entry.person,
                entry.form,
                entry.text,
                hit.start,
                hit.end,
                hit.view,
                entry.needs_context,
            )


@lru_cache(maxsize=1)
def load_name_index() -> NameIndex:
    """Return the index over the shipped register, built once a process."""
    return NameIndex(load_register())


def _entries(person: Person) -> Iterator[_Entry]:
    mononym = " " not in person.name and f"{person.name}{CONTEXT}" in person.aliases
    yield _Entry(person, Form.NAME, person.name, mononym)
    for alias in person.aliases:
        yield _Entry(person, Form.ALIAS, alias.removesuffix(CONTEXT), alias.endswith(CONTEXT))
    for name in person.scripts:
        yield _Entry(person, Form.SCRIPT, name, False)
    for role in person.roles:
        yield _Entry(person, Form.ROLE, role, False)
