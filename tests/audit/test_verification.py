"""Tampering behind the triggers' back is found, and its place is named."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from guardrail.audit import Assurance, AuditLog
from guardrail.audit import triggers as ddl
from guardrail.audit.events import PROJECTED, canonical
from guardrail.audit.merkle import leaf_hash
from tests.audit.samples import POLICY, Behind, generate, make_request, refusal


@pytest.fixture
def filled(log: AuditLog) -> AuditLog:
    """A log of ten events in five commits."""
    for number in range(5):
        generate(log, f"picture {number}")
    return log


def problems(log: AuditLog) -> str:
    """What verification says, as one text; it must say something."""
    outcome = log.verify()
    assert not outcome.ok
    assert outcome.assurance is Assurance.NONE
    assert "NOT intact" in outcome.summary
    return "\n".join(outcome.problems)


def test_an_untouched_log_verifies(filled: AuditLog) -> None:
    outcome = filled.verify()
    assert outcome.ok
    assert outcome.size == 10
    assert outcome.assurance is Assurance.SELF_CONSISTENT
    assert outcome.summary == "10 events verify (self-consistent only)"
    assert outcome.erased == 0


def test_an_empty_log_verifies(log: AuditLog) -> None:
    outcome = log.verify()
    assert outcome.ok
    assert outcome.root == hashlib.sha256(b"").hexdigest()


def test_the_harness_leaves_no_trace_of_its_own(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("SELECT 1")
    assert filled.verify().ok


def test_a_changed_text_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("UPDATE audit_event SET body = replace(body, 'acme', 'evil') WHERE seq = 4")
    found = problems(filled)
    assert "event 4: its text was changed after it was hashed" in found
    assert "event 4: column tenant differs" in found
    assert "the first fault is between events 4 and 4" in found
    assert "event 5" not in found


@pytest.mark.parametrize("seq", [0, 5, 9])
def test_a_changed_text_with_its_hash_made_to_fit_is_found(
    filled: AuditLog, behind: Behind, seq: int
) -> None:
    [(body,)] = behind.run("SELECT body FROM audit_event WHERE seq = ?", seq)
    forged = canonical(json.loads(body) | {"data": {"forged": True}})
    behind.tamper(
        "UPDATE audit_event SET body = ?, leaf_hash = ? WHERE seq = ?",
        forged.decode(),
        leaf_hash(forged),
        seq,
    )
    assert f"the first fault is between events {seq} and {seq}" in problems(filled)


@pytest.mark.parametrize("seq", [0, 4, 8])
def test_a_deleted_event_is_found(filled: AuditLog, behind: Behind, seq: int) -> None:
    behind.tamper("DELETE FROM audit_event WHERE seq = ?", seq)
    found = problems(filled)
    assert f"event {seq}: it is missing" in found
    assert "NOT intact" in filled.verify().summary
    assert "belong to no event" in found


def test_a_deleted_stretch_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("DELETE FROM audit_event WHERE seq BETWEEN 3 AND 6")
    assert "events 3 to 6: they are missing" in problems(filled)


def test_a_truncated_tail_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("DELETE FROM audit_event WHERE seq >= 7")
    found = problems(filled)
    assert "the tree's head says 10 events, the log ends at 7" in found


def test_a_deleted_first_event_with_the_rest_renumbered_is_found(
    filled: AuditLog, behind: Behind
) -> None:
    with behind.unprotected():
        behind.run("DELETE FROM audit_event WHERE seq = 0")
        for seq in range(1, 10):
            behind.run("UPDATE audit_event SET seq = ? WHERE seq = ?", seq - 1, seq)
    assert "event 0: column seq differs from the hashed text" in problems(filled)


def test_an_inserted_event_is_found(filled: AuditLog, behind: Behind) -> None:
    [(body,)] = behind.run("SELECT body FROM audit_event WHERE seq = 9")
    forged = json.loads(body) | {"seq": 10, "id": "forged", "type": "generation.rerun"}
    text = canonical(forged)
    columns = {column: forged.get(key) for column, key in PROJECTED.items()}
    row = {**columns, "leaf_hash": leaf_hash(text), "body": text.decode()}
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    behind.run(f"INSERT INTO audit_event ({names}) VALUES ({marks})", *row.values())
    assert "the tree's head says 10 events, the log ends at 11" in problems(filled)


def test_swapped_events_are_found(filled: AuditLog, behind: Behind) -> None:
    with behind.unprotected():
        for old, new in ((3, 1000), (5, 3), (1000, 5)):
            behind.run("UPDATE audit_event SET seq = ? WHERE seq = ?", new, old)
    found = problems(filled)
    assert "event 3: column seq differs" in found
    assert "event 5: column seq differs" in found
    assert "the first fault is between events 3 and 3" in found


@pytest.mark.parametrize("column", sorted(set(PROJECTED) - {"seq"}))
def test_a_changed_query_column_is_found(filled: AuditLog, behind: Behind, column: str) -> None:
    behind.tamper(f"UPDATE audit_event SET {column} = 'forged' WHERE seq = 6")
    assert f"event 6: column {column} differs from the hashed text" in problems(filled)


@pytest.mark.parametrize("column", ["record_id", "tenant", "asset_sha256"])
def test_an_emptied_query_column_is_found(filled: AuditLog, behind: Behind, column: str) -> None:
    behind.tamper(f"UPDATE audit_event SET {column} = NULL WHERE {column} IS NOT NULL")
    assert f"column {column} differs from the hashed text" in problems(filled)


def test_a_changed_leaf_hash_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("UPDATE audit_event SET leaf_hash = ? WHERE seq = 2", bytes(32))
    assert "event 2: its text was changed after it was hashed" in problems(filled)


@pytest.mark.parametrize("body", ["", "not json", "[1]", "null", '{"personal":[1]}', '{"data":3}'])
def test_a_text_that_is_no_event_is_found(filled: AuditLog, behind: Behind, body: str) -> None:
    behind.tamper("UPDATE audit_event SET body = ? WHERE seq = 2", body)
    assert "event 2: its text was changed after it was hashed" in problems(filled)


@pytest.mark.parametrize("sql", ["X'ff00ff'", "CAST(X'7bff7d' AS TEXT)", "42"])
def test_sqlite_values_of_another_type_are_found(sqlite_url: str, sql: str) -> None:
    store = Behind(sqlite_url)
    with AuditLog.open(sqlite_url) as log:
        generate(log)
        store.tamper(f"UPDATE audit_event SET body = {sql}, tenant = {sql} WHERE seq = 0")
        found = problems(log)
    assert "event 0: its text was changed after it was hashed" in found
    store.close()


def test_a_changed_prompt_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("UPDATE personal SET text = 'other' WHERE text = 'picture 2'")
    record = filled.records().records[2]
    assert f"record {record.record_id}: its prompt was changed" in problems(filled)


@pytest.mark.parametrize("column", ["record_id", "field"])
def test_a_text_filed_elsewhere_is_found(filled: AuditLog, behind: Behind, column: str) -> None:
    behind.tamper(f"UPDATE personal SET {column} = 'actor' WHERE text = 'picture 2'")
    record = filled.records().records[2]
    assert f"record {record.record_id}: its prompt is filed elsewhere" in problems(filled)


def test_a_text_from_nowhere_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.run(
        "INSERT INTO personal (commitment, record_id, field, salt, text) "
        "SELECT 'forged', record_id, field, salt, 'forged' FROM personal LIMIT 1"
    )
    assert "1 personal texts belong to no event" in problems(filled)


def test_a_changed_policy_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("UPDATE policy_version SET text = '{}'")
    assert f"policy {POLICY.digest[:12]}: its stored text was changed" in problems(filled)


@pytest.mark.parametrize("column", ["policy_id", "version"])
def test_a_renamed_policy_is_found(filled: AuditLog, behind: Behind, column: str) -> None:
    behind.tamper(f"UPDATE policy_version SET {column} = 'other'")
    assert f"policy {POLICY.digest[:12]}: its id or version was changed" in problems(filled)


def test_a_missing_policy_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("DELETE FROM policy_version")
    assert f"policy {POLICY.digest[:12]}: it decided, and its text is missing" in problems(filled)


def test_a_changed_state_of_the_tree_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("UPDATE tree_state SET root = ? WHERE size = 4", bytes(32))
    assert "event 3: the tree does not lead to the stored root" in problems(filled)


def test_a_changed_frontier_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("UPDATE tree_state SET frontier = ? WHERE size = 10", bytes(64))
    assert "the tree's head does not fit the log" in problems(filled)


def test_an_invented_state_is_found(filled: AuditLog, behind: Behind) -> None:
    with behind.unprotected():
        behind.run("INSERT INTO tree_state SELECT 99, frontier, root FROM tree_state WHERE size=1")
    assert "the tree's head says 99 events, the log ends at 10" in problems(filled)


def test_missing_states_at_the_head_are_found(filled: AuditLog, behind: Behind) -> None:
    behind.tamper("DELETE FROM tree_state WHERE size > 8")
    assert "the tree's head says 8 events, the log ends at 10" in problems(filled)


def triggers_of(dialect: str) -> list[str]:
    """The names of a dialect's triggers."""
    return list(ddl.SQLITE if dialect == "sqlite" else ddl.POSTGRESQL)


def test_every_dropped_trigger_is_found(filled: AuditLog, behind: Behind) -> None:
    for name in triggers_of(behind.dialect):
        table = (ddl.SQLITE if behind.dialect == "sqlite" else ddl.POSTGRESQL)[name].table
        on = f" ON {table}" if behind.dialect == "postgresql" else ""
        behind.run(f"DROP TRIGGER {name}{on}")
        assert problems(filled) == f"the trigger {name} is missing"
        for statement in ddl.statements(behind.dialect, [table]):
            behind.run(statement)
        assert filled.verify().ok


def test_a_hollowed_trigger_is_found(filled: AuditLog, behind: Behind) -> None:
    if behind.dialect == "sqlite":
        behind.run("DROP TRIGGER audit_event_no_update")
        behind.run(
            "CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event BEGIN SELECT 1; END"
        )
        assert problems(filled) == "the trigger audit_event_no_update is changed"
    else:
        behind.run(
            "CREATE OR REPLACE FUNCTION guardrail_refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN NEW; END $$"
        )
        assert "the trigger audit_event_append_only is changed" in problems(filled)


def test_a_strange_trigger_is_found(filled: AuditLog, behind: Behind) -> None:
    if behind.dialect == "sqlite":
        behind.run(
            "CREATE TRIGGER quiet AFTER INSERT ON audit_event BEGIN "
            "DELETE FROM personal WHERE record_id = NEW.record_id; END"
        )
    else:
        behind.run(
            "CREATE TRIGGER quiet AFTER INSERT ON audit_event FOR EACH ROW "
            "EXECUTE FUNCTION guardrail_refuse()"
        )
    assert problems(filled) == "the trigger quiet is not one of ours"


@pytest.mark.postgres
def test_a_disabled_trigger_is_found(postgresql_url: str) -> None:
    store = Behind(postgresql_url)
    with AuditLog.open(postgresql_url) as log:
        for how in ("DISABLE", "ENABLE", "ENABLE REPLICA"):
            store.run(f"ALTER TABLE audit_event {how} TRIGGER audit_event_append_only")
            assert problems(log) == "the trigger audit_event_append_only is disabled"
    store.close()


def test_a_text_that_went_without_an_erasure_is_found(filled: AuditLog, behind: Behind) -> None:
    behind.run("DELETE FROM personal WHERE text = 'picture 2'")
    record = filled.records().records[2]
    expected = f"record {record.record_id}: its prompt is gone, and no erasure was recorded"
    assert problems(filled) == expected
    assert record.prompt is None
    assert record.erased == ("prompt",)


def test_a_hundred_problems_are_enough(log: AuditLog, behind: Behind) -> None:
    for _ in range(60):
        log.refuse(make_request(), refusal())
    behind.tamper("UPDATE audit_event SET tenant = 'x', verdict = 'y'")
    assert len(log.verify().problems) == 100


def test_a_damaged_head_refuses_new_events(filled: AuditLog, behind: Behind) -> None:
    from guardrail.errors import AuditError

    behind.tamper("UPDATE tree_state SET frontier = ?", b"short")
    with pytest.raises(AuditError, match="damaged"):
        generate(filled)


def test_reading_a_damaged_event_is_a_sentence(filled: AuditLog, behind: Behind) -> None:
    from guardrail.errors import AuditError

    behind.tamper("UPDATE audit_event SET body = ? WHERE seq = 1", '{"data":{}}')
    with pytest.raises(AuditError, match="cannot be read") as caught:
        filled.records()
    assert "audit verify" in (caught.value.hint or "")
    behind.tamper("UPDATE audit_event SET body = ? WHERE seq = 1", "nonsense")
    with pytest.raises(AuditError, match="Event 1 of the log cannot be read"):
        filled.records()


def test_what_is_verified_is_what_is_stored(filled: AuditLog, behind: Behind) -> None:
    """The root is the one anybody computes from the stored bytes."""
    rows: list[Any] = behind.run("SELECT body FROM audit_event ORDER BY seq")
    from guardrail.audit.merkle import frontier_of

    root = frontier_of(leaf_hash(body.encode()) for (body,) in rows).root
    assert filled.verify().root == root.hex()
    assert behind.run("SELECT root FROM tree_state WHERE size = 10")[0][0] == root
