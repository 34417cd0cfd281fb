"""${message}

Rules for this log: evidence tables may only gain nullable columns and indexes. Never rewrite,
rename or drop a column of audit_event; never use batch_alter_table on SQLite without installing
the triggers again, because recreating a table drops them. The previous version of the code must
be able to keep appending while this runs.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    raise NotImplementedError("evidence is never migrated backwards; restore a backup instead")
