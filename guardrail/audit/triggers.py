"""What makes the log append-only in the database itself.

SQLite: UPDATE and DELETE raise; an INSERT must carry the next ``seq``, which also stops ``INSERT
OR REPLACE`` (it would otherwise walk past the DELETE trigger). PostgreSQL: row triggers, a
statement trigger for TRUNCATE, and ``ENABLE ALWAYS``, so that ``session_replication_role`` cannot
silence them.
The owner of the database can still drop triggers: this is evidence, the Merkle tree is the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from guardrail.audit.tables import ONCE_INDEXES

ROW, BEFORE, INSERT, DELETE, UPDATE, TRUNCATE = 1, 2, 4, 8, 16, 32
"""Bits of PostgreSQL's ``pg_trigger.tgtype``."""

_WORDS = {INSERT: "INSERT", DELETE: "DELETE", UPDATE: "UPDATE", TRUNCATE: "TRUNCATE"}
_LAST_SEQ = "SELECT coalesce(max(seq) + 1, 0) FROM audit_event"
_LAST_SIZE = "SELECT coalesce(max(size), 0) FROM tree_state"

_FUNCTIONS = {
    "guardrail_refuse": "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END",
    "guardrail_next_event": (
        f"BEGIN IF NEW.seq <> ({_LAST_SEQ}) THEN "
        "RAISE EXCEPTION 'audit_event is append-only: seq must be the next'; END IF; "
        "RETURN NEW; END"
    ),
    "guardrail_next_state": (
        f"BEGIN IF NEW.size <= ({_LAST_SIZE}) OR NEW.size <> ({_LAST_SEQ}) THEN "
        "RAISE EXCEPTION 'tree_state is append-only: it describes the head'; END IF; "
        "RETURN NEW; END"
    ),
}


@dataclass(frozen=True, slots=True)
class _SqliteTrigger:
    table: str
    sql: str


@dataclass(frozen=True, slots=True)
class _PostgresTrigger:
    table: str
    kind: int
    function: str

    @property
    def moment(self) -> str:
        """What it fires on, in SQL."""
        verbs = " OR ".join(word for bit, word in _WORDS.items() if self.kind & bit)
        return (
            f"BEFORE {verbs} ON {self.table} FOR EACH {'ROW' if self.kind & ROW else 'STATEMENT'}"
        )


def _sqlite(name: str, table: str, moment: str, message: str) -> tuple[str, _SqliteTrigger]:
    sql = f"CREATE TRIGGER {name} BEFORE {moment} BEGIN SELECT RAISE(ABORT, '{message}'); END"
    return name, _SqliteTrigger(table, sql)


def _sqlite_append_only(table: str) -> Iterator[tuple[str, _SqliteTrigger]]:
    for verb in ("update", "delete"):
        name, moment = f"{table}_no_{verb}", f"{verb.upper()} ON {table}"
        yield _sqlite(name, table, moment, f"{table} is append-only")


def _postgres_append_only(table: str) -> Iterator[tuple[str, _PostgresTrigger]]:
    row, whole = BEFORE | ROW | UPDATE | DELETE, BEFORE | TRUNCATE
    yield f"{table}_append_only", _PostgresTrigger(table, row, "guardrail_refuse")
    yield f"{table}_no_truncate", _PostgresTrigger(table, whole, "guardrail_refuse")


def _sqlite_no_replace(table: str, *key: str) -> tuple[str, _SqliteTrigger]:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    moment = f"INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
    return _sqlite(f"{table}_no_replace", table, moment, f"{table} is append-only")


SQLITE: dict[str, _SqliteTrigger] = dict(
    [
        *_sqlite_append_only("audit_event"),
        *_sqlite_append_only("tree_state"),
        *_sqlite_append_only("policy_version"),
        *_sqlite_append_only("tree_node"),
        *_sqlite_append_only("checkpoint"),
        *_sqlite_append_only("found_by"),
        _sqlite(
            "audit_event_in_order",
            "audit_event",
            f"INSERT ON audit_event WHEN NEW.seq <> ({_LAST_SEQ})",
            "audit_event is append-only: seq must be the next",
        ),
        _sqlite(
            "tree_state_in_order",
            "tree_state",
            f"INSERT ON tree_state WHEN NEW.size <= ({_LAST_SIZE}) OR NEW.size <> ({_LAST_SEQ})",
            "tree_state is append-only: it describes the head",
        ),
        _sqlite_no_replace("policy_version", "digest"),
        _sqlite_no_replace("tree_node", "level", "position"),
        _sqlite_no_replace("checkpoint", "size", "key_id"),
        _sqlite_no_replace("found_by", "seq", "rule_id", "reason_code"),
        _sqlite(
            "personal_no_update",
            "personal",
            "UPDATE ON personal",
            "personal is append-only: rows may be erased, not changed",
        ),
        _sqlite(
            "personal_no_replace",
            "personal",
            "INSERT ON personal "
            "WHEN EXISTS (SELECT 1 FROM personal WHERE commitment = NEW.commitment)",
            "personal is append-only: rows may be erased, not changed",
        ),
    ]
)
"""The triggers of a complete SQLite store, by name."""

POSTGRESQL: dict[str, _PostgresTrigger] = {
    **dict(_postgres_append_only("audit_event")),
    **dict(_postgres_append_only("tree_state")),
    **dict(_postgres_append_only("policy_version")),
    **dict(_postgres_append_only("tree_node")),
    **dict(_postgres_append_only("checkpoint")),
    **dict(_postgres_append_only("found_by")),
    "audit_event_in_order": _PostgresTrigger(
        "audit_event", BEFORE | ROW | INSERT, "guardrail_next_event"
    ),
    "tree_state_in_order": _PostgresTrigger(
        "tree_state", BEFORE | ROW | INSERT, "guardrail_next_state"
    ),
    "personal_no_update": _PostgresTrigger("personal", BEFORE | ROW | UPDATE, "guardrail_refuse"),
}
"""The triggers of a complete PostgreSQL store, by name."""


def statements(dialect: str, tables: Iterable[str]) -> Iterator[str]:
    """Yield the DDL that protects ``tables``, replacing triggers that are there already. Every
    migration that touches a table runs it: a rebuilt SQLite table has lost its triggers."""
    chosen = set(tables)
    if dialect == "sqlite":
        for name, trigger in SQLITE.items():
            if trigger.table in chosen:
                yield f"DROP TRIGGER IF EXISTS {name}"
                yield trigger.sql
        return
    for name, body in _FUNCTIONS.items():
        yield (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
        )
    for name, row in POSTGRESQL.items():
        if row.table in chosen:
            yield (
                f"CREATE OR REPLACE TRIGGER {name} {row.moment} EXECUTE FUNCTION {row.function}()"
            )
            yield f"ALTER TABLE {row.table} ENABLE ALWAYS TRIGGER {name}"


def faults(connection: Connection) -> list[str]:
    """Return a sentence for each trigger that is missing, disabled or not the one we made, and
    for each missing index that keeps a record from being opened or closed twice."""
    if connection.dialect.name == "sqlite":
        found, query = _sqlite_faults(connection), "SELECT name FROM sqlite_master"
    else:
        found, query = _postgres_faults(connection), "SELECT relname FROM pg_class"
    present = set(connection.scalars(text(query)))
    return found + [f"the index {name} is missing" for name in ONCE_INDEXES if name not in present]


def _sqlite_faults(connection: Connection) -> list[str]:
    query = text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    present = {row.name: row for row in connection.execute(query)}
    tables = {trigger.table for trigger in SQLITE.values()}
    strange = [n for n, row in present.items() if row.tbl_name in tables and n not in SQLITE]
    return [
        f"the trigger {name} is {'changed' if name in present else 'missing'}"
        for name, trigger in SQLITE.items()
        if name not in present or present[name].sql != trigger.sql
    ] + [f"the trigger {name} is not one of ours" for name in strange]


def _postgres_faults(connection: Connection) -> list[str]:
    present = {
        (row.relation, row.tgname): row
        for row in connection.execute(
            text(
                "SELECT c.relname AS relation, t.tgname, t.tgtype, t.tgenabled::text AS enabled, "
                "t.tgqual IS NULL AS always, p.prosrc "
                "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "JOIN pg_proc p ON p.oid = t.tgfoid "
                "WHERE NOT t.tgisinternal AND c.relnamespace = "
                "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('audit_event'))"
            )
        )
    }
    found = []
    for name, trigger in POSTGRESQL.items():
        row = present.get((trigger.table, name))
        if row is None:
            found.append(f"the trigger {name} is missing")
        elif row.enabled != "A":
            found.append(f"the trigger {name} is disabled")
        elif (row.tgtype, row.always, row.prosrc.strip()) != (
            trigger.kind,
            True,
            _FUNCTIONS[trigger.function],
        ):
            found.append(f"the trigger {name} is changed")
    tables = {trigger.table for trigger in POSTGRESQL.values()}
    strange = [n for table, n in present if table in tables and n not in POSTGRESQL]
    return found + [f"the trigger {name} is not one of ours" for name in strange]
