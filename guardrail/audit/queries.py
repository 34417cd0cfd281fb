"""The SELECTs: one record, one asset, a filtered page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, select
from sqlalchemy.orm import aliased

from guardrail.audit import events as types
from guardrail.audit.records import STATE_OF, Filters, Page, Record, State, build_record, view
from guardrail.audit.tables import AuditEvent, Personal
from guardrail.clock import rfc3339

Alive = Callable[[Mapping[str, Any]], bool]
"""Says whether the process that an opening event names may still be at work."""

_COLUMNS = (
    AuditEvent.seq,
    AuditEvent.type,
    AuditEvent.time,
    AuditEvent.record_id,
    AuditEvent.body,
)


def records(connection: Connection, ids: Iterable[str], alive: Alive) -> list[Record]:
    """Return the records of ``ids``, in that order; unknown ids are left out."""
    wanted = list(ids)
    rows = connection.execute(
        select(*_COLUMNS).where(AuditEvent.record_id.in_(wanted)).order_by(AuditEvent.seq)
    )
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.record_id].append(view(row))
    texts = dict(
        connection.execute(
            select(Personal.commitment, Personal.text).where(Personal.record_id.in_(wanted))
        ).all()
    )
    return [
        build_record(grouped[i], texts, alive=alive(grouped[i][0].body))
        for i in wanted
        if i in grouped
    ]


def record_of_asset(connection: Connection, sha256: str) -> str | None:
    """Return the record that released the file with this SHA-256."""
    found = connection.scalar(
        select(AuditEvent.record_id)
        .where(AuditEvent.asset_sha256 == sha256, AuditEvent.type == types.RELEASED)
        .order_by(AuditEvent.seq)
        .limit(1)
    )
    return str(found) if found is not None else None


def page(
    connection: Connection, filters: Filters, *, before: int | None, limit: int, alive: Alive
) -> Page:
    """Return a page of records, newest first, by keyset (never OFFSET)."""
    query = select(AuditEvent.seq, AuditEvent.record_id).where(
        AuditEvent.type == types.REQUESTED, *_conditions(filters)
    )
    if before is not None:
        query = query.where(AuditEvent.seq < before)
    rows = connection.execute(query.order_by(AuditEvent.seq.desc()).limit(limit + 1)).all()
    found = records(connection, (row.record_id for row in rows[:limit]), alive)
    if filters.state is not None:  # in progress and interrupted differ by the process only
        found = [record for record in found if record.state is filters.state]
    return Page(tuple(found), rows[limit - 1].seq if len(rows) > limit else None)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """One condition for each filter that is set."""
    return [
        condition(value)
        for name, condition in _CONDITIONS.items()
        if (value := getattr(filters, name)) is not None
    ]


def _some_event(condition: Callable[[Any], Any]) -> ColumnElement[bool]:
    other = aliased(AuditEvent)
    return exists().where(other.record_id == AuditEvent.record_id, condition(other))


def _personal(name: str, condition: Any) -> ColumnElement[bool]:
    return exists().where(
        and_(Personal.record_id == AuditEvent.record_id, Personal.field == name, condition)
    )


def _state(state: State) -> ColumnElement[bool]:
    wanted = {State.INTERRUPTED: State.IN_PROGRESS}.get(state, state)
    names = {name for name, means in STATE_OF.items() if means in (state, wanted)}
    other = aliased(AuditEvent)
    latest = (
        select(other.type)
        .where(other.record_id == AuditEvent.record_id, other.type.in_(STATE_OF))
        .order_by(other.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    return latest.in_(names)


_CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "since": lambda value: AuditEvent.time >= rfc3339(value),
    "until": lambda value: AuditEvent.time < rfc3339(value),
    "tenant": lambda value: AuditEvent.tenant == value,
    "model": lambda value: AuditEvent.model == value,
    "policy": lambda value: AuditEvent.policy_digest.startswith(value, autoescape=True),
    "verdict": lambda value: _some_event(lambda e: e.verdict == value),
    "rule": lambda value: _some_event(
        lambda e: e.body.contains(f'"rule_id":"{value}"', autoescape=True)
    ),
    "actor": lambda value: _personal("actor", Personal.text == value),
    "text": lambda value: _personal("prompt", Personal.text.icontains(value, autoescape=True)),
    "state": _state,
}
"""Each filter's condition on the opening event, by the name of its field."""
