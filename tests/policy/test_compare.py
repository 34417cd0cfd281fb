"""Differences in meaning, each with its direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardrail.policy.compare import Change, compare
from guardrail.policy.registry import IMAGE_OPTIONS
from guardrail.policy.rules import CHECKS
from guardrail.policy.tightening import OPTIONS, Direction, direction_of_option
from tests.policy.writing import load, rule

WORDS = {"id": "a", "check": "phrases", "stage": "prompt", "action": "review"}
WORDS |= {"with": {"phrases": ["kite", "boat"]}}


def changes(folder: Path, before: list[Any], after: list[Any], **keys: Any) -> list[Change]:
    old = load(folder, *before).document
    return list(compare(old, load(folder, *after, **keys).document))


def test_the_same_policy_has_no_difference(tmp_path: Path) -> None:
    assert changes(tmp_path, [WORDS], [WORDS | {"mode": "enforce"}]) == []


@pytest.mark.parametrize(
    ("change", "part", "direction"),
    [
        ({"action": "block"}, "action", "tighter"),
        ({"action": "warn"}, "action", "looser"),
        ({"mode": "shadow"}, "mode", "looser"),
        ({"on_error": "block"}, "on_error", "tighter"),
        ({"unless": "actor == 'ann'"}, "unless", "looser"),
        ({"when": "actor == 'ann'"}, "when", "looser"),
        ({"reason": "Because."}, "reason", "neutral"),
        ({"with": {"phrases": ["boat", "kite"]}}, "with.phrases", "unclear"),
        ({"with": {"phrases": ["kite", "boat", "car"]}}, "with.phrases", "tighter"),
        ({"with": {"phrases": ["kite"]}}, "with.phrases", "looser"),
        ({"with": {"phrases": ["kite", "car"]}}, "with.phrases", "unclear"),
        ({"with": {"phrases": ["kite", "boat"], "allow": ["kites"]}}, "with.allow", "looser"),
        ({"citations": [{"law": "L", "status": "company", "date": "2026-01-01"}]}, "citations",
         "neutral"),
    ],
    ids=str,
)  # fmt: skip
def test_a_change_of_a_rule(
    tmp_path: Path, change: dict[str, Any], part: str, direction: str
) -> None:
    (found,) = changes(tmp_path, [WORDS], [WORDS | change])
    assert (found.name, ".".join(found.part), found.direction) == ("a", part, direction)


def test_rules_added_and_removed(tmp_path: Path) -> None:
    found = changes(
        tmp_path,
        [rule("a", "x"), rule("w", "x", action="warn"), rule("s", "x", mode="shadow")],
        [rule("b", "x")],
    )
    assert [(c.name, c.before is None, c.direction) for c in found] == [
        ("a", False, Direction.LOOSER),
        ("w", False, Direction.NEUTRAL),
        ("s", False, Direction.NEUTRAL),
        ("b", True, Direction.TIGHTER),
    ]


def test_settings_and_requirements(tmp_path: Path) -> None:
    mark = {"id": "m", "need": "signed_manifest", "reason": "Law."}
    found = changes(
        tmp_path,
        [],
        [],
        limits={"max_prompt_characters": 3000},
        provenance={"include_prompt": True},
        requirements=[mark],
        assured=[{"need": "watermark", "how": "Elsewhere."}],
    )
    assert [(c.subject, c.name, c.direction) for c in found] == [
        ("policy", "limits", "looser"),
        ("policy", "provenance", "looser"),
        ("requirement", "m", "tighter"),
        ("policy", "assured", "looser"),
    ]


def test_what_is_not_known_to_tighten_is_unclear() -> None:
    assert direction_of_option("phrases", "unknown", 1, 2) is Direction.UNCLEAR
    assert direction_of_option("phrases", "phrases", None, ["a"]) is Direction.UNCLEAR
    assert direction_of_option("pattern", "ignore_case", False, True) is Direction.TIGHTER
    assert direction_of_option("pattern", "ignore_case", True, False) is Direction.LOOSER


def test_the_table_names_options_that_exist() -> None:
    for check, option in OPTIONS:
        kind: Any = CHECKS.get(check)
        model = kind.Options if kind else IMAGE_OPTIONS[check]
        assert option in model.model_fields, (check, option)
