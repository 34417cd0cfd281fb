"""What differs between two policies in meaning, and which way each difference goes.

Both sides are compared at their effective values, so that a default that changed, a base that
changed and a list that was only reordered are told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from guardrail.contracts import Action, Mode
from guardrail.policy.document import OnError, ResolvedPolicy, Rule
from guardrail.policy.tightening import Direction, direction_of_option, reversed_direction

_RANKS: Mapping[str, tuple[Any, ...]] = {
    "action": (Action.WARN, Action.REDACT, Action.REVIEW, Action.BLOCK),
    "mode": (Mode.OFF, Mode.SHADOW, Mode.ENFORCE),
    "on_error": (OnError.ERROR, OnError.BLOCK),
}
"""From the softest to the hardest."""
_PARTS = ("check", "stage", *_RANKS, "when", "unless", "reason", "remediation", "citations")


class Subject(StrEnum):
    """What a difference is about."""

    POLICY = "policy"
    RULE = "rule"
    REQUIREMENT = "requirement"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two policies."""

    subject: Subject
    name: str
    """Id of the rule or requirement; the policy's part, e.g. ``limits``, otherwise."""
    part: tuple[str, ...]
    """What of it, e.g. ``("with", "phrases")``; empty when it was added or removed."""
    direction: Direction
    before: Any = None
    """None when it was added."""
    after: Any = None
    """None when it was removed."""


def compare(before: ResolvedPolicy, after: ResolvedPolicy) -> tuple[Change, ...]:
    """Return every difference, in the order of ``before``, additions last.

    Ids, versions and descriptions of the policies themselves are not compared.
    """
    return (*_settings(before, after), *_rules(before, after), *_requirements(before, after))


def _settings(before: ResolvedPolicy, after: ResolvedPolicy) -> Iterator[Change]:
    old, new = before.limits.max_prompt_characters, after.limits.max_prompt_characters
    if old != new:
        direction = Direction.TIGHTER if new < old else Direction.LOOSER
        part = ("max_prompt_characters",)
        yield Change(Subject.POLICY, "limits", part, direction, old, new)
    shown, shows = before.provenance.include_prompt, after.provenance.include_prompt
    if shown != shows:
        direction = Direction.LOOSER if shows else Direction.TIGHTER
        yield Change(Subject.POLICY, "provenance", ("include_prompt",), direction, shown, shows)


def _rules(before: ResolvedPolicy, after: ResolvedPolicy) -> Iterator[Change]:
    old = {rule.id: rule for rule in before.rules}
    new = {rule.id: rule for rule in after.rules}
    for name, rule in old.items():
        if name in new:
            yield from _rule(rule, new[name])
            if before.data.get(name) != after.data.get(name):
                digests = before.data.get(name), after.data.get(name)
                yield Change(Subject.RULE, name, ("data",), Direction.UNCLEAR, *digests)
        else:
            yield Change(Subject.RULE, name, (), reversed_direction(_weight(rule)), _said(rule))
    for name, rule in new.items():
        if name not in old:
            yield Change(Subject.RULE, name, (), _weight(rule), None, _said(rule))


def _weight(rule: Rule) -> Direction:
    """Return what adding the rule does: only an enforced rule can change a verdict."""
    counts = rule.mode is Mode.ENFORCE and rule.action is not Action.WARN
    return Direction.TIGHTER if counts else Direction.NEUTRAL


def _said(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", by_alias=True, exclude_none=True)


def _rule(old: Rule, new: Rule) -> Iterator[Change]:
    # Redacting more changes what the other rules are asked about once it is done, so that only
    # refusing instead is sure to be tighter.
    redacts = new.action is Action.REDACT or (
        old.action is Action.REDACT and new.action is not Action.BLOCK
    )
    for change in _parts(old, new):
        unsure = redacts and change.direction is Direction.TIGHTER and change.part != ("on_error",)
        yield replace(change, direction=Direction.UNCLEAR) if unsure else change


def _parts(old: Rule, new: Rule) -> Iterator[Change]:
    for name in _PARTS:
        if getattr(old, name) != getattr(new, name):
            values = (_plain(getattr(old, name)), _plain(getattr(new, name)))
            direction = _direction(name, getattr(old, name), getattr(new, name))
            yield Change(Subject.RULE, old.id, (name,), direction, *values)
    yield from _options(old, new)


def _direction(part: str, old: Any, new: Any) -> Direction:
    if part in _RANKS:
        ranks = _RANKS[part]
        return Direction.TIGHTER if ranks.index(new) > ranks.index(old) else Direction.LOOSER
    if part in ("when", "unless") and (old is None or new is None):
        # Every condition narrows where a rule counts.
        return Direction.LOOSER if old is None else Direction.TIGHTER
    words = part in ("reason", "remediation", "citations")
    return Direction.NEUTRAL if words else Direction.UNCLEAR


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [item.model_dump(mode="json", exclude_none=True) for item in value]
    return str(value) if value is not None else None


def _options(old: Rule, new: Rule) -> Iterator[Change]:
    for name in sorted({*old.options, *new.options}):
        before, after = old.options.get(name), new.options.get(name)
        if before != after:
            direction = direction_of_option(new.check, name, before, after)
            if old.check != new.check:
                direction = Direction.UNCLEAR
            yield Change(Subject.RULE, old.id, ("with", name), direction, before, after)


def _requirements(before: ResolvedPolicy, after: ResolvedPolicy) -> Iterator[Change]:
    old = {r.id: r.model_dump(mode="json", exclude_none=True) for r in before.requirements}
    new = {r.id: r.model_dump(mode="json", exclude_none=True) for r in after.requirements}
    yield from _entries(Subject.REQUIREMENT, old, new, Direction.TIGHTER)
    said = {str(a.need): a.how for a in before.assured}
    says = {str(a.need): a.how for a in after.assured}
    for change in _entries(Subject.POLICY, said, says, Direction.LOOSER):
        yield Change(
            change.subject,
            "assured",
            (change.name,),
            change.direction,
            change.before,
            change.after,
        )


def _entries(
    subject: Subject, old: Mapping[str, Any], new: Mapping[str, Any], adding: Direction
) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        direction = Direction.UNCLEAR
        if before is None:
            direction = adding
        elif after is None:
            direction = reversed_direction(adding)
        yield Change(subject, name, (), direction, before, after)
