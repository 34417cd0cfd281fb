"""What an event is, which types there are, and the bytes that are hashed.

The body is canonical JSON (RFC 8785). Personal texts are not in it: the body holds
``SHA-256(domain || salt || text)`` and the text lies in a table that can be erased.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import rfc8785

from guardrail.errors import AuditError
from guardrail.identifiers import new_id

SCHEMA = "org.guardrail.event/1"
PERSONAL_DOMAIN = b"guardrail/personal/v1\0"
NAME_LENGTH = 255
"""Longest tenant, purpose and model, in code points: they are indexed."""

REQUESTED = "generation.requested"
REFUSED = "generation.refused"
HELD = "generation.held"
FAILED = "generation.failed"
RELEASED = "generation.released"
CANCELLED = "generation.cancelled"
INTERRUPTED = "generation.interrupted"
RECOVERED = "generation.recovered"
RERUN = "generation.rerun"
POLICY_ACTIVATED = "policy.activated"
ERASED = "personal.erased"
EXPIRED = "personal.expired"
HOLD_PLACED = "hold.placed"
HOLD_LIFTED = "hold.lifted"

EVENT_TYPES = frozenset(
    {REQUESTED, REFUSED, HELD, FAILED, RELEASED, CANCELLED, INTERRUPTED, RECOVERED, RERUN}
    | {POLICY_ACTIVATED, ERASED, EXPIRED, HOLD_PLACED, HOLD_LIFTED}
)
"""Grammar ``subject.verb``, past tense. Never reused or renamed; a test pins them."""

TERMINAL = frozenset({REFUSED, HELD, FAILED, RELEASED, CANCELLED, INTERRUPTED})
"""After one of these a record is closed: no other of them may follow."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, before it is sequenced."""

    type: str
    record_id: UUID | None = None
    request_id: UUID | None = None
    tenant: str | None = None
    purpose: str | None = None
    verdict: str | None = None
    model: str | None = None
    policy_digest: str | None = None
    seed: str | None = None
    asset_sha256: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    """Texts to commit to, by field name."""


PROJECTED = {
    "type": "type",
    "record_id": "record",
    "request_id": "request",
    "tenant": "tenant",
    "purpose": "purpose",
    "verdict": "verdict",
    "model": "model",
    "policy_digest": "policy",
    "seed": "seed",
    "asset_sha256": "asset",
    "event_id": "id",
    "time": "time",
    "seq": "seq",
}
"""Column of ``audit_event`` to key of the body: what verification compares."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """A personal text, its salt and what the log holds of it."""

    field: str
    text: str
    salt: bytes
    digest: str


def commit(name: str, text: str) -> Commitment:
    """Commit to a personal text with a fresh 32-byte salt."""
    stored = storable(text)
    salt = secrets.token_bytes(32)
    return Commitment(name, stored, salt, commitment_digest(salt, stored))


def commitment_digest(salt: bytes, text: str) -> str:
    """Return what the log holds of ``text``: SHA-256(domain || salt || UTF-8), hexadecimal."""
    return hashlib.sha256(PERSONAL_DOMAIN + salt + text.encode()).hexdigest()


def storable(text: str) -> str:
    """Write NUL and lone surrogates, which no database text column takes, as escapes. Such a
    prompt is refused by policy; its refusal must be recordable all the same."""
    return text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode("utf-8")


def _storable(value: Any) -> Any:
    """Apply :func:`storable` to every text within JSON data."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def body_of(event: Event, commitments: tuple[Commitment, ...]) -> dict[str, Any]:
    """Return the event's document, but for ``seq`` and ``time``, which the log gives it.

    Raises ``ValueError`` for a type that is not registered, :class:`AuditError` for a name that
    is longer than its column.
    """
    if event.type not in EVENT_TYPES:
        raise ValueError(f"unregistered event type {event.type!r}")
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "id": str(new_id()),
        "type": event.type,
        "record": str(event.record_id) if event.record_id else None,
        "request": str(event.request_id) if event.request_id else None,
        "tenant": event.tenant,
        "purpose": event.purpose,
        "verdict": event.verdict,
        "model": event.model,
        "policy": event.policy_digest,
        "seed": event.seed,
        "asset": event.asset_sha256,
        "data": dict(event.data),
        "personal": {item.field: item.digest for item in commitments},
    }
    stored = {key: _storable(value) for key, value in document.items() if value is not None}
    for name in ("tenant", "purpose", "model"):
        if len(stored.get(name, "")) > NAME_LENGTH:
            raise AuditError(
                f"The {name} is longer than {NAME_LENGTH} characters and cannot be recorded."
            )
    return stored


def findings_of(data: Any) -> frozenset[tuple[str, str]]:
    """Return what rules found according to an event's data: pairs of rule id and reason code.
    Data that is not as we write it has none."""
    pairs = set()
    for place in ("decision", "output_decision"):
        decision = data.get(place) if isinstance(data, Mapping) else None
        findings = decision.get("findings") if isinstance(decision, Mapping) else None
        for finding in findings if isinstance(findings, list | tuple) else ():
            if isinstance(finding, Mapping):
                pair = (str(finding.get("rule_id")), str(finding.get("reason_code")))
                pairs.add((pair[0][:NAME_LENGTH], pair[1][:NAME_LENGTH]))
    return frozenset(pairs)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the RFC 8785 bytes of a document.

    Raises :class:`AuditError` for what JSON cannot say exactly: not-a-number, integers beyond
    2**53, lone surrogates, values that are not JSON.
    """
    with _exactly():
        return rfc8785.dumps(dict(document))


def members(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the canonical bytes of each member of an event's document: what takes long is done
    before the event's place in the log is known. Raises :class:`AuditError`."""
    with _exactly():
        return {key: rfc8785.dumps(value) for key, value in document.items()}


def joined(parts: Mapping[str, bytes]) -> bytes:
    """Return the canonical bytes of a document from those of its members (by ASCII keys)."""
    return b"{" + b",".join(b'"%s":%s' % (key.encode(), parts[key]) for key in sorted(parts)) + b"}"


@contextmanager
def _exactly() -> Iterator[None]:
    try:
        yield
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise AuditError(
            "The event cannot be written as canonical JSON.",
            hint="It may hold text, booleans, lists, objects and finite numbers up to 2^53.",
        ) from error


def is_canonical(body: bytes) -> bool:
    """Whether bytes are the one RFC 8785 form of their JSON object."""
    try:
        return _is_plainly_canonical(body) or _is_canonical(body)
    except (RecursionError, ValueError):
        return False


def _is_canonical(body: bytes) -> bool:
    # Whole numbers are read as floats: both are written alike, and floats may be large.
    document = json.loads(body, parse_int=float, parse_constant=_no_constant)
    return rfc8785.dumps(document) == body


def _is_plainly_canonical(body: bytes) -> bool:
    """Whether bytes are canonical without anything that ``json`` and RFC 8785 write differently:
    ten times as fast as the whole check. False means nothing."""
    if b"\xf0" in body:  # beyond the basic plane, keys sort differently
        return False
    document = json.loads(
        body, parse_float=_plain_float, parse_int=_plain_int, parse_constant=_no_constant
    )
    plain = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return plain.encode() == body


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _plain_float(text: str) -> float | str:
    number = float(text)
    return number if repr(number) == text and "e" not in text and number % 1 else ""


def _plain_int(text: str) -> int | str:
    return int(text) if len(text) < 16 else ""
