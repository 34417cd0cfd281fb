"""Finds many phrases in all views of a text at once (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick

from guardrail.policy.normalise import View, fold, spaceless, squeeze

MAX_INFLECTION = 3
"""Letters that may follow a phrase in a script that inflects names (Russian, Korean, ...)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One phrase found: which, where in the original text, and in which view."""

    phrase: int
    """Index of the phrase."""
    start: int
    end: int
    view: str


class PhraseIndex:
    """An immutable set of phrases. A phrase matches whole words, however they are spaced."""

    def __init__(self, phrases: Sequence[str], *, folded: bool = False) -> None:
        self._folded = list(phrases) if folded else [fold(phrase) for phrase in phrases]
        pairs = [(text, number) for number, text in enumerate(self._folded) if text]
        self._numbers = [number for _, number in pairs]
        self._plain = AhoCorasick([text for text, _ in pairs], store_patterns=False)
        self._squeezed: AhoCorasick | None = None

    def hits(self, views: Sequence[View]) -> Iterator[Hit]:
        """Yield every phrase in every view; the same place may be found in several."""
        for view in views:
            for number, start, end in self._automaton(view).find_matches_as_indexes(
                view.text, overlapping=True
            ):
                if _whole_words(view, start, end):
                    yield Hit(self._numbers[number], *view.span(start, end), view.name)

    def _automaton(self, view: View) -> AhoCorasick:
        if view.name != "squeezed":
            return self._plain
        if self._squeezed is None:  # few prompts need it
            squeezed = [squeeze(self._folded[number]) for number in self._numbers]
            self._squeezed = AhoCorasick(squeezed, store_patterns=False)
        return self._squeezed


def _whole_words(view: View, start: int, end: int) -> bool:
    first, last = view.text[start], view.text[end - 1]
    begins = view.starts[start] or spaceless(first)
    if not begins:
        return False
    if view.ends[end - 1] or spaceless(last):
        return True
    if last.isascii():
        return False
    return any(view.ends[end : end + MAX_INFLECTION])
