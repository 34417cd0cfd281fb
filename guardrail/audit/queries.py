"""The SELECTs: one record, one asset, a filtered page, what a sweep must look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    exists,
    func,
    select,
    text,
)
from sqlalchemy.orm import aliased

from guardrail.audit import events as types
from guardrail.audit.events import storable
from guardrail.audit.records import (
    STATE_OF,
    Alive,
    Filters,
    Page,
    Record,
    State,
    build_record,
    view,
)
from guardrail.audit.tables import AuditEvent, FoundBy, Personal
from guardrail.clock import rfc3339
from guardrail.files import staged_path

Finder = Callable[[Connection, datetime | None], list[str]]
"""Returns record ids, oldest first, of records not older than a time."""

MAX_PAGE = 10_000
RARE = 1000
SEQ_END = 2**63 - 1

_COLUMNS = (
    AuditEvent.seq,
    AuditEvent.type,
    AuditEvent.time,
    AuditEvent.record_id,
    AuditEvent.body,
)


def records(connection: Connection, ids: Iterable[str], alive: Alive) -> list[Record]:
    """Return the records of ``ids``, in that order; unknown ids are left out.

    Raises :class:`~guardrail.errors.AuditError` for an event that cannot be read.
    """
    wanted = list(ids)
    rows = connection.execute(
        select(*_COLUMNS).where(AuditEvent.record_id.in_(wanted)).order_by(AuditEvent.seq)
    )
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.record_id].append(view(row))
    held = connection.execute(
        select(Personal.commitment, Personal.text).where(Personal.record_id.in_(wanted))
    )
    texts = {row.commitment: row.text for row in held}
    return [
        build_record(grouped[i], texts, alive)
        for i in wanted
        if i in grouped and grouped[i][0].type == types.REQUESTED
    ]


def record_of_asset(connection: Connection, sha256: str) -> str | None:
    """Return the record that released the file with this SHA-256."""
    # Ordered here and not by the database, which would rather walk the log in that order.
    found = connection.execute(
        select(AuditEvent.seq, AuditEvent.type, AuditEvent.record_id).where(
            AuditEvent.asset_sha256 == sha256
        )
    ).all()
    released = sorted((row.seq, row.record_id) for row in found if row.type == types.RELEASED)
    return str(released[0][1]) if released else None


def records_of_actor(connection: Connection, actor: str) -> Select[str]:
    """Return the SELECT of the record ids of an actor; it uses the partial index of actors."""
    same = Personal.text == storable(actor)
    if connection.dialect.name == "postgresql":
        same = and_(func.md5(Personal.text) == func.md5(storable(actor)), same)
    return select(Personal.record_id).where(Personal.field == text("'actor'"), same)


def page(
    connection: Connection, filters: Filters, *, before: int | None, limit: int, alive: Alive
) -> Page:
    """Return a page of records, newest first, by keyset (never OFFSET).

    Raises ``ValueError`` for a ``limit`` outside 1..10000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page holds 1 to {MAX_PAGE} records")
    query = (
        select(AuditEvent.seq, AuditEvent.record_id)
        .where(_opening(connection, filters), *_conditions(connection, filters))
        .order_by(AuditEvent.seq.desc())
        .limit(limit + 1)
    )
    found: list[Record] = []
    cursor = SEQ_END if before is None else max(0, min(before, SEQ_END))
    while True:
        rows = connection.execute(query.where(AuditEvent.seq < cursor)).all()
        read = records(connection, (row.record_id for row in rows), alive)
        # In progress and interrupted differ by the process only, which SQL does not know.
        found += [record for record in read if filters.state in (None, record.state)]
        if len(found) > limit or len(rows) <= limit:
            kept = found[:limit]
            return Page(tuple(kept), kept[-1].seq if len(found) > limit else None)
        cursor = rows[-1].seq


def _opening(connection: Connection, filters: Filters) -> ColumnElement[bool]:
    """The condition for opening events. For a filter that picks few records it is written so
    that no index serves it: the database then finds those first, instead of walking the log."""
    selective = filters.actor is not None or filters.asset is not None
    selective = selective or any(_is_rare(connection, found) for found in _found(filters))
    kind = AuditEvent.type.concat("") if selective else AuditEvent.type
    return kind == types.REQUESTED


def open_records(connection: Connection, since: datetime | None) -> list[str]:
    """Return the ids of records that no event has closed."""
    query = select(AuditEvent.record_id).where(
        # With a time, the index by time serves better than that by type.
        (AuditEvent.type.concat("") if since else AuditEvent.type) == types.REQUESTED,
        ~_some_event(lambda e: e.type.in_(types.TERMINAL)),
        *([AuditEvent.time >= rfc3339(since)] if since else []),
    )
    return [str(i) for i in connection.scalars(query.order_by(AuditEvent.seq))]


def staged_records(connection: Connection, since: datetime | None) -> list[str]:
    """Return the ids of records whose staged file is still there."""
    query = select(Personal.record_id, Personal.text.label("path")).where(
        Personal.field == "destination"
    )
    if since is not None:
        newer = exists().where(
            AuditEvent.record_id == Personal.record_id,
            AuditEvent.type == types.REQUESTED,
            AuditEvent.time >= rfc3339(since),
        )
        query = query.where(newer)
    rows = connection.execution_options(yield_per=1000).execute(query)
    return sorted(i for i, path in rows if _exists(staged_path(Path(path), UUID(i))))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a folder we may not look into, or a text that is no path
        return False


def _conditions(connection: Connection, filters: Filters) -> list[ColumnElement[bool]]:
    """One condition for each filter that is set."""
    conditions = [
        condition(_storable(value))
        for name, condition in _CONDITIONS.items()
        if (value := getattr(filters, name)) is not None
    ]
    if filters.actor is not None:
        conditions.append(AuditEvent.record_id.in_(records_of_actor(connection, filters.actor)))
    for found in _found(filters):
        rare = _is_rare(connection, found)
        rows = select(FoundBy.record_id).where(found)
        conditions.append(
            AuditEvent.record_id.in_(rows)
            if rare
            else rows.where(FoundBy.record_id == AuditEvent.record_id).exists()
        )
    return conditions


def _found(filters: Filters) -> Iterator[ColumnElement[bool]]:
    """The conditions on what rules found."""
    if filters.rule is not None:
        yield FoundBy.rule_id == storable(filters.rule)
    if filters.reason is not None:
        yield FoundBy.reason_code == storable(filters.reason)


def _is_rare(connection: Connection, found: ColumnElement[bool]) -> bool:
    """Whether so few events have it that it is quicker to fetch them all than to walk the log."""
    some = select(FoundBy.seq).where(found).limit(RARE).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) < RARE


def _storable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(storable(item) for item in value)
    return storable(value) if isinstance(value, str) else value


def _some_event(condition: Callable[[Any], Any]) -> ColumnElement[bool]:
    other = aliased(AuditEvent)
    return exists().where(other.record_id == AuditEvent.record_id, condition(other))


def _latest(column: Callable[[Any], Any], known: Callable[[Any], Any]) -> ScalarSelect[str | None]:
    """What the latest event of the record, among those that say it, says."""
    other = aliased(AuditEvent)
    return (
        select(column(other))
        .where(other.record_id == AuditEvent.record_id, known(other))
        .order_by(other.seq.desc())
        .limit(1)
        .scalar_subquery()
    )


def _personal(name: str, condition: Any) -> ColumnElement[bool]:
    return exists().where(
        and_(Personal.record_id == AuditEvent.record_id, Personal.field == name, condition)
    )


def _state(state: State) -> ColumnElement[bool]:
    wanted = {State.INTERRUPTED: State.IN_PROGRESS}.get(state, state)
    names = {name for name, means in STATE_OF.items() if means in (state, wanted)}
    return _latest(lambda e: e.type, lambda e: e.type.in_(STATE_OF)).in_(names)


def _verdict(verdict: str) -> ColumnElement[bool]:
    return _latest(lambda e: e.verdict, lambda e: e.verdict.is_not(None)) == verdict


def _words(words: tuple[str, ...]) -> ColumnElement[bool]:
    fields = Personal.field.in_(("prompt", "negative_prompt"))
    return and_(
        *(
            exists().where(
                Personal.record_id == AuditEvent.record_id,
                fields,
                Personal.text.icontains(word, autoescape=True),
            )
            for word in words
        )
    )


_CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "since": lambda value: AuditEvent.time >= rfc3339(value),
    "until": lambda value: AuditEvent.time < rfc3339(value),
    "tenant": lambda value: AuditEvent.tenant == value,
    "model": lambda value: AuditEvent.model == value,
    "policy": lambda value: AuditEvent.policy_digest.startswith(value, autoescape=True),
    "verdict": _verdict,
    "purpose": lambda value: AuditEvent.purpose == value,
    "seed": lambda value: AuditEvent.seed == value,
    "asset": lambda value: _some_event(lambda e: e.asset_sha256.startswith(value, autoescape=True)),
    "words": _words,
    "text": lambda value: _personal("prompt", Personal.text.icontains(value, autoescape=True)),
    "state": _state,
}
"""Each filter's condition on the opening event, by the name of its field; those on the actor and
on findings depend on the database and on how much there is."""
