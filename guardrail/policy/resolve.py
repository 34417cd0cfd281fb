"""What a document means with everything it extends: one list of rules at effective values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrail.contracts import Action, Stage
from guardrail.policy.document import Adjustment, Limits, OnError, Provenance, Rule
from guardrail.policy.expressions import ExpressionError, compile_condition
from guardrail.policy.files import Written
from guardrail.policy.source import Path, Problem, Source

RESERVED = ("core.", "engine.")
"""Beginnings of rule ids that only guardrail itself may use."""


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
    problems: list[Problem] = field(default_factory=list)


def merge(documents: Sequence[Written]) -> Merged:
    """Merge a lineage, bases first. Faults are collected, not raised."""
    merged = Merged()
    for written in documents:
        document = written.document
        merged.limits = _changed(merged.limits, document.limits)
        merged.provenance = _changed(merged.provenance, document.provenance)
        if document.locked and not written.is_core:
            text = "only the bundled core is locked"
            merged.problems.append(written.source.problem(("locked",), text, key=True))
        for index, adjustment in enumerate(document.adjust):
            _adjust(merged, adjustment, written.source, ("adjust", index))
        for index, rule in enumerate(document.rules):
            _add(merged, rule, written, ("rules", index))
    for placed in merged.rules.values():
        faults = list(_misplaced(placed))
        placed.sound = not faults
        merged.problems += faults
    return merged


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
    for name in changes:
        placed.written[name,] = (source, (*path, name))
    placed.rule = placed.rule.model_copy(update={k: v for k, v in changes.items() if v is not None})


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
