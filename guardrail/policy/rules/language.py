"""``language``: finds texts in languages that the policy does not cover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.reasons import LANGUAGE
from guardrail.text.languages import LANGUAGES, identify

COVERED = frozenset(["ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pt", "ru", "zh"])
"""Languages in which all shipped checks have vocabulary (ISO 639-1)."""


class LanguageOptions(CheckOptions):
    """``with:`` of a ``language`` rule."""

    covered: frozenset[str] = Field(default=COVERED, min_length=1)
    """ISO 639-1 codes of the languages that the policy covers."""


class Language:
    """Finds texts in a language outside ``covered``."""

    Options = LanguageOptions

    def __init__(self, options: LanguageOptions) -> None:
        unknown = sorted(options.covered - LANGUAGES)
        if unknown:
            raise ValueError(f"covered: {unknown[0]!r} is not one of {' '.join(sorted(LANGUAGES))}")
        self._covered = options.covered

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield at most one match a text, over the whole text."""
        for text in texts:
            language = identify(text.text)
            if language is not None and language not in self._covered:
                span = Span(0, len(text.text), text.field)
                yield match(LANGUAGE, span, matched=language, view="original")
