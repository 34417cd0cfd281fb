"""What a document means with everything it extends: one list of rules at effective values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrail.contracts import Action, Stage
from guardrail.policy.document import (
    Adjustment,
    Assurance,
    Kind,
    Limits,
    Need,
    OnError,
    Provenance,
    Requirement,
    Rule,
)
from guardrail.policy.expressions import ExpressionError, compile_condition
from guardrail.policy.files import Written
from guardrail.policy.source import Path, Problem, Source

RESERVED = ("core.", "engine.")
"""Beginnings of rule ids that only guardrail itself may use."""
REMOVABLE = frozenset({"when", "unless", "reason", "remediation"})
"""Parts of a rule that an adjustment to ``null`` removes."""


@dataclass(slots=True)
class Placed:
    """A rule, and where each part of it was written."""

    rule: Rule
    source: Source
    path: Path
    locked: bool
    written: dict[Path, tuple[Source, Path]] = field(default_factory=dict)
    """Parts that an adjustment replaced, by their path in the rule."""
    sound: bool = True
    """False when a fault was found: it cannot be compiled."""

    def problem(self, path: Path, text: str, *, key: bool = False) -> Problem:
        """Return a problem with the part at ``path``, where that part was written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.written:
                source, at = self.written[path[:length]]
                return source.problem((*at, *path[length:]), text, key=key)
        return self.source.problem((*self.path, *path), text, key=key)


@dataclass(slots=True)
class Merged:
    """The rules and settings of a lineage, before the checks' options were looked at."""

    limits: Limits = field(default_factory=Limits)
    provenance: Provenance = field(default_factory=Provenance)
    rules: dict[str, Placed] = field(default_factory=dict)
    requirements: dict[str, Requirement] = field(default_factory=dict)
    assured: dict[Need, Assurance] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def merge(documents: Sequence[Written]) -> Merged:
    """Merge a lineage, bases first. Faults are collected, not raised."""
    merged = Merged()
    for written in documents:
        document = written.document
        merged.limits = _changed(merged.limits, document.limits)
        merged.provenance = _changed(merged.provenance, document.provenance)
        merged.problems += _claims(written, documents)
        merged.assured |= {assurance.need: assurance for assurance in document.assured}
        for index, requirement in enumerate(document.requirements):
            _require(merged, requirement, written.source, ("requirements", index))
        for index, adjustment in enumerate(document.adjust):
            _adjust(merged, adjustment, written.source, ("adjust", index))
        for index, rule in enumerate(document.rules):
            _add(merged, rule, written, ("rules", index))
    for placed in merged.rules.values():
        faults = list(_misplaced(placed))
        placed.sound = not faults
        merged.problems += faults
    return merged


def _claims(written: Written, documents: Sequence[Written]) -> Iterator[Problem]:
    """Yield what a document may not say of itself."""
    document, source = written.document, written.source
    if document.locked and not written.is_core:
        yield source.problem(("locked",), "only the bundled core is locked", key=True)
    if document.kind is Kind.OVERLAY:
        if not document.extends:
            yield source.problem(("kind",), "an overlay extends the policy that it tightens")
        return
    overlays = {other.path for other in documents if other.document.kind is Kind.OVERLAY}
    for index, path in enumerate(written.bases):
        if path in overlays:
            text = "only an overlay can extend an overlay, or it would undo what that tightened"
            yield source.problem(("extends", index), text)


def _require(merged: Merged, requirement: Requirement, source: Source, path: Path) -> None:
    if requirement.id in merged.requirements:
        text = f"the requirement {requirement.id!r} exists already"
        merged.problems.append(source.problem((*path, "id"), text))
    for name, need in (("days", Need.RECORD_RETENTION), ("hours", Need.TAKEDOWN)):
        given = getattr(requirement, name) is not None
        if given != (requirement.need is need):
            text = f"{need} needs {name}" if not given else f"{name} is only for {need}"
            merged.problems.append(source.problem((*path, name), text, key=given))
    merged.requirements[requirement.id] = requirement


def _changed(current: Any, change: Any) -> Any:
    return current.model_copy(update=change.model_dump(exclude_none=True))


def _add(merged: Merged, rule: Rule, written: Written, path: Path) -> None:
    source = written.source
    if rule.id in merged.rules:
        first = merged.rules[rule.id]
        place = first.problem(("id",), "")
        text = f"the rule {rule.id!r} exists already ({place.file}:{place.position.line})"
        if first.source is not source:
            text += "; change it under 'adjust', or choose another id"
        merged.problems.append(source.problem((*path, "id"), text))
        return
    if rule.id.startswith(RESERVED) and not written.is_core:
        text = f"ids beginning with {' or '.join(RESERVED)} are guardrail's own"
        merged.problems.append(source.problem((*path, "id"), text))
    merged.rules[rule.id] = Placed(rule, source, path, written.is_core)


def _adjust(merged: Merged, adjustment: Adjustment, source: Source, path: Path) -> None:
    placed = merged.rules.get(adjustment.id)
    if placed is None:
        known = ", ".join(i for i, p in merged.rules.items() if not p.locked) or "none"
        text = f"no extended policy has the rule {adjustment.id!r}; it can be one of: {known}"
        merged.problems.append(source.problem((*path, "id"), text))
        return
    if placed.locked:
        text = f"the rule {adjustment.id!r} is locked: no document can change it"
        merged.problems.append(source.problem((*path, "id"), text))
        return
    changes = {name: getattr(adjustment, name) for name in adjustment.model_fields_set - {"id"}}
    if adjustment.options is not None:
        changes["options"] = placed.rule.options | adjustment.options
        for name in adjustment.options:
            placed.written["with", name] = (source, (*path, "with", name))
    changes = {k: v for k, v in changes.items() if v is not None or k in REMOVABLE}
    for name in changes:
        placed.written[name,] = (source, (*path, name))
    placed.rule = placed.rule.model_copy(update=changes)


def _misplaced(placed: Placed) -> Iterator[Problem]:
    """Yield what a rule says that it cannot mean."""
    rule = placed.rule
    for name in ("when", "unless"):
        text = getattr(rule, name)
        if text is None:
            continue
        try:
            compile_condition(text)
        except ExpressionError as error:
            yield placed.problem((name,), str(error))
    if rule.stage is Stage.PROMPT:
        return
    pictures = f"has no meaning at the stage {rule.stage}: only rules of the prompt stage have it"
    unsupported: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("when", lambda: rule.when is not None),
        ("unless", lambda: rule.unless is not None),
        ("on_error", lambda: rule.on_error is not OnError.ERROR),
        ("action", lambda: rule.action is Action.REDACT),
    )
    for name, present in unsupported:
        if present():
            shown = "the action redact" if name == "action" else name
            yield placed.problem((name,), f"{shown} {pictures}")
