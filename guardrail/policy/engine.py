"""Request to decision: runs the rules of one policy and combines what they found.

Verdicts combine by severity (``block > error > review > allow``), never by score, so a further
rule can only make a decision harder. Nothing here depends on a clock, a store or a model.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from guardrail.contracts import (
    CheckSpec,
    Decision,
    Finding,
    GenerationRequest,
    Mode,
    ModelIdentity,
    RuleRun,
    Stage,
    Verdict,
    worst,
)
from guardrail.errors import PolicyError
from guardrail.policy.document import Need, Provenance, ResolvedPolicy
from guardrail.policy.expressions import variables_of
from guardrail.policy.interface import Text
from guardrail.policy.redaction import left_over, nothing_left, redactions
from guardrail.policy.requirements import require_met
from guardrail.policy.rule import CompiledRule, Examined, Outcome
from guardrail.policy.texts import nothing_judged, texts_of, unfit


class Policy:
    """One immutable version of a policy, ready to decide. Thread-safe.

    Made by :func:`guardrail.policy.load_policy`. Raises :class:`PolicyError` when no rule of the
    prompt stage is enforced: a policy that judges nothing would allow everything.
    """

    def __init__(self, resolved: ResolvedPolicy, compiled: Sequence[CompiledRule]) -> None:
        self._resolved = resolved
        self._compiled = tuple(c for c in compiled if c.rule.mode is not Mode.OFF)
        if not any(c.rule.mode is Mode.ENFORCE for c in self._compiled):
            raise PolicyError(
                f"The policy {resolved.id!r} enforces no rule at the prompt stage.",
                hint="Give it a rule with the stage 'prompt' and the mode 'enforce'.",
            )
        self.text = resolved.canonical
        """The canonical content; its SHA-256 is the digest."""
        self.ref = resolved.ref

    @property
    def document(self) -> ResolvedPolicy:
        """What the policy says, at its effective values."""
        return self._resolved

    @property
    def provenance(self) -> Provenance:
        """What the policy decides about a picture's manifest."""
        return self._resolved.provenance

    @property
    def rules(self) -> tuple[CompiledRule, ...]:
        """The rules of the prompt stage that run, in order."""
        return self._compiled

    def require(self, provided: Collection[Need]) -> None:
        """Raise :class:`~guardrail.errors.ConfigurationError` naming every requirement of the
        policy that is neither provided nor assured by the operator."""
        require_met(self._resolved, provided)

    def image_rules(self, stage: Stage) -> tuple[CheckSpec, ...]:
        """Return the rules that look at pictures at ``stage``; those that are off are left out."""
        return tuple(
            CheckSpec(
                rule_id=rule.id,
                check=rule.check,
                stage=rule.stage,
                action=rule.action,
                mode=rule.mode,
                options=rule.options,
                reason=rule.reason or "",
                remediation=rule.remediation,
            )
            for rule in self._resolved.rules
            if rule.stage is stage and stage is not Stage.PROMPT and rule.mode is not Mode.OFF
        )

    def decide(
        self,
        request: GenerationRequest,
        *,
        model: ModelIdentity | None = None,
        consents: Sequence[Mapping[str, Any]] = (),
    ) -> Decision:
        """Judge a request at the prompt stage. Never raises for a refusal.

        ``model`` and ``consents`` are what expressions can read beside the request.
        """
        started = time.perf_counter()
        texts = texts_of(request)
        refused = [f for f in (unfit(text, self._resolved.limits) for text in texts) if f]
        if refused:
            unread = tuple(text.field for text in texts)
            return self._decision(started, refused, (), not_inspected=unread)
        outcomes = self.examine(request, texts, model=model, consents=consents)
        findings = [f for outcome in outcomes for f in outcome.findings]
        runs = tuple(outcome.run for outcome in outcomes if outcome.applied or outcome.findings)
        if not runs:
            findings.append(nothing_judged())
        prompt = request.prompt
        if _verdict(findings) is not Verdict.BLOCK:  # nothing is harder
            for taken_out, prompt in redactions(request.prompt, outcomes):
                again = replace(request, prompt=prompt)
                if prompt:
                    second = self.examine(again, texts_of(again), model=model, consents=consents)
                    findings += left_over((f for o in second for f in o.findings), findings)
                else:
                    findings.append(nothing_left(taken_out))
        inspected = tuple(text.field for text in texts)
        return self._decision(started, findings, runs, inspected=inspected, prompt=prompt)

    def examine(
        self,
        request: GenerationRequest,
        texts: Sequence[Text],
        *,
        model: ModelIdentity | None = None,
        consents: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[Outcome, ...]:
        """Run every rule of the prompt stage, whatever the others found."""
        variables = cache(lambda: variables_of(request, model, consents))
        examined = Examined(request, texts, variables)
        return tuple(rule.examine(examined) for rule in self._compiled)

    def conclude(
        self, stage: Stage, findings: Sequence[Finding], rules: Sequence[RuleRun]
    ) -> Decision:
        """Combine what the image checks found in one picture.

        A rule of the policy that is missing from ``rules`` did not run, and the verdict is
        ``error``: a check that was not made is never taken for passed.
        """
        started = time.perf_counter()
        ran = {run.rule_id for run in rules}
        missing = [s for s in self.image_rules(stage) if s.rule_id not in ran]
        every = [*findings, *(_not_run(spec) for spec in missing)]
        seen = (str(stage),) if rules else ()
        unseen = () if rules else (str(stage),)
        return self._decision(started, every, tuple(rules), inspected=seen, not_inspected=unseen)

    def _decision(
        self,
        started: float,
        findings: Iterable[Finding],
        runs: tuple[RuleRun, ...],
        *,
        inspected: tuple[str, ...] = (),
        not_inspected: tuple[str, ...] = (),
        prompt: str | None = None,
    ) -> Decision:
        found = tuple(findings)
        verdict = _verdict(found)
        return Decision(
            verdict=verdict,
            policy=self.ref,
            findings=found,
            rules=runs,
            inspected=inspected,
            not_inspected=not_inspected,
            effective_prompt=prompt if verdict is Verdict.ALLOW else None,
            milliseconds=round((time.perf_counter() - started) * 1000, 3),
        )


def _verdict(findings: Iterable[Finding]) -> Verdict:
    return worst([Verdict.ALLOW, *(finding.counts for finding in findings)])


def _not_run(spec: CheckSpec) -> Finding:
    return Finding(
        rule_id=spec.rule_id,
        check=spec.check,
        stage=spec.stage,
        action=spec.action,
        mode=spec.mode,
        reason_code="RULE_NOT_RUN",
        reason="The policy asks for this check, and it did not run.",
        remediation="Mend the checks stage; until then nothing is released.",
        failed=True,
    )
