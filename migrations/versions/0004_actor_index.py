"""A partial index of the actors, for "what did this person ask for".

Revision ID: 0004
"""

from alembic import op

from guardrail.audit.tables import ACTOR_INDEX

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = "md5(text)" if op.get_bind().dialect.name == "postgresql" else "text"
    op.execute(f"CREATE INDEX {ACTOR_INDEX} ON personal ({key}, record_id) WHERE field = 'actor'")


def downgrade() -> None:
    raise NotImplementedError("evidence is never migrated backwards; restore a backup instead")
