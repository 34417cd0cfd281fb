"""The tree as it lies in the store: leaves in ``audit_event``, every eighth level in ``tree_node``.

A proof needs the roots of about twenty subtrees. Each is computed from at most 256 hashes of the
next stored level below, so that it costs the same in a log of a thousand events or of a million.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from guardrail.audit.merkle import (
    LEVEL_STEP,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    node_hash,
)
from guardrail.audit.tables import AuditEvent, TreeNode
from guardrail.errors import AuditError


class StoredTree:
    """Reads roots and proofs within one transaction. Raises
    :class:`~guardrail.errors.AuditError` where hashes are missing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def root(self, size: int) -> bytes:
        """Return the root of the tree of the first ``size`` leaves."""
        return self._range(0, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that leaf ``index`` is in the tree of ``size`` leaves."""
        return inclusion_proof(self._range, index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of ``new`` leaves continues that of ``old``."""
        return consistency_proof(self._range, old, new)

    def _range(self, start: int, end: int) -> bytes:
        """The root of the leaves ``start .. end - 1``, from its perfect subtrees."""
        roots = []
        while start < end:
            level = (end - start).bit_length() - 1
            roots.append(self._node(level, start >> level))
            start += 1 << level
        if not roots:
            return frontier_of([]).root
        root = roots.pop()
        while roots:
            root = node_hash(roots.pop(), root)
        return root

    def _node(self, level: int, position: int) -> bytes:
        """The root of a perfect subtree, from the hashes of the next stored level below it."""
        above = level % LEVEL_STEP
        stored = level - above
        first = position << above
        per_tile = 1 << LEVEL_STEP
        hashes = self._tile(stored, first // per_tile)[first % per_tile :][: 1 << above]
        if len(hashes) != 1 << above:
            raise AuditError(
                "The tree of the log is incomplete.", hint="See where: guardrail audit verify"
            )
        return frontier_of(hashes).root

    def _tile(self, level: int, number: int) -> list[bytes]:
        """Up to 256 neighbouring hashes of a stored level."""
        key = (level, number)
        if key not in self._tiles:
            first, after = number << LEVEL_STEP, (number + 1) << LEVEL_STEP
            query = (
                select(AuditEvent.leaf_hash)
                .where(AuditEvent.seq >= first, AuditEvent.seq < after)
                .order_by(AuditEvent.seq)
                if level == 0
                else select(TreeNode.hash)
                .where(
                    TreeNode.level == level,
                    TreeNode.position >= first,
                    TreeNode.position < after,
                )
                .order_by(TreeNode.position)
            )
            self._tiles[key] = [bytes(item) for item in self._connection.scalars(query)]
        return self._tiles[key]
