"""Every bundled policy loads, passes its own cases and reaches all of its own rules."""

from __future__ import annotations

import pytest

from guardrail.contracts import Action, Mode, Stage
from guardrail.policy import load_policy
from guardrail.policy.cases import run_cases
from guardrail.policy.files import bundled_names, find, read
from guardrail.policy.loader import compile_policy

NAMES = bundled_names()


@pytest.mark.parametrize("name", NAMES)
def test_cases_pass_and_reach_every_rule(name: str) -> None:
    written = read(find(name))
    report = run_cases(compile_policy(written), written.document)
    assert [(r.case.name, r.faults) for r in report.failed] == []
    assert report.uncovered == ()
    assert report.results


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_named_like_its_file_and_says_what_it_is(name: str) -> None:
    document = read(find(name)).document
    assert document.id == name
    assert len(document.description) > 20
    text = find(name).read_text("utf-8")
    assert text.startswith("# yaml-language-server: $schema=./schema.json\n")


def test_the_core_is_pinned() -> None:
    (rule,) = [r for r in load_policy("default").document.rules if r.id.startswith("core.")]
    assert (rule.id, rule.check) == ("core.intimate", "intimate")
    assert (rule.stage, rule.action, rule.mode) == (Stage.PROMPT, Action.BLOCK, Mode.ENFORCE)
    assert rule.when is None
    assert rule.unless is None


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_has_every_rule_of_the_core_unchanged(name: str) -> None:
    core = load_policy("core").document.rules
    assert load_policy(name).document.rules[: len(core)] == core
