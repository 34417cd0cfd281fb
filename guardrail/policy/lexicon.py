"""Word lists by meaning and language: how they are written, loaded and found.

A lexicon is a tab-separated file of ``group``, ``language`` and ``phrases`` (separated by ``|``).
A phrase matches whole words in every view of a text; ``fals*`` matches beginnings of words;
``put .. face on`` matches its pieces in this order with at most :data:`GAP` characters between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

from guardrail.policy.interface import Text
from guardrail.text import PhraseIndex, View

FOLDER = Path(__file__).parent / "data"
GAP = 48
"""Characters that may stand between two pieces of one phrase."""
SEPARATOR = " .. "


@dataclass(frozen=True, slots=True)
class Found:
    """One phrase of a lexicon in a text."""

    group: str
    language: str
    phrase: str
    start: int
    end: int
    view: str


@dataclass(frozen=True, slots=True)
class _Phrase:
    group: str
    language: str
    text: str
    pieces: tuple[int, ...]


class Lexicon:
    """An immutable set of phrases in groups; safe to share between threads."""

    def __init__(self, rows: Iterable[tuple[str, str, str]]) -> None:
        numbers: dict[str, int] = {}
        self._by_last: dict[int, list[_Phrase]] = defaultdict(list)
        for group, language, text in rows:
            pieces = tuple(
                numbers.setdefault(piece, len(numbers)) for piece in text.split(SEPARATOR)
            )
            self._by_last[pieces[-1]].append(_Phrase(group, language, text, pieces))
        self._index = PhraseIndex(list(numbers))
        self.groups = frozenset(p.group for found in self._by_last.values() for p in found)
        """The names of all groups."""

    def find(self, views: Sequence[View]) -> dict[str, list[Found]]:
        """Return what was found by group, each place once, in order of position."""
        places: dict[int, dict[tuple[int, int], str]] = defaultdict(dict)
        for hit in self._index.hits(views):
            places[hit.phrase].setdefault((hit.start, hit.end), hit.view)
        ordered = {piece: sorted(spans) for piece, spans in places.items()}
        found: dict[str, list[Found]] = defaultdict(list)
        for last, spans in ordered.items():
            for phrase in self._by_last.get(last, ()):
                for start, end in _joined(phrase.pieces, spans, ordered):
                    view = next(v for (_, e), v in places[last].items() if e == end)
                    found[phrase.group].append(
                        Found(phrase.group, phrase.language, phrase.text, start, end, view)
                    )
        for group in found.values():
            group.sort(key=lambda item: (item.start, -item.end))
        return found


@lru_cache(maxsize=8)
def load_lexicon(name: str) -> Lexicon:
    """Return the shipped lexicon ``data/<name>.tsv``, loaded once a process."""
    return Lexicon(rows((FOLDER / f"{name}.tsv").read_text("utf-8")))


_READ: WeakKeyDictionary[Text, dict[str, dict[str, list[Found]]]] = WeakKeyDictionary()


def find_in(text: Text, name: str, *, plain: bool = False) -> dict[str, list[Found]]:
    """Return what the shipped lexicon ``name`` finds in ``text``, worked out once a text; in its
    plain view only where ``plain`` says so."""
    known = _READ.setdefault(text, {})
    if name not in known:
        known[name] = load_lexicon(name).find(text.views[:1] if plain else text.views)
    return known[name]


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (group, language, phrase) of a lexicon file; ``#`` starts a comment line."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            group, language, phrases = line.split("\t")
            for phrase in phrases.split("|"):
                yield group, language, phrase


def _joined(
    pieces: tuple[int, ...],
    last: list[tuple[int, int]],
    places: dict[int, list[tuple[int, int]]],
) -> Iterator[tuple[int, int]]:
    """Yield the stretches in which the pieces stand in order; the last one's places are given."""
    for start, end in last:
        begin = start
        for piece in reversed(pieces[:-1]):
            before = places.get(piece, [])
            at = bisect_left(before, (begin, begin)) - 1
            while at >= 0 and before[at][1] > begin:
                at -= 1
            if at < 0 or begin - before[at][1] > GAP:
                break
            begin = before[at][0]
        else:
            yield begin, end
