"""Stored nodes of the tree for quick proofs, and signed checkpoints.

Revision ID: 0002
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from guardrail.audit import triggers
from guardrail.audit.merkle import Frontier, Node

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PROTECTED = ("tree_node", "checkpoint")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    tree_node = op.create_table(
        "tree_node",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", BIG, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_tree_node"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", BIG, autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "key_id", name="pk_checkpoint"),
    )
    for rows in _nodes(op.get_bind()):
        op.bulk_insert(tree_node, rows)
    for statement in triggers.statements(op.get_bind().dialect.name, PROTECTED):
        op.execute(sa.text(statement.replace(":", r"\:")))


def _nodes(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """The nodes over the events that are there already, some at a time."""
    tree, completed, seq = Frontier(), list[Node](), 0
    while True:
        leaves = connection.execute(
            sa.text("SELECT leaf_hash FROM audit_event WHERE seq >= :seq ORDER BY seq LIMIT 10000"),
            {"seq": seq},
        ).all()
        if not leaves:
            return
        for (leaf,) in leaves:
            tree = tree.append(bytes(leaf), completed)
        seq += len(leaves)
        if completed:
            yield [{"level": n.level, "position": n.position, "hash": n.hash} for n in completed]
        completed.clear()


def downgrade() -> None:
    raise NotImplementedError("evidence is never migrated backwards; restore a backup instead")
