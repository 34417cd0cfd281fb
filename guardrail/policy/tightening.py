"""Which way a change of an option goes: does the rule then find more, or less?

What is not known to tighten does not count as tightening: an overlay may only change what is
listed here. For everything else it adds a rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Direction(StrEnum):
    """What a change does to the verdicts."""

    TIGHTER = "tighter"
    """No request gets a softer verdict than before."""
    LOOSER = "looser"
    """Some request may get a softer verdict than before."""
    NEUTRAL = "neutral"
    """No verdict changes."""
    UNCLEAR = "unclear"
    """It depends; an overlay may not do it."""


class Tighter(StrEnum):
    """How an option's value makes its rule find more."""

    MORE = "more"
    """By holding more entries."""
    FEWER = "fewer"
    """By holding fewer entries."""
    HIGHER = "higher"
    """By being a higher number, or true instead of false."""
    LOWER = "lower"
    """By being a lower number, or false instead of true."""


OPTIONS: Mapping[tuple[str, str], Tighter] = {
    ("phrases", "phrases"): Tighter.MORE,
    ("phrases", "allow"): Tighter.FEWER,
    ("pattern", "patterns"): Tighter.MORE,
    ("pattern", "ignore_case"): Tighter.HIGHER,
    ("real_person", "recent_years"): Tighter.HIGHER,
    ("real_person", "historical"): Tighter.HIGHER,
    ("real_person", "categories"): Tighter.MORE,
    ("real_person", "roles"): Tighter.HIGHER,
    ("real_person", "living"): Tighter.HIGHER,
    ("real_person", "private"): Tighter.HIGHER,
    ("real_person", "usages"): Tighter.MORE,
    ("real_person", "satire"): Tighter.HIGHER,
    ("real_person", "photographic_only"): Tighter.LOWER,
    ("real_person", "allow"): Tighter.FEWER,
    ("deepfake", "intents"): Tighter.MORE,
    ("language", "covered"): Tighter.FEWER,
    ("concepts", "concepts"): Tighter.MORE,
    ("picture_integrity", "tolerance"): Tighter.HIGHER,
}
"""Check and option to how it tightens. An option that is not listed is ``UNCLEAR``."""


def direction_of_option(check: str, option: str, before: Any, after: Any) -> Direction:
    """Return which way changing an option from ``before`` to ``after`` goes."""
    how = OPTIONS.get((check, option))
    if how is None or before is None or after is None:
        return Direction.UNCLEAR
    grows = _grows(before, after)
    if grows is None:
        return Direction.UNCLEAR
    wanted = how in (Tighter.MORE, Tighter.HIGHER)
    return Direction.TIGHTER if grows is wanted else Direction.LOOSER


def reversed_direction(direction: Direction) -> Direction:
    """Return the direction of the change back."""
    swap = {Direction.TIGHTER: Direction.LOOSER, Direction.LOOSER: Direction.TIGHTER}
    return swap.get(direction, direction)


def _grows(before: Any, after: Any) -> bool | None:
    """Return whether ``after`` is more than ``before``; None when neither is more."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _contains(list(before.items()), list(after.items()))
    if isinstance(before, list) and isinstance(after, list):
        return _contains(before, after)
    if isinstance(before, int | float) and isinstance(after, int | float) and before != after:
        return after > before
    return None


def _contains(before: list[Any], after: list[Any]) -> bool | None:
    added = any(item not in before for item in after)
    removed = any(item not in after for item in before)
    return added if added is not removed else None
