"""The one source of time: UTC, injectable, written as RFC 3339."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
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


def parse_age(text: str) -> timedelta:
    """Read a stretch of time such as ``30d``, ``12h`` or ``90m``. Raises ``ValueError``."""
    if not (text[:-1].isdecimal() and text[-1:] in _UNITS):
        raise ValueError(f"{text!r} is no age: write 30d or 12h")
    try:
        return timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long an age") from error


def parse_moment(text: str, now: datetime) -> datetime:
    """Read RFC 3339, a date (its first moment in UTC), or a time before ``now`` such as ``30d``.

    Raises ``ValueError``.
    """
    try:
        if text[-1:] in _UNITS and text[:-1].isdecimal():
            return now - parse_age(text)
        return parse_rfc3339(f"{text}T00:00:00Z" if len(text) == 10 else text)
    except (OverflowError, ValueError) as error:
        raise ValueError(
            f"{text!r} is no time: write 2026-11-23, 2026-11-23T20:16:35Z or 30d"
        ) from error
