"""Reading: what one record says, and pages of many."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from guardrail.audit import events as types
from guardrail.contracts import ModelIdentity
from guardrail.errors import AuditError, ConfigurationError


class RecordNotFound(ConfigurationError):
    """The store holds no such record."""


class State(StrEnum):
    """What the latest event of a record says."""

    IN_PROGRESS = "in progress"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    HELD = "held"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASED = "released"


STATE_OF = {
    types.REQUESTED: State.IN_PROGRESS,
    types.REFUSED: State.REFUSED,
    types.HELD: State.HELD,
    types.FAILED: State.FAILED,
    types.CANCELLED: State.CANCELLED,
    types.INTERRUPTED: State.INTERRUPTED,
    types.RELEASED: State.RELEASED,
    types.RECOVERED: State.RELEASED,
}
"""Events that are not listed here (a rerun, for one) leave the state as it is."""


Alive = Callable[[Mapping[str, Any]], bool]
"""Says whether the process that an opening event names may still be at work."""


@dataclass(frozen=True, slots=True)
class EventView:
    """One stored event."""

    seq: int
    type: str
    time: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """Everything the log knows about one picture, asked for or made."""

    record_id: UUID
    request_id: UUID
    seq: int
    """Position of its first event in the log."""
    time: str
    """When it was asked for, RFC 3339 UTC."""
    state: State
    verdict: str | None = None
    seed: str | None = None
    tenant: str | None = None
    purpose: str | None = None
    actor: str | None = None
    prompt: str | None = None
    """None when it was erased (see ``erased``)."""
    effective_prompt: str | None = None
    """What the model was given, where the policy redacted the prompt."""
    negative_prompt: str | None = None
    metadata: str | None = None
    """The caller's own data, as JSON text."""
    destination: str | None = None
    erased: tuple[str, ...] = ()
    """Personal fields that the log commits to and the store no longer holds."""
    decision: Mapping[str, Any] = field(default_factory=dict)
    output_decision: Mapping[str, Any] | None = None
    model: ModelIdentity | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reproduction: Mapping[str, Any] | None = None
    sha256: str | None = None
    """SHA-256 of the signed file."""
    pixels_sha256: str | None = None
    media_type: str | None = None
    manifest_label: str | None = None
    signer: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    failure: Mapping[str, str] | None = None
    process: Mapping[str, Any] | None = None
    """Which process asked: host, pid and its start time."""
    events: tuple[EventView, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list; None means any."""

    since: datetime | None = None
    until: datetime | None = None
    verdict: str | None = None
    state: State | None = None
    actor: str | None = None
    tenant: str | None = None
    model: str | None = None
    policy: str | None = None
    """A policy's digest, or the start of one."""
    rule: str | None = None
    """Id of a rule that found something, in enforce, shadow or warn."""
    reason: str | None = None
    """A reason code of a finding."""
    text: str | None = None
    """Part of the prompt."""
    words: tuple[str, ...] | None = None
    """Words that all stand in the prompt or the negative prompt, whatever their case."""
    purpose: str | None = None
    seed: str | None = None
    asset: str | None = None
    """SHA-256 of a released file, or the start of one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, newest first, and where to go on."""

    records: tuple[Record, ...]
    next: int | None
    """Pass as ``before`` for the next page; None at the end."""


def build_record(rows: Sequence[EventView], personal: Mapping[str, str], alive: Alive) -> Record:
    """Assemble a record from its events (in order) and its personal texts by commitment.

    A record in progress whose process is not ``alive`` is shown as interrupted.

    Raises :class:`AuditError` for events that are not as guardrail writes them.
    """
    try:
        return _build(rows, personal, alive)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(rows[0].seq) from error


def _build(rows: Sequence[EventView], personal: Mapping[str, str], alive: Alive) -> Record:
    opening = rows[0].body
    data = opening.get("data", {})
    digests = {n: d for row in reversed(rows) for n, d in row.body.get("personal", {}).items()}
    texts = {name: personal.get(digest) for name, digest in digests.items()}
    state = next(
        (STATE_OF[row.type] for row in reversed(rows) if row.type in STATE_OF), State.IN_PROGRESS
    )
    if state is State.IN_PROGRESS and not alive(opening):
        state = State.INTERRUPTED
    return Record(
        record_id=UUID(opening["record"]),
        request_id=UUID(opening["request"]),
        seq=rows[0].seq,
        time=rows[0].time,
        state=state,
        verdict=_latest_verdict(rows),
        seed=opening.get("seed"),
        tenant=opening.get("tenant"),
        purpose=opening.get("purpose"),
        actor=texts.get("actor"),
        prompt=texts.get("prompt"),
        effective_prompt=texts.get("effective_prompt"),
        negative_prompt=texts.get("negative_prompt"),
        metadata=texts.get("metadata"),
        destination=texts.get("destination"),
        erased=tuple(sorted(name for name, text in texts.items() if text is None)),
        decision=data.get("decision", {}),
        model=_model(data.get("model")),
        parameters=data.get("parameters", {}),
        process=data.get("process"),
        events=tuple(rows),
        **_outcome(rows, texts),
    )


def _outcome(rows: Sequence[EventView], texts: Mapping[str, str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        data = row.body.get("data", {})
        if row.type == types.RELEASED:
            signed = data["signed"]
            found = {
                "output_decision": data["output_decision"],
                "reproduction": data["reproduction"],
                "sha256": row.body["asset"],
                "pixels_sha256": signed["pixels_sha256"],
                "media_type": signed["format"],
                "manifest_label": signed["manifest_label"],
                "signer": signed["signer"],
                "report": data["report"],
                "milliseconds": data["milliseconds"],
            }
        elif row.type in (types.REFUSED, types.HELD, types.FAILED):
            found |= {
                "failure": _failure(data.get("failure"), texts.get("failure")),
                "output_decision": data.get("output_decision"),
                "report": data.get("report"),
            }
    return found


def _failure(data: Mapping[str, str] | None, error: str | None) -> dict[str, str] | None:
    return None if data is None else {"stage": data["stage"], "error": error or "(erased)"}


def _latest_verdict(rows: Sequence[EventView]) -> str | None:
    return next((r.body["verdict"] for r in reversed(rows) if r.body.get("verdict")), None)


def _model(data: Mapping[str, Any] | None) -> ModelIdentity | None:
    if data is None:
        return None
    return ModelIdentity(
        id=data["id"],
        revision=data.get("revision"),
        weights_digest=data["weights_digest"],
        weights=data["weights"],
        pipeline_class=data["pipeline_class"],
    )


def view(row: Any) -> EventView:
    """Read one row of ``audit_event``. Raises :class:`AuditError` when it is not JSON."""
    try:
        return EventView(row.seq, row.type, row.time, json.loads(row.body))
    except (TypeError, ValueError) as error:
        raise _unreadable(row.seq) from error


def _unreadable(seq: int) -> AuditError:
    return AuditError(
        f"Event {seq} of the log cannot be read: it is not as guardrail wrote it.",
        hint="See what was changed: guardrail audit verify",
    )
