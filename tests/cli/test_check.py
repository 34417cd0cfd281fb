"""``guardrail check``: one prompt or many, and an exit code to branch on."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrail.cli import cli
from guardrail.cli.errors import run


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(cli, [str(argument) for argument in arguments])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


REVIEW = """\
schema_version: 1
id: held
version: "1"
description: Holds kites for a person to look at, and takes drones out.
rules:
  - {id: held.kite, check: phrases, stage: prompt, action: review, with: {phrases: [kite]}}
  - {id: held.drone, check: phrases, stage: prompt, action: redact, with: {phrases: [drone]}}
"""


def test_one_prompt_that_is_allowed(guardrail: Any) -> None:
    code, out, err = guardrail("check", "a house by a lake")
    assert code == 0
    assert out.startswith("allow")
    assert "policy  default" in out
    assert err == ""


def test_one_prompt_that_is_refused(guardrail: Any) -> None:
    code, out, _ = guardrail("check", "a photo of Taylor Swift")
    assert code == 3
    assert "default.real-person" in out
    assert "characters 11 to 23" in out
    assert "change" in out
    code, out, _ = guardrail("check", "a photo of Taylor Swift", "--format", "json")
    decision = json.loads(out)
    assert code == 3
    assert decision["verdict"] == "block"
    assert decision["findings"][0]["span"] == {"start": 11, "end": 23, "field": "prompt"}
    assert len(decision["policy"]["digest"]) == 64


def test_the_policy_can_be_a_document(guardrail: Any, tmp_path: Path) -> None:
    path = tmp_path / "held.yaml"
    path.write_text(REVIEW, "utf-8")
    assert guardrail("check", "a kite", "--policy", path)[0] == 4
    code, out, _ = guardrail("check", "a drone over a house", "--policy", path)
    assert code == 0
    assert "enforce redact  held.drone" in out
    assert "prompt  a over a house" in out


def test_other_texts_of_the_request_are_read(guardrail: Any) -> None:
    assert guardrail("check", "a singer", "-n", "Taylor Swift")[0] == 3


def test_a_rule_that_cannot_run_is_6(guardrail: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        REVIEW.replace(
            "with: {phrases: [kite]}",
            'with: {phrases: [kite]}, unless: "has(request.metadata.n) && request.metadata.n > 3"',
        ),
        "utf-8",
    )
    line = json.dumps({"prompt": "a kite", "metadata": {"n": "three"}})
    (tmp_path / "prompts.jsonl").write_text(line, "utf-8")
    code, out, err = guardrail(
        "check", "--jsonl", "-f", tmp_path / "prompts.jsonl", "--policy", path
    )
    assert code == 6
    assert out.startswith("error   1  held.kite RULE_FAILED")
    assert "1 error" in err


def test_a_file_gets_one_line_a_prompt(guardrail: Any, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a house\n\na photo of Taylor Swift\n", "utf-8")
    code, out, err = guardrail("check", "--file", path)
    assert code == 0
    assert out.splitlines() == ["allow   1", "block   3  default.real-person REAL_PERSON_NAMED"]
    assert err.splitlines() == ["1 allow, 1 block"]


def test_jsonl_in_jsonl_out_with_the_callers_ids(guardrail: Any, tmp_path: Path) -> None:
    lines = [
        {"id": "a7", "prompt": "a house"},
        {"id": 8, "prompt": "a singer", "negative_prompt": "Taylor Swift", "purpose": "test"},
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    code, out, _ = guardrail("check", "--jsonl", "-f", path, "--format", "jsonl")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(a["line"], a["id"], a["decision"]["verdict"]) for a in answers] == [
        (1, "a7", "allow"),
        (2, 8, "block"),
    ]


def test_standard_input(guardrail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"ein Haus\nTaylor Swift\n"), "utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = guardrail("check", "--file", "-")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["allow", "block"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("secret", "Line 2 is not JSON"),
        ("[1]", "Line 2 is no JSON object with a text 'prompt'"),
        ('{"prompt": 7}', "Line 2 is no JSON object with a text 'prompt'"),
        ('{"prompt": "secret", "secret": 1}', "Line 2 has an unknown key"),
        ('{"prompt": "secret", "actor": 1}', "Line 2: actor has the wrong type"),
    ],
)
def test_a_bad_line_is_named_and_never_quoted(
    guardrail: Any, tmp_path: Path, line: str, expected: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a house"}\n' + line, "utf-8")
    code, _, err = guardrail("check", "--jsonl", "-f", path)
    assert code == 2
    assert expected in err
    assert "secret" not in err


def test_a_prompt_or_a_file_but_not_both(guardrail: Any, tmp_path: Path) -> None:
    assert guardrail("check")[0] == 2
    path = tmp_path / "prompts.txt"
    path.write_text("a house", "utf-8")
    assert guardrail("check", "a house", "--file", path)[0] == 2


def test_nothing_is_recorded(guardrail: Any, home: Path) -> None:
    guardrail("check", "a photo of Taylor Swift")
    assert not home.exists()
