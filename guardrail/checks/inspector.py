"""Runs the policy's image rules over a batch, and fails closed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guardrail.checks.concepts import Concepts
from guardrail.checks.integrity import PictureIntegrity
from guardrail.checks.interface import ImageCheck, Observation
from guardrail.contracts import (
    Action,
    CheckSpec,
    Finding,
    GeneratedImage,
    ImageReport,
    JsonObject,
    Mode,
    RuleRun,
    Stage,
    Verdict,
)
from guardrail.errors import CheckError, GuardrailError
from guardrail.plugins import load_plugins

if TYPE_CHECKING:
    from PIL.Image import Image

CHECKS: Mapping[str, Callable[[Mapping[str, Any]], ImageCheck]] = {
    "concepts": Concepts,
    "picture_integrity": PictureIntegrity,
}
MODEL_SAFETY_RULE = "core.model-safety-checker"


class Inspector:
    """The image checks of one policy, constructed once and used for every picture.

    Raises :class:`CheckError` at construction when a rule names a check that does not exist or
    whose model cannot be loaded: that is better learnt at start than at the first picture.
    """

    def __init__(self, specs: Sequence[CheckSpec]) -> None:
        factories = dict(CHECKS) | load_plugins("guardrail.checks", reserved=CHECKS)
        self._checks: list[tuple[CheckSpec, ImageCheck]] = []
        for spec in specs:
            if spec.mode is Mode.OFF:
                continue
            if spec.check not in factories:
                raise CheckError(
                    f"The rule {spec.rule_id!r} asks for the image check {spec.check!r}, "
                    "which is not installed.",
                    hint=f"Installed: {', '.join(sorted(factories))}.",
                )
            self._checks.append((spec, _construct(spec, factories[spec.check])))

    def inspect(self, images: Sequence[GeneratedImage]) -> tuple[ImageReport, ...]:
        """Return one report for each generated picture, in order; the model's own safety checker
        is one of its rules. Never raises: a check that cannot run becomes a failed finding,
        which makes the verdict ``error``."""
        own = [_model_safety(image) for image in images]
        return self._reports([image.image for image in images], own)

    def look(self, pictures: Sequence[Image]) -> tuple[ImageReport, ...]:
        """Return one report for each picture that a request brings along. Never raises."""
        return self._reports(pictures, None)

    def _reports(
        self, pictures: Sequence[Image], own: list[_Entry] | None
    ) -> tuple[ImageReport, ...]:
        columns = [self._run(spec, check, pictures) for spec, check in self._checks]
        columns += [own] if own is not None else []
        models = {
            spec.rule_id: model
            for spec, check in self._checks
            if (model := getattr(check, "model", None))
        }
        rows = zip(*columns, strict=True) if columns else ((),) * len(pictures)
        return tuple(_report(row, models) for row in rows)

    def _run(self, spec: CheckSpec, check: ImageCheck, images: Sequence[Image]) -> list[_Entry]:
        started = time.perf_counter()
        try:
            observations = list(check.observe(images))
            if len(observations) != len(images):
                raise CheckError("The check did not answer for every picture.")
            judged = [_judge(spec, observation) for observation in observations]
        except Exception as error:  # noqa: BLE001 (whatever it is, it was not looked at)
            judged = [(_failed(spec, type(error).__name__), {})] * len(images)
        each = (time.perf_counter() - started) * 1000 / max(1, len(images))
        return [
            _Entry(finding, _rule_run(spec, finding, each), scores) for finding, scores in judged
        ]


class _Entry:
    """One rule's outcome for one picture."""

    __slots__ = ("finding", "run", "scores")

    def __init__(self, finding: Finding | None, run: RuleRun, scores: Mapping[str, float]) -> None:
        self.finding, self.run, self.scores = finding, run, scores


def _construct(spec: CheckSpec, factory: Callable[[Mapping[str, Any]], ImageCheck]) -> ImageCheck:
    try:
        return factory(spec.options)
    except GuardrailError:
        raise
    except Exception as error:  # a plugin's, or options that no schema looked at
        raise CheckError(
            f"The image check of the rule {spec.rule_id!r} cannot be set up "
            f"({type(error).__name__}).",
            hint="Compare the rule's options with what the check takes.",
        ) from error


def _judge(spec: CheckSpec, observation: Observation) -> tuple[Finding | None, Mapping[str, float]]:
    """The finding, if any, and the scores. A comparison with not-a-number is never true and so
    would pass: such a score is a failure."""
    numbers = (observation.score or 0.0, *observation.scores.values())
    if not all(math.isfinite(number) for number in numbers):
        return _failed(spec, "a score is not a number"), {}
    return _finding(spec, observation), observation.scores


def _report(row: Sequence[_Entry], models: JsonObject) -> ImageReport:
    return ImageReport(
        findings=tuple(entry.finding for entry in row if entry.finding is not None),
        rules=tuple(entry.run for entry in row),
        scores={entry.run.rule_id: dict(entry.scores) for entry in row if entry.scores},
        models=models,
    )


def _finding(spec: CheckSpec, observation: Observation) -> Finding | None:
    if observation.reason_code is None:
        return None
    return Finding(
        rule_id=spec.rule_id,
        check=spec.check,
        stage=spec.stage,
        action=spec.action,
        mode=spec.mode,
        reason_code=observation.reason_code,
        reason=spec.reason or observation.reason,
        remediation=spec.remediation,
        region=observation.region,
        matched=observation.matched,
        score=observation.score,
        threshold=observation.threshold,
    )


def _failed(spec: CheckSpec, what: str) -> Finding:
    return Finding(
        rule_id=spec.rule_id,
        check=spec.check,
        stage=spec.stage,
        action=spec.action,
        mode=spec.mode,
        reason_code="CHECK_FAILED",
        reason=f"The check could not run ({what}).",
        remediation="Mend the check; until then nothing is released.",
        failed=True,
    )


def _rule_run(spec: CheckSpec, finding: Finding | None, milliseconds: float) -> RuleRun:
    verdict = finding.counts if finding else Verdict.ALLOW
    return RuleRun(spec.rule_id, spec.stage, verdict, round(milliseconds, 3))


def _model_safety(image: GeneratedImage) -> _Entry:
    """The pipeline's own safety checker, where it has one, as a finding."""
    finding = None
    if image.flagged_by_model:
        finding = Finding(
            rule_id=MODEL_SAFETY_RULE,
            check="model_safety_checker",
            stage=Stage.OUTPUT,
            action=Action.BLOCK,
            mode=Mode.ENFORCE,
            reason_code="MODEL_SAFETY_CHECKER",
            reason="The model's own safety checker flagged the picture.",
            remediation="Change the prompt or the seed.",
        )
    verdict = finding.counts if finding else Verdict.ALLOW
    return _Entry(finding, RuleRun(MODEL_SAFETY_RULE, Stage.OUTPUT, verdict, 0.0), {})
