"""Which rule found what: a table for queries, filled from the events.

Revision ID: 0003
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from guardrail.audit import triggers
from guardrail.audit.append import found_rows
from guardrail.audit.events import findings_of

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    found_by = op.create_table(
        "found_by",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.String(255), nullable=False),
        sa.Column("reason_code", sa.String(255), nullable=False),
        sa.Column("record_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("seq", "rule_id", "reason_code", name="pk_found_by"),
    )
    for columns in (["record_id"], ["rule_id", "seq"], ["reason_code", "seq"]):
        op.create_index(f"ix_found_by_{'_'.join(columns)}", "found_by", columns)
    for rows in _events(op.get_bind()):
        found = [item for row in rows for item in _found(row.seq, json.loads(row.body))]
        if found:
            op.bulk_insert(found_by, found)
    for statement in triggers.statements(op.get_bind().dialect.name, ("found_by",)):
        op.execute(sa.text(statement.replace(":", r"\:")))


def _found(seq: int, document: dict[str, Any]) -> list[Mapping[str, Any]]:
    findings = sorted(findings_of(document.get("data")))
    return found_rows(findings, seq, document.get("record", ""))


def _events(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    """The events that are there already, a thousand at a time."""
    query = sa.text("SELECT seq, body FROM audit_event WHERE seq > :seq ORDER BY seq LIMIT 1000")
    rows = connection.execute(query, {"seq": -1}).all()
    while rows:
        yield rows
        rows = connection.execute(query, {"seq": rows[-1].seq}).all()


def downgrade() -> None:
    raise NotImplementedError("evidence is never migrated backwards; restore a backup instead")
