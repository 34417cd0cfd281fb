"""What makes the log append-only in the database itself.

SQLite: UPDATE and DELETE raise; an INSERT must carry the next ``seq``, which also stops ``INSERT
OR REPLACE`` (it would otherwise walk past the DELETE trigger). PostgreSQL: row triggers, a
statement trigger for TRUNCATE, and ``ENABLE ALWAYS``, so that ``session_replication_role`` cannot
silence them.
The owner of the database can still drop triggers: this is evidence, the Merkle tree is the proof.
"""

from __future__ import annotations

from collections.abc import Iterator

from guardrail.audit.tables import APPEND_ONLY

EXPECTED = {
    "sqlite": {
        *(f"{table}_no_{verb}" for table in APPEND_ONLY for verb in ("update", "delete")),
        "audit_event_in_order",
        "tree_state_in_order",
        "policy_version_no_replace",
        "personal_no_update",
    },
    "postgresql": {
        *(f"{table}_append_only" for table in APPEND_ONLY),
        *(f"{table}_no_truncate" for table in APPEND_ONLY),
        "audit_event_in_order",
        "personal_no_update",
    },
}
"""The triggers a complete store has, by dialect."""


def statements(dialect: str) -> Iterator[str]:
    """Yield the DDL for a dialect, in order."""
    yield from _sqlite() if dialect == "sqlite" else _postgresql()


def _sqlite() -> Iterator[str]:
    for table in APPEND_ONLY:
        for verb in ("update", "delete"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    yield (
        "CREATE TRIGGER audit_event_in_order BEFORE INSERT ON audit_event "
        "WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM audit_event) "
        "BEGIN SELECT RAISE(ABORT, 'audit_event is append-only: seq must be the next'); END"
    )
    yield (
        "CREATE TRIGGER tree_state_in_order BEFORE INSERT ON tree_state "
        "WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM tree_state) "
        "BEGIN SELECT RAISE(ABORT, 'tree_state is append-only: it only grows'); END"
    )
    yield (
        "CREATE TRIGGER policy_version_no_replace BEFORE INSERT ON policy_version "
        "WHEN EXISTS (SELECT 1 FROM policy_version WHERE digest = NEW.digest) "
        "BEGIN SELECT RAISE(ABORT, 'policy_version is append-only'); END"
    )
    yield (
        "CREATE TRIGGER personal_no_update BEFORE UPDATE ON personal "
        "BEGIN SELECT RAISE(ABORT, 'personal rows may be deleted, not changed'); END"
    )


def _postgresql() -> Iterator[str]:
    yield (
        "CREATE FUNCTION guardrail_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    yield (
        "CREATE FUNCTION guardrail_in_order() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM audit_event) THEN "
        "RAISE EXCEPTION 'audit_event is append-only: seq must be the next'; END IF; "
        "RETURN NEW; END $$"
    )
    for table in APPEND_ONLY:
        yield (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION guardrail_refuse()"
        )
        yield (
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION guardrail_refuse()"
        )
        for trigger in ("append_only", "no_truncate"):
            yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{trigger}"
    yield (
        "CREATE TRIGGER audit_event_in_order BEFORE INSERT ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION guardrail_in_order()"
    )
    yield "ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_in_order"
    yield (
        "CREATE TRIGGER personal_no_update BEFORE UPDATE ON personal "
        "FOR EACH ROW EXECUTE FUNCTION guardrail_refuse()"
    )
    yield "ALTER TABLE personal ENABLE ALWAYS TRIGGER personal_no_update"
