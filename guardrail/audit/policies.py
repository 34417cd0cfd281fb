"""The policy versions a store knows: when each came, what it decided, and who activated it, why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from guardrail.audit import events as types
from guardrail.audit.append import append
from guardrail.audit.events import Event
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, Personal, PolicyVersion
from guardrail.clock import Clock
from guardrail.contracts import PolicyRef
from guardrail.identifiers import new_id


@dataclass(frozen=True, slots=True)
class Activation:
    """A person put one version of a policy in force."""

    seq: int
    """Position in the log."""
    time: str
    """RFC 3339 UTC."""
    policy: PolicyRef
    replaced: str | None
    """Digest of the version that was in force before."""
    actor: str | None
    """Who; None when it was erased."""
    reason: str | None
    """Why; None when it was erased."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a policy that this store has seen."""

    policy: PolicyRef
    stored: str
    """When it was first used here, RFC 3339 UTC."""
    requests: int
    """Records that were opened under it."""


class PolicyHistory:
    """Versions and activations of policies. Append-only, as everything in the log.

    Every method raises :class:`~guardrail.errors.AuditError` when the store cannot do it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def activate(self, policy: PolicyRef, *, actor: str, reason: str) -> None:
        """Record that ``policy``, whose text is stored, is in force from now on."""
        current = self.active()
        data = {
            "policy": {"id": policy.id, "version": policy.version, "digest": policy.digest},
            "replaced": current.policy.digest if current else None,
        }
        event = Event(
            types.POLICY_ACTIVATED,
            new_id(),
            policy_digest=policy.digest,
            data={key: value for key, value in data.items() if value is not None},
            personal={"actor": actor, "reason": reason},
        )
        append(self._store, [event], self._clock)

    def active(self) -> Activation | None:
        """Return the latest activation, if there ever was one."""
        return next(iter(self.activations(limit=1)), None)

    def activations(self, *, limit: int = 100) -> tuple[Activation, ...]:
        """Return the activations, newest first."""
        query = (
            select(AuditEvent.seq, AuditEvent.time, AuditEvent.record_id, AuditEvent.body)
            .where(AuditEvent.type == types.POLICY_ACTIVATED)
            .order_by(AuditEvent.seq.desc())
            .limit(limit)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
            ids = [row.record_id for row in rows]
            texts = connection.execute(
                select(Personal.record_id, Personal.field, Personal.text).where(
                    Personal.record_id.in_(ids)
                )
            ).all()
        personal = {(text.record_id, text.field): text.text for text in texts}
        return tuple(_activation(row, personal) for row in rows)

    def versions(self) -> tuple[StoredVersion, ...]:
        """Return every version this store has seen, newest first."""
        counted = (
            select(AuditEvent.policy_digest, func.count().label("requests"))
            .where(AuditEvent.type == types.REQUESTED)
            .group_by(AuditEvent.policy_digest)
            .subquery()
        )
        query = (
            select(
                PolicyVersion.digest,
                PolicyVersion.policy_id,
                PolicyVersion.version,
                PolicyVersion.stored,
                counted.c.requests,
            )
            .outerjoin(counted, counted.c.policy_digest == PolicyVersion.digest)
            .order_by(PolicyVersion.stored.desc(), PolicyVersion.digest)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            StoredVersion(
                PolicyRef(row.policy_id, row.version, row.digest), row.stored, row.requests or 0
            )
            for row in rows
        )


def _activation(row: Any, personal: dict[tuple[str, str], str]) -> Activation:
    data = json.loads(row.body)["data"]
    return Activation(
        seq=row.seq,
        time=row.time,
        policy=PolicyRef(**data["policy"]),
        replaced=data.get("replaced"),
        actor=personal.get((row.record_id, "actor")),
        reason=personal.get((row.record_id, "reason")),
    )
