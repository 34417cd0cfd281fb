"""Takes what ``redact`` rules found out of the prompt.

Taking something out can bring together what stood apart, so every redacted prompt is judged again:
after each rule's redactions, in order, and not only after the last. A further rule can then only
add a judgement, never replace one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from guardrail.contracts import Action, Finding, Mode, Verdict
from guardrail.policy.rule import Outcome


def redactions(text: str, outcomes: Sequence[Outcome]) -> Iterator[tuple[Finding, str]]:
    """Yield ``text`` after the redactions of each rule and all before it, with the finding that
    was taken out first; the last one is what may go to the model."""
    found: list[Finding] = []
    for outcome in outcomes:
        new = [f for f in outcome.findings if _to_redact(f)]
        found += new
        if new:
            yield found[0], redacted(text, found)


def redacted(text: str, findings: Iterable[Finding]) -> str:
    """Return ``text`` with what was found replaced by one space; '' when only blanks are left."""
    spans = sorted((f.span.start, f.span.end) for f in findings if f.span)
    pieces, position = [], 0
    for start, end in spans:
        pieces.append(text[position : max(position, start)])
        position = max(position, end)
    pieces.append(text[position:])
    return " ".join(piece.strip() for piece in pieces if piece.strip())


def left_over(again: Iterable[Finding], before: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return what the rules find in a redacted prompt and did not find before redacting.

    What still had to be redacted is refused; every other rule keeps its own action. Spans are
    dropped: they are positions in a text that the caller never sent.
    """
    known = {f.rule_id for f in before if f.counts is not Verdict.ALLOW}
    return tuple(
        replace(
            finding,
            action=Action.BLOCK if finding.action is Action.REDACT else finding.action,
            reason_code="REDACTION_INCOMPLETE",
            reason=f"Redacting was not enough: {finding.reason}",
            span=None,
        )
        for finding in again
        if finding.mode is Mode.ENFORCE
        and (finding.failed or finding.action is not Action.WARN)
        and (finding.failed or finding.rule_id not in known)
    )


def nothing_left(finding: Finding) -> Finding:
    """Return the refusal of a prompt that redacting emptied; ``finding`` is what took it out."""
    return replace(
        finding,
        action=Action.BLOCK,
        reason_code="NOTHING_LEFT",
        reason=f"The request is refused because nothing else was asked for: {finding.reason}",
    )


def _to_redact(finding: Finding) -> bool:
    enforced = finding.mode is Mode.ENFORCE and not finding.failed
    return finding.action is Action.REDACT and enforced and finding.span is not None
