"""After a crash: what becomes of a record and of the file it staged.

A released record whose staged file still waits, whole, is published: its release was committed.
A record without a release is interrupted, and whatever it staged is removed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from guardrail.audit import events as types
from guardrail.audit.records import Record, State
from guardrail.errors import AuditError
from guardrail.files import publish, staged_path


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a sweep did for one record."""

    record_id: UUID
    event: str
    """``generation.interrupted`` or ``generation.recovered``."""
    staged_file: str
    """``none``, ``removed``, ``published`` or ``damaged``."""


def settle(record: Record) -> Recovered | None:
    """Bring the files of one record in order; None when there is nothing to do."""
    destination = Path(record.destination) if record.destination else None
    staged = staged_path(destination, record.record_id) if destination else None
    waiting = staged if staged is not None and staged.exists() else None
    try:
        if record.state is State.INTERRUPTED:
            if waiting is not None:
                waiting.unlink()
            kept = "removed" if waiting else "none"
            return Recovered(record.record_id, types.INTERRUPTED, kept)
        if waiting is None or destination is None:
            return None
        with waiting.open("rb") as stream:
            whole = hashlib.file_digest(stream, "sha256").hexdigest() == record.sha256
        if whole:
            publish(waiting, destination)
        else:
            waiting.unlink()
    except OSError as error:
        raise AuditError(
            f"A staged file of record {record.record_id} cannot be put in order "
            f"({error.strerror}).",
            hint="Mend the folder's permissions or space, then sweep again.",
        ) from error
    return Recovered(record.record_id, types.RECOVERED, "published" if whole else "damaged")
