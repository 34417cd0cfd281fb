"""Appending: one transaction sequences the events, hashes them and moves the tree's head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select

from guardrail.audit.events import (
    PROJECTED,
    REQUESTED,
    TERMINAL,
    Commitment,
    Event,
    body_of,
    canonical,
    commit,
    findings_of,
)
from guardrail.audit.merkle import Frontier, Node, leaf_hash
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, FoundBy, Personal, TreeNode, TreeState
from guardrail.clock import Clock, rfc3339
from guardrail.errors import AuditError


def head(connection: Connection) -> Frontier:
    """Return the tree's frontier at the head of the log. Raises :class:`AuditError`."""
    row = connection.execute(
        select(TreeState.size, TreeState.frontier).order_by(TreeState.size.desc()).limit(1)
    ).first()
    try:
        return Frontier() if row is None else Frontier.unpack(row.size, bytes(row.frontier))
    except (TypeError, ValueError) as error:
        raise AuditError(
            "The state of the log's tree is damaged.", hint="See where: guardrail audit verify"
        ) from error


def append(
    store: Store, events: Sequence[Event], clock: Clock, *, if_open: bool = False
) -> frozenset[UUID]:
    """Append ``events`` in order; durable when it returns, all of them or none. Returns the
    records they belong to.

    A record is opened once and closed once: :class:`~guardrail.errors.AuditError` is raised for
    an event that opens a record which exists, or closes one which is closed or unknown. With
    ``if_open``, closing events of records that are closed already are left out instead.
    """
    prepared = _prepare(events)  # salts and commitments, before the lock is taken
    with store.write() as connection:
        return _append(connection, prepared, clock, if_open)


def append_within(connection: Connection, events: Sequence[Event], clock: Clock) -> None:
    """Append ``events`` in a write transaction that the caller has begun, and will commit."""
    _append(connection, _prepare(events), clock, if_open=False)


_Prepared = list[tuple[Event, tuple[Commitment, ...]]]


def _prepare(events: Sequence[Event]) -> _Prepared:
    return [(event, tuple(commit(f, t) for f, t in event.personal.items())) for event in events]


def _append(
    connection: Connection, prepared: _Prepared, clock: Clock, if_open: bool
) -> frozenset[UUID]:
    events = [event for event, _ in prepared]
    closed = _closed(connection, events, report=not if_open)
    tree = head(connection)
    rows, personal, found, nodes = [], [], [], list[Node]()
    time = rfc3339(clock())
    for event, commitments in prepared:
        if event.record_id in closed and event.type in TERMINAL:
            continue
        document = body_of(event, tree.size, time, commitments)
        row = _row(document)
        tree = tree.append(row["leaf_hash"], nodes)
        rows.append(row)
        personal += [_personal_row(event, item) for item in commitments]
        found += found_rows(document)
    if rows:
        connection.execute(insert(AuditEvent), rows)
        state = {"size": tree.size, "frontier": tree.packed(), "root": tree.root}
        connection.execute(insert(TreeState), [state])
    if personal:
        connection.execute(insert(Personal), personal)
    if found:
        connection.execute(insert(FoundBy), found)
    if nodes:
        connection.execute(insert(TreeNode), [asdict(node) for node in nodes])
    return frozenset(event.record_id for event in events if event.record_id) - closed


def _closed(connection: Connection, events: Sequence[Event], *, report: bool) -> frozenset[UUID]:
    """Return the records that ``events`` would close and that are closed already."""
    opening = {event.record_id for event in events if event.type == REQUESTED}
    closing = {event.record_id for event in events if event.type in TERMINAL}
    asked = {str(record_id) for record_id in opening | closing}
    if not asked:
        return frozenset()
    known = connection.execute(
        select(AuditEvent.record_id, AuditEvent.type).where(
            AuditEvent.record_id.in_(asked), AuditEvent.type.in_({REQUESTED, *TERMINAL})
        )
    ).all()
    opened = {UUID(row.record_id) for row in known if row.type == REQUESTED}
    closed = {UUID(row.record_id) for row in known if row.type in TERMINAL} & closing
    wrong = [(i, "is recorded already") for i in opening & opened]
    wrong += [(i, "was never opened") for i in closing - opened - opening]
    wrong += [(i, "is closed already") for i in closed] if report else []
    if wrong:
        record_id, why = wrong[0]
        raise AuditError(
            f"Record {record_id} {why}.", hint=f"See: guardrail audit show {record_id}"
        )
    return frozenset(closed)


def _row(document: dict[str, Any]) -> dict[str, Any]:
    body = canonical(document)
    columns = {column: document.get(key) for column, key in PROJECTED.items()}
    return {**columns, "leaf_hash": leaf_hash(body), "body": body.decode("utf-8")}


def found_rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what ``found_by`` holds for one event."""
    pairs = sorted(findings_of(document.get("data")))
    about = {"seq": document["seq"], "record_id": document.get("record", "")}
    return [{**about, "rule_id": rule, "reason_code": reason} for rule, reason in pairs]


def _personal_row(event: Event, item: Commitment) -> dict[str, Any]:
    return {
        "commitment": item.digest,
        "record_id": str(event.record_id),
        "field": item.field,
        "salt": item.salt,
        "text": item.text,
    }
