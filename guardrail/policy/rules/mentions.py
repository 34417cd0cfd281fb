"""Every person of the register that a text speaks of, however they are spelled or described.

Shared by the checks that ask about people; worked out once a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

from guardrail.people import NameIndex, load_name_index
from guardrail.people.compile import words_of_name
from guardrail.people.names import Form, NameHit
from guardrail.policy.interface import Text
from guardrail.policy.lexicon import FOLDER
from guardrail.policy.rules.surroundings import Surroundings, Usage, inside
from guardrail.text import PhraseIndex, fold
from guardrail.text.ordinary import ordinary_words

MAX_NAMESAKES = 2
"""People of one occupation who share a surname at most for the surname to mean one of them."""
_NEXT_WORD = re.compile(r"\s+([A-Z][\w'’-]+)")


@dataclass(frozen=True, slots=True)
class Mention:
    """One person in one text."""

    hit: NameHit
    usage: Usage


@dataclass(frozen=True, slots=True)
class Mentions:
    """The people of one text, in order of position, and what the text says around them."""

    found: tuple[Mention, ...]
    surroundings: Surroundings | None
    """None where nobody was found."""


_KNOWN: WeakKeyDictionary[Text, dict[tuple[NameIndex, ...], Mentions]] = WeakKeyDictionary()


def mentions(text: Text, more: tuple[NameIndex, ...] = ()) -> Mentions:
    """Return the people in ``text``, of the shipped register and of ``more``, each place once,
    the longest form that covers it."""
    known = _KNOWN.setdefault(text, {})
    if more not in known:
        known[more] = _mentions(text, (load_name_index(), *more))
    return known[more]


def _mentions(text: Text, indexes: Sequence[NameIndex]) -> Mentions:
    hits: list[NameHit] = []
    for index in indexes:
        hits += [*index.hits(text.views), *index.misspelt(text.text), *index.roles(text.text)]
    surroundings = None
    if hits or _might_introduce(text.text):
        surroundings = Surroundings.of(text)
        for index in indexes:
            hits += _introduced(text.text, surroundings, index)
    if not hits or surroundings is None:
        return Mentions((), None)
    others = _other_meanings(text)
    hits = [hit for hit in hits if not _by_chance(hit, text.text)]
    certain = [hit for hit in hits if not hit.needs_context and not inside(hit, others)]
    named = {hit.person.name for hit in certain}
    for hit in hits:
        if hit.needs_context and not inside(hit, others):
            known = hit.person.name in named and hit.view == "plain"
            if known or surroundings.means_a_person(hit):
                certain.append(hit)
    found = tuple(Mention(hit, surroundings.usage(hit)) for hit in _longest(certain))
    return Mentions(found, surroundings)


def _by_chance(hit: NameHit, text: str) -> bool:
    """Whether ordinary words only happen to spell a name: "salad in a bowl", "a huge tree"."""
    written = text[hit.start : hit.end]
    if hit.form is Form.ROLE or not written[1:].islower():
        return False
    words = [fold(word) for word in written.split()]
    if words == words_of_name(hit.matched):
        return False
    return any(len(word) > 2 for word in words) and all(
        len(word) < 3 or word in ordinary_words() for word in words
    )


def _longest(hits: Sequence[NameHit]) -> Iterator[NameHit]:
    end = -1
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end, hit.view != "plain")):
        if hit.end > end:
            yield hit
            end = hit.end


def _might_introduce(text: str) -> bool:
    return not text.islower() and bool(_NEXT_WORD.search(text))


def _introduced(text: str, surroundings: Surroundings, index: NameIndex) -> Iterator[NameHit]:
    """Surnames behind an occupation that the register knows for them: "President Macron"."""
    for occupation in surroundings.occupations:
        following = _NEXT_WORD.match(text, occupation.end)
        if following:
            people = list(index.of_surname(fold(following.group(1))))
            same = [person for person in people if person.category == occupation.group]
            if 0 < len(same) <= MAX_NAMESAKES:
                yield NameHit(
                    same[0],
                    Form.SURNAME,
                    same[0].name,
                    following.start(1),
                    following.end(1),
                    "plain",
                )


def _other_meanings(text: Text) -> list[tuple[int, int]]:
    return [(hit.start, hit.end) for hit in _homonyms().hits(text.views[:1])]


@lru_cache(maxsize=1)
def _homonyms() -> PhraseIndex:
    lines = (FOLDER / "homonyms.tsv").read_text("utf-8").splitlines()
    return PhraseIndex(
        [
            phrase
            for line in lines
            if line and not line.startswith("#")
            for phrase in line.split("\t")[1].split("|")
        ]
    )
