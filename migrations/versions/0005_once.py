"""A record is opened once and closed once: unique indexes see to it.

Revision ID: 0005
"""

from alembic import op

from guardrail.audit.tables import ONCE_INDEXES

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What opened and closed a record when this was written; a later type needs an index of its own.
TYPES = (
    ("generation.requested",),
    (
        "generation.cancelled",
        "generation.failed",
        "generation.held",
        "generation.interrupted",
        "generation.refused",
        "generation.released",
    ),
)


def upgrade() -> None:
    for name, types in zip(ONCE_INDEXES, TYPES, strict=True):
        listed = ", ".join(f"'{item}'" for item in types)
        op.execute(
            f"CREATE UNIQUE INDEX {name} ON audit_event (record_id) WHERE type IN ({listed})"
        )


def downgrade() -> None:
    raise NotImplementedError("evidence is never migrated backwards; restore a backup instead")
