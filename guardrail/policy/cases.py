"""Runs a policy's own tests, and says which of its rules they reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guardrail.contracts import Decision, Mode, Stage
from guardrail.policy.document import Case, PolicyDocument
from guardrail.policy.engine import Policy
from guardrail.policy.probe import probe


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and what came of it."""

    case: Case
    decision: Decision
    faults: tuple[str, ...]
    """What differs from what was expected; empty when it passed."""

    @property
    def passed(self) -> bool:
        """True when everything was as expected."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class CaseReport:
    """The outcome of all cases of one document."""

    results: tuple[CaseResult, ...]
    covered: tuple[str, ...]
    """Rules of the prompt stage that at least one case made find something."""
    uncovered: tuple[str, ...]
    """Rules of the prompt stage that no case reaches."""

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that did not pass."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def coverage(self) -> float:
        """Share of the document's rules that its cases reach, 0..100 percent; 100 when it has
        no rule of the prompt stage."""
        total = len(self.covered) + len(self.uncovered)
        return 100.0 * len(self.covered) / total if total else 100.0


def run_cases(policy: Policy, document: PolicyDocument) -> CaseReport:
    """Run the cases of ``document`` under the policy it resolves to.

    Coverage counts the rules the document itself adds or adjusts and that are not off; a base
    has its own cases for the others.
    """
    results = tuple(_run(policy, case) for case in document.cases)
    own = {rule.id for rule in document.rules} | {change.id for change in document.adjust}
    countable = [
        rule.id
        for rule in policy.document.rules
        if rule.id in own and rule.stage is Stage.PROMPT and rule.mode is not Mode.OFF
    ]
    reached = {f.rule_id for r in results for f in r.decision.findings if not f.failed}
    return CaseReport(
        results,
        covered=tuple(rule for rule in countable if rule in reached),
        uncovered=tuple(rule for rule in countable if rule not in reached),
    )


def _run(policy: Policy, case: Case) -> CaseResult:
    decision = policy.decide(
        probe(
            case.prompt,
            negative_prompt=case.negative_prompt,
            actor=case.actor,
            tenant=case.tenant,
            purpose=case.purpose,
            metadata=case.metadata,
        )
    )
    return CaseResult(case, decision, tuple(_faults(case, decision)))


def _faults(case: Case, decision: Decision) -> Iterator[str]:
    if decision.verdict is not case.expect:
        yield f"expected {case.expect}, got {decision.verdict}{_by(decision)}"
    elif case.rule is not None:
        findings = decision.findings if decision.allowed else decision.deciding
        if case.rule not in {finding.rule_id for finding in findings}:
            yield f"expected the rule {case.rule!r} to find something{_by(decision)}"
    if case.effective_prompt is not None and decision.effective_prompt != case.effective_prompt:
        yield f"expected the prompt {case.effective_prompt!r}, got {decision.effective_prompt!r}"


def _by(decision: Decision) -> str:
    rules = _unique(finding.rule_id for finding in decision.deciding)
    return f" by {', '.join(rules)}" if rules else ""


def _unique(names: Iterator[str]) -> Sequence[str]:
    return list(dict.fromkeys(names))
