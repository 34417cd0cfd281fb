"""Appending: one transaction sequences the events, hashes them and moves the tree's head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from guardrail.audit.events import PROJECTED, Commitment, Event, body_of, canonical, commit
from guardrail.audit.merkle import Frontier, leaf_hash
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, Personal, TreeState
from guardrail.clock import Clock, rfc3339


def head(connection: Connection) -> Frontier:
    """Return the tree's frontier at the head of the log."""
    row = connection.execute(
        select(TreeState.size, TreeState.frontier).order_by(TreeState.size.desc()).limit(1)
    ).first()
    return Frontier() if row is None else Frontier.unpack(row.size, row.frontier)


def append(store: Store, events: Sequence[Event], clock: Clock) -> None:
    """Append ``events`` in order; durable when it returns, all of them or none.

    Raises :class:`~guardrail.errors.AuditError`.
    """
    # Salts, commitments and most of the work are done before the lock is taken.
    prepared = [(event, tuple(commit(f, t) for f, t in event.personal.items())) for event in events]
    with store.write() as connection:
        tree = head(connection)
        rows, personal = [], []
        time = rfc3339(clock())
        for event, commitments in prepared:
            row = _row(event, tree.size, time, commitments)
            tree = tree.append(row["leaf_hash"])
            rows.append(row)
            personal += [_personal_row(event, item) for item in commitments]
        connection.execute(insert(AuditEvent), rows)
        if personal:
            connection.execute(insert(Personal), personal)
        state = {"size": tree.size, "frontier": tree.packed(), "root": tree.root}
        connection.execute(insert(TreeState), [state])


def _row(event: Event, seq: int, time: str, commitments: tuple[Commitment, ...]) -> dict[str, Any]:
    document = body_of(event, seq, time, commitments)
    body = canonical(document)
    columns = {column: document.get(key) for column, key in PROJECTED.items()}
    return {**columns, "leaf_hash": leaf_hash(body), "body": body.decode("utf-8")}


def _personal_row(event: Event, item: Commitment) -> dict[str, Any]:
    return {
        "commitment": item.digest,
        "record_id": str(event.record_id),
        "field": item.field,
        "salt": item.salt,
        "text": item.text,
    }
