"""Finds many phrases in all views of a text at once (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick

from guardrail.text.normalise import View, fold, squeeze
from guardrail.text.scripts import ending_may_follow

STEM = "*"
"""A phrase that ends in this also matches longer words: ``fals*`` finds ``falsified``."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One phrase found: which, where in the original text, and in which view."""

    phrase: int
    """Index of the phrase."""
    start: int
    end: int
    view: str


class PhraseIndex:
    """An immutable set of phrases. A phrase matches whole words, however they are spaced; one
    that ends in :data:`STEM` matches the beginnings of words."""

    def __init__(self, phrases: Sequence[str]) -> None:
        pairs = [(fold(phrase), number) for number, phrase in enumerate(phrases)]
        self._folded = [text for text, _ in pairs if text]
        self._numbers = [number for text, number in pairs if text]
        self._stems = frozenset(n for n, phrase in enumerate(phrases) if phrase.endswith(STEM))
        self._plain = AhoCorasick(self._folded, store_patterns=False)
        self._squeezed: AhoCorasick | None = None

    def hits(self, views: Sequence[View]) -> Iterator[Hit]:
        """Yield every phrase in every view; the same place may be found in several."""
        for view in views:
            for index, start, end in self._automaton(view).find_matches_as_indexes(
                view.text, overlapping=True
            ):
                number = self._numbers[index]
                if view.starts[start] and (number in self._stems or _finishes(view, end)):
                    yield Hit(number, *view.span(start, end), view.name)

    def _automaton(self, view: View) -> AhoCorasick:
        if view.name != "squeezed":
            return self._plain
        if self._squeezed is None:  # few prompts need it
            squeezed = [squeeze(text) for text in self._folded]
            self._squeezed = AhoCorasick(squeezed, store_patterns=False)
        return self._squeezed


def _finishes(view: View, end: int) -> bool:
    if view.ends[end - 1]:
        return True
    return any(view.ends[end : end + ending_may_follow(view.text[end - 1])])
