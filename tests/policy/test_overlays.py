"""Overlays may only tighten what they extend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.contracts import Action, Verdict
from guardrail.errors import PolicyError
from guardrail.policy import load_policy
from tests.policy.test_properties import folder, numbered, prompts, rules
from tests.policy.writing import ALL, decide, problems, rule, write

PERSON = {"id": "base.person", "check": "real_person", "stage": "prompt", "action": "review"}
WORDS = {"id": "base.words", "check": "phrases", "stage": "prompt", "action": "review"}
WORDS |= {"with": {"phrases": ["kite", "boat"], "allow": ["kite runner"]}}


def base(path: Path) -> None:
    write(
        path,
        PERSON,
        WORDS | {"unless": "purpose == 'toys'"},
        rule("base.shadow", "x", mode="shadow"),
        name="base",
        limits={"max_prompt_characters": 500},
        requirements=[{"id": "base.mark", "need": "signed_manifest", "reason": "Law."}],
    )


def overlay(path: Path, **keys: Any) -> Path:
    base(path)
    return write(path, kind="overlay", extends=["base.yaml"], name="tenant", **keys)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "base.person", "action": "block"},
        {"id": "base.person", "with": {"recent_years": 70, "historical": True}},
        {"id": "base.person", "on_error": "block"},
        {"id": "base.words", "with": {"phrases": ["boat", "kite", "drone"]}},
        {"id": "base.words", "with": {"allow": []}},
        {"id": "base.words", "unless": None},
        {"id": "base.words", "reason": "We sell no kites."},
        {"id": "base.shadow", "mode": "enforce"},
    ],
    ids=str,
)
def test_an_overlay_can_tighten(tmp_path: Path, change: dict[str, Any]) -> None:
    path = overlay(tmp_path, adjust=[change])
    assert load_policy(path, checks=ALL).ref != load_policy(tmp_path / "base.yaml", checks=ALL).ref


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "base.person", "action": "warn"}, "loosens base.person.action"),
        ({"id": "base.person", "mode": "shadow"}, "loosens base.person.mode"),
        ({"id": "base.shadow", "mode": "off"}, "loosens base.shadow.mode"),
        # The base never wrote recent_years: its effective value is what counts.
        ({"id": "base.person", "with": {"recent_years": 5}}, "base.person.with.recent_years"),
        ({"id": "base.person", "with": {"allow": ["Ann"]}}, "base.person.with.allow"),
        ({"id": "base.words", "with": {"phrases": ["kite"]}}, "loosens base.words.with.phrases"),
        ({"id": "base.words", "with": {"phrases": ["kite", "x"]}}, "may loosen base.words.with"),
        ({"id": "base.person", "unless": "actor == 'ann'"}, "loosens base.person.unless"),
        ({"id": "base.person", "when": "actor != 'ann'"}, "loosens base.person.when"),
        ({"id": "base.words", "unless": "purpose == 'x'"}, "may loosen base.words.unless"),
    ],
    ids=str,
)
def test_an_overlay_cannot_loosen(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    path = overlay(tmp_path, adjust=[change])
    (problem,) = problems(path)
    assert "an overlay can only tighten; this" in problem
    assert expected in problem
    line = path.read_text("utf-8").splitlines()[int(problem.split(":")[0]) - 1]
    assert list(change)[-1] in line or "with" in change  # the place of the change itself


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"limits": {"max_prompt_characters": 501}}, "limits.max_prompt_characters: an overlay"),
        ({"provenance": {"include_prompt": True}}, "provenance.include_prompt: an overlay"),
        (
            {"assured": [{"need": "visible_label", "how": "By the web site."}]},
            "assured",
        ),
    ],
    ids=str,
)
def test_the_settings_of_a_policy_can_only_be_tightened(
    tmp_path: Path, keys: dict[str, Any], expected: str
) -> None:
    (problem,) = problems(overlay(tmp_path, **keys))
    assert expected in problem


def test_an_overlay_adds_rules_and_requirements(tmp_path: Path) -> None:
    path = overlay(
        tmp_path,
        rules=[rule("tenant.drone", "drone")],
        requirements=[{"id": "t.log", "need": "record_retention", "days": 90, "reason": "Ours."}],
        limits={"max_prompt_characters": 100},
    )
    policy = load_policy(path, checks=ALL)
    assert decide(policy, "a drone").verdict is Verdict.BLOCK
    assert [r.id for r in policy.document.requirements] == ["base.mark", "t.log"]


def test_an_overlay_extends_something(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, rule("a", "kite"), kind="overlay"))
    assert "kind: an overlay extends the policy that it tightens" in problem


def test_a_policy_cannot_extend_an_overlay_but_an_overlay_can(tmp_path: Path) -> None:
    overlay(tmp_path, adjust=[{"id": "base.person", "action": "block"}])
    path = write(tmp_path, name="sly", extends=["tenant.yaml"])
    (problem,) = problems(path)
    assert "only an overlay can extend an overlay" in problem
    second = write(tmp_path, name="team", kind="overlay", extends=["tenant.yaml"])
    person = next(r for r in load_policy(second, checks=ALL).document.rules if "person" in r.id)
    assert person.action is Action.BLOCK
    loosening = write(
        tmp_path,
        name="loose",
        kind="overlay",
        extends=["tenant.yaml"],
        adjust=[{"id": "base.person", "action": "review"}],
    )
    assert "loosens base.person.action" in problems(loosening)[0]


changes = st.fixed_dictionaries(
    {"id": st.sampled_from(["r0", "r1", "r2"])},
    optional={
        "action": st.sampled_from(["block", "review", "redact", "warn"]),
        "mode": st.sampled_from(["enforce", "shadow", "off"]),
        "unless": st.sampled_from([None, "purpose == 'test'"]),
        "when": st.sampled_from([None, "purpose == 'test'"]),
        "on_error": st.sampled_from(["block", "error"]),
    },
)


@given(
    st.lists(rules(), min_size=3, max_size=3),
    st.lists(changes, max_size=3),
    st.lists(rules(), max_size=2),
    prompts,
    st.sampled_from([None, "test"]),
)
@settings(max_examples=300, deadline=None)
def test_whatever_an_overlay_says_no_verdict_gets_softer(
    some: list[dict[str, Any]],
    adjust: list[dict[str, Any]],
    more: list[dict[str, Any]],
    prompt: str,
    purpose: str | None,
) -> None:
    below = write(folder(), *numbered(some), name="below")
    added = [made | {"id": f"more{n}"} for n, made in enumerate(more)]
    above = write(
        folder(), *added, kind="overlay", name="above", extends=["below.yaml"], adjust=adjust
    )
    try:
        tightened = load_policy(above, checks=ALL)
    except PolicyError:
        return  # it would loosen, and is refused: that is what the other tests are about
    before = decide(load_policy(below, checks=ALL), prompt, purpose=purpose).verdict
    assert decide(tightened, prompt, purpose=purpose).verdict.severity >= before.severity
