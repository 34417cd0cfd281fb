"""``guardrail policy``: validate, show and test documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardrail import resources
from guardrail.cli import cli
from guardrail.cli.errors import run
from guardrail.policy import load_policy


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(cli, [str(argument) for argument in arguments])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


HEAD = """\
schema_version: 1
id: mine
version: "1"
description: Finds kites.
"""
RULES = """\
rules:
  - {id: mine.kite, check: phrases, stage: prompt, action: block, with: {phrases: [kite]}}
  - {id: mine.boat, check: phrases, stage: prompt, action: review, with: {phrases: [boat]}}
"""
CASES = """\
cases:
  - {name: a kite, prompt: a red kite, expect: block, rule: mine.kite}
  - {name: a house, prompt: a house, expect: allow}
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + RULES + CASES, "utf-8")
    return path


def test_validate_names_the_version(guardrail: Any, document: Path) -> None:
    code, out, _ = guardrail("policy", "validate", document, "default")
    assert code == 0
    assert out.splitlines()[0] == f"valid    {document}  mine 1 {load_policy(document).ref.digest}"
    assert "valid    default" in out


def test_validate_locates_every_fault_of_every_document(guardrail: Any, document: Path) -> None:
    broken = document.with_name("broken.yaml")
    broken.write_text(HEAD + RULES.replace("stage: prompt", "stage: promt"), "utf-8")
    code, out, _ = guardrail("policy", "validate", broken, document)
    assert code == 2
    assert f"{broken}:6:44: rules[0].stage: must be one of prompt, input, output" in out
    assert f"{broken}:7:44:" in out
    assert f"valid    {document}" in out
    code, out, _ = guardrail("policy", "validate", broken, "--format", "json")
    assert code == 2
    (row,) = json.loads(out)
    assert not row["valid"]
    assert len(row["problems"]) == 2


def test_validate_tells_a_name_that_does_not_exist(guardrail: Any) -> None:
    code, out, err = guardrail("policy", "validate", "defualt")
    assert code == 2
    assert "no bundled policy 'defualt'" in out
    assert "default" in err


def test_show_tells_the_effective_policy(guardrail: Any, document: Path) -> None:
    code, out, _ = guardrail("policy", "show", document)
    assert code == 0
    assert "core.intimate  prompt block, enforce" in out
    assert "phrases=['kite']" in out
    shown = json.loads(guardrail("policy", "show", document, "--format", "json")[1])
    assert shown["policy"]["digest"] == load_policy(document).ref.digest
    assert shown["document"] == json.loads(load_policy(document).text)


def test_show_takes_the_policy_of_the_settings(guardrail: Any, document: Path) -> None:
    assert guardrail("policy", "show")[1].startswith("default ")
    assert guardrail("policy", "show", "--policy", document)[1].startswith("mine ")


def test_cases_that_pass_with_the_rules_they_do_not_reach(guardrail: Any, document: Path) -> None:
    code, out, _ = guardrail("policy", "test", document)
    assert code == 0
    assert "2 of 2 cases passed, 1 of 2 rules reached" in out
    assert "not reached  mine.boat" in out
    code, _, err = guardrail("policy", "test", document, "--min-coverage", "51")
    assert code == 5
    assert "reach less than 51 %" in err
    assert guardrail("policy", "test", document, "--min-coverage", "50")[0] == 0


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        ("prompt: a house, expect: block", "expected block, got allow"),
        ("prompt: a kite, expect: allow", "expected allow, got block by mine.kite"),
        (
            "prompt: a kite, expect: block, rule: mine.boat",
            "expected the rule 'mine.boat' to find something by mine.kite",
        ),
        (
            "prompt: a house, expect: allow, effective_prompt: a hut",
            "expected the prompt 'a hut', got 'a house'",
        ),
    ],
)
def test_a_case_that_fails_says_what_was_expected(
    guardrail: Any, document: Path, case: str, fault: str
) -> None:
    text = f"{HEAD}{RULES}cases:\n  - {{name: the case, {case}}}\n"
    document.write_text(text, "utf-8")
    code, out, err = guardrail("policy", "test", document)
    assert code == 5
    assert "failed" in out
    assert "the case" in out
    assert fault in out
    assert "1 cases did not pass" in err
    code, out, _ = guardrail("policy", "test", document, "--format", "json")
    assert code == 5
    assert json.loads(out)[0]["failed"][0]["case"] == "the case"


def test_a_document_without_cases_does_not_pass(guardrail: Any, document: Path) -> None:
    document.write_text(HEAD + RULES, "utf-8")
    assert guardrail("policy", "test", document)[0] == 5


def test_every_bundled_policy_can_be_tested_at_once(guardrail: Any) -> None:
    code, out, _ = guardrail("policy", "test", "--all", "--min-coverage", "100")
    assert code == 0
    assert "core: " in out
    assert "default: " in out


class TestExplain:
    def test_tells_readings_rules_places_and_times(self, guardrail: Any) -> None:
        code, out, _ = guardrail("policy", "explain", "a photo of T4ylor Swift")
        assert code == 0
        assert "read  prompt plain: aphotooft4ylorswift" in out
        assert "read  prompt leet: aphotooftaylorswift" in out
        assert "rule  core.intimate (intimate) nothing found in" in out
        assert "REAL_PERSON_NAMED  prompt 11-23, matched 'Taylor Swift', in the view leet" in out
        assert "did not run: it looks at pictures (output)" in out
        assert "block  by default" in out

    def test_as_data(self, guardrail: Any, document: Path) -> None:
        found = guardrail("policy", "explain", "a kite", "--policy", document, "--format", "json")
        told = json.loads(found[1])
        assert told["decision"]["verdict"] == "block"
        assert [r["rule_id"] for r in told["rules"]] == ["core.intimate", "mine.kite", "mine.boat"]
        assert all(r["milliseconds"] >= 0 for r in told["rules"])

    def test_rules_that_did_not_run_say_why(self, guardrail: Any, document: Path) -> None:
        document.write_text(
            HEAD
            + RULES.replace("with: {phrases: [kite]}", "with: {phrases: [kite]}, mode: off")
            .replace("with: {phrases: [boat]}", "with: {phrases: [boat]}, when: actor == 'ann'"),
            "utf-8",
        )  # fmt: skip
        code, out, _ = guardrail("policy", "explain", "a kite", "--policy", document)
        assert code == 0
        assert "mine.kite (phrases) did not run: it is off" in out
        assert "mine.boat (phrases) did not run: its 'when' does not hold" in out
        assert "the model gets: a kite" in out

    def test_a_prompt_that_no_rule_sees(self, guardrail: Any) -> None:
        _, out, _ = guardrail("policy", "explain", "x" * 3000)
        assert "did not run: the request was refused before any rule ran" in out
        assert "PROMPT_TOO_LONG" in out


class TestDiff:
    def test_tells_each_change_and_its_direction(self, guardrail: Any, document: Path) -> None:
        other = document.with_name("other.yaml")
        other.write_text(
            HEAD + RULES.replace("review", "block").replace("[kite]", "[kite, drone]"), "utf-8"
        )
        code, out, err = guardrail("policy", "diff", document, other)
        assert code == 0
        assert "tighter  rule mine.boat action: review -> block" in out
        assert 'tighter  rule mine.kite with.phrases: added ["drone"]' in out
        assert err.startswith("2 tighter")
        code, out, _ = guardrail("policy", "diff", other, document, "--format", "json")
        assert {c["direction"] for c in json.loads(out)["changes"]} == {"looser"}

    def test_the_same_meaning_is_no_change(self, guardrail: Any, document: Path) -> None:
        other = document.with_name("other.yaml")
        other.write_text("# a comment\n" + HEAD + RULES, "utf-8")
        assert guardrail("policy", "diff", document, other)[2].startswith("no change")


class TestNew:
    @pytest.mark.parametrize("kind", [[], ["--overlay"]], ids=["policy", "overlay"])
    def test_what_it_writes_passes_its_own_tests(
        self, guardrail: Any, tmp_path: Path, kind: list[str]
    ) -> None:
        path = tmp_path / "acme.yaml"
        code, out, err = guardrail("policy", "new", "acme", "-o", path, *kind)
        assert (code, out) == (0, f"{path}\n")
        assert "guardrail policy test" in err
        assert guardrail("policy", "test", path, "--min-coverage", "100")[0] == 0
        schema = path.read_text("utf-8").splitlines()[0].removeprefix("# yaml-language-server: ")
        assert Path(schema.removeprefix("$schema=")).is_file()

    def test_it_can_extend_a_document(self, guardrail: Any, tmp_path: Path) -> None:
        guardrail("policy", "new", "acme", "-o", tmp_path / "acme.yaml")
        team = tmp_path / "teams" / "team.yaml"
        team.parent.mkdir()
        extends = ["--extends", tmp_path / "acme.yaml"]
        assert guardrail("policy", "new", "team", "-o", team, *extends)[0] == 0
        assert "extends: [../acme.yaml]" in team.read_text("utf-8")
        assert guardrail("policy", "validate", team)[0] == 0

    def test_nothing_is_overwritten(self, guardrail: Any, document: Path) -> None:
        before = document.read_text("utf-8")
        code, _, err = guardrail("policy", "new", "mine", "-o", document)
        assert code == 2
        assert "exists already" in err
        assert document.read_text("utf-8") == before
        assert guardrail("policy", "new", "Not A Name", "-o", "x.yaml")[0] == 2


def test_schema_prints_what_is_bundled(guardrail: Any) -> None:
    code, out, _ = guardrail("policy", "schema")
    assert code == 0
    assert out == (resources.policies_dir() / "schema.json").read_text("utf-8")


def test_show_says_plainly_what_is_not_implemented(guardrail: Any) -> None:
    out = guardrail("policy", "show", "china")[1]
    assert "requires  china.explicit-label: a label that a viewer can see in the picture" in out
    assert "NOT implemented: a pipeline with this policy does not start" in out
    assert "by guardrail, for every picture" in out  # china.logs
    assert "GB 45438-2025, Art. 5 (implicit label) (in force, 2025-09-01)" in out
