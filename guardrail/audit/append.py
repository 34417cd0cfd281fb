"""Appending: one transaction sequences the events, hashes them and moves the tree's head.

Everything that does not depend on the place in the log is done before the writer's lock is taken:
salts, commitments, canonical JSON, and on PostgreSQL the personal texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from guardrail.audit.events import (
    PROJECTED,
    REQUESTED,
    TERMINAL,
    Commitment,
    Event,
    body_of,
    commit,
    findings_of,
    joined,
    members,
)
from guardrail.audit.merkle import Frontier, Node, leaf_hash
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, FoundBy, Personal, TreeNode, TreeState
from guardrail.clock import Clock, rfc3339
from guardrail.errors import AuditError

ATTEMPTS = 3


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
    drafts = [_Draft.of(event) for event in events]
    for attempt in range(ATTEMPTS):
        try:
            with store.write(locked=False) as connection:
                return _append(store, connection, drafts, clock, if_open)
        except AuditError as error:
            # Somebody opened or closed one of these records just now, and the database refused
            # a second time: looking again says which, or leaves it out.
            if not isinstance(error.__cause__, IntegrityError) or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def append_within(
    store: Store, connection: Connection, events: Sequence[Event], clock: Clock
) -> None:
    """Append ``events`` in a write transaction that the caller has begun, and will commit."""
    drafts = [_Draft.of(event) for event in events]
    _append(store, connection, drafts, clock, if_open=False)


@dataclass(frozen=True, slots=True)
class _Draft:
    """An event with all that can be made before its place in the log is known."""

    event: Event
    parts: dict[str, bytes]
    columns: dict[str, Any]
    commitments: tuple[Commitment, ...]
    findings: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, event: Event) -> _Draft:
        commitments = tuple(commit(name, text) for name, text in event.personal.items())
        document = body_of(event, commitments)
        columns = {column: document.get(key) for column, key in PROJECTED.items()}
        findings = tuple(sorted(findings_of(document.get("data"))))
        return cls(event, members(document), columns, commitments, findings)

    def row(self, seq: int, time: str) -> dict[str, Any]:
        """The row of ``audit_event`` at its place."""
        place = {"seq": b"%d" % seq, "time": b'"%s"' % time.encode()}
        body = joined(self.parts | place)
        leaf = leaf_hash(body)
        columns = self.columns | {"seq": seq, "time": time}
        return {**columns, "leaf_hash": leaf, "body": body.decode("utf-8")}

    def texts(self) -> list[dict[str, Any]]:
        """The rows of ``personal``."""
        return [
            {
                "commitment": item.digest,
                "record_id": str(self.event.record_id),
                "field": item.field,
                "salt": item.salt,
                "text": item.text,
            }
            for item in self.commitments
        ]


def _append(
    store: Store, connection: Connection, drafts: Sequence[_Draft], clock: Clock, if_open: bool
) -> frozenset[UUID]:
    events = [draft.event for draft in drafts]
    closed = _closed(connection, events, report=not if_open)
    kept = [d for d in drafts if not (d.event.record_id in closed and d.event.type in TERMINAL)]
    texts = [text for draft in kept for text in draft.texts()]
    if texts:
        connection.execute(insert(Personal), texts)
    if kept:
        store.lock(connection)
        _sequence(connection, kept, rfc3339(clock()))
    return frozenset(event.record_id for event in events if event.record_id) - closed


def _sequence(connection: Connection, drafts: Sequence[_Draft], time: str) -> None:
    """Give the events their places. The lock is held from before this until the commit."""
    tree = head(connection)
    rows, found, nodes = [], [], list[Node]()
    for draft in drafts:
        found += found_rows(draft.findings, tree.size, draft.columns["record_id"] or "")
        row = draft.row(tree.size, time)
        tree = tree.append(row["leaf_hash"], nodes)
        rows.append(row)
    connection.execute(insert(AuditEvent), rows)
    state = {"size": tree.size, "frontier": tree.packed(), "root": tree.root}
    connection.execute(insert(TreeState), [state])
    if found:
        connection.execute(insert(FoundBy), found)
    if nodes:
        connection.execute(insert(TreeNode), [asdict(node) for node in nodes])


def found_rows(
    findings: Sequence[tuple[str, str]], seq: int, record_id: str
) -> list[Mapping[str, Any]]:
    """Return what ``found_by`` holds for one event."""
    about = {"seq": seq, "record_id": record_id}
    return [{**about, "rule_id": rule, "reason_code": reason} for rule, reason in findings]


def _closed(connection: Connection, events: Sequence[Event], *, report: bool) -> frozenset[UUID]:
    """Return the records that ``events`` would close and that are closed already. (Two writers
    may both find a record open; unique indexes let only one of them have it.)"""
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
