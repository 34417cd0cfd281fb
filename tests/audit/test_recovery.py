"""What a sweep does after a crash, for the record and for the file it staged."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from guardrail.audit import AuditLog, State, generation
from guardrail.errors import AuditError
from guardrail.files import staged_path
from tests.audit.samples import ALLOW, MODEL, generate, make_request, release

CONTENT = b"the signed bytes"
GONE = {"host": socket.gethostname(), "pid": 2**22 + 1, "started": 1.0}


def begin(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, process: dict[str, Any] = GONE, **changes: Any
) -> Any:
    """Open a record in the name of another process."""
    request = make_request(**changes)
    with monkeypatch.context() as patch:
        patch.setattr(generation, "this_process", lambda: process)
        log.begin(request, ALLOW, MODEL)
    return request


def stage(request: Any, content: bytes = CONTENT) -> Path:
    """Write the staged file of a request."""
    staged = staged_path(Path(request.destinations[0]), request.record_ids[0])
    staged.write_bytes(content)
    return staged


def test_interrupted_work_is_marked_once(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    request = begin(log, monkeypatch)
    record_id = request.record_ids[0]
    assert log.record(record_id).state is State.INTERRUPTED  # before anybody swept
    [swept] = log.sweep()
    assert (swept.record_id, swept.event) == (record_id, "generation.interrupted")
    assert swept.staged_file == "none"
    assert log.record(record_id).state is State.INTERRUPTED
    assert log.sweep() == ()
    assert log.verify().size == 2


def test_work_in_progress_is_left_alone(log: AuditLog) -> None:
    request = make_request()
    log.begin(request, ALLOW, MODEL)
    assert log.sweep() == ()
    release(log, request)
    assert log.sweep() == ()


def test_what_was_never_released_is_removed(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    request = begin(log, monkeypatch, destinations=(str(tmp_path / "a.png"),))
    staged = stage(request)
    [swept] = log.sweep()
    assert swept.staged_file == "removed"
    assert not staged.exists()
    assert not (tmp_path / "a.png").exists()


def test_a_release_that_was_committed_is_published(log: AuditLog, tmp_path: Path) -> None:
    request = make_request(destinations=(str(tmp_path / "a.png"),))
    log.begin(request, ALLOW, MODEL)
    release(log, request, content=CONTENT)
    staged = stage(request)
    [swept] = log.sweep()
    assert (swept.event, swept.staged_file) == ("generation.recovered", "published")
    assert (tmp_path / "a.png").read_bytes() == CONTENT
    assert not staged.exists()
    assert log.record(request.record_ids[0]).state is State.RELEASED
    assert log.sweep() == ()


def test_a_damaged_staged_file_is_never_published(log: AuditLog, tmp_path: Path) -> None:
    request = make_request(destinations=(str(tmp_path / "a.png"),))
    log.begin(request, ALLOW, MODEL)
    release(log, request, content=CONTENT)
    stage(request, CONTENT[:5])
    assert [swept.staged_file for swept in log.sweep()] == ["damaged"]
    assert list(tmp_path.glob("*.png*")) == list(tmp_path.glob(".*guardrail")) == []


def test_a_newer_picture_is_not_replaced(log: AuditLog, tmp_path: Path) -> None:
    request = make_request(destinations=(str(tmp_path / "a.png"),))
    log.begin(request, ALLOW, MODEL)
    release(log, request, content=CONTENT)
    staged = stage(request)
    os.utime(staged, (1, 1))
    (tmp_path / "a.png").write_bytes(b"made since")
    assert [swept.staged_file for swept in log.sweep()] == ["superseded"]
    assert (tmp_path / "a.png").read_bytes() == b"made since"
    assert not staged.exists()


def test_the_remains_of_a_failure_are_removed(log: AuditLog, tmp_path: Path) -> None:
    request = make_request(destinations=(str(tmp_path / "a.png"),))
    log.begin(request, ALLOW, MODEL)
    log.fail(request, request.record_ids, "release", "AuditError: no.")
    staged = stage(request)
    assert log.sweep() == ()  # the record is closed: there is nothing to add
    assert not staged.exists()


def test_a_process_taken_for_dead_releases_nothing(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = begin(log, monkeypatch)
    log.sweep()
    with pytest.raises(AuditError, match="closed already"):
        release(log, request)
    assert log.record(request.record_ids[0]).state is State.INTERRUPTED


def test_two_sweeps_at_once_mark_a_record_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.audit.test_concurrency import run_threads

    with AuditLog.open(url) as log:
        for _ in range(5):
            begin(log, monkeypatch)
        run_threads(4, log.sweep)
        assert log.verify().size == 10


def test_another_host_has_an_hour(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    now = start
    elsewhere = {"host": "elsewhere.invalid", "pid": os.getpid(), "started": 1.0}
    with AuditLog.open(url, clock=lambda: now) as log:
        begin(log, monkeypatch, elsewhere)
        now = start + timedelta(minutes=59)
        assert log.sweep() == ()
        now = start + timedelta(minutes=61)
        assert len(log.sweep()) == 1


def test_a_process_number_used_again_is_another_process(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = generation.this_process()
    begin(log, monkeypatch, mine | {"started": mine["started"] - 3600})
    alive = begin(log, monkeypatch, mine | {"started": mine["started"] + 1})  # a clock was set
    [swept] = log.sweep()
    assert swept.record_id != alive.record_ids[0]


@pytest.mark.parametrize("process", [{}, {"host": socket.gethostname(), "pid": "x"}])
def test_a_process_that_cannot_be_read_is_gone(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, process: dict[str, Any]
) -> None:
    begin(log, monkeypatch, {"host": socket.gethostname()} | process)
    assert len(log.sweep()) == 1


def test_only_newer_records_are_looked_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    with AuditLog.open(url, clock=lambda: now) as log:
        begin(log, monkeypatch)
        now += timedelta(days=10)
        new = begin(log, monkeypatch)
        assert [s.record_id for s in log.sweep(since=now - timedelta(days=1))] == [
            new.record_ids[0]
        ]
        assert len(log.sweep()) == 1


def test_a_folder_that_is_gone_stops_nothing(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin(log, monkeypatch, destinations=(str(tmp_path / "gone" / "a.png"),))
    assert [swept.staged_file for swept in log.sweep()] == ["none"]


def test_a_file_that_cannot_be_removed_is_said_and_tried_again(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    request = begin(log, monkeypatch, destinations=(str(tmp_path / "a.png"),))
    staged = staged_path(tmp_path / "a.png", request.record_ids[0])
    staged.mkdir()  # not even root unlinks a folder
    with pytest.raises(AuditError, match="cannot be put in order") as caught:
        log.sweep()
    assert str(tmp_path) not in str(caught.value)
    assert log.record(request.record_ids[0]).state is State.INTERRUPTED
    staged.rmdir()
    staged.write_bytes(b"")
    log.sweep()
    assert not staged.exists()


def test_settled_records_are_not_even_read(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep reads no record that needs nothing."""
    import guardrail.audit.recovery as module

    with AuditLog.open(sqlite_url) as log:
        for _ in range(200):
            generate(log)
        read: list[UUID] = []
        real = module.queries.records

        def counted(connection: Any, ids: Any, alive: Any) -> Any:
            read.extend(ids)
            return real(connection, ids, alive)

        monkeypatch.setattr(module.queries, "records", counted)
        assert log.sweep() == ()
        assert read == []
