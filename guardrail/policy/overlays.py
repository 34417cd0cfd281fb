"""Does an overlay only tighten? Compared with what it extends, at effective values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guardrail.policy.compare import Change, Subject, compare
from guardrail.policy.document import Kind, ResolvedPolicy
from guardrail.policy.effective import Checks, effective_rules, resolved
from guardrail.policy.files import Written
from guardrail.policy.resolve import Merged, merge
from guardrail.policy.source import Problem
from guardrail.policy.tightening import Direction

ALLOWED = (Direction.TIGHTER, Direction.NEUTRAL)


def loosenings(documents: Sequence[Written], checks: Checks) -> Iterator[Problem]:
    """Yield what the overlays of a lineage do besides tightening, where they do it.

    ``documents`` have no other fault.
    """
    for number, written in enumerate(documents):
        if written.document.kind is Kind.OVERLAY:
            before, _ = _meaning(documents[:number], checks)
            after, merged = _meaning(documents[: number + 1], checks)
            for change in compare(before, after):
                if change.direction not in ALLOWED:
                    yield _refusal(change, written, merged)


def _meaning(documents: Sequence[Written], checks: Checks) -> tuple[ResolvedPolicy, Merged]:
    merged = merge(documents)
    return resolved(documents[-1].document, merged, effective_rules(merged, checks)), merged


def _refusal(change: Change, written: Written, merged: Merged) -> Problem:
    what = ".".join((change.name, *change.part))
    how = "loosens" if change.direction is Direction.LOOSER else "may loosen"
    text = f"an overlay can only tighten; this {how} {what}"
    if change.direction is Direction.UNCLEAR:
        text += " (add a rule of your own instead)"
    if change.subject is Subject.RULE:
        return merged.rules[change.name].problem(change.part, text)
    return written.source.problem((change.name, *change.part), text)
