"""The log as the pipeline and its readers see it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from sqlalchemy import insert, select

from guardrail.audit import events as types
from guardrail.audit import queries
from guardrail.audit.append import append
from guardrail.audit.events import Event
from guardrail.audit.processes import may_be_alive, this_process
from guardrail.audit.records import Filters, Page, Record, RecordNotFound, State
from guardrail.audit.recovery import Recovered, settle
from guardrail.audit.store import Store
from guardrail.audit.tables import PolicyVersion
from guardrail.audit.verification import LogVerification, verify_log
from guardrail.clock import Clock, rfc3339, utc_now
from guardrail.contracts import (
    Decision,
    GenerationRequest,
    ImageReport,
    ModelIdentity,
    PolicyRef,
    Release,
    Stage,
    Verdict,
    as_json,
)
from guardrail.errors import AuditError

_REFUSAL = {
    Verdict.BLOCK: types.REFUSED,
    Verdict.REVIEW: types.HELD,
    Verdict.ERROR: types.FAILED,
}


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
        PostgreSQL database is migrated only on request. An older or newer store is refused.
        """
        text = str(url)
        store = Store(text if "://" in text else f"sqlite:///{Path(text).expanduser().absolute()}")
        fresh = store.file is not None and not (store.file.exists() and store.file.stat().st_size)
        if migrate or (migrate is None and fresh):
            store.create_file()
            store.upgrade()
        elif fresh:
            raise AuditError(
                f"There is no audit store at {store.display}.",
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
        return str(self._store.file or self._store.display)

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
        """Return the stored text of a policy version."""
        with self._store.read() as connection:
            found = connection.scalar(
                select(PolicyVersion.text).where(PolicyVersion.digest == digest)
            )
        if found is None:
            raise RecordNotFound(f"The store holds no policy with the digest {digest}.")
        return str(found)

    def begin(
        self, request: GenerationRequest, decision: Decision, model: ModelIdentity | None
    ) -> None:
        """Commit the request and its decision: one record an image, before anything is made."""
        self._append(_requested(request, decision, model))

    def refuse(self, request: GenerationRequest, decision: Decision) -> None:
        """Record a request that the prompt stage did not allow, in one transaction."""
        opening = _requested(request, decision, None)[0]
        closing = Event(
            _REFUSAL[decision.verdict],
            request.record_ids[0],
            request.request_id,
            tenant=request.tenant,
            verdict=decision.verdict,
            policy_digest=decision.policy.digest,
            data={"stage": Stage.PROMPT},
        )
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
        data = {"stage": stage, "output_decision": as_json(decision), "report": as_json(report)}
        self._append(
            [self._outcome(_REFUSAL[decision.verdict], request, record_id, data, decision)]
        )

    def release(self, request: GenerationRequest, releases: Sequence[Release]) -> None:
        """Commit the release of signed pictures in one transaction; only then may they leave."""
        self._append([_released(request, release) for release in releases])

    def fail(
        self, request: GenerationRequest, record_ids: Sequence[UUID], stage: str, error: str
    ) -> None:
        """Record that a stage failed closed; ``error`` is our own sentence, never a prompt."""
        data = {"failure": {"stage": stage, "error": error}}
        self._append([self._outcome(types.FAILED, request, i, data) for i in record_ids])

    def cancel(self, request: GenerationRequest, record_ids: Sequence[UUID]) -> None:
        """Record that the caller stopped it."""
        self._append([self._outcome(types.CANCELLED, request, i, {}) for i in record_ids])

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
        """Return a page of records, newest first. ``before`` is the last page's ``next``."""
        with self._store.read() as connection:
            return queries.page(
                connection, filters or Filters(), before=before, limit=limit, alive=self._alive
            )

    def verify(self) -> LogVerification:
        """Recompute the whole log from its stored bytes."""
        return verify_log(self._store)

    def sweep(self) -> tuple[Recovered, ...]:
        """Mark interrupted work as such, finish renames that a crash prevented, and remove
        staged files that were never released."""
        swept: list[Recovered] = []
        for record in self._unsettled():
            outcome = settle(record)
            if outcome is not None:
                event = Event(
                    outcome.event,
                    record.record_id,
                    record.request_id,
                    record.tenant,
                    data={"staged_file": outcome.staged_file},
                )
                self._append([event])
                swept.append(outcome)
        return tuple(swept)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def _unsettled(self) -> list[Record]:
        """Records that were interrupted, and released ones whose file may still be staged."""
        found: list[Record] = []
        for state in (State.INTERRUPTED, State.RELEASED):
            before: int | None = None
            while True:
                page = self.records(Filters(state=state), limit=200, before=before)
                found += page.records
                before = page.next
                if before is None:
                    break
        marked = {types.INTERRUPTED}
        return [r for r in found if not marked.intersection(e.type for e in r.events)]

    def _alive(self, opening: Any) -> bool:
        return may_be_alive(opening, self._clock)

    def _append(self, events: Sequence[Event]) -> None:
        append(self._store, events, self._clock)

    def _outcome(
        self,
        kind: str,
        request: GenerationRequest,
        record_id: UUID,
        data: dict[str, Any],
        decision: Decision | None = None,
    ) -> Event:
        return Event(
            kind,
            record_id,
            request.request_id,
            tenant=request.tenant,
            verdict=decision.verdict if decision else None,
            policy_digest=decision.policy.digest if decision else None,
            data=data,
        )


def _released(request: GenerationRequest, release: Release) -> Event:
    signed = release.signed
    described = as_json(signed) | {"content": None, "size": len(signed.content)}
    return Event(
        types.RELEASED,
        release.record_id,
        request.request_id,
        tenant=request.tenant,
        verdict=release.decision.verdict,
        policy_digest=release.decision.policy.digest,
        seed=str(release.image.seed),
        asset_sha256=signed.sha256,
        data={
            "signed": {key: value for key, value in described.items() if value is not None},
            "report": as_json(release.report),
            "output_decision": as_json(release.decision),
            "reproduction": as_json(release.image.reproduction),
            "milliseconds": dict(release.times.entries),
            "staged": release.staged,
        },
    )


def _requested(
    request: GenerationRequest, decision: Decision, model: ModelIdentity | None
) -> list[Event]:
    """One ``generation.requested`` for each image."""
    data: dict[str, Any] = {
        "decision": {k: v for k, v in as_json(decision).items() if k != "effective_prompt"},
        "mode": request.mode,
        "parameters": {
            "width": request.width,
            "height": request.height,
            "steps": request.steps,
            "guidance_scale": request.guidance_scale,
            "scheduler": request.scheduler,
            "count": request.count,
        },
        "process": this_process(),
    }
    if model is not None:
        data["model"] = as_json(model)
    redacted = decision.effective_prompt
    texts = {
        "prompt": request.prompt,
        "effective_prompt": redacted if redacted != request.prompt else None,
        "negative_prompt": request.negative_prompt,
        "actor": request.actor,
        "metadata": json.dumps(dict(request.metadata), sort_keys=True)
        if request.metadata
        else None,
    }
    destinations = request.destinations or (None,) * request.count
    return [
        Event(
            types.REQUESTED,
            record_id,
            request.request_id,
            tenant=request.tenant,
            purpose=request.purpose,
            verdict=decision.verdict,
            model=model.id if model else None,
            policy_digest=decision.policy.digest,
            seed=str(seed),
            data=data,
            personal={
                name: text
                for name, text in (texts | {"destination": destination}).items()
                if text is not None
            },
        )
        for record_id, seed, destination in zip(
            request.record_ids, request.seeds, destinations, strict=True
        )
    ]
