"""``phrases``: words and phrases that a policy lists, found however they are disguised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.reasons import PHRASE
from guardrail.text import PhraseIndex, fold

Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PhrasesOptions(CheckOptions):
    """``with:`` of a ``phrases`` rule."""

    phrases: tuple[Phrase, ...] = Field(min_length=1, max_length=100_000)
    """What to find, as whole words; ``fals*`` also finds longer words. Case, spacing, diacritics,
    look-alike letters and digits for letters do not matter."""
    allow: tuple[Phrase, ...] = ()
    """Longer phrases inside which a listed one is harmless."""


class Phrases:
    """Finds listed phrases in every view of every text."""

    Options = PhrasesOptions

    def __init__(self, options: PhrasesOptions) -> None:
        empty = next((p for p in (*options.phrases, *options.allow) if not fold(p)), None)
        if empty is not None:
            raise ValueError(f"phrases: {empty!r} holds no letter or digit")
        self._phrases = options.phrases
        self._index = PhraseIndex(options.phrases)
        self._allowed = PhraseIndex(options.allow) if options.allow else None

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield each phrase once a place, in the first view that shows it."""
        for text in texts:
            allowed = (
                [(h.start, h.end) for h in self._allowed.hits(text.views)] if self._allowed else []
            )
            seen = set()
            for hit in self._index.hits(text.views):
                inside = any(a <= hit.start and hit.end <= b for a, b in allowed)
                if inside or (hit.phrase, hit.start) in seen:
                    continue
                seen.add((hit.phrase, hit.start))
                span = Span(hit.start, hit.end, text.field)
                yield match(PHRASE, span, matched=self._phrases[hit.phrase], view=hit.view)
