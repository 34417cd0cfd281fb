"""Evaluating a rubric on the crJSON of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from guardrail.provenance.rubric.document import Rubric, Statement, load_rubric
from guardrail.provenance.rubric.lexer import FormulaError
from guardrail.provenance.untrusted import rows, table, text

MATCHES = "{{matches}}"


class Outcome(StrEnum):
    """What a check concluded. ``ERROR`` (it could not be evaluated) is not a pass."""

    PASS = "pass"  # noqa: S105 (not a password)
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RubricCheck:
    """One check of a rubric on one file, or on one manifest of it."""

    id: str
    outcome: Outcome
    """For a signal, ``pass`` says that it is present."""
    report: str
    manifest: str | None = None
    """The manifest, where each is looked at by itself."""

    @property
    def passed(self) -> bool:
        """True when the outcome is ``pass``."""
        return self.outcome is Outcome.PASS


@dataclass(frozen=True, slots=True)
class RubricReport:
    """All checks of a rubric on one file."""

    name: str
    title: str
    version: str
    checks: tuple[RubricCheck, ...]

    @property
    def passed(self) -> bool:
        """True when there are checks and every one passed. Means nothing for signals."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def present(self) -> tuple[str, ...]:
        """What holds, as reported: the signals that a file carries."""
        return tuple(check.report for check in self.checks if check.passed)


def check_rubric(
    source: Path | bytes, name: str = "conformance", *, anchors: str | None = None
) -> RubricReport:
    """Check a file against a bundled rubric. See :func:`guardrail.provenance.verify`."""
    from guardrail.provenance.verification import verify  # noqa: PLC0415 (reads; this one judges)

    return evaluate_rubric(name, verify(source, anchors=anchors).crjson)


def evaluate_rubric(name: str, crjson: str | None) -> RubricReport:
    """Check crJSON against a bundled rubric; without credentials every check fails.

    Raises :class:`~guardrail.errors.ConfigurationError` for a name that is not bundled.
    """
    rubric = load_rubric(name)
    data = _parsed(crjson)
    if not rows(table(data).get("manifests")):
        checks = tuple(
            RubricCheck(s.id, Outcome.FAIL, "The file carries no credentials.")
            for s in rubric.statements
        )
    else:
        checks = tuple(_checks(rubric, data))
    return RubricReport(rubric.name, rubric.title, rubric.version, checks)


def _parsed(crjson: str | None) -> Any:
    try:
        return json.loads(crjson) if crjson else {}
    except (ValueError, RecursionError):
        return {}


def _checks(rubric: Rubric, data: Mapping[str, Any]) -> Iterator[RubricCheck]:
    if not rubric.per_manifest:
        for statement in rubric.statements:
            yield _check(rubric, statement, data, None)
        return
    for manifest in (*rows(data["manifests"]), *_flat_ingredients(data)):
        for statement in rubric.statements:
            yield _check(rubric, statement, manifest, text(manifest.get("label")))


def _check(rubric: Rubric, statement: Statement, data: Any, manifest: str | None) -> RubricCheck:
    try:
        value = statement.expression.evaluate(data, rubric.scope)
    except (FormulaError, RecursionError) as error:
        report = f"Could not be evaluated: {error}"
        return RubricCheck(statement.id, Outcome.ERROR, report, manifest)
    matched = value if isinstance(value, list) else []
    if statement.matches == "true":
        outcome = Outcome.PASS if _holds(value) else Outcome.FAIL
    elif matched:
        outcome = Outcome.WARN if statement.matches == "warn" else Outcome.FAIL
    else:
        outcome = Outcome.PASS
    return RubricCheck(statement.id, outcome, _report(statement, outcome, matched), manifest)


def _holds(value: Any) -> bool:
    """Judge a value as the Task Force's own evaluator does."""
    if isinstance(value, list):
        return len(value) > 0
    if isinstance(value, int | float):
        return value > 0
    return value is not None


def _report(statement: Statement, outcome: Outcome, matched: list[Any]) -> str:
    key = {Outcome.PASS: "true", Outcome.WARN: "warn"}.get(outcome, "false")
    template = statement.texts.get(key) or statement.texts.get("false") or statement.id
    shown = ", ".join(m if isinstance(m, str) else json.dumps(m)[:200] for m in matched)
    return template.replace(MATCHES, shown)


def _flat_ingredients(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a stand-in manifest for each ingredient that has a source type and no credentials,
    as the Task Force's evaluator of signals does."""
    for manifest in rows(data["manifests"]):
        assertions = table(manifest.get("assertions"))
        for label, value in assertions.items():
            ingredient = table(value)
            if not label.startswith("c2pa.ingredient") or ingredient.get("activeManifest"):
                continue
            source = ingredient.get("digitalSourceType") or _opened_source(assertions)
            if source:
                action = {"action": "c2pa.created", "digitalSourceType": source}
                actions = {"allActionsIncluded": True, "actions": [action]}
                yield {"label": f"{label} (no credentials)",
                       "assertions": {"c2pa.actions.v2": actions}}  # fmt: skip


def _opened_source(assertions: Mapping[str, Any]) -> Any:
    for label, value in assertions.items():
        if label.startswith("c2pa.actions"):
            for action in rows(table(value).get("actions")):
                if action.get("action") == "c2pa.opened" and action.get("digitalSourceType"):
                    return action["digitalSourceType"]
    return None
