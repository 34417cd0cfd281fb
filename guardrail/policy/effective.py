"""The rules of a merged policy at effective values: options validated, defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from guardrail.contracts import as_json
from guardrail.policy.document import PolicyDocument, ResolvedPolicy, Rule
from guardrail.policy.faults import Place, problems_of
from guardrail.policy.interface import PromptCheck
from guardrail.policy.registry import check_names, options_model
from guardrail.policy.resolve import Merged, Placed
from guardrail.policy.source import Path, Problem

Checks = Mapping[str, type[PromptCheck]]


@dataclass(frozen=True, slots=True)
class Effective:
    """One rule at effective values."""

    placed: Placed
    rule: Rule
    """With every option, in one fixed order."""
    options: Any
    """What the check's constructor takes."""


def effective_rules(merged: Merged, checks: Checks) -> list[Effective]:
    """Return the rules whose options are valid; the faults of the others join the problems."""
    return [
        found for placed in merged.rules.values() for found in _effective(merged, placed, checks)
    ]


def resolved(document: PolicyDocument, merged: Merged, rules: list[Effective]) -> ResolvedPolicy:
    """Return what ``document`` means with everything it extends."""
    return ResolvedPolicy(
        id=document.id,
        version=document.version,
        description=document.description,
        limits=merged.limits,
        provenance=merged.provenance,
        rules=tuple(effective.rule for effective in rules),
        requirements=tuple(merged.requirements.values()),
        assured=tuple(merged.assured.values()),
    )


def _effective(merged: Merged, placed: Placed, checks: Checks) -> Iterator[Effective]:
    rule = placed.rule
    try:
        model = options_model(rule.check, rule.stage, checks)
    except KeyError:
        known = ", ".join(check_names(rule.stage, checks))
        text = f"no check {rule.check!r} at the stage {rule.stage}; there are: {known}"
        merged.problems.append(placed.problem(("check",), text))
        return
    if model is None:  # a plugin's image check that does not say what it takes
        yield Effective(placed, rule, rule.options)
        return
    try:
        options = model.model_validate(rule.options)
    except ValidationError as error:
        merged.problems += problems_of(error, model, rule.options, _within(placed))
        return
    yield Effective(placed, rule.model_copy(update={"options": _plain(options)}), options)


def _plain(options: BaseModel) -> dict[str, Any]:
    """Return options as JSON data in one fixed order, whatever order a set has today."""
    dumped: dict[str, Any] = _ordered(options.model_dump(exclude_none=True, by_alias=True))
    return dumped


def _ordered(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted((_ordered(item) for item in value), key=str)
    if isinstance(value, Mapping):
        return {str(key): _ordered(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return as_json(value)


def _within(placed: Placed) -> Place:
    """Locate faults of the options inside the rule they belong to."""

    def place(path: Path, text: str, *, key: bool = False) -> Problem:
        return placed.problem(("with", *path), text, key=key)

    return place
