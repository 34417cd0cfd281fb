"""Takes what a ``redact`` rule found out of the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from guardrail.contracts import Action, Finding, Mode


def to_redact(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the enforced ``redact`` findings: each has a span in the prompt."""
    return tuple(
        finding
        for finding in findings
        if finding.action is Action.REDACT and finding.mode is Mode.ENFORCE and finding.span
    )


def redacted(text: str, findings: Iterable[Finding]) -> str:
    """Return ``text`` with what was found replaced by one space; '' when only blanks are left."""
    spans = sorted((f.span.start, f.span.end) for f in findings if f.span)
    pieces, position = [], 0
    for start, end in spans:
        pieces.append(text[position : max(position, start)])
        position = max(position, end)
    pieces.append(text[position:])
    return " ".join(piece.strip() for piece in pieces if piece.strip())


def left_over(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the refusals for what the rules still find in the redacted prompt.

    Their spans are dropped: they are positions in a text that the caller never sent.
    """
    return tuple(
        replace(
            finding,
            action=finding.action if finding.failed else Action.BLOCK,
            reason_code="REDACTION_INCOMPLETE",
            reason=f"The request is refused because redacting was not enough: {finding.reason}",
            span=None,
        )
        for finding in findings
        if finding.mode is Mode.ENFORCE and (finding.failed or finding.action is not Action.WARN)
    )


def nothing_left(finding: Finding) -> Finding:
    """Return the refusal of a prompt that redacting emptied; ``finding`` is what took it out."""
    return replace(
        finding,
        action=Action.BLOCK,
        reason_code="NOTHING_LEFT",
        reason=f"The request is refused because nothing else was asked for: {finding.reason}",
    )
