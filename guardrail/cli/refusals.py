"""How a refusal is told, on a terminal and as data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from guardrail.cli.output import Output
from guardrail.contracts import Decision
from guardrail.errors import DecisionFailed, PolicyBlocked, ReviewRequired


@contextmanager
def refusals_as_data(output: Output) -> Iterator[None]:
    """Write a refusal's decision and record to standard output before it becomes an exit code."""
    try:
        yield
    except (PolicyBlocked, ReviewRequired, DecisionFailed) as refusal:
        output.data({"decision": refusal.decision, "record_id": refusal.record_id})
        for line in explain(refusal.decision):
            output.line(line)
        if refusal.record_id:
            output.note(f"record    {refusal.record_id}")
        raise


def explain(decision: Decision) -> Iterator[str]:
    """Say which rules decided, where they matched and what to change. Never repeats the
    prompt; spans are positions in it."""
    for finding in decision.deciding:
        yield f"{decision.verdict}  {finding.rule_id}  {finding.reason_code}"
        yield f"  why     {finding.reason}"
        if finding.span:
            where = f"characters {finding.span.start} to {finding.span.end}"
            yield f"  where   {finding.span.field}, {where}"
        if finding.matched:
            view = f" (seen as {finding.view})" if finding.view else ""
            yield f"  match   {finding.matched}{view}"
        if finding.remediation:
            yield f"  change  {finding.remediation}"
    yield f"policy  {decision.policy.id} {decision.policy.version} {decision.policy.digest}"
