"""The roles of the script, on a real PostgreSQL: each can do its work and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from guardrail.audit import AuditLog
from guardrail.audit.roles import AUDITOR, ERASER, WRITER, role_script
from guardrail.errors import AuditError, ConfigurationError
from tests.audit.samples import POLICY, POLICY_TEXT, TABLES, Behind, generate

pytestmark = pytest.mark.postgres
COLUMN = {
    "audit_event": "seq",
    "tree_state": "size",
    "tree_node": "level",
    "checkpoint": "size",
    "found_by": "seq",
    "policy_version": "digest",
    "personal": "field",
}
ORDER = {"reason": "asked", "by": "dpo"}


@pytest.fixture
def owner(postgresql_url: str) -> Iterator[Behind]:
    """The owner, with a login for each role."""
    opened = Behind(postgresql_url)
    for statement in role_script().splitlines():
        opened.run(statement)
    for role in (WRITER, ERASER, AUDITOR):
        opened.run(f"DROP ROLE IF EXISTS {role}_login")
        opened.run(f"CREATE ROLE {role}_login LOGIN IN ROLE {role}")
    yield opened
    opened.close()


def as_role(url: str, role: str) -> str:
    """The URL of the store for the login of a role."""
    return make_url(url).set(username=f"{role}_login").render_as_string(hide_password=False)


def test_the_application_appends_and_reads_and_nothing_else(
    owner: Behind, postgresql_url: str
) -> None:
    with AuditLog.open(as_role(postgresql_url, WRITER)) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        record_id = generate(log)
        assert log.record(record_id).prompt == "a red boat"
        assert log.verify().ok
        assert log.sweep() == ()
        with pytest.raises(AuditError, match="may not do that"):
            log.personal.erase(records=[record_id], **ORDER)
        assert log.verify().size == 2
    application = Behind(as_role(postgresql_url, WRITER))
    for table in TABLES:
        for sql in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"UPDATE {table} SET {COLUMN[table]} = {COLUMN[table]}",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"DROP TABLE {table}",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.run(sql)
    for sql in (
        "SET session_replication_role = replica",
        "DROP TRIGGER audit_event_append_only ON audit_event",
        "CREATE OR REPLACE FUNCTION guardrail_refuse() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NEW; END $$",
        "UPDATE guardrail_alembic_version SET version_num = '0'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.run(sql)
    application.close()


def test_erasing_is_a_work_of_its_own(owner: Behind, postgresql_url: str) -> None:
    with AuditLog.open(postgresql_url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        record_id = generate(log)
    with AuditLog.open(as_role(postgresql_url, ERASER)) as log:
        outcome = log.personal.erase(records=[record_id], **ORDER)
        assert not outcome.thorough  # only the owner may vacuum
        assert log.record(record_id).prompt is None
        assert log.verify().ok
    eraser = Behind(as_role(postgresql_url, ERASER))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        eraser.run("DELETE FROM audit_event")
    eraser.close()


def test_auditors_only_read(owner: Behind, postgresql_url: str) -> None:
    with AuditLog.open(postgresql_url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        record_id = generate(log)
    with AuditLog.open(as_role(postgresql_url, AUDITOR)) as log:
        assert log.record(record_id).prompt == "a red boat"
        assert log.verify(full=True).ok
        with pytest.raises(AuditError, match="may not do that"):
            generate(log)


@pytest.mark.parametrize("name", ["", "Robert'); --", "a b", "9a", "ä", "x" * 64])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ConfigurationError, match="plain lower-case"):
        role_script(name)
