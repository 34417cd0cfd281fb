"""From a draft to a policy in force: replay, shadow report, activation, history."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardrail import AuditLog, Pipeline, PolicyBlocked
from guardrail.audit.tables import Personal
from guardrail.cli import cli
from guardrail.cli.errors import run
from guardrail.errors import PolicyError
from guardrail.policy import load_policy
from guardrail.policy.rules.phrases import Phrases
from tests.drawn import DrawnBackend

Call = Callable[..., tuple[int, str, str]]

MINE = """\
schema_version: 1
id: mine
version: "{version}"
description: Finds kites, and watches boats.
rules:
  - {{id: mine.kite, check: phrases, stage: prompt, action: block, with: {{phrases: [{words}]}}}}
  - {{id: mine.boat, check: phrases, stage: prompt, action: {boat}, mode: shadow,
     with: {{phrases: [boat]}}}}
"""


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(cli, [str(argument) for argument in arguments])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


def document(folder: Path, name: str, words: str = "kite", version: str = "1") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(MINE.format(words=words, version=version, boat="review"), "utf-8")
    return path


@pytest.fixture
def logged(tmp_path: Path, home: Path) -> Iterator[Pipeline]:
    """A store with requests of two tenants, decided by a policy of one blocked word."""
    mine = document(tmp_path, "mine")
    pipe = Pipeline.from_pretrained(DrawnBackend(), policy=mine, home=home)
    asked = [
        ("a red kite", "toys", "ann"),
        ("a boat on a lake", "toys", "ann"),
        ("a drone over a lake", "toys", "bob"),
        ("a drone and a boat", "films", "cyd"),
        ("a house", "films", None),
    ]
    for prompt, tenant, actor in asked:
        with contextlib.suppress(PolicyBlocked):
            pipe.generate(prompt, tenant=tenant, actor=actor, count=2, seed=7)
    yield pipe
    pipe.close()


class TestReplay:
    def test_lists_every_flip_and_sums_up(
        self, guardrail: Call, logged: Pipeline, tmp_path: Path
    ) -> None:
        draft = document(tmp_path, "draft", words="drone", version="2")
        code, out, err = guardrail("policy", "replay", tmp_path / "mine.yaml", "--against", draft)
        assert code == 0
        lines = out.splitlines()
        assert len(lines) == 3  # one a request, not one a picture
        assert sum("allow -> block" in line and "mine.kite" in line for line in lines) == 2
        assert sum("block -> allow" in line for line in lines) == 1
        assert "5 requests, 3 differ: 2 harder, 1 softer" in err
        for row in ("tenant       2  toys", "tenant       1  films", "actor        1  cyd"):
            assert row in err

    def test_as_data(self, guardrail: Call, logged: Pipeline, tmp_path: Path) -> None:
        draft = document(tmp_path, "draft", words="kite, drone", version="2")
        told = json.loads(
            guardrail("policy", "replay", logged.policy.ref.digest, "--against", draft,
                      "--format", "json")[1]
        )  # fmt: skip
        assert told["summary"]["requests"] == 5
        assert told["summary"]["harder"] == 2
        assert told["summary"]["softer"] == 0
        assert {flip["actor"] for flip in told["flips"]} == {"bob", "cyd"}
        rows = guardrail("policy", "replay", logged.policy.ref.digest, "--against", draft,
                         "--format", "jsonl")[1].splitlines()  # fmt: skip
        assert [json.loads(row) for row in rows] == told["flips"]

    def test_the_same_policy_flips_nothing(
        self, guardrail: Call, logged: Pipeline, tmp_path: Path
    ) -> None:
        mine = tmp_path / "mine.yaml"
        code, out, err = guardrail("policy", "replay", mine, "--against", mine, "--since", "30d")
        assert (code, out) == (0, "")
        assert "5 requests, 0 differ" in err

    def test_filters(self, guardrail: Call, logged: Pipeline, tmp_path: Path) -> None:
        draft = document(tmp_path, "draft", words="drone", version="2")
        names = ("policy", "replay", tmp_path / "mine.yaml", "--against", draft)
        assert "2 requests, 1 differ" in guardrail(*names, "--tenant", "films")[2]
        assert "2 requests, 1 differ" in guardrail(*names, "--actor", "ann")[2]
        assert "0 requests" in guardrail(*names, "--until", "2020-01-01")[2]

    def test_erased_requests_are_counted_and_not_guessed(
        self, guardrail: Call, logged: Pipeline, tmp_path: Path
    ) -> None:
        store = logged.audit._store
        with store.write() as connection:  # what erasure does
            gone = Personal.__table__.c
            connection.execute(
                Personal.__table__.delete().where(gone.field == "prompt", gone.text == "a house")
            )
        mine = tmp_path / "mine.yaml"
        _, _, err = guardrail("policy", "replay", mine, "--against", mine)
        assert "4 requests, 0 differ" in err
        assert "1 could not be asked again: erased" in err


class TestShadowReport:
    def test_counts_what_shadow_rules_would_have_done(
        self, guardrail: Call, logged: Pipeline
    ) -> None:
        code, out, _ = guardrail("policy", "shadow-report", "--since", "1d")
        assert code == 0
        assert "mine.boat  review: found in 2 of 5 requests, would have decided 2" in out
        assert "tenant      1  films" in out
        told = json.loads(guardrail("policy", "shadow-report", "--format", "json")[1])
        assert told["requests"] == 5
        (rule,) = told["rules"]
        assert (rule["rule_id"], rule["requests"], rule["decisive"]) == ("mine.boat", 2, 2)
        assert rule["tenants"] == {"films": 1, "toys": 1}

    def test_nothing_found(self, guardrail: Call, logged: Pipeline) -> None:
        _, out, err = guardrail("policy", "shadow-report", "--tenant", "nobody")
        assert out == ""
        assert "no shadow rule found anything in 0 requests" in err


class TestActivation:
    def test_who_when_and_why_are_recorded(
        self, guardrail: Call, home: Path, tmp_path: Path
    ) -> None:
        mine = document(tmp_path, "mine")
        why = ["--actor", "legal@example.org", "--reason", "Board decision 12"]
        code, out, _ = guardrail("policy", "activate", mine, *why)
        assert code == 0
        digest = load_policy(mine).ref.digest
        assert f"active  mine 1 {digest}" in out
        code, out, _ = guardrail("policy", "activate", "default", *why)
        assert f"before  mine 1 {digest}" in out
        code, out, _ = guardrail("policy", "history", "--format", "json")
        told = json.loads(out)
        newest, oldest = told["activations"]
        assert newest["replaced"] == digest
        assert oldest["actor"] == "legal@example.org"
        assert oldest["reason"] == "Board decision 12"
        assert {v["policy"]["id"] for v in told["versions"]} == {"mine", "default"}
        _, out, _ = guardrail("policy", "history")
        assert "by legal@example.org: Board decision 12" in out
        assert guardrail("audit", "verify")[0] == 0
        assert guardrail("audit", "policy", digest)[1].strip() == load_policy(mine).text

    def test_a_pipeline_follows_what_is_active_not_what_a_file_says(
        self, guardrail: Call, home: Path, tmp_path: Path
    ) -> None:
        mine = document(tmp_path, "mine")
        guardrail("policy", "activate", mine, "--actor", "ann", "--reason", "first")
        document(tmp_path, "mine", words="drone", version="2")  # edited, not activated
        pipe = Pipeline.from_pretrained(DrawnBackend(), policy="active", home=home)
        assert not pipe.check("a red kite").allowed
        assert pipe.check("a drone").allowed
        pipe.close()
        assert guardrail("check", "a red kite", "--policy", "active")[0] == 3
        guardrail("policy", "activate", mine, "--actor", "ann", "--reason", "second")
        assert guardrail("check", "a red kite", "--policy", "active")[0] == 0
        shown = guardrail("policy", "show", "--policy", "active")[1]
        assert shown.startswith("mine 2 ")

    def test_without_an_activation_nothing_starts(self, guardrail: Call, home: Path) -> None:
        AuditLog.open(home / "audit.db").close()
        with pytest.raises(PolicyError, match="No policy is active"):
            Pipeline.from_pretrained(DrawnBackend(), policy="active", home=home)
        assert guardrail("check", "a house", "--policy", "active")[0] == 2

    def test_changed_lists_are_not_run_as_the_activated_version(
        self, guardrail: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Phrases, "data_digest", "a" * 64, raising=False)
        guardrail(
            "policy", "activate", document(tmp_path, "mine"), "--actor", "ann", "--reason", "x"
        )
        assert guardrail("check", "a house", "--policy", "active")[0] == 0
        monkeypatch.setattr(Phrases, "data_digest", "b" * 64, raising=False)
        code, _, err = guardrail("check", "a house", "--policy", "active")
        assert code == 2
        assert "lists that have changed" in err

    def test_an_invalid_document_is_not_activated(
        self, guardrail: Call, home: Path, tmp_path: Path
    ) -> None:
        path = document(tmp_path, "mine")
        path.write_text("id: mine\n", "utf-8")
        assert guardrail("policy", "activate", path, "--actor", "a", "--reason", "r")[0] == 2
        assert not (home / "audit.db").exists()
        assert guardrail("policy", "activate", "default", "--actor", "a")[0] == 2
