"""The engine: what rules find becomes one decision, and nothing unjudged becomes ``allow``."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from guardrail.contracts import (
    Action,
    Finding,
    GenerationRequest,
    Mode,
    RuleRun,
    Span,
    Stage,
    Verdict,
)
from guardrail.errors import PolicyError
from guardrail.policy import Policy, load_policy
from guardrail.policy.document import ResolvedPolicy
from guardrail.policy.probe import probe
from guardrail.policy.texts import NOT_READ, TEXT_FIELDS
from tests.policy.writing import decide, failing, load, rule

INTEGRITY = {"id": "p", "check": "picture_integrity", "stage": "output", "action": "block"}


def test_a_match_tells_rule_place_and_what_to_change(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("mine.kite", "kite", remediation="Draw a boat."))
    decision = decide(policy, "a red kite", negative_prompt="kite")
    assert decision.verdict is Verdict.BLOCK
    assert decision.effective_prompt is None
    assert [f.span for f in decision.findings] == [
        Span(6, 10, "prompt"),
        Span(0, 4, "negative_prompt"),
    ]
    first = decision.findings[0]
    assert (first.rule_id, first.reason_code, first.matched) == ("mine.kite", "WORD_FOUND", "kite")
    assert decision.remediation == "Draw a boat."
    assert decision.policy == policy.ref
    assert decision.inspected == ("prompt", "negative_prompt")
    assert [run.rule_id for run in decision.rules] == ["core.intimate", "mine.kite"]


def test_an_allowed_prompt_goes_on_unchanged(tmp_path: Path) -> None:
    decision = decide(load(tmp_path, rule("a", "kite")), "  a  house ")
    assert decision.allowed
    assert decision.effective_prompt == "  a  house "


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["warn", "review"], "review"),
        (["review", "block"], "block"),
        (["warn"], "allow"),
        (["redact", "review"], "review"),
    ],
    ids=str,
)
def test_the_hardest_finding_decides(tmp_path: Path, actions: list[str], expected: str) -> None:
    rules = [rule(f"r{n}", "kite", action=action) for n, action in enumerate(actions)]
    decision = decide(load(tmp_path, *rules), "a kite and a boat")
    assert decision.verdict == expected
    assert len(decision.findings) == len(actions)


@pytest.mark.parametrize("check", ["broken", "half_broken", "lost"])
def test_a_rule_that_fails_is_an_error_and_never_quotes_the_prompt(
    tmp_path: Path, check: str
) -> None:
    decision = decide(load(tmp_path, failing("bad", check)), "a prompt of my own")
    assert decision.verdict is Verdict.ERROR
    (finding,) = decision.deciding
    assert finding.failed
    assert finding.reason_code == "RULE_FAILED"
    assert "my own" not in repr(decision.findings)
    assert decision.effective_prompt is None


def test_block_wins_over_error_and_on_error_can_be_block(tmp_path: Path) -> None:
    both = load(tmp_path, failing("bad", "broken"), rule("a", "kite"))
    assert decide(both, "a kite").verdict is Verdict.BLOCK
    strict = load(tmp_path, failing("bad", "broken", on_error="block"))
    assert decide(strict, "a boat").verdict is Verdict.BLOCK


def test_shadow_rules_are_recorded_and_do_not_count(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        rule("a", "kite", mode="shadow"),
        failing("bad", "broken", mode="shadow"),
    )
    decision = decide(policy, "a kite")
    assert decision.allowed
    assert [f.rule_id for f in decision.findings] == ["a", "bad"]
    assert {run.rule_id for run in decision.rules} == {"core.intimate", "a", "bad"}


def test_what_exists_and_is_not_looked_at_is_said(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("a", "kite"), limits={"max_prompt_characters": 10})
    decision = decide(policy, "x" * 10 + "kite", negative_prompt="boat")
    assert decision.verdict is Verdict.BLOCK
    assert decision.inspected == ()
    assert decision.not_inspected == ("prompt", "negative_prompt")
    assert decision.rules == ()
    (finding,) = decision.findings
    assert (finding.reason_code, finding.span) == ("PROMPT_TOO_LONG", Span(10, 14))
    assert decide(policy, "x" * 10).allowed
    assert decide(policy, "x", negative_prompt="y" * 11).verdict is Verdict.BLOCK


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff", "é\0"])
def test_text_that_is_not_unicode_is_refused(tmp_path: Path, text: str) -> None:
    decision = decide(load(tmp_path, rule("a", "kite")), text)
    assert decision.verdict is Verdict.BLOCK
    assert decision.findings[0].reason_code == "TEXT_NOT_READABLE"
    span = decision.findings[0].span
    assert span is not None
    assert text[span.start] in "\0\ud800\udfff"


def test_every_text_of_a_request_is_read_or_known_not_to_reach_the_model() -> None:
    texts = {
        field.name
        for field in dataclasses.fields(GenerationRequest)
        if str(field.type) in ("str", "str | None")
    }
    assert texts == {*TEXT_FIELDS, *NOT_READ}


def test_a_policy_that_enforces_nothing_is_refused() -> None:
    empty = ResolvedPolicy(id="empty", version="1", description="Nothing.", rules=())
    with pytest.raises(PolicyError, match="enforces no rule at the prompt stage"):
        Policy(empty, [])


def test_no_rule_that_applied_is_an_error(tmp_path: Path) -> None:
    conditional = load(tmp_path, rule("a", "kite", when="purpose == 'kites'"))
    only = [c for c in conditional.rules if c.rule.id == "a"]
    decision = decide(Policy(conditional.document, only), "a house")
    assert decision.verdict is Verdict.ERROR
    assert decision.findings[0].reason_code == "NO_RULE_APPLIED"


class TestRedaction:
    def test_spans_are_taken_out_and_recorded(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "red", "kite", action="redact"))
        decision = decide(policy, "a red kite over a red house")
        assert decision.allowed
        assert decision.effective_prompt == "a over a house"
        assert len(decision.findings) == 3

    def test_overlapping_spans_are_taken_out_once(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "big kite", "kite fly", action="redact"))
        assert decide(policy, "a big kite flying").effective_prompt == "a ing"

    def test_what_redacting_brings_together_is_refused(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "xx", action="redact"), rule("b", "red kite"))
        decision = decide(policy, "a red xx kite")
        assert decision.verdict is Verdict.BLOCK
        assert decision.deciding[0].reason_code == "REDACTION_INCOMPLETE"
        assert decision.deciding[0].span is None

    def test_a_prompt_that_redacting_empties_is_refused(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", action="redact"))
        decision = decide(policy, " kite ")
        assert decision.verdict is Verdict.BLOCK
        assert decision.deciding[0].reason_code == "NOTHING_LEFT"
        assert decision.effective_prompt is None

    def test_a_further_rule_does_not_replace_what_redacting_shows(self, tmp_path: Path) -> None:
        """Found by the property tests: each of these was once softer with the third rule."""
        both = [rule("a", "xx", action="redact"), rule("b", "red kite")]
        for more in (rule("c", "kite", action="redact"), rule("c", "xx", action="review")):
            policy = load(tmp_path, *both, more)
            assert decide(policy, "a red xx kite").verdict is Verdict.BLOCK
        emptied = load(
            tmp_path, rule("a", "kite", action="redact"), rule("b", "kite", action="review")
        )
        assert decide(emptied, "kite").verdict is Verdict.BLOCK

    def test_what_has_no_place_in_the_prompt_is_refused_instead(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", action="redact"))
        assert decide(policy, "a boat", negative_prompt="kite").verdict is Verdict.BLOCK
        spanless = load(tmp_path, failing("s", "spanless", action="redact"))
        assert decide(spanless, "a boat").verdict is Verdict.BLOCK

    def test_shadow_redacts_nothing(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", action="redact", mode="shadow"))
        assert decide(policy, "a kite").effective_prompt == "a kite"


class TestConditions:
    def test_when_says_where_a_rule_applies(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", when="tenant == 'toys'"))
        assert decide(policy, "a kite", tenant="toys").verdict is Verdict.BLOCK
        decision = decide(policy, "a kite")
        assert decision.allowed
        assert [run.rule_id for run in decision.rules] == ["core.intimate"]

    def test_unless_exempts_and_the_match_is_recorded(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", unless="purpose == 'test'"))
        assert decide(policy, "a kite").verdict is Verdict.BLOCK
        decision = decide(policy, "a kite", purpose="test")
        assert decision.allowed
        (finding,) = decision.findings
        assert finding.action is Action.WARN
        assert finding.reason.startswith("Exempt under the rule's own exception")

    def test_an_exempt_redaction_takes_nothing_out(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", action="redact", unless="actor == 'ann'"))
        assert decide(policy, "a kite", actor="ann").effective_prompt == "a kite"

    def test_a_condition_that_fails_is_an_error(self, tmp_path: Path) -> None:
        text = "has(request.metadata.n) && request.metadata.n > 3"
        policy = load(tmp_path, rule("a", "kite", unless=text))
        assert decide(policy, "a kite", metadata={"n": 4}).allowed
        assert decide(policy, "a kite", metadata={"n": 3}).verdict is Verdict.BLOCK
        assert decide(policy, "a kite", metadata={"n": "x"}).verdict is Verdict.ERROR

    def test_consents_and_model_can_be_read(self, tmp_path: Path) -> None:
        policy = load(tmp_path, rule("a", "kite", unless="consent.exists(c, c.scope == 'kites')"))
        request = probe("a kite")
        assert policy.decide(request).verdict is Verdict.BLOCK
        assert policy.decide(request, consents=[{"scope": "kites"}]).allowed


class TestConclude:
    def finding(self, **more: Any) -> Finding:
        plain = Finding("p", "x", Stage.OUTPUT, Action.BLOCK, Mode.ENFORCE, "BLANK", "Blank.")
        return dataclasses.replace(plain, **more)

    def run(self, name: str = "p") -> RuleRun:
        return RuleRun(name, Stage.OUTPUT, Verdict.ALLOW, 0.1)

    def test_a_finding_decides(self, tmp_path: Path) -> None:
        policy = load(tmp_path, INTEGRITY)
        assert policy.conclude(Stage.OUTPUT, [], [self.run()]).allowed
        decision = policy.conclude(Stage.OUTPUT, [self.finding()], [self.run()])
        assert decision.verdict is Verdict.BLOCK
        assert decision.inspected == ("output",)
        assert decision.effective_prompt is None

    def test_a_rule_that_did_not_run_is_an_error(self, tmp_path: Path) -> None:
        policy = load(tmp_path, INTEGRITY)
        decision = policy.conclude(Stage.OUTPUT, [], [self.run("another")])
        assert decision.verdict is Verdict.ERROR
        assert decision.findings[0].reason_code == "RULE_NOT_RUN"

    def test_a_stage_without_rules_is_shown_as_not_inspected(self, tmp_path: Path) -> None:
        decision = load(tmp_path, rule("a", "kite")).conclude(Stage.OUTPUT, [], [])
        assert decision.not_inspected == ("output",)

    def test_shadow_findings_do_not_count(self, tmp_path: Path) -> None:
        policy = load(tmp_path, INTEGRITY | {"mode": "shadow"})
        found = self.finding(mode=Mode.SHADOW)
        assert policy.conclude(Stage.OUTPUT, [found], [self.run()]).allowed
        assert policy.conclude(Stage.OUTPUT, [], [self.run("another")]).allowed


def test_one_policy_serves_many_threads(tmp_path: Path) -> None:
    policy = load(tmp_path, rule("a", "kite", unless="actor == 'ann'"))
    prompts = ["a kite" if n % 3 else "a boat" for n in range(300)]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda text: decide(policy, text).verdict, prompts))
    assert verdicts == [Verdict.BLOCK if n % 3 else Verdict.ALLOW for n in range(300)]


def test_an_empty_prompt_is_judged() -> None:
    assert decide(load_policy("default"), "").allowed
    assert decide(load_policy("default"), " \u200b\n").allowed
