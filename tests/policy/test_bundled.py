"""Every bundled policy loads, passes its own cases and reaches all of its own rules."""

from __future__ import annotations

import pytest

from guardrail.contracts import Action, Mode, Stage
from guardrail.errors import ConfigurationError
from guardrail.policy import load_policy
from guardrail.policy.cases import run_cases
from guardrail.policy.files import bundled_names, find, read
from guardrail.policy.loader import compile_policy
from guardrail.policy.requirements import unmet
from guardrail.provided import PROVIDED

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


JURISDICTIONS = ("eu", "eu-code-of-practice", "california", "china", "india")
READ = "2026-11-25"
"""When the status of the law was looked up."""


@pytest.mark.parametrize("name", JURISDICTIONS)
def test_a_jurisdiction_cites_law_status_and_date_for_everything_it_says(name: str) -> None:
    document = read(find(name)).document
    parts = [*document.rules, *document.adjust, *document.requirements]
    assert parts
    for part in parts:
        assert part.citations, part.id
        for citation in part.citations:
            later = citation.date > READ
            assert later == (citation.status == "upcoming"), (part.id, citation)


def test_what_is_struck_down_is_not_stated_as_a_duty() -> None:
    text = load_policy("california").text
    assert "AB 2655" not in text
    assert "AB 2839" not in text


UNMET = {
    "eu": set(),
    "eu-code-of-practice": {"eu-code.time-stamped-metadata", "eu-code.watermark",
                            "eu-code.detector"},
    "california": {"california.latent-disclosure", "california.manifest-disclosure",
                   "california.detection-tool"},
    "china": {"china.explicit-label", "china.implicit-label"},
    "india": {"india.prominent-label", "india.permanent-metadata", "india.takedown"},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_pack_starts_only_where_all_it_requires_is_done(name: str) -> None:
    policy = load_policy(name)
    missing = {requirement.id for requirement in unmet(policy.document, PROVIDED)}
    assert missing == UNMET.get(name, set())
    if missing:
        with pytest.raises(ConfigurationError):
            policy.require(PROVIDED)
    else:
        policy.require(PROVIDED)


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
