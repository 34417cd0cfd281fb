"""Builds matches from reasons."""

from __future__ import annotations

from guardrail.contracts import Span
from guardrail.policy.interface import Match
from guardrail.policy.rules.reasons import Reason


def match(
    reason: Reason,
    span: Span | None,
    *,
    matched: str | None = None,
    view: str | None = None,
    score: float | None = None,
    threshold: float | None = None,
) -> Match:
    """Return the match that says ``reason`` about ``span``."""
    return Match(
        reason.code,
        reason.sentence,
        span=span,
        matched=matched,
        view=view,
        score=score,
        threshold=threshold,
        remediation=reason.remediation,
    )
