"""``guardrail audit``: what people and programs read from the record."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from guardrail.audit import AuditLog, generation
from guardrail.audit.merkle import leaf_hash
from guardrail.audit.notes import parse_proof
from guardrail.cli import cli
from guardrail.cli.errors import run
from guardrail.contracts import Verdict
from guardrail.identifiers import new_id
from tests.audit.samples import (
    ALLOW,
    MODEL,
    POLICY,
    POLICY_TEXT,
    Behind,
    generate,
    make_request,
    refusal,
)

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str | Path | UUID) -> tuple[int, str, str]:
        code = run(cli, [str(argument) for argument in arguments])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


@pytest.fixture
def log(home: Path) -> Any:
    """The default store of the test's home."""
    with AuditLog.open(home / "audit.db") as opened:
        opened.store_policy(POLICY, POLICY_TEXT)
        yield opened


def listed(guardrail: Command, *arguments: str) -> Any:
    """The rows that ``audit list`` prints as JSON."""
    code, out, err = guardrail("audit", "list", *arguments, "--format", "json")
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", str(UUID(int=1))], ["verify"], ["sweep"], ["policy", "ab"]],
    ids=lambda arguments: arguments[0],
)
def test_before_the_first_generation_it_says_so(
    guardrail: Command, home: Path, arguments: list[str]
) -> None:
    code, out, err = guardrail("audit", *arguments)
    assert code == 6
    assert out == ""
    assert f"error: There is no audit store at {home / 'audit.db'} yet." in err
    assert "hint: It is made by the first generation" in err
    assert not home.exists()


def test_list_is_for_people(guardrail: Command, log: AuditLog, home: Path) -> None:
    first = generate(log, "a red boat on a very long and winding river")
    log.refuse(make_request("somebody"), refusal())
    code, out, err = guardrail("audit", "list")
    assert code == 0
    assert f"record store  {home / 'audit.db'}" in err
    lines = out.splitlines()
    assert "refused" in lines[0] and "somebody" in lines[0]
    assert re.fullmatch(
        rf"{first}  \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ  released    a red boat on a very long a…",
        lines[1],
    )


def test_list_is_for_programs(guardrail: Command, log: AuditLog) -> None:
    record_id = generate(log)
    [row] = listed(guardrail)
    assert set(row) == {
        "record_id",
        "request_id",
        "seq",
        "time",
        "state",
        "verdict",
        "actor",
        "tenant",
        "purpose",
        "model",
        "policy",
        "rules",
        "seed",
        "prompt",
        "sha256",
    }
    assert row["record_id"] == str(record_id)
    assert row["seed"] == str(2**64 - 1)
    assert row["policy"] == {"id": "default", "version": "1.0.0", "digest": POLICY.digest}
    code, out, _ = guardrail("audit", "list", "--format", "jsonl")
    assert json.loads(out) == row
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], 3),
        (["--verdict", "block"], 1),
        (["--state", "released"], 1),
        (["--state", "held"], 1),
        (["--actor", "bob"], 1),
        (["--tenant", "other"], 1),
        (["--model", "embedded"], 1),
        (["--policy-digest", POLICY.digest[:8]], 3),
        (["--rule", "children"], 1),
        (["--text", "RED"], 1),
        (["--since", "1d"], 3),
        (["--until", "1d"], 0),
        (["--since", "2001-01-01", "--until", "2001-01-02"], 0),
        (["--since", "2001-01-01T00:00:00+02:00"], 3),
        (["--limit", "2"], 2),
        (["--before", "2"], 1),
    ],
)
def test_list_filters(
    guardrail: Command, log: AuditLog, arguments: list[str], expected: int
) -> None:
    generate(log, "a red boat")
    log.refuse(make_request("x", actor="bob"), refusal())
    log.refuse(make_request("y", tenant="other"), refusal(Verdict.REVIEW, "children"))
    assert len(listed(guardrail, *arguments)) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "yesterday"],
        ["--since", "99999999999d"],
        ["--since", "²d"],
        ["--since", "2026-11-23T10:00:00"],
        ["--limit", "0"],
        ["--limit", "10001"],
        ["--verdict", "maybe"],
        ["--state", "gone"],
    ],
    ids=" ".join,
)
def test_list_refuses_what_it_cannot_read(
    guardrail: Command, log: AuditLog, arguments: list[str]
) -> None:
    code, out, err = guardrail("audit", "list", *arguments)
    assert code == 2
    assert out == ""
    assert "Error: Invalid value" in err


def test_list_says_how_to_go_on(guardrail: Command, log: AuditLog) -> None:
    for number in range(5):
        generate(log, f"picture {number}")
    code, out, err = guardrail("audit", "list", "--limit", "2")
    assert code == 0
    found = re.search(r"hint: older records: guardrail audit list --before (\d+)", err)
    assert found
    _, more, err = guardrail("audit", "list", "--limit", "3", "--before", found[1])
    prompts = [line.rpartition("  ")[2].strip() for line in (out + more).splitlines()]
    assert prompts == [f"picture {n}" for n in (4, 3, 2, 1, 0)]
    assert "older records" not in err


def test_nothing_found_is_said_beside_the_data(guardrail: Command, log: AuditLog) -> None:
    code, out, err = guardrail("audit", "list", "--actor", "nobody")
    assert (code, out) == (0, "")
    assert "no records" in err
    assert listed(guardrail, "--actor", "nobody") == []


def test_hostile_texts_cannot_drive_the_terminal(guardrail: Command, log: AuditLog) -> None:
    record_id = generate(log, "\x1b[31m\u202eevil\r\n\0", actor="\x07")
    for arguments in (["list"], ["show", record_id]):
        _, out, _ = guardrail("audit", *arguments)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", out)
        assert "evil" in out


def test_show_tells_the_story(guardrail: Command, log: AuditLog) -> None:
    record_id = generate(log, negative_prompt="fog")
    code, out, err = guardrail("audit", "show", record_id)
    assert code == 0
    for words in (
        f"record    {record_id}  released",
        "asked     a red boat",
        "without fog",
        "by ada@example.org, tenant acme, purpose marketing",
        "decided   allow by default 1.0.0",
        "generated embedded (cdcdcdcdcdcd), seed 18446744073709551615",
        "signed    Development, es256 [development]",
        "generation.requested",
        "generation.released",
    ):
        assert words in out
    assert f"hint: guardrail rerun {record_id}" in err


def test_show_gives_everything_to_programs(guardrail: Command, log: AuditLog) -> None:
    record_id = generate(log)
    code, out, _ = guardrail("audit", "show", record_id, "--format", "json")
    assert code == 0
    shown = json.loads(out)
    assert shown["model"]["weights_digest"] == MODEL.weights_digest
    assert shown["reproduction"]["batch"]["seeds"] == [str(2**64 - 1)]
    assert [event["type"] for event in shown["events"]] == [
        "generation.requested",
        "generation.released",
    ]


@pytest.mark.parametrize("verdict", [Verdict.BLOCK, Verdict.REVIEW])
def test_show_says_why_something_was_refused(
    guardrail: Command, log: AuditLog, verdict: Verdict
) -> None:
    request = make_request()
    log.refuse(request, refusal(verdict))
    _, out, _ = guardrail("audit", "show", request.record_ids[0])
    assert "real-people REAL_PERSON_NAMED: A living person is named." in out


def test_show_says_where_it_failed(guardrail: Command, log: AuditLog) -> None:
    request = make_request()
    log.begin(request, ALLOW, MODEL)
    log.fail(request, request.record_ids, "sign", "ProvenanceError: no key.")
    _, out, _ = guardrail("audit", "show", request.record_ids[0])
    assert "failed    in sign: ProvenanceError: no key." in out


@pytest.mark.parametrize("record", ["not-a-uuid", str(new_id())])
def test_show_an_unknown_record_is_a_usage_error(
    guardrail: Command, log: AuditLog, record: str
) -> None:
    code, out, _ = guardrail("audit", "show", record)
    assert (code, out) == (2, "")


def test_verify_says_what_holds_and_no_more(guardrail: Command, log: AuditLog) -> None:
    generate(log)
    code, out, _ = guardrail("audit", "verify")
    assert code == 0
    assert out.startswith("2 events verify (self-consistent only)\nroot ")
    code, out, _ = guardrail("audit", "verify", "--format", "json")
    found = json.loads(out)
    assert found["ok"] is True
    assert found["size"] == 2
    assert found["assurance"] == "self-consistent only"


def test_verify_finds_tampering_with_exit_5(guardrail: Command, log: AuditLog, home: Path) -> None:
    generate(log)
    behind = Behind(f"sqlite:///{home / 'audit.db'}")
    behind.tamper("UPDATE audit_event SET verdict = 'block' WHERE seq = 1")
    behind.close()
    code, out, err = guardrail("audit", "verify", "--format", "json")
    assert code == 5
    assert json.loads(out)["problems"] == [
        "event 1: column verdict differs from the hashed text",
    ]
    assert "error: The log is not intact." in err


def test_sweep_says_what_it_did(
    guardrail: Command, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request()
    with monkeypatch.context() as patch:
        patch.setattr(generation, "this_process", lambda: {"host": socket.gethostname()})
        log.begin(request, ALLOW, MODEL)
    code, out, err = guardrail("audit", "sweep", "--format", "json")
    [row] = json.loads(out)
    assert code == 0
    assert row == {
        "record_id": str(request.record_ids[0]),
        "event": "generation.interrupted",
        "staged_file": "none",
    }
    assert "1 records settled" in err


def test_policy_prints_the_stored_text(guardrail: Command, log: AuditLog) -> None:
    code, out, _ = guardrail("audit", "policy", POLICY.digest)
    assert (code, out.strip()) == (0, POLICY_TEXT)
    code, out, err = guardrail("audit", "policy", "00")
    assert (code, out) == (2, "")
    assert "guardrail audit show RECORD" in err


def test_a_store_that_is_no_store_is_exit_6(guardrail: Command, home: Path) -> None:
    home.mkdir()
    (home / "audit.db").write_bytes(b"nonsense" * 1000)
    code, out, err = guardrail("audit", "list")
    assert (code, out) == (6, "")
    assert "file is not a database" in err


def test_a_url_that_names_no_store_is_exit_2(guardrail: Command) -> None:
    code, _, err = guardrail("audit", "list", "--audit", "mysql://u:secret@h/x")
    assert code == 2
    assert "SQLite or PostgreSQL" in err
    assert "secret" not in err


def test_the_record_is_read_without_the_heavy_libraries(log: AuditLog, home: Path) -> None:
    """Alembic, psutil, pydantic and the image libraries have no part in reading."""
    generate(log)
    code = (
        "import sys; from guardrail.cli import cli; from guardrail.cli.errors import run\n"
        f"assert run(cli, ['audit', 'list', '--home', {str(home)!r}]) == 0\n"
        "heavy = {'torch', 'diffusers', 'open_clip', 'numpy', 'PIL', 'alembic', 'psutil', 'rich',"
        " 'pydantic', 'c2pa', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


def test_checkpoint_proof_and_verification_fit_together(
    guardrail: Command, log: AuditLog, home: Path, tmp_path: Path
) -> None:
    record_id = generate(log)
    code, out, err = guardrail("audit", "checkpoint", "-o", tmp_path / "first")
    assert code == 0
    assert out == (tmp_path / "first").read_text("utf-8")  # what is printed may be piped to a file
    assert "keep a copy elsewhere" in err
    assert (home / "audit" / "checkpoint.key").stat().st_mode & 0o777 == 0o600
    _, key, _ = guardrail("audit", "key")
    assert key.strip() in err
    (tmp_path / "key").write_text(key)

    code, _, err = guardrail("audit", "proof", record_id, "-o", tmp_path / "proofs")
    assert (code, "proved against the checkpoint of 2 events" in err) == (0, True)
    assert {item.name for item in (tmp_path / "proofs").iterdir()} == {
        "0.json",
        "0.tlog-proof",
        "1.json",
        "1.tlog-proof",
    }
    proof = parse_proof((tmp_path / "proofs" / "1.tlog-proof").read_text("utf-8"))
    assert proof.holds(leaf_hash((tmp_path / "proofs" / "1.json").read_bytes()))

    generate(log)
    assert guardrail("audit", "checkpoint", "-o", tmp_path / "second")[0] == 0
    for old, new in ((tmp_path / "first", tmp_path / "second"), ("2", "4"), ("2", "2")):
        code, out, _ = guardrail("audit", "consistency", old, new)
        assert (code, "one history" in out) == (0, True)
    generate(log)
    own = guardrail("audit", "verify")
    assert own[0] == 0
    assert "6 events verify (checked against our own checkpoints: the first 4)" in own[1]
    assert "--checkpoint COPY" in own[2]
    for key_option in ([], ["--key", tmp_path / "key"]):
        code, out, _ = guardrail(
            "audit", "verify", "--full", "--checkpoint", tmp_path / "first", *key_option
        )
        assert code == 0
        assert "(checked against an externally held checkpoint: the first 2)" in out


def test_a_forked_log_is_exit_5(
    guardrail: Command, log: AuditLog, home: Path, tmp_path: Path
) -> None:
    generate(log)
    guardrail("audit", "checkpoint", "-o", tmp_path / "copy")
    log.close()
    for file in home.glob("audit.db*"):
        file.unlink()
    with AuditLog.open(home / "audit.db") as other:  # somebody began a new history
        other.store_policy(POLICY, POLICY_TEXT)
        generate(other)
    code, out, err = guardrail(
        "audit", "verify", "--checkpoint", tmp_path / "copy", "--format", "json"
    )
    assert code == 5
    found = json.loads(out)
    assert found["assurance"] == "none"
    assert found["problems"] == ["external checkpoint of 2 events: it belongs to another log"]
    assert "not intact" in err


def test_a_checkpoint_of_another_key_is_exit_5(
    guardrail: Command, log: AuditLog, home: Path, tmp_path: Path
) -> None:
    generate(log)
    guardrail("audit", "checkpoint", "-o", tmp_path / "copy")
    (home / "audit" / "checkpoint.key").unlink()
    code, _, err = guardrail("audit", "verify", "--checkpoint", tmp_path / "copy")
    assert code == 2
    assert "public key is not here" in err
    guardrail("audit", "checkpoint")
    assert guardrail("audit", "verify", "--checkpoint", tmp_path / "copy")[0] == 5
    code, _, err = guardrail("audit", "consistency", tmp_path / "copy", tmp_path / "copy")
    assert (code, "not signed by the log's key" in err) == (5, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["key"], "signed no checkpoint yet"),
        (["proof", "RECORD"], "No checkpoint covers"),
        (["consistency", "1", "2"], "There is no checkpoint 1"),
        (["verify", "--checkpoint", "FILE"], "not a signed checkpoint"),
        (["verify", "--key", "FILE"], "not the public key"),
        (["checkpoint", "--max-age", "soon"], "is no age"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_proved_is_said(
    guardrail: Command, log: AuditLog, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "file").write_bytes(b"\xff")
    (tmp_path / "file").write_text("nonsense")
    known = {"RECORD": str(generate(log)), "FILE": str(tmp_path / "file")}
    code, out, err = guardrail("audit", *(known.get(item, item) for item in arguments))
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_log_before_its_first_event_is_not_signed(guardrail: Command, log: AuditLog) -> None:
    code, _, err = guardrail("audit", "checkpoint")
    assert code == 6
    assert "nothing to sign yet" in err


def test_evidence_goes_out_and_is_verified_without_a_store(
    guardrail: Command, log: AuditLog, home: Path, tmp_path: Path
) -> None:
    record_id = generate(log)
    target = tmp_path / "evidence.zip"
    code, _, err = guardrail("audit", "bundle", record_id, "-o", target)
    assert (code, "guardrail audit checkpoint" in err) == (2, True)
    guardrail("audit", "checkpoint", "-o", tmp_path / "copy")
    _, key, _ = guardrail("audit", "key")
    (tmp_path / "key").write_text(key)
    code, out, _ = guardrail("audit", "bundle", record_id, "-o", target, "--withhold", "actor")
    assert (code, out.startswith(f"wrote {target}, ")) == (0, True)
    assert target.stat().st_mode & 0o777 == 0o600
    log.close()
    shutil.rmtree(home)
    for options, words in (
        ([], "agrees with itself and with the key it brings along"),
        (["--key", tmp_path / "key"], "signed by the key you gave"),
        (
            ["--key", tmp_path / "key", "--checkpoint", tmp_path / "copy"],
            "held against the checkpoint you gave",
        ),
    ):
        code, out, _ = guardrail("audit", "verify-bundle", target, *options)
        assert code == 0
        assert f"holds: {words}" in out
        assert "withheld  actor" in out
    assert not home.exists()
    found = json.loads(guardrail("audit", "verify-bundle", target, "--format", "json")[1])
    assert found["record"] == str(record_id)
    target.write_bytes(b"nonsense")
    assert guardrail("audit", "verify-bundle", target)[0] == 2


def test_a_data_subject_is_told_and_forgotten(guardrail: Command, log: AuditLog) -> None:
    mine = generate(log, "a red boat", actor="ada")
    other = generate(log, "a blue boat", actor="bob")
    code, out, _ = guardrail("audit", "about", "--actor", "ada")
    assert code == 0
    assert f"{mine}  prompt: a red boat" in out
    assert "blue" not in out
    order = ["--reason", "request of 3 November", "--by", "dpo"]
    code, _, err = guardrail("audit", "erase", "--actor", "ada", *order)
    assert code == 2
    assert "Nobody is there to ask" in err
    assert log.record(mine).prompt == "a red boat"
    code, out, err = guardrail("audit", "erase", "--actor", "ada", *order, "--yes")
    assert code == 0
    assert "pictures  1, outside the store" in err
    assert re.match(r"\d texts of 1 records erased", out)
    assert listed(guardrail, "--actor", "ada") == []
    shown = json.loads(guardrail("audit", "show", mine, "--format", "json")[1])
    assert (shown["prompt"], shown["actor"]) == (None, None)
    assert "prompt" in shown["erased"]
    assert "asked     (erased)" in guardrail("audit", "show", mine)[1]
    assert log.record(other).prompt == "a blue boat"
    assert guardrail("audit", "verify", "--full")[0] == 0


def test_holds_and_retention(guardrail: Command, log: AuditLog) -> None:
    held, free = generate(log, "held"), generate(log, "free")
    order = ["--reason", "case 7", "--by", "counsel"]
    assert guardrail("audit", "hold", held, *order)[0] == 0
    code, _, err = guardrail("audit", "erase", "--record", held, *order, "--yes")
    assert (code, "legal hold" in err) == (2, True)
    code, out, err = guardrail(
        "audit", "retain", "--older-than", "0s", "--by", "cron", "--dry-run", "--format", "json"
    )
    assert code == 0
    preview = json.loads(out)
    assert preview["records"] == [str(free)]
    assert preview["on_hold"] == [str(held)]
    assert log.record(free).prompt == "free"
    code, out, err = guardrail(
        "audit", "retain", "--older-than", "0s", "--by", "cron", "--field", "prompt"
    )
    assert (code, out) == (0, "1 texts of 1 records erased\n")
    assert f"kept, on hold: {held}" in err
    assert (log.record(free).prompt, log.record(held).prompt) == (None, "held")
    assert guardrail("audit", "unhold", held, *order)[0] == 0
    assert guardrail("audit", "unhold", held, *order)[0] == 2


@pytest.mark.parametrize("subject", [[], ["--actor", "ada", "--record", str(UUID(int=1))]])
def test_an_erasure_is_about_somebody(
    guardrail: Command, log: AuditLog, subject: list[str]
) -> None:
    code, _, err = guardrail("audit", "erase", *subject, "--reason", "r", "--by", "b", "--yes")
    assert code == 2
    assert "either --actor or --record" in err
