"""The one source of time: UTC, injectable, written as RFC 3339."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time as an aware ``datetime`` in UTC."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Write an aware ``datetime`` as RFC 3339 in UTC with microseconds, e.g.
    ``2026-11-23T20:16:35.000000Z``: fixed width, so that text order is time order.

    Raises ``ValueError`` for a naive ``datetime``, whose instant is unknown.
    """
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone names no instant")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 time into an aware ``datetime`` in UTC. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write e.g. 2026-11-23T20:16:35Z")
    return moment.astimezone(UTC)
