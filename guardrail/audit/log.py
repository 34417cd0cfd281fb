"""The log as the pipeline and its readers see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from sqlalchemy import insert, select

from guardrail.audit import events as types
from guardrail.audit import generation, queries
from guardrail.audit.append import append
from guardrail.audit.append import head as tree_head
from guardrail.audit.assurance import Evidence
from guardrail.audit.erasure import PersonalData
from guardrail.audit.events import Event
from guardrail.audit.export import event_lines
from guardrail.audit.policies import PolicyHistory
from guardrail.audit.processes import may_be_alive
from guardrail.audit.proofs import LogProofs
from guardrail.audit.records import Filters, Page, Record, RecordNotFound
from guardrail.audit.recovery import Recovered, sweep
from guardrail.audit.statistics import Statistics, statistics
from guardrail.audit.store import Store
from guardrail.audit.tables import PolicyVersion
from guardrail.audit.verification import NOTHING, LogVerification, verify_log
from guardrail.clock import Clock, rfc3339, utc_now
from guardrail.contracts import (
    Decision,
    GenerationRequest,
    ImageReport,
    ModelIdentity,
    PolicyRef,
    Release,
    Stage,
)
from guardrail.errors import AuditError

if TYPE_CHECKING:
    from guardrail.audit.health import StoreHealth


class AuditLog:
    """An append-only, tamper-evident record. There is no way to change or delete evidence.

    Thread-safe; after a fork the child gets its own connections. Every method raises
    :class:`~guardrail.errors.AuditError` when the store cannot do it, and then nothing of the
    call has been recorded.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @classmethod
    def open(cls, url: str | Path, *, clock: Clock = utc_now, migrate: bool | None = None) -> Self:
        """Open a store by SQLAlchemy URL or SQLite file.

        A SQLite file that does not exist is made and migrated, unless ``migrate`` is False; a
        PostgreSQL database is migrated only on request. An older or newer store is refused with
        :class:`~guardrail.errors.AuditError`, a URL that names no store of ours with
        :class:`~guardrail.errors.ConfigurationError`.
        """
        text = str(url)
        store = Store(text if "://" in text else f"sqlite:///{Path(text).expanduser().absolute()}")
        if migrate or (migrate is None and store.is_blank()):
            store.create_file()
            store.upgrade()
        elif store.is_missing():
            raise AuditError(
                f"There is no audit store at {store.display} yet.",
                hint="It is made by the first generation, or with: guardrail db upgrade",
            )
        store.require_current()
        return cls(store, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def url_display(self) -> str:
        """Where the store is, without a password."""
        return self._store.display

    @property
    def policies(self) -> PolicyHistory:
        """The policy versions this store knows, and their activations."""
        return PolicyHistory(self._store, self._clock)

    def store_policy(self, ref: PolicyRef, text: str) -> None:
        """Keep the full text of a policy version, once."""
        chosen = select(PolicyVersion.text).where(PolicyVersion.digest == ref.digest)
        with self._store.read() as connection:
            known = connection.scalar(chosen)
        if known is None:
            with self._store.write() as connection:
                known = connection.scalar(chosen)
                if known is None:
                    row = {
                        "digest": ref.digest,
                        "policy_id": ref.id,
                        "version": ref.version,
                        "stored": rfc3339(self._clock()),
                        "text": text,
                    }
                    connection.execute(insert(PolicyVersion), [row])
                    return
        if known != text:
            raise AuditError(
                f"The store holds another text under the digest of policy {ref.id}.",
                hint="Verify the store: guardrail audit verify",
            )

    def policy_text(self, digest: str) -> str:
        """Return the stored text of a policy version. Raises :class:`RecordNotFound`."""
        with self._store.read() as connection:
            found = connection.scalar(
                select(PolicyVersion.text).where(PolicyVersion.digest == types.storable(digest))
            )
        if found is None:
            raise RecordNotFound(f"The store holds no policy with the digest {digest}.")
        return str(found)

    def begin(
        self, request: GenerationRequest, decision: Decision, model: ModelIdentity | None
    ) -> None:
        """Commit the request and its decision: one record an image, before anything is made."""
        self._append(generation.requested(request, decision, model))

    def refuse(self, request: GenerationRequest, decision: Decision) -> None:
        """Record a request that the prompt stage did not allow, in one transaction."""
        opening = generation.requested(request, decision, None)[0]
        closing = generation.refused(request, request.record_ids[0], decision, Stage.PROMPT)
        self._append([opening, closing])

    def withhold(
        self,
        request: GenerationRequest,
        record_id: UUID,
        decision: Decision,
        report: ImageReport,
        stage: Stage,
    ) -> None:
        """Record that the image checks did not let one picture through."""
        self._append([generation.refused(request, record_id, decision, stage, report)])

    def release(self, request: GenerationRequest, releases: Sequence[Release]) -> None:
        """Commit the release of signed pictures in one transaction; only then may they leave.

        Also raises :class:`~guardrail.errors.AuditError` when a record was closed meanwhile, by
        a sweep that took this process for dead: no picture of the request must leave then.
        """
        self._append([generation.released(request, release) for release in releases])

    def fail(
        self, request: GenerationRequest, record_ids: Sequence[UUID], stage: str, error: str
    ) -> None:
        """Record that a stage failed closed, for those of ``record_ids`` that are still open;
        ``error`` is our own sentence, never a prompt."""
        self._close(generation.failed(request, record_ids, stage, error))

    def cancel(self, request: GenerationRequest, record_ids: Sequence[UUID]) -> None:
        """Record that the caller stopped, for those of ``record_ids`` that are still open."""
        self._close(generation.cancelled(request, record_ids))

    def note_rerun(self, record: Record, verdict: str, reasons: Sequence[str]) -> None:
        """Record that a picture was generated again for comparison, and how it compared."""
        data = {"verdict": verdict, "reasons": list(reasons)}
        self._append(
            [Event(types.RERUN, record.record_id, record.request_id, record.tenant, data=data)]
        )

    def record(self, record_id: UUID) -> Record:
        """Return one record. Raises :class:`RecordNotFound`."""
        with self._store.read() as connection:
            found = queries.records(connection, [str(record_id)], self._alive)
        if not found:
            raise RecordNotFound(
                f"There is no record {record_id} in {self.url_display}.",
                hint="List records with: guardrail audit list",
            )
        return found[0]

    def find_asset(self, sha256: str) -> Record | None:
        """Return the record that released the file with this SHA-256, if any."""
        with self._store.read() as connection:
            record_id = queries.record_of_asset(connection, sha256)
            if record_id is None:
                return None
            return queries.records(connection, [record_id], self._alive)[0]

    def records(
        self, filters: Filters | None = None, *, limit: int = 50, before: int | None = None
    ) -> Page:
        """Return a page of records, newest first. ``before`` is the last page's ``next``.

        Raises ``ValueError`` for a ``limit`` outside 1..10000.
        """
        with self._store.read() as connection:
            return queries.page(
                connection, filters or Filters(), before=before, limit=limit, alive=self._alive
            )

    def query(self, text: str, *, limit: int = 50, before: int | None = None) -> Page:
        """Return a page of the records that a query such as ``tenant:acme verdict:block lake``
        picks: see :mod:`guardrail.audit.language`, which also says what it raises."""
        from guardrail.audit.language import parse_query  # noqa: PLC0415 (seldom needed)

        return self.records(parse_query(text, self._clock()), limit=limit, before=before)

    def all_records(self, filters: Filters | None = None) -> Iterator[Record]:
        """Yield every record, newest first, as of the moment each page is read."""
        before: int | None = None
        while True:
            page = self.records(filters, limit=500, before=before)
            yield from page.records
            before = page.next
            if before is None:
                return

    def head(self) -> int:
        """Return how many events the log has."""
        with self._store.read() as connection:
            return tree_head(connection).size

    def events(self, *, after: int = -1, limit: int | None = None) -> Iterator[tuple[int, str]]:
        """Yield (seq, text) of the events after ``after``, in order; each text is exactly what
        was hashed. Stop at the head of the log as it is when the first one is read."""
        with self._store.read() as connection:
            yield from event_lines(connection, after, limit)

    def statistics(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Statistics:
        """Count what the record says about a stretch of time."""
        with self._store.read() as connection:
            return statistics(connection, since, until)

    def verify(self, evidence: Evidence = NOTHING, *, full: bool = False) -> LogVerification:
        """Recompute the whole log from its stored bytes, and hold it against ``evidence``.

        ``full`` also proves that every event is canonical and every record well-formed.
        """
        return verify_log(self._store, evidence, full=full)

    def health(self) -> StoreHealth:
        """Look quickly whether the store is fit for work; this verifies nothing that is old."""
        from guardrail.audit.health import look  # noqa: PLC0415 (seldom needed)

        return look(self._store, self._clock)

    def proofs(self, kept: Path | None = None) -> LogProofs:
        """Return what makes checkpoints and proofs; ``kept`` is a folder for the newest one."""
        return LogProofs(self._store, self._clock, kept)

    @property
    def personal(self) -> PersonalData:
        """The personal texts: what is held, erasing, expiring, holding."""
        return PersonalData(self._store, self._clock)

    def sweep(self, *, since: datetime | None = None) -> tuple[Recovered, ...]:
        """Mark interrupted work as such, finish renames that a crash prevented, and remove
        staged files that were never released. ``since`` looks at newer records only."""
        return sweep(self._store, self._clock, since=since)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def _alive(self, opening: Any) -> bool:
        return may_be_alive(opening, self._clock)

    def _append(self, events: Sequence[Event]) -> None:
        append(self._store, events, self._clock)

    def _close(self, events: Sequence[Event]) -> None:
        append(self._store, events, self._clock, if_open=True)
