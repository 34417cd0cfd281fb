"""``pattern``: regular expressions in RE2 syntax, which run in linear time whatever they meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import re2
from pydantic import Field

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.reasons import PATTERN

MAX_MEMORY = 8 << 20
"""Bytes a compiled pattern may take; a larger one is refused."""


class PatternOptions(CheckOptions):
    """``with:`` of a ``pattern`` rule."""

    patterns: tuple[str, ...] = Field(min_length=1, max_length=1000)
    """RE2 expressions, searched in the original text."""
    ignore_case: bool = True


class Pattern:
    """Finds RE2 patterns in the original texts."""

    Options = PatternOptions

    def __init__(self, options: PatternOptions) -> None:
        settings = re2.Options()
        settings.case_sensitive = not options.ignore_case
        settings.max_mem = MAX_MEMORY
        settings.log_errors = False
        self._patterns = [
            _compile(number, pattern, settings) for number, pattern in enumerate(options.patterns)
        ]

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield every place a pattern matches."""
        for text in texts:
            for pattern in self._patterns:
                for found in pattern.finditer(text.text):
                    if found.end() > found.start():
                        span = Span(found.start(), found.end(), text.field)
                        yield match(PATTERN, span, matched=pattern.pattern, view="original")


def _compile(number: int, pattern: str, settings: Any) -> Any:
    try:
        compiled = re2.compile(pattern, settings)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode() if isinstance(reason, bytes) else reason
        raise ValueError(f"patterns[{number}]: not an RE2 expression: {reason}") from error
    if compiled.search("") is not None:
        raise ValueError(f"patterns[{number}]: matches the empty text, so it would match anything")
    return compiled
