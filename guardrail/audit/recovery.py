"""After a crash: what becomes of a record and of the file it staged.

A record without an end whose process is gone is closed as interrupted, and whatever it staged is
removed. A released record whose staged file still waits, whole, is published: its release was
committed. The log is written before a file is touched, so that a process which was taken for dead
and is not finds its record closed, and releases nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from guardrail.audit import events as types
from guardrail.audit import queries
from guardrail.audit.append import append
from guardrail.audit.events import Event
from guardrail.audit.processes import may_be_alive
from guardrail.audit.records import Record, State
from guardrail.audit.store import Store
from guardrail.clock import Clock
from guardrail.errors import AuditError
from guardrail.files import publish, staged_path


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a sweep did for one record."""

    record_id: UUID
    event: str
    """``generation.interrupted`` or ``generation.recovered``."""
    staged_file: str
    """``none``, ``removed``, ``published``, ``damaged`` (it was not whole, and is removed) or
    ``superseded`` (a newer file stands at its place, and it is removed)."""


def sweep(store: Store, clock: Clock, *, since: datetime | None = None) -> tuple[Recovered, ...]:
    """Bring every record and staged file in order. Raises :class:`AuditError`."""
    swept: list[Recovered] = []
    for record in _records(store, clock, queries.open_records, since):
        if record.state is State.INTERRUPTED and not any(
            event.type == types.INTERRUPTED for event in record.events
        ):
            swept += _interrupt(store, clock, record)
    for record in _records(store, clock, queries.staged_records, since):
        outcome = _settle(record)
        if outcome is not None:
            append(store, [_event(record, outcome)], clock)
            swept.append(outcome)
    return tuple(swept)


def _records(
    store: Store, clock: Clock, find: queries.Finder, since: datetime | None
) -> Iterator[Record]:
    """Yield the records of the ids that ``find`` returns, a hundred at a time."""
    with store.read() as connection:
        ids = find(connection, since)
    for start in range(0, len(ids), 100):
        with store.read() as connection:
            chunk = ids[start : start + 100]
            found = queries.records(connection, chunk, lambda o: may_be_alive(o, clock))
        yield from found


def _interrupt(store: Store, clock: Clock, record: Record) -> Iterator[Recovered]:
    staged = _staged(record)
    kept = "removed" if staged is not None else "none"
    outcome = Recovered(record.record_id, types.INTERRUPTED, kept)
    if append(store, [_event(record, outcome)], clock, if_open=True):
        if staged is not None:
            with _file_errors(record):
                staged.unlink(missing_ok=True)
        yield outcome


def _settle(record: Record) -> Recovered | None:
    """Put the staged file of a closed record in order; None when nothing is to be recorded."""
    staged = _staged(record)
    if staged is None or record.destination is None or record.state is State.IN_PROGRESS:
        return None
    destination = Path(record.destination)
    with _file_errors(record):
        if record.state is not State.RELEASED:
            staged.unlink(missing_ok=True)
            return None
        with staged.open("rb") as stream:
            whole = hashlib.file_digest(stream, "sha256").hexdigest() == record.sha256
        newer = destination.exists() and destination.stat().st_mtime > staged.stat().st_mtime
        if whole and not newer:
            publish(staged, destination)
            kept = "published"
        else:
            staged.unlink()
            kept = "superseded" if whole else "damaged"
    return Recovered(record.record_id, types.RECOVERED, kept)


def _staged(record: Record) -> Path | None:
    """The file that waits for the end of a record, if there is one."""
    if record.destination is None:
        return None
    staged = staged_path(Path(record.destination), record.record_id)
    with _file_errors(record):
        return staged if staged.exists() else None


def _event(record: Record, outcome: Recovered) -> Event:
    return Event(
        outcome.event,
        record.record_id,
        record.request_id,
        record.tenant,
        data={"staged_file": outcome.staged_file},
    )


@contextmanager
def _file_errors(record: Record) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AuditError(
            f"A staged file of record {record.record_id} cannot be put in order "
            f"({error.strerror}).",
            hint="Mend the folder's permissions or space, then sweep again.",
        ) from error
