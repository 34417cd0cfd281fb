"""Many writers at once lose, duplicate and reorder nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from guardrail.audit import AuditLog, State
from tests.audit.samples import (
    ALLOW,
    MODEL,
    POLICY,
    POLICY_TEXT,
    Behind,
    generate,
    make_request,
    release,
)

WRITER = """
import sys
from guardrail.audit import AuditLog
from tests.audit.samples import POLICY, POLICY_TEXT, generate
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with AuditLog.open(url) as log:
    log.store_policy(POLICY, POLICY_TEXT)
    for number in range(count):
        generate(log, f"{name}/{number}")
        print(f"{name}/{number}", flush=True)  # acknowledged: it must be there for ever
"""
ROOT = Path(__file__).parents[2]


def start(url: str, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that records ``count`` generations and prints what is acknowledged."""
    command = [sys.executable, "-c", WRITER, url, name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def acknowledged(writers: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Wait for writers; return what each was told is recorded, in order."""
    return [writer.communicate()[0].split() for writer in writers]


def in_order(url: str) -> list[str]:
    """The prompts of all requests, in the log's order."""
    with AuditLog.open(url) as log:
        page = log.records(limit=10_000)
        assert {record.state for record in page.records} <= {State.RELEASED, State.INTERRUPTED}
        return [record.prompt or "" for record in page.records[::-1]]


def test_processes_lose_duplicate_and_reorder_nothing(url: str) -> None:
    writers = [start(url, f"writer{n}", 30) for n in range(4)]
    told = acknowledged(writers)
    assert [writer.returncode for writer in writers] == [0] * 4
    recorded = in_order(url)
    assert len(recorded) == len(set(recorded)) == 120
    for number, own in enumerate(told):
        assert [p for p in recorded if p.startswith(f"writer{number}/")] == own
    with AuditLog.open(url) as log:
        outcome = log.verify()
    assert outcome.ok, outcome.problems
    assert outcome.size == 240


def test_killed_writers_leave_what_was_acknowledged(url: str) -> None:
    writers = [start(url, f"writer{n}", 10_000) for n in range(3)]
    first = [writer.stdout.readline().strip() for writer in writers if writer.stdout]
    for writer in writers:
        writer.kill()
    told = [[line, *more] for line, more in zip(first, acknowledged(writers), strict=True)]
    recorded = in_order(url)
    for own in told:
        assert set(own) <= set(recorded)
    with AuditLog.open(url) as log:
        assert log.verify().ok
        generate(log, "and it goes on")
        assert log.verify().ok


def test_processes_may_make_the_same_new_store_together(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    writers = [start(url, f"writer{n}", 3) for n in range(6)]
    acknowledged(writers)
    assert [writer.returncode for writer in writers] == [0] * 6
    assert len(in_order(url)) == 18


@pytest.mark.postgres
def test_processes_may_migrate_the_same_database_together(
    postgres: str, empty_database: str
) -> None:
    code = "import sys; from guardrail.audit import AuditLog\nAuditLog.open(sys.argv[1], migrate=1)"
    command = [sys.executable, "-c", code, empty_database]
    started = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    with AuditLog.open(empty_database) as log:
        assert log.verify().ok


def test_threads_share_one_log(log: AuditLog) -> None:
    run_threads(8, lambda: [generate(log) for _ in range(10)])
    outcome = log.verify()
    assert outcome.ok
    assert outcome.size == 160


def test_two_threads_cannot_close_one_record_twice(log: AuditLog) -> None:
    requests = [make_request() for _ in range(10)]
    closed: list[UUID] = []
    for request in requests:
        log.begin(request, ALLOW, MODEL)

    def close_all() -> None:
        for request in requests:
            try:
                closed.append(release(log, request))
            except Exception as error:  # noqa: BLE001
                assert "closed already" in str(error)

    run_threads(4, close_all)
    assert sorted(closed) == sorted(request.record_ids[0] for request in requests)
    assert log.verify().size == 20


def run_threads(count: int, work: Callable[[], object]) -> None:
    """Run ``work`` on threads; raise what any of them raised."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_uses_its_own_connections(log: AuditLog) -> None:
    generate(log, "parent")
    child = os.fork()
    if child == 0:
        try:
            generate(log, "child")
            os._exit(0)
        except BaseException:  # noqa: BLE001
            os._exit(1)
    generate(log, "parent again")
    assert os.waitpid(child, 0)[1] == 0
    assert log.verify().ok
    assert log.verify().size == 6


def test_time_may_go_backwards_and_the_order_stays(log: AuditLog, url: str) -> None:
    from datetime import UTC, datetime

    with AuditLog.open(url, clock=lambda: datetime(2001, 1, 1, tzinfo=UTC)) as early:
        early.store_policy(POLICY, POLICY_TEXT)
        generate(log, "now")
        generate(early, "by a wrong clock")
    newest = log.records().records
    assert [record.prompt for record in newest] == ["by a wrong clock", "now"]
    assert newest[0].time < newest[1].time
    assert log.verify().ok


def test_readers_see_whole_commits_only(url: str, behind: Behind) -> None:
    writer = start(url, "writer", 60)
    with AuditLog.open(url) as log:
        while writer.poll() is None:
            outcome = log.verify()
            assert outcome.ok, outcome.problems
    acknowledged([writer])
    assert behind.run("SELECT count(*) FROM audit_event") == [(120,)]
