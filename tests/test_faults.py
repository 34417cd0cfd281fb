"""Promise 2, fail closed: each stage made to fail in turn. No picture, the right error, the right
exit code, and a record of it wherever the store could still take one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrail import Pipeline, StageFailed
from guardrail.audit import State
from guardrail.errors import (
    AuditError,
    DecisionFailed,
    DeliveryError,
    ExitCode,
    GuardrailError,
    ProvenanceError,
)
from tests.drawn import DrawnBackend

PROMPT = "a lighthouse at dusk"


@pytest.fixture
def flow(home: Path) -> Iterator[Pipeline]:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    yield pipe
    pipe.close()


def fails(flow: Pipeline, folder: Path, kind: type[GuardrailError], **options: Any) -> Any:
    """Generate, expect ``kind``, and return what was raised; nothing may be in the folder."""
    folder.mkdir(exist_ok=True)
    with pytest.raises(kind) as raised:
        flow.generate(PROMPT, output=folder / "x.png", **options)
    assert [p.name for p in folder.iterdir()] == []
    assert PROMPT not in str(raised.value)
    return raised.value


def boom(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("boom: a secret")


def test_a_rule_that_raises(
    flow: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guardrail.policy.rules import CHECKS

    for check in CHECKS.values():
        monkeypatch.setattr(check, "examine", boom)
    error = fails(flow, tmp_path / "out", DecisionFailed)
    assert error.exit_code == ExitCode.STAGE_FAILED
    assert error.decision.verdict == "error"
    assert flow.audit.record(error.record_id).state is State.FAILED


def test_a_backend_that_raises(
    flow: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow.backend, "generate", boom)
    error = fails(flow, tmp_path / "out", StageFailed)
    assert "secret" not in error.message
    assert isinstance(error.__cause__, RuntimeError)
    record = flow.audit.record(error.record_id)
    assert record.state is State.FAILED
    assert record.failure == {"stage": "generate", "error": "RuntimeError: Unexpected error."}


def test_an_image_check_that_raises(
    flow: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guardrail.checks.integrity import PictureIntegrity

    monkeypatch.setattr(PictureIntegrity, "observe", boom)
    error = fails(flow, tmp_path / "out", DecisionFailed)
    record = flow.audit.record(error.record_id)
    assert record.state is State.FAILED
    assert record.output_decision is not None
    assert record.output_decision["findings"][0]["reason_code"] == "CHECK_FAILED"


def test_a_signer_that_raises(
    flow: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Any:
        raise ProvenanceError("The key is not there.")

    monkeypatch.setattr(flow.provenance.signer, "credential", refuse)
    error = fails(flow, tmp_path / "out", ProvenanceError)
    assert error.exit_code == ExitCode.STAGE_FAILED
    (record,) = flow.audit.records().records
    assert record.state is State.FAILED
    assert (record.failure or {})["stage"] == "sign"


@pytest.mark.parametrize(("method", "count"), [("begin", 0), ("release", 1)])
def test_a_store_that_cannot_be_reached(
    flow: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, count: int
) -> None:
    def unreachable(*_args: Any, **_kwargs: Any) -> Any:
        raise AuditError("The audit store failed.")

    monkeypatch.setattr(flow.audit, method, unreachable)
    error = fails(flow, tmp_path / "out", AuditError)
    assert error.exit_code == ExitCode.STAGE_FAILED
    assert [r.state for r in flow.audit.records().records] == [State.FAILED] * count


def test_a_refusal_that_cannot_be_recorded_is_still_a_refusal(
    flow: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_args: Any, **_kwargs: Any) -> Any:
        raise AuditError("The audit store failed.")

    monkeypatch.setattr(flow.audit, "refuse", unreachable)
    with pytest.raises(GuardrailError) as raised:
        flow.generate("a photo of Taylor Swift")
    assert raised.value.exit_code == ExitCode.BLOCKED
    assert "could not be recorded" in raised.value.message
    assert isinstance(raised.value.__cause__, AuditError)


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a file system that is quickly full; needs the right to mount."""
    folder.mkdir()
    options = f"size={kilobytes}k"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_where_the_picture_goes(flow: Pipeline, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        error = fails(flow, disk, DeliveryError, width=128, height=128)
        assert "cannot be written" in error.message
        (record,) = flow.audit.records().records
        assert record.state is State.FAILED
        assert (record.failure or {})["stage"] == "stage"


def test_a_full_disk_where_the_store_is(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1500) as disk:
        pipe = Pipeline.from_pretrained(DrawnBackend(), home=disk)
        released = 0
        with pytest.raises(StageFailed) as raised:
            for _ in range(2000):
                pipe.generate(PROMPT, metadata={"filler": "x" * 20_000})
                released += 1
        assert isinstance(raised.value, AuditError)
        assert "full" in raised.value.message or "I/O" in raised.value.message
        pipe.close()
        (disk / "ballast").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        again = Pipeline.from_pretrained(DrawnBackend(), home=disk)
        again.generate(PROMPT)
        assert again.audit.verify().ok
        again.close()


def cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "guardrail", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_an_unreadable_key_stops_the_command_line(
    tiny_model: Path, tmp_path: Path, home: Path
) -> None:
    first = cli("generate", PROMPT, "--model", str(tiny_model), "-o", str(tmp_path / "a.png"))
    assert first.returncode == 0, first.stderr
    keys = [p for p in home.rglob("*") if p.is_file() and b"PRIVATE KEY" in p.read_bytes()]
    assert keys
    for key in keys:
        key.write_bytes(b"not a key")
    second = cli("generate", PROMPT, "--model", str(tiny_model), "-o", str(tmp_path / "b.png"))
    assert second.returncode in (ExitCode.USAGE, ExitCode.STAGE_FAILED)
    assert not (tmp_path / "b.png").exists()
    assert "Traceback" not in second.stderr
    assert "not a key" not in second.stderr


def test_a_store_in_an_impossible_place_stops_the_command_line(
    tiny_model: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    run = cli(
        "generate", PROMPT, "--model", str(tiny_model), "--audit", str(blocked / "audit.db"),
        "-o", str(tmp_path / "a.png"),
    )  # fmt: skip
    assert run.returncode == ExitCode.STAGE_FAILED
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "a.png").exists()


def test_a_refusal_ends_with_its_exit_code_and_data(tiny_model: Path, tmp_path: Path) -> None:
    run = cli(
        "generate", "a photo of Taylor Swift", "--model", str(tiny_model), "--format", "json",
        "-o", str(tmp_path / "a.png"),
    )  # fmt: skip
    assert run.returncode == ExitCode.BLOCKED
    told = json.loads(run.stdout)
    assert told["decision"]["verdict"] == "block"
    assert told["record_id"]
    assert "Taylor" not in run.stderr
