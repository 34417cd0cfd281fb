"""Personal texts: what is held about whom, erasing it, letting it expire, holding it.

Erasing destroys the text and its salt. The log keeps the commitment, which then says nothing to
anybody, so that every proof still holds; who erased, when and why is an event of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, exists, select, text
from sqlalchemy.orm import aliased

from guardrail.audit import events as types
from guardrail.audit.append import append, append_within
from guardrail.audit.events import Event
from guardrail.audit.queries import records_of_actor
from guardrail.audit.records import RecordNotFound
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, Personal
from guardrail.clock import Clock, rfc3339
from guardrail.errors import ConfigurationError

KEPT_FIELDS = ("ordered_by", "ordered_because")
"""Who ordered an erasure or a hold, and why: the account of it is kept when the rest goes."""
CHUNK = 500
_MAY_VACUUM = (
    "SELECT pg_has_role(relowner, 'USAGE') OR (current_setting('server_version_num')::int >= 170000"
    " AND has_table_privilege(oid, CASE WHEN current_setting('server_version_num')::int >= 170000"
    " THEN 'MAINTAIN' ELSE 'SELECT' END)) FROM pg_class WHERE oid = to_regclass('personal')"
)
_HOLDS = (types.HOLD_PLACED, types.HOLD_LIFTED)


@dataclass(frozen=True, slots=True)
class HeldText:
    """One personal text."""

    record_id: UUID
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that a record released: it lies outside the store."""

    record_id: UUID
    sha256: str
    destination: str | None
    """Where it was written, if that is known and not erased."""


@dataclass(frozen=True, slots=True)
class SubjectReport:
    """Everything that is held about somebody, or about some records."""

    records: tuple[UUID, ...]
    texts: tuple[HeldText, ...]
    pictures: tuple[Picture, ...]
    """What erasing here does not reach: the files and the manifests within them."""
    on_hold: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased."""

    report: SubjectReport
    """What was held before."""
    thorough: bool
    """False when a reader was in the way of clearing the write-ahead log or dead rows; erasing
    again, or the next quiet moment, completes it."""


class PersonalData:
    """The personal texts of one log. Every method raises :class:`AuditError` when the store
    cannot do it, and then nothing was erased."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def about(self, *, actor: str | None = None, records: Iterable[UUID] = ()) -> SubjectReport:
        """Return what is held about an actor, or about some records.

        Raises :class:`RecordNotFound` for a record that does not exist.
        """
        with self._store.read() as connection:
            return _report(connection, _chosen(connection, actor, records))

    def erase(
        self, *, actor: str | None = None, records: Iterable[UUID] = (), reason: str, by: str
    ) -> Erasure:
        """Erase the personal texts of an actor's records, or of some records, and record who
        ordered it and why.

        Raises :class:`RecordNotFound`, and :class:`ConfigurationError` for a record on hold.
        """
        with self._store.write() as connection:
            report = _report(connection, _chosen(connection, actor, records))
            if report.on_hold:
                raise ConfigurationError(
                    f"Record {report.on_hold[0]} is on legal hold: nothing was erased.",
                    hint="Lift it: guardrail audit unhold RECORD --reason ... --by ...",
                )
            self._destroy(connection, report, types.ERASED, reason, by)
        return Erasure(report, self._clear())

    def expire(
        self, *, before: datetime, fields: Sequence[str] = (), by: str, dry_run: bool = False
    ) -> Erasure:
        """Erase the personal texts of records closed and opened before a time, except those on
        hold; ``fields`` limits it to some. With ``dry_run`` only say what that would be."""
        with self._store.write() as connection:
            report = _report(connection, _older(connection, before), fields)
            free = set(report.records) - set(report.on_hold)
            report = SubjectReport(
                tuple(i for i in report.records if i in free),
                tuple(item for item in report.texts if item.record_id in free),
                tuple(item for item in report.pictures if item.record_id in free),
                report.on_hold,
            )
            if dry_run or not report.texts:
                return Erasure(report, thorough=True)
            self._destroy(connection, report, types.EXPIRED, f"before {rfc3339(before)}", by)
        return Erasure(report, self._clear())

    def hold(self, record_id: UUID, *, reason: str, by: str) -> None:
        """Put a record on legal hold: nothing of it is erased until it is lifted."""
        self._note(types.HOLD_PLACED, record_id, reason, by, expected=False)

    def unhold(self, record_id: UUID, *, reason: str, by: str) -> None:
        """Lift a legal hold."""
        self._note(types.HOLD_LIFTED, record_id, reason, by, expected=True)

    def _note(self, kind: str, record_id: UUID, reason: str, by: str, *, expected: bool) -> None:
        report = self.about(records=[record_id])
        if bool(report.on_hold) is not expected:
            is_not = "is not" if expected else "is already"
            raise ConfigurationError(f"Record {record_id} {is_not} on hold.")
        append(self._store, [_order(kind, record_id, reason, by)], self._clock)

    def _destroy(
        self, connection: Connection, report: SubjectReport, kind: str, reason: str, by: str
    ) -> None:
        fields = {item.field for item in report.texts}
        for chunk in _chunks([str(item) for item in report.records]):
            gone: dict[str, list[tuple[str, str]]] = defaultdict(list)
            for row in connection.execute(
                select(Personal.record_id, Personal.field, Personal.commitment).where(
                    Personal.record_id.in_(chunk), Personal.field.in_(fields)
                )
            ):
                gone[row.record_id].append((row.field, row.commitment))
            orders = [
                _order(
                    kind,
                    UUID(record_id),
                    reason,
                    by,
                    fields=sorted(name for name, _ in items),
                    commitments=sorted(digest for _, digest in items),
                )
                for record_id, items in gone.items()
            ]
            if orders:
                append_within(self._store, connection, orders, self._clock)
                digests = [digest for items in gone.values() for _, digest in items]
                connection.execute(delete(Personal).where(Personal.commitment.in_(digests)))

    def _clear(self) -> bool:
        """Leave no residue of deleted rows where the database would keep some."""
        if self._store.dialect == "sqlite":
            with self._store.unmanaged() as connection:
                row = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
                return int(row[0]) == 0
        with self._store.unmanaged() as connection:
            may = connection.scalar(text(_MAY_VACUUM))
            if may:  # without the right to it, VACUUM warns and does nothing
                connection.execute(text("VACUUM personal"))
            return bool(may)


def _order(
    kind: str,
    record_id: UUID,
    reason: str,
    by: str,
    **data: Sequence[str],
) -> Event:
    return Event(
        kind,
        record_id,
        data={name: list(values) for name, values in data.items()},
        personal={"ordered_by": by, "ordered_because": reason},
    )


def _chosen(connection: Connection, actor: str | None, records: Iterable[UUID]) -> list[str]:
    if actor is not None:
        return sorted(set(connection.scalars(records_of_actor(connection, actor))))
    wanted = [str(item) for item in records]
    known = set(
        connection.scalars(
            select(AuditEvent.record_id).where(AuditEvent.record_id.in_(wanted)).distinct()
        )
    )
    for item in wanted:
        if item not in known:
            raise RecordNotFound(f"There is no record {item}.")
    return wanted


def _older(connection: Connection, before: datetime) -> list[str]:
    closing = aliased(AuditEvent)
    closed = exists().where(
        closing.record_id == AuditEvent.record_id, closing.type.in_(types.TERMINAL)
    )
    found = connection.scalars(
        select(AuditEvent.record_id)
        .where(AuditEvent.type == types.REQUESTED, AuditEvent.time < rfc3339(before), closed)
        .order_by(AuditEvent.seq)
    )
    return [str(item) for item in found]


def _report(
    connection: Connection, ids: Sequence[str], fields: Sequence[str] = ()
) -> SubjectReport:
    texts: list[HeldText] = []
    pictures: list[Picture] = []
    on_hold: list[UUID] = []
    for chunk in _chunks(ids):
        held = connection.execute(
            select(Personal.record_id, Personal.field, Personal.text)
            .where(Personal.record_id.in_(chunk), Personal.field.not_in(KEPT_FIELDS))
            .order_by(Personal.record_id, Personal.field)
        ).all()
        texts += [
            HeldText(UUID(row.record_id), row.field, row.text)
            for row in held
            if not fields or row.field in fields
        ]
        places = {row.record_id: row.text for row in held if row.field == "destination"}
        released = connection.execute(
            select(AuditEvent.record_id, AuditEvent.asset_sha256)
            .where(AuditEvent.record_id.in_(chunk), AuditEvent.asset_sha256.is_not(None))
            .order_by(AuditEvent.seq)
        )
        pictures += [
            Picture(UUID(row.record_id), row.asset_sha256, places.get(row.record_id))
            for row in released
        ]
        on_hold += _on_hold(connection, chunk)
    return SubjectReport(tuple(map(UUID, ids)), tuple(texts), tuple(pictures), tuple(on_hold))


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _on_hold(connection: Connection, ids: Sequence[str]) -> list[UUID]:
    rows = connection.execute(
        select(AuditEvent.record_id, AuditEvent.type)
        .where(AuditEvent.record_id.in_(ids), AuditEvent.type.in_(_HOLDS))
        .order_by(AuditEvent.seq)
    )
    latest = {row.record_id: row.type for row in rows}
    return [UUID(item) for item, kind in latest.items() if kind == types.HOLD_PLACED]
