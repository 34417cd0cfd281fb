"""Why a policy decides as it does: how a text is read, and what each rule made of it."""

from __future__ import annotations

from dataclasses import dataclass

from guardrail.contracts import Decision, Finding, GenerationRequest, Mode, Stage
from guardrail.policy.engine import Policy
from guardrail.policy.texts import texts_of


@dataclass(frozen=True, slots=True)
class Reading:
    """One normalised view of one text."""

    field: str
    """Which text: ``prompt``, ``negative_prompt``."""
    view: str
    text: str


@dataclass(frozen=True, slots=True)
class RuleStory:
    """What one rule did with a request."""

    rule_id: str
    check: str
    mode: Mode
    applied: bool
    """False when it did not run."""
    why_not: str | None
    """Why it did not run."""
    findings: tuple[Finding, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with everything behind it."""

    decision: Decision
    readings: tuple[Reading, ...]
    rules: tuple[RuleStory, ...]
    """Every rule of the policy, in order; those that did not run say why."""


def explain_decision(policy: Policy, request: GenerationRequest) -> Explanation:
    """Decide about ``request`` and tell every step. Nothing is recorded."""
    decision = policy.decide(request)
    if decision.not_inspected:
        stories = tuple(_idle(policy, "the request was refused before any rule ran"))
        return Explanation(decision, (), stories)
    texts = texts_of(request)
    readings = tuple(
        Reading(text.field, view.name, view.text) for text in texts for view in text.views
    )
    outcomes = {outcome.rule.id: outcome for outcome in policy.examine(request, texts)}
    stories = tuple(
        RuleStory(
            rule_id=idle.rule_id,
            check=idle.check,
            mode=idle.mode,
            applied=outcomes[idle.rule_id].applied,
            why_not=None if outcomes[idle.rule_id].applied else "its 'when' does not hold",
            findings=outcomes[idle.rule_id].findings,
            milliseconds=round(outcomes[idle.rule_id].milliseconds, 3),
        )
        if idle.rule_id in outcomes
        else idle
        for idle in _idle(policy, None)
    )
    return Explanation(decision, readings, stories)


def _idle(policy: Policy, why: str | None) -> list[RuleStory]:
    """Return the story of every rule as if it did not run."""
    return [
        RuleStory(
            rule_id=rule.id,
            check=rule.check,
            mode=rule.mode,
            applied=False,
            why_not=_why_idle(rule.mode, rule.stage) or why,
            findings=(),
            milliseconds=0.0,
        )
        for rule in policy.document.rules
    ]


def _why_idle(mode: Mode, stage: Stage) -> str | None:
    if mode is Mode.OFF:
        return "it is off"
    return f"it looks at pictures ({stage})" if stage is not Stage.PROMPT else None
