"""Document to policy: reads, resolves, validates the options of every check, and compiles."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from guardrail.contracts import Mode, Stage, as_json
from guardrail.errors import GuardrailError
from guardrail.policy.document import ResolvedPolicy, Rule
from guardrail.policy.engine import Policy
from guardrail.policy.expressions import compile_condition
from guardrail.policy.faults import Place, problems_of
from guardrail.policy.files import Written, find, invalid, lineage, read
from guardrail.policy.interface import PromptCheck
from guardrail.policy.registry import check_names, options_model, prompt_checks
from guardrail.policy.resolve import Merged, Placed, merge
from guardrail.policy.rule import CompiledRule
from guardrail.policy.source import Path, Problem

Checks = Mapping[str, type[PromptCheck]]


def load_policy(name: str | pathlib.Path, *, checks: Checks | None = None) -> Policy:
    """Load a bundled policy by name, or a document by path, with everything it extends.

    ``checks`` are the checks that rules of the prompt stage can name; None means guardrail's own
    and those of plugins. Raises :class:`~guardrail.errors.PolicyError` whose ``problems`` locate
    every fault as file:line:column, and :class:`~guardrail.errors.ConfigurationError` when a
    plugin does not load.
    """
    return compile_policy(read(find(name)), checks=checks)


def compile_policy(written: Written, *, checks: Checks | None = None) -> Policy:
    """Resolve and compile a document that was read. Raises as :func:`load_policy`."""
    merged = merge(lineage(written))
    builder = _Builder(merged, prompt_checks() if checks is None else checks)
    compiled = builder.build()
    if merged.problems:
        raise invalid(written.source.name, merged.problems)
    document = written.document
    resolved = ResolvedPolicy(
        id=document.id,
        version=document.version,
        description=document.description,
        limits=merged.limits,
        provenance=merged.provenance,
        rules=tuple(builder.rules),
        data=builder.data,
    )
    return Policy(resolved, compiled)


class _Builder:
    """Validates the options of every rule and constructs the checks of the prompt stage."""

    def __init__(self, merged: Merged, checks: Checks) -> None:
        self._merged = merged
        self._checks = checks
        self.rules: list[Rule] = []
        """The rules with their options at effective values, defaults included."""
        self.data: dict[str, str] = {}

    def build(self) -> list[CompiledRule]:
        """Return the rules of the prompt stage that are not off; faults join the others."""
        compiled: list[CompiledRule] = []
        for placed in self._merged.rules.values():
            options = self._options(placed)
            if options is None:
                continue
            effective = options if isinstance(options, dict) else _plain(options)
            rule = placed.rule.model_copy(update={"options": effective})
            self.rules.append(rule)
            if rule.stage is Stage.PROMPT and rule.mode is not Mode.OFF:
                compiled += self._compile(placed, rule, options)
        return compiled

    def _options(self, placed: Placed) -> BaseModel | dict[str, Any] | None:
        """Return a rule's options, validated; None when they are at fault."""
        rule = placed.rule
        try:
            model = options_model(rule.check, rule.stage, self._checks)
        except KeyError:
            known = ", ".join(check_names(rule.stage, self._checks))
            text = f"no check {rule.check!r} at the stage {rule.stage}; there are: {known}"
            self._merged.problems.append(placed.problem(("check",), text))
            return None
        if model is None:
            return rule.options
        try:
            return model.model_validate(rule.options)
        except ValidationError as error:
            self._merged.problems += problems_of(error, model, rule.options, _within(placed))
            return None

    def _compile(self, placed: Placed, rule: Rule, options: Any) -> Iterator[CompiledRule]:
        if not placed.sound:
            return
        try:
            check = self._checks[rule.check](options)
        except (GuardrailError, ValueError) as error:
            text = error.message if isinstance(error, GuardrailError) else str(error)
            self._merged.problems.append(placed.problem(("with",), text))
            return
        digest = getattr(check, "data_digest", None)
        if digest:
            self.data[rule.id] = str(digest)
        when = compile_condition(rule.when) if rule.when else None
        unless = compile_condition(rule.unless) if rule.unless else None
        yield CompiledRule(rule, check, when, unless)


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
