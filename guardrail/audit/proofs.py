"""Signed checkpoints, and what is proved against them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, insert, select

from guardrail.audit.append import head
from guardrail.audit.keys import LogKey, LogVerifier
from guardrail.audit.merkle import is_consistent
from guardrail.audit.notes import (
    Checkpoint,
    InclusionProof,
    SignedCheckpoint,
    key_id,
    parse_checkpoint,
)
from guardrail.audit.records import RecordNotFound
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, StoredCheckpoint
from guardrail.audit.tree import StoredTree
from guardrail.clock import Clock, parse_rfc3339, rfc3339
from guardrail.errors import AuditError, ConfigurationError, VerificationFailed
from guardrail.files import write_atomically


@dataclass(frozen=True, slots=True)
class ProvedEvent:
    """One event, the bytes that were hashed, and the proof that the log holds it."""

    seq: int
    type: str
    body: str
    proof: InclusionProof


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the log of one checkpoint continues that of another."""

    old: SignedCheckpoint
    new: SignedCheckpoint
    path: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """Whether the proof is one."""
        old, new = self.old.checkpoint, self.new.checkpoint
        return old.origin == new.origin and is_consistent(
            old.size, new.size, old.root, new.root, self.path
        )


class LogProofs:
    """Makes checkpoints and proofs of one log. Raises :class:`~guardrail.errors.AuditError` when
    the store cannot do it.

    ``kept`` is a folder outside the store where the newest checkpoint is kept too: the memory
    that a log needs which must never sign two histories.
    """

    def __init__(self, store: Store, clock: Clock, kept: Path | None = None) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept

    def checkpoint(self, key: LogKey, *, max_age: timedelta | None = None) -> SignedCheckpoint:
        """Sign the log as it is now, and store and return the checkpoint; an unchanged log is
        not signed again. With ``max_age``, return the newest one if it is younger.

        Raises :class:`~guardrail.errors.VerificationFailed` when the log does not continue what
        was signed before: a log must never sign two histories.
        """
        with self._store.write() as connection:
            known = stored_checkpoints(connection)
            if known and max_age is not None and self._age(connection) < max_age:
                return known[-1]
            checkpoint = current(connection)
            for earlier in [*known[-1:], *self.kept(checkpoint.origin)]:
                _require_continued(StoredTree(connection), earlier.checkpoint, checkpoint)
            signed = key.sign(checkpoint)
            row = {
                "size": checkpoint.size,
                "key_id": key_id(checkpoint.origin, key.verifier.public).hex(),
                "time": rfc3339(self._clock()),
                "note": signed.note,
            }
            if signed.note not in [item.note for item in known]:
                connection.execute(insert(StoredCheckpoint), [row])
        self._keep(signed)
        return signed

    def stored(self) -> tuple[SignedCheckpoint, ...]:
        """Return the checkpoints that the store holds, oldest first."""
        with self._store.read() as connection:
            return tuple(stored_checkpoints(connection))

    def kept(self, origin: str) -> list[SignedCheckpoint]:
        """Return the newest checkpoint of a log that is kept outside the store, if any."""
        file = self._file(origin)
        if file is None or not file.exists():
            return []
        try:
            return [parse_checkpoint(file.read_text("utf-8"))]
        except (OSError, ValueError, ConfigurationError) as error:
            raise AuditError(f"The kept checkpoint {file} cannot be read.") from error

    def inclusion(
        self, record_id: UUID, signed: SignedCheckpoint | None = None
    ) -> tuple[ProvedEvent, ...]:
        """Prove every event of a record against ``signed``, or the newest stored checkpoint.

        Raises :class:`RecordNotFound`, and :class:`ConfigurationError` when no checkpoint covers
        the record yet.
        """
        with self._store.read() as connection:
            rows = connection.execute(
                select(AuditEvent.seq, AuditEvent.type, AuditEvent.body)
                .where(AuditEvent.record_id == str(record_id))
                .order_by(AuditEvent.seq)
            ).all()
            if not rows:
                raise RecordNotFound(f"There is no record {record_id} in {self._store.display}.")
            known = [signed] if signed else stored_checkpoints(connection)
            if not known or known[-1].checkpoint.size <= rows[-1].seq:
                raise ConfigurationError(
                    "No checkpoint covers this record yet.",
                    hint="Make one: guardrail audit checkpoint",
                )
            chosen, tree = known[-1], StoredTree(connection)
            size = chosen.checkpoint.size
            return tuple(
                ProvedEvent(
                    row.seq,
                    row.type,
                    row.body,
                    InclusionProof(row.seq, tuple(tree.inclusion(row.seq, size)), chosen),
                )
                for row in rows
            )

    def consistency(self, old: SignedCheckpoint, new: SignedCheckpoint) -> Consistency:
        """Return the proof that the log of ``new`` continues that of ``old``.

        Raises :class:`ConfigurationError` for checkpoints that the log has not reached. Whether
        the proof :attr:`~Consistency.holds` is for the caller to ask: it does not in a fork.
        """
        sizes = old.checkpoint.size, new.checkpoint.size
        with self._store.read() as connection:
            size = head(connection).size
            if not 0 < sizes[0] <= sizes[1] <= size:
                raise ConfigurationError(
                    f"The log has {size} events; checkpoints of {sizes[0]} and {sizes[1]} cannot "
                    "be compared in it.",
                    hint="Give the smaller checkpoint first.",
                )
            return Consistency(old, new, tuple(StoredTree(connection).consistency(*sizes)))

    def bundle(
        self,
        record_id: UUID,
        verifier: LogVerifier,
        *,
        withheld: Collection[str] = (),
        against: SignedCheckpoint | None = None,
        asset: Path | None = None,
    ) -> bytes:
        """Return everything that proves one record, as an archive for a third party: see
        :func:`guardrail.audit.bundle.build_bundle`."""
        from guardrail.audit.bundle import build_bundle  # noqa: PLC0415 (seldom needed)

        events = self.inclusion(record_id, against)
        return build_bundle(self._store, events, verifier, withheld=withheld, asset=asset)

    def _age(self, connection: Connection) -> timedelta:
        newest = connection.scalar(
            select(StoredCheckpoint.time).order_by(StoredCheckpoint.size.desc()).limit(1)
        )
        return self._clock() - parse_rfc3339(str(newest))

    def _file(self, origin: str) -> Path | None:
        return self._kept / f"{origin.rpartition('/')[2]}.checkpoint" if self._kept else None

    def _keep(self, signed: SignedCheckpoint) -> None:
        file = self._file(signed.checkpoint.origin)
        if file is not None:
            try:
                write_atomically(file, signed.note.encode(), mode=0o600)
            except OSError as error:
                raise AuditError(
                    f"The checkpoint was stored, and cannot be kept at {file} ({error.strerror})."
                ) from error


def current(connection: Connection) -> Checkpoint:
    """Return what the log commits to now, unsigned. Raises :class:`AuditError` for an empty log
    and for a tree that its leaves do not lead to."""
    first = connection.scalar(select(AuditEvent.event_id).where(AuditEvent.seq == 0))
    if first is None:
        raise AuditError(
            "The log is empty: there is nothing to sign yet.",
            hint="Checkpoints start with the first generation.",
        )
    tree = head(connection)
    if StoredTree(connection).root(tree.size) != tree.root:
        raise VerificationFailed(
            "The log is not signed: its events do not lead to its tree.",
            hint="See where: guardrail audit verify",
        )
    return Checkpoint(f"guardrail/{first}", tree.size, tree.root)


def stored_checkpoints(connection: Connection) -> list[SignedCheckpoint]:
    """Return the checkpoints that the store holds, oldest first. Raises :class:`AuditError` for
    one that cannot be read."""
    notes = connection.scalars(
        select(StoredCheckpoint.note).order_by(StoredCheckpoint.size, StoredCheckpoint.time)
    )
    try:
        return [parse_checkpoint(note) for note in notes]
    except ConfigurationError as error:
        raise AuditError(
            "A stored checkpoint cannot be read.", hint="See where: guardrail audit verify"
        ) from error


def _require_continued(tree: StoredTree, old: Checkpoint, new: Checkpoint) -> None:
    if old.origin != new.origin or old.size > new.size or tree.root(old.size) != old.root:
        raise VerificationFailed(
            f"The log is not signed: it does not continue the checkpoint of {old.size} events "
            "that was signed before.",
            hint="It was changed or restored since. See: guardrail audit verify",
        )
