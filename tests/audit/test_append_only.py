"""The database itself refuses to change or delete evidence."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from guardrail.audit import AuditLog
from tests.audit.samples import Behind, generate

REFUSED = (sqlite3.Error, psycopg.Error)
EVIDENCE = ("audit_event", "tree_state", "policy_version", "tree_node", "checkpoint", "found_by")
KEY = {
    "audit_event": "seq",
    "tree_state": "size",
    "policy_version": "digest",
    "tree_node": "position",
    "checkpoint": "size",
    "found_by": "seq",
}
UNIQUE = KEY | {
    "tree_node": "level, position",
    "checkpoint": "size, key_id",
    "found_by": "seq, rule_id, reason_code",
}
COLUMNS = {
    "audit_event": "seq, event_id, type, time, leaf_hash, body",
    "tree_state": "size, frontier, root",
    "policy_version": "digest, policy_id, version, stored, text",
    "tree_node": "level, position, hash",
    "checkpoint": "size, key_id, time, note",
    "found_by": "seq, rule_id, reason_code, record_id",
}


@pytest.fixture
def filled(log: AuditLog, behind: Behind) -> Behind:
    """A store with three generations: six events in six commits."""
    for _ in range(3):
        generate(log)
    behind.run("INSERT INTO tree_node (level, position, hash) SELECT 8, size, root FROM tree_state")
    behind.run("INSERT INTO checkpoint (size, key_id, time, note) VALUES (6, 'ab', 'now', 'x')")
    behind.run(
        "INSERT INTO found_by (seq, rule_id, reason_code, record_id) VALUES (1, 'a', 'b', '')"
    )
    return behind


def contents(store: Behind) -> list[object]:
    """Everything the evidence tables hold."""
    return [store.run(f"SELECT * FROM {table} ORDER BY {KEY[table]}") for table in EVIDENCE]


@pytest.mark.parametrize("table", EVIDENCE)
@pytest.mark.parametrize("rows", ["", "WHERE {key} = (SELECT max({key}) FROM {table})"])
@pytest.mark.parametrize("verb", ["UPDATE {table} SET {key} = {key}", "DELETE FROM {table}"])
def test_update_and_delete_are_refused(filled: Behind, table: str, rows: str, verb: str) -> None:
    before = contents(filled)
    sql = f"{verb} {rows}".format(table=table, key=KEY[table])
    with pytest.raises(REFUSED, match=f"{table} is append-only"):
        filled.run(sql)
    assert contents(filled) == before


@pytest.mark.parametrize("table", EVIDENCE)
def test_replacing_a_row_is_refused(filled: Behind, table: str) -> None:
    before = contents(filled)
    columns, key = COLUMNS[table], KEY[table]
    source = f"SELECT {columns} FROM {table} ORDER BY {key} DESC LIMIT 1"
    sql = (
        f"INSERT OR REPLACE INTO {table} ({columns}) {source}"
        if filled.dialect == "sqlite"
        else f"INSERT INTO {table} ({columns}) ({source}) "
        f"ON CONFLICT ({UNIQUE[table]}) DO UPDATE SET {key} = excluded.{key}"
    )
    with pytest.raises(REFUSED, match=f"{table} is append-only"):
        filled.run(sql)
    assert contents(filled) == before


@pytest.mark.parametrize("seq", [-1, 3, 5, 7, 1000])
def test_events_can_only_be_the_next(filled: Behind, seq: int) -> None:
    with pytest.raises(REFUSED, match=r"append-only: seq must be the next"):
        filled.run(
            "INSERT INTO audit_event (seq, event_id, type, time, leaf_hash, body) "
            f"SELECT {seq}, 'x', type, time, leaf_hash, body FROM audit_event WHERE seq = 0"
        )


@pytest.mark.parametrize("size", [0, 3, 6, 7, 1000])
def test_states_of_the_tree_can_only_describe_the_head(filled: Behind, size: int) -> None:
    with pytest.raises(REFUSED, match=r"tree_state is append-only: it describes the head"):
        filled.run(
            "INSERT INTO tree_state (size, frontier, root) "
            f"SELECT {size}, frontier, root FROM tree_state WHERE size = 1"
        )


def test_personal_texts_may_be_erased_and_not_changed(filled: Behind) -> None:
    with pytest.raises(REFUSED, match="personal is append-only"):
        filled.run("UPDATE personal SET text = 'other'")
    if filled.dialect == "sqlite":
        with pytest.raises(REFUSED, match="personal is append-only"):
            filled.run("INSERT OR REPLACE INTO personal SELECT * FROM personal LIMIT 1")
    filled.run("DELETE FROM personal WHERE field = 'prompt'")
    assert filled.run("SELECT count(*) FROM personal WHERE field = 'prompt'") == [(0,)]


@pytest.mark.postgres
@pytest.mark.parametrize("table", EVIDENCE)
def test_truncate_is_refused(postgresql_url: str, table: str) -> None:
    with AuditLog.open(postgresql_url) as log:
        generate(log)
    store = Behind(postgresql_url)
    with pytest.raises(psycopg.Error, match=f"{table} is append-only"):
        store.run(f"TRUNCATE {table}")
    store.close()


@pytest.mark.postgres
def test_a_replica_role_does_not_silence_the_triggers(postgresql_url: str) -> None:
    with AuditLog.open(postgresql_url) as log:
        generate(log)
    store = Behind(postgresql_url)
    store.run("SET session_replication_role = replica")
    for sql in ("UPDATE audit_event SET verdict = 'allow'", "DELETE FROM tree_state"):
        with pytest.raises(psycopg.Error, match="is append-only"):
            store.run(sql)
    store.close()


@pytest.mark.parametrize("pragma", ["ON", "OFF"])
def test_replace_is_refused_whatever_the_connection_says(
    sqlite_url: str, sqlite_template: object, pragma: str
) -> None:
    with AuditLog.open(sqlite_url) as log:
        generate(log)
    store = Behind(sqlite_url)
    store.run(f"PRAGMA recursive_triggers={pragma}")
    for table in EVIDENCE[:2]:
        with pytest.raises(sqlite3.Error, match="append-only"):
            store.run(f"REPLACE INTO {table} SELECT * FROM {table}")
    store.close()


@pytest.mark.parametrize("kind", ["generation.requested", "generation.failed"])
def test_a_record_is_opened_once_and_closed_once(filled: Behind, kind: str) -> None:
    """Even for somebody who writes events by hand, in the right place."""
    with pytest.raises(REFUSED, match=r"(?i)unique"):
        filled.run(
            "INSERT INTO audit_event (seq, event_id, type, time, record_id, leaf_hash, body) "
            f"SELECT 6, 'x', '{kind}', time, record_id, leaf_hash, body FROM audit_event "
            "WHERE seq = 1"
        )
