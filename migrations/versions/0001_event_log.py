"""The event log, the tree's state, policy versions and personal texts.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from guardrail.audit import triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PROTECTED = ("audit_event", "tree_state", "policy_version", "personal")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("record_id", sa.String(36)),
        sa.Column("request_id", sa.String(36)),
        sa.Column("tenant", sa.String(255)),
        sa.Column("purpose", sa.String(255)),
        sa.Column("verdict", sa.String(16)),
        sa.Column("model", sa.String(255)),
        sa.Column("policy_digest", sa.String(64)),
        sa.Column("seed", sa.String(20)),
        sa.Column("asset_sha256", sa.String(64)),
        sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_event"),
        sa.UniqueConstraint("event_id", name="uq_audit_event_event_id"),
    )
    for columns in (
        ["record_id"],
        ["request_id"],
        ["asset_sha256"],
        ["type", "seq"],
        ["tenant", "seq"],
        ["time", "seq"],
    ):
        op.create_index(f"ix_audit_event_{'_'.join(columns)}", "audit_event", columns)
    op.create_table(
        "tree_state",
        sa.Column("size", BIG, autoincrement=False, nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_tree_state"),
    )
    op.create_table(
        "policy_version",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("policy_id", sa.String(255), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("stored", sa.String(27), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_policy_version"),
    )
    op.create_table(
        "personal",
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("record_id", sa.String(36), nullable=False),
        sa.Column("field", sa.String(32), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("commitment", name="pk_personal"),
    )
    op.create_index("ix_personal_record_id", "personal", ["record_id"])
    op.create_index("ix_personal_field_text", "personal", ["field", "record_id"])
    for statement in triggers.statements(op.get_bind().dialect.name, PROTECTED):
        op.execute(sa.text(statement.replace(":", r"\:")))


def downgrade() -> None:
    raise NotImplementedError("evidence is never migrated backwards; restore a backup instead")
