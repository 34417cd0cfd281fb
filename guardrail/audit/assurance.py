"""How much a clean verification proves: which signed checkpoints the log was held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from guardrail.audit.keys import LogVerifier
from guardrail.audit.notes import SignedCheckpoint, parse_checkpoint
from guardrail.audit.tables import StoredCheckpoint
from guardrail.errors import ConfigurationError


class Assurance(StrEnum):
    """What a clean verification proves, and nothing more."""

    NONE = "none"
    SELF_CONSISTENT = "self-consistent only"
    """The log agrees with itself. Someone who can rewrite the whole database could have made it
    so; only a checkpoint kept elsewhere rules that out."""
    OWN_CHECKPOINTS = "checked against our own checkpoints"
    """It also leads to every checkpoint that its own key signed. Someone who has the database
    and that key could have made it so."""
    EXTERNAL = "checked against an externally held checkpoint"
    """It continues a checkpoint that somebody else kept. Nobody can have changed what that one
    covers, whatever keys and databases he holds."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a log is held against, besides itself."""

    external: tuple[SignedCheckpoint, ...] = ()
    """Checkpoints that somebody else kept."""
    kept: tuple[SignedCheckpoint, ...] = ()
    """Checkpoints that we kept outside the store."""
    verifiers: tuple[LogVerifier, ...] = ()
    """The keys that count as the log's. Without any, nothing signed by it is looked at."""


@dataclass(frozen=True, slots=True)
class Held:
    """One checkpoint and where it came from."""

    where: str
    signed: SignedCheckpoint


@dataclass(slots=True)
class Judgement:
    """Judges the checkpoints of one log, once its leaves have been walked."""

    evidence: Evidence
    stored: list[Held]
    problems: list[str]

    @classmethod
    def prepare(cls, connection: Connection, evidence: Evidence) -> Judgement:
        """Read the stored checkpoints, noting those that are not what they should be."""
        judgement = cls(evidence, [], [])
        for row in connection.execute(
            select(StoredCheckpoint.size, StoredCheckpoint.key_id, StoredCheckpoint.note).order_by(
                StoredCheckpoint.size
            )
        ):
            where = f"checkpoint of {row.size} events"
            try:
                signed = parse_checkpoint(row.note)
            except (AttributeError, ConfigurationError, TypeError):
                judgement.problems.append(f"{where}: it is not a signed checkpoint")
                continue
            ids = [signature.key_id.hex() for signature in signed.signatures]
            if signed.checkpoint.size != row.size or row.key_id not in ids:
                judgement.problems.append(f"{where}: its columns differ from the signed text")
            judgement.stored.append(Held(where, signed))
        return judgement

    @property
    def held(self) -> list[Held]:
        """Every checkpoint the log is held against."""
        kept = [Held(f"kept {_size(signed)}", signed) for signed in self.evidence.kept]
        given = [Held(f"external {_size(signed)}", signed) for signed in self.evidence.external]
        return [*self.stored, *kept, *given]

    @property
    def sizes(self) -> frozenset[int]:
        """The sizes at which the roots are needed."""
        return frozenset(item.signed.checkpoint.size for item in self.held)

    def conclude(self, origin: str | None, roots: Mapping[int, bytes]) -> list[str]:
        """Return what is wrong with the checkpoints, given the log's roots at :attr:`sizes`."""
        return [
            *self.problems,
            *(f"{h.where}: {fault}" for h in self.held for fault in self._faults(h, origin, roots)),
        ]

    def _faults(self, held: Held, origin: str | None, roots: Mapping[int, bytes]) -> Iterator[str]:
        checkpoint = held.signed.checkpoint
        if checkpoint.origin != origin:
            yield "it belongs to another log"
        elif checkpoint.size not in roots:
            yield "the log has fewer events"
        elif checkpoint.root != roots[checkpoint.size]:
            yield "the log does not lead to it: what it covers was changed"
        verifiers = self.evidence.verifiers
        if verifiers and not any(key.signed(held.signed) for key in verifiers):
            yield "it is not signed by the log's key"

    def assurance(self) -> tuple[Assurance, int]:
        """Return what holds when there are no problems, and how many events it holds for."""
        own = [held.signed for held in self.stored] + list(self.evidence.kept)
        if self.evidence.verifiers and self.evidence.external:
            return Assurance.EXTERNAL, _largest(self.evidence.external)
        if self.evidence.verifiers and own:
            return Assurance.OWN_CHECKPOINTS, _largest(own)
        return Assurance.SELF_CONSISTENT, 0


def _size(signed: SignedCheckpoint) -> str:
    return f"checkpoint of {signed.checkpoint.size} events"


def _largest(signed: tuple[SignedCheckpoint, ...] | list[SignedCheckpoint]) -> int:
    return max(item.checkpoint.size for item in signed)
