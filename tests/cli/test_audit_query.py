"""``guardrail audit search|stats|tail|export``."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrail.audit import AuditLog
from guardrail.audit.keys import LogKey
from guardrail.audit.merkle import frontier_of, leaf_hash
from guardrail.cli import cli
from guardrail.cli.errors import run
from guardrail.contracts import Verdict
from tests.audit.samples import (
    ALLOW,
    MODEL,
    POLICY,
    POLICY_TEXT,
    generate,
    make_request,
    refusal,
)

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(cli, ["audit", *(str(argument) for argument in arguments)])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


@pytest.fixture
def log(home: Path) -> Any:
    """The default store of the test's home, with three records."""
    with AuditLog.open(home / "audit.db") as opened:
        opened.store_policy(POLICY, POLICY_TEXT)
        generate(opened, "a red boat")
        generate(opened, "a blue boat", tenant="other", negative_prompt="fog")
        opened.refuse(make_request("=somebody, famous"), refusal())
        yield opened


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["BOAT"], 2),
        (["boat", "fog"], 1),
        (["boat", "famous"], 0),
        (["blue boat"], 1),
        (["blue red"], 0),
        (["tenant:other", "boat"], 1),
        (["verdict:block", "rule:real-people"], 1),
        (["verdict:block rule:real-people"], 1),
        (["blue boat", "fog"], 1),
        (["boat blue", "fog"], 0),
        (["actor:ada@example.org", "state:released"], 2),
    ],
)
def test_search_wants_all_parts(
    guardrail: Command, log: AuditLog, words: list[str], found: int
) -> None:
    code, out, _ = guardrail("search", *words, "--format", "json")
    assert (code, len(json.loads(out))) == (0, found)


def test_search_says_how_to_go_on(guardrail: Command, log: AuditLog) -> None:
    _, _, err = guardrail("search", "boat", "--limit", "1")
    assert "guardrail audit search ... --before 2" in err


def test_stats_count(guardrail: Command, log: AuditLog) -> None:
    log.refuse(make_request(), refusal(Verdict.REVIEW, "children"))
    request = make_request()
    log.begin(request, ALLOW, MODEL)
    log.cancel(request, request.record_ids)
    code, out, _ = guardrail("stats", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["records"] == sum(found["days"].values()) == 5
    assert found["outcomes"] == {"released": 2, "cancelled": 1, "held": 1, "refused": 1}
    assert found["tenants"] == {"acme": 4, "other": 1}
    assert found["models"] == {"embedded": 3}
    assert found["policies"] == {POLICY.digest: 5}
    assert found["rules"] == {"children": 1, "real-people": 1}
    assert found["reasons"] == {"REAL_PERSON_NAMED": 2}
    assert found["milliseconds"]["generate"] == {"p50": 12.5, "p95": 12.5, "p99": 12.5}
    assert json.loads(guardrail("stats", "--until", "1d", "--format", "json")[1])["records"] == 0


def test_stats_have_bars(guardrail: Command, log: AuditLog) -> None:
    _, out, _ = guardrail("stats")
    lines = out.splitlines()
    assert lines[0] == "records   3"
    assert "  released                          2  " + "█" * 32 in lines
    assert "  refused                           1  " + "█" * 16 in lines


def test_tail_prints_the_newest(guardrail: Command, log: AuditLog) -> None:
    code, out, _ = guardrail("tail", "-n", "2")
    assert code == 0
    assert [line.split()[:1] for line in out.splitlines()] == [["4"], ["5"]]
    assert "generation.refused" in out
    code, out, _ = guardrail("tail", "-n", "100", "--format", "jsonl")
    assert [json.loads(line)["seq"] for line in out.splitlines()] == list(range(6))
    assert guardrail("tail", "-n", "0")[1] == ""


def test_tail_follows(log: AuditLog, home: Path) -> None:
    options = ["audit", "tail", "-f", "--interval", "0.05", "--format", "jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from guardrail.cli import main; main()", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        seen = [json.loads(process.stdout.readline())["seq"] for _ in range(6)]
        generate(log)
        seen += [json.loads(process.stdout.readline())["seq"] for _ in range(2)]
        assert seen == list(range(8))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_exported_events_lead_to_the_checkpoint(
    guardrail: Command, log: AuditLog, tmp_path: Path
) -> None:
    """Whoever has the lines and a checkpoint needs nothing else."""
    signed = log.proofs().checkpoint(LogKey.load_or_create(tmp_path / "key"))
    target = tmp_path / "log.jsonl"
    code, out, err = guardrail("export", "-o", target)
    assert (code, out) == (0, "")
    assert "6 events" in err
    assert target.stat().st_mode & 0o777 == 0o600
    lines = target.read_bytes().splitlines()
    assert frontier_of(map(leaf_hash, lines)).root == signed.checkpoint.root

    generate(log)
    code, _, err = guardrail("export", "-o", target, "--after", "5")
    assert "2 events" in err
    lines = target.read_bytes().splitlines()
    assert frontier_of(map(leaf_hash, lines)).root.hex() == log.verify().root
    assert guardrail("export")[1].encode() == target.read_bytes()


def test_a_table_of_records_is_exported(guardrail: Command, log: AuditLog) -> None:
    code, out, err = guardrail("export", "--as", "csv")
    assert code == 0
    assert "3 records" in err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["prompt"] for row in rows] == ["'=somebody, famous", "a blue boat", "a red boat"]
    assert rows[0]["rules"] == "real-people"
    assert rows[0]["state"] == "refused"
    assert rows[1]["seed"] == str(2**64 - 1)
    assert guardrail("export", "--as", "csv", "--until", "1d")[1].count("\n") == 1


def test_what_cannot_be_exported_is_said(guardrail: Command, log: AuditLog, tmp_path: Path) -> None:
    assert guardrail("export", "--since", "1d")[0] == 2
    code, _, err = guardrail("export", "-o", tmp_path / "none" / "log.jsonl")
    assert (code, "cannot be written" in err) == (2, True)
