"""The migrations, up, on both databases; and what the code says about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from guardrail import resources
from guardrail.audit import AuditLog, triggers
from guardrail.audit.keys import LogKey
from guardrail.audit.merkle import leaf_hash
from guardrail.audit.store import Store
from guardrail.audit.tables import ACTOR_INDEX, ONCE_INDEXES, SCHEMA_REVISION, VERSION_TABLE, Base
from guardrail.errors import AuditError
from tests.audit.conftest import PARAMS
from tests.audit.samples import (
    ALLOW,
    MODEL,
    POLICY,
    POLICY_TEXT,
    TABLES,
    Behind,
    make_request,
)

PARTIAL = (ACTOR_INDEX, *ONCE_INDEXES)
"""Made by hand, since they differ by database; other tests see that they are there."""


@pytest.fixture(params=PARAMS)
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A store without tables, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'blank.db'}"
    return request.getfixturevalue("empty_database")


def revisions() -> list[str]:
    """Every revision, oldest first."""
    scripts = ScriptDirectory.from_config(Store("sqlite:///x.db").alembic())
    return [script.revision for script in scripts.walk_revisions()][::-1]


def test_the_code_and_the_migrations_agree() -> None:
    assert revisions()[-1] == SCHEMA_REVISION


def test_file_names_start_with_their_revision() -> None:
    """Whether a store is newer is told by the file names, without Alembic."""
    files = sorted((resources.migrations_dir() / "versions").glob("*.py"))
    assert [file.name.split("_")[0] for file in files] == revisions()


def test_upgrading_makes_what_the_models_describe(blank: str) -> None:
    store = Store(blank)
    store.create_file()
    assert store.revision() is None
    store.upgrade()
    assert store.revision() == SCHEMA_REVISION
    with store.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "include_object": lambda _object, name, *_: name not in PARTIAL,
            },
        )
        assert compare_metadata(context, Base.metadata) == []
        assert triggers.faults(connection) == []
    store.close()


def test_upgrading_twice_changes_nothing(blank: str) -> None:
    store = Store(blank)
    store.create_file()
    store.upgrade()
    store.upgrade()
    store.require_current()
    store.close()
    with AuditLog.open(blank) as log:
        assert log.verify().ok


def test_a_migration_that_fails_leaves_nothing(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(blank)
    store.create_file()
    real = triggers.statements

    def broken(*arguments: Any) -> Any:
        yield from list(real(*arguments))[:-1]
        yield "CREATE NONSENSE"

    monkeypatch.setattr(triggers, "statements", broken)
    with pytest.raises(AuditError):
        store.upgrade()
    monkeypatch.undo()
    assert store.revision() is None
    store.upgrade()
    store.require_current()
    store.close()


def test_evidence_is_never_migrated_backwards(blank: str) -> None:
    store = Store(blank)
    store.create_file()
    store.upgrade()
    with (
        pytest.raises(NotImplementedError, match="restore a backup"),
        store.write() as connection,
    ):
        command.downgrade(store.alembic(connection), "base")
    store.require_current()
    store.close()


def test_the_version_table_is_our_own(url: str, behind: Any) -> None:
    assert VERSION_TABLE == "guardrail_alembic_version"
    assert behind.run(f"SELECT version_num FROM {VERSION_TABLE}") == [(SCHEMA_REVISION,)]


@pytest.mark.parametrize("revision", revisions())
def test_a_filled_store_is_upgraded_from_every_revision(
    blank: str, revision: str, sqlite_url: str, tmp_path: Path
) -> None:
    """The evidence of an earlier store is untouched, and what is new is filled in for it."""
    with AuditLog.open(sqlite_url) as today:
        today.store_policy(POLICY, POLICY_TEXT)
        for _ in range(11):
            request = make_request(count=50)
            today.begin(request, ALLOW, MODEL)
            today.fail(request, request.record_ids, "generate", "BackendError: no.")
        root = today.verify().root
    store = Store(blank)
    store.create_file()
    with store.write() as connection:
        command.upgrade(store.alembic(connection), revision)
    copy_into_what_is_there(sqlite_url, blank)
    if revision != SCHEMA_REVISION:
        with pytest.raises(AuditError, match=f"is at revision {revision}"):
            AuditLog.open(blank)
    store.upgrade()
    store.close()

    with AuditLog.open(blank) as log:
        outcome = log.verify(full=True)
        assert outcome.ok, outcome.problems
        assert (outcome.size, outcome.root) == (1100, root)
        signed = log.proofs().checkpoint(LogKey.load_or_create(tmp_path / "key"))
        assert signed.checkpoint.root.hex() == root
        record = log.records(limit=1).records[0]
        for event in log.proofs().inclusion(record.record_id):
            assert event.proof.holds(leaf_hash(event.body.encode()))
        log.begin(make_request(), ALLOW, MODEL)
        assert log.verify().ok


def copy_into_what_is_there(source: str, target: str) -> None:
    """Copy the rows of today's store into the tables and columns that an older one has."""
    old, new = Behind(target), Behind(source)
    with Store(target).read() as connection:
        found = inspect(connection)
        columns = {
            table: [column["name"] for column in found.get_columns(table)]
            for table in TABLES
            if found.has_table(table)
        }
    with old.unprotected(), old.at_once():
        for table, names in columns.items():
            marks = ", ".join("?" * len(names))
            for row in new.run(f"SELECT {', '.join(names)} FROM {table}"):
                old.run(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", *row)
    old.close()
    new.close()
