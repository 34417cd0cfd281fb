"""The YAML reader: strict, located, and safe to point at anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.policy.source import MAX_CHARACTERS, Position, read_source, shown_path


def faults(text: str) -> list[str]:
    return [str(problem) for problem in read_source(text, "p.yaml").problems]


def test_scalars_follow_yaml_1_2() -> None:
    text = "a: off\nb: 2026-08-02\nc: true\nd: ~\ne: 1.5\nf: 'true'\ng: yes\nh: -3\ni: |\n  5\nj:\n"
    assert read_source(text, "p").data == {
        "a": "off",
        "b": "2026-08-02",
        "c": True,
        "d": None,
        "e": 1.5,
        "f": "true",
        "g": "yes",
        "h": -3,
        "i": "5\n",
        "j": None,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "p.yaml:3:1: duplicate key 'a' (first in line 1)"),
        ("a: &x 1\nb: *x\n", "p.yaml:1:4: anchors and aliases are not allowed: write it out"),
        ("a: !!python/object:os.system x\n", "p.yaml:1:4: the tag"),
        ("a: 1\n---\nb: 2\n", "p.yaml:2:1: a second document"),
        ("", "p.yaml:1:1: the file is empty"),
        ("a: [1\n", "p.yaml:2:1: not YAML"),
        ("a:\n\t- b\n", "p.yaml:2:1: not YAML"),
        ("? [a]\n: b\n", "p.yaml:1:3: not YAML: a key must be plain text"),
        ("a: " + "[" * 60, "p.yaml:1:27: not YAML: nested deeper than 24"),
        ("a: \x07", "p.yaml:1:1: not YAML: control characters are not allowed"),
        ("x" * (MAX_CHARACTERS + 1), "p.yaml:1:1: longer than"),
    ],
)
def test_what_is_refused_has_a_place(text: str, expected: str) -> None:
    assert faults(text)[0].startswith(expected)


def test_billion_laughs_expands_nothing() -> None:
    bomb = "a: &a [x,x,x,x]\n" + "".join(
        f"{n}: &{n} [{','.join(['*' + p] * 9)}]\n"
        for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    source = read_source(bomb, "p.yaml")
    assert source.problems
    assert len(json.dumps(source.data)) < 1000


def test_places_are_those_of_keys_and_values() -> None:
    source = read_source("rules:\n  - id: a\n    with: {x: [1, 22]}\n", "p.yaml")
    assert source.at(("rules", 0, "with", "x", 1)) == Position(3, 19)
    assert source.at(("rules", 0, "id"), key=True) == Position(2, 5)
    assert source.at(("rules", 0, "id")) == Position(2, 9)
    assert source.at(("rules", 0, "missing")) == Position(2, 5)  # the nearest part above it
    assert shown_path(("rules", 0, "with", "x", 1)) == "rules[0].with.x[1]"


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), plain, max_size=5))
@settings(max_examples=150)
def test_json_is_read_as_json(data: dict[str, Any]) -> None:
    source = read_source(json.dumps(data, ensure_ascii=False), "p.json")
    assert source.problems == []
    assert source.data == data


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    source = read_source(text, "p.yaml")
    assert all(p.position.line >= 1 and p.position.column >= 1 for p in source.problems)
