"""One rule at work: its check, its conditions, and what it found in one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrail.contracts import (
    Action,
    Finding,
    GenerationRequest,
    RuleRun,
    Verdict,
    worst,
)
from guardrail.policy.document import OnError, Rule
from guardrail.policy.expressions import Condition
from guardrail.policy.interface import Match, PromptCheck, Text


@dataclass(frozen=True, slots=True)
class Examined:
    """The texts of one request and what expressions can read about it."""

    request: GenerationRequest
    texts: Sequence[Text]
    variables: Callable[[], Mapping[str, Any]]
    """Made on the first call: few rules have a condition."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule did with one request."""

    rule: Rule
    applied: bool
    """False when its ``when`` did not hold: the rule did not run."""
    findings: tuple[Finding, ...] = ()
    milliseconds: float = 0.0

    @property
    def run(self) -> RuleRun:
        """The outcome as the record keeps it."""
        verdict = worst([Verdict.ALLOW, *(finding.counts for finding in self.findings)])
        return RuleRun(self.rule.id, self.rule.stage, verdict, round(self.milliseconds, 3))


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule of the prompt stage, ready to run. Used from many threads."""

    rule: Rule
    check: PromptCheck
    when: Condition | None = None
    unless: Condition | None = None

    def examine(self, examined: Examined) -> Outcome:
        """Run the rule. Never raises: whatever goes wrong becomes a finding that is not
        ``allow``, because it was not looked at."""
        started = time.perf_counter()
        applied = True
        findings: tuple[Finding, ...] = ()
        try:
            applied = self.when is None or self.when.holds(examined.variables())
            if applied:
                findings = self._findings(examined)
        except Exception as error:  # noqa: BLE001 (see the docstring)
            findings = (self._failed(error),)
        elapsed = (time.perf_counter() - started) * 1000
        return Outcome(self.rule, applied, findings, elapsed)

    def _findings(self, examined: Examined) -> tuple[Finding, ...]:
        matches = list(self.check.examine(examined.texts, examined.request))
        lengths = {text.field: len(text.text) for text in examined.texts}
        for match in matches:
            _require_within(match, lengths)
        exempt = bool(matches and self.unless and self.unless.holds(examined.variables()))
        return tuple(self._finding(match, exempt) for match in matches)

    def _finding(self, match: Match, exempt: bool) -> Finding:
        rule = self.rule
        reason = rule.reason or match.reason
        return Finding(
            rule_id=rule.id,
            check=rule.check,
            stage=rule.stage,
            action=Action.WARN if exempt else _action_on(match, rule.action),
            mode=rule.mode,
            reason_code=match.reason_code,
            reason=f"Exempt under the rule's own exception: {reason}" if exempt else reason,
            remediation=rule.remediation or match.remediation,
            span=match.span,
            matched=match.matched,
            view=match.view,
            score=match.score,
            threshold=match.threshold,
        )

    def _failed(self, error: Exception) -> Finding:
        rule = self.rule
        blocks = rule.on_error is OnError.BLOCK
        return Finding(
            rule_id=rule.id,
            check=rule.check,
            stage=rule.stage,
            action=Action.BLOCK if blocks else rule.action,
            mode=rule.mode,
            reason_code="RULE_FAILED",
            reason=f"The rule could not be evaluated ({type(error).__name__}).",
            remediation="Mend the rule or its check; until then nothing is released.",
            failed=not blocks,
        )


def _require_within(match: Match, lengths: Mapping[str, int]) -> None:
    span = match.span
    if span is not None and not 0 <= span.start < span.end <= lengths.get(span.field, -1):
        raise ValueError("the check reported a span outside the text")


def _action_on(match: Match, action: Action) -> Action:
    """What cannot be taken out of the prompt is refused instead."""
    removable = match.span is not None and match.span.field == "prompt"
    return Action.BLOCK if action is Action.REDACT and not removable else action
