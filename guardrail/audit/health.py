"""Is the store fit for work? A quick look, for every start; whether it was changed is another
question, which only verification answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from guardrail.audit import queries, triggers
from guardrail.audit.append import head
from guardrail.audit.store import Store
from guardrail.audit.tables import StoredCheckpoint
from guardrail.audit.tree import StoredTree
from guardrail.clock import Clock, parse_rfc3339
from guardrail.errors import AuditError

RECENT = timedelta(days=7)
"""How far back a quick look searches for work without an end."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What a quick look shows."""

    size: int
    """Events in the log."""
    faults: tuple[str, ...]
    """Missing triggers and indexes, and a head that its newest events do not lead to."""
    unfinished: int
    """Records of the last week without an end: at work, or to be swept."""
    checkpoint: int
    """Events that the newest stored checkpoint covers; 0 without one."""
    checkpoint_age: timedelta | None

    @property
    def ok(self) -> bool:
        """True when generations may be recorded."""
        return not self.faults

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.faults:
            return f"{self.size} events, NOT fit: {self.faults[0]}"
        signed = f"{self.checkpoint} of them under a checkpoint" if self.checkpoint else "unsigned"
        return f"{self.size} events, {signed}, {self.unfinished} records unfinished"


def look(store: Store, clock: Clock) -> StoreHealth:
    """Look at the store: milliseconds, whatever its size. Raises
    :class:`~guardrail.errors.AuditError` when it cannot be read."""
    with store.read() as connection:
        faults = triggers.faults(connection)
        tree = head(connection)
        try:
            fits = StoredTree(connection).root(tree.size) == tree.root
        except AuditError as error:
            faults.append(error.message)
        else:
            if not fits:
                faults.append("the newest events do not lead to the head of the tree")
        newest = connection.execute(
            select(StoredCheckpoint.size, StoredCheckpoint.time)
            .order_by(StoredCheckpoint.size.desc())
            .limit(1)
        ).first()
        unfinished = len(queries.open_records(connection, clock() - RECENT))
    age = clock() - parse_rfc3339(newest.time) if newest else None
    return StoreHealth(tree.size, tuple(faults), unfinished, newest.size if newest else 0, age)
