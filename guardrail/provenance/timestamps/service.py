"""Asking a time-stamp authority: within a time, and not again and again while it is down."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from guardrail.provenance.timestamps.embedding import NoRoom, embed, message_to_stamp
from guardrail.provenance.timestamps.protocol import (
    TimeStampError,
    TimeStampToken,
    read_response,
    request,
)

FAILURES = 3
"""After so many failures in a row the authority is left alone for a while."""
COOL_DOWN = 60.0
"""Seconds for which it is left alone; then one request tries again."""
_MAX_ANSWER = 64 * 1024


class Mode(StrEnum):
    """Whether a picture may leave without a time-stamp."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"
    OFF = "off"

    @property
    def rank(self) -> int:
        """Rank by strictness, for combining what policy and signer ask for."""
        return {Mode.OFF: 0, Mode.BEST_EFFORT: 1, Mode.REQUIRED: 2}[self]


class Unavailable(Exception):
    """No time-stamp was to be had; the text says why and names no secret."""


@dataclass(slots=True)
class TimeStampService:
    """An authority, how long to wait for it, and how it has behaved so far in this process."""

    url: str
    """``http://`` or ``https://``; what it answers is signed, so that both are safe."""
    mode: Mode = Mode.BEST_EFFORT
    timeout: float = 5.0
    """Seconds for the whole exchange."""
    anchors: Path | None = None
    """What verifies the authority (PEM). Without, its time-stamps are not trusted by us."""
    _failures: int = field(default=0, repr=False)
    _closed_until: float = field(default=0.0, repr=False)

    @property
    def host(self) -> str:
        """The authority's host: what the record keeps of the address, which may hold a token."""
        return urlsplit(self.url).hostname or "unknown"

    def stamp(self, message: bytes) -> TimeStampToken:
        """Return a time-stamp of ``message``. Raises :class:`Unavailable`."""
        # No lock, as everywhere beside a fork: at worst two threads count one failure.
        now = time.monotonic()
        if now < self._closed_until:
            raise Unavailable(f"{self.host} failed {self._failures} times and is left alone")
        try:
            token = self._ask(message, now + self.timeout)
        except Unavailable:
            self._failures += 1
            if self._failures >= FAILURES:
                self._closed_until = time.monotonic() + COOL_DOWN
            raise
        self._failures, self._closed_until = 0, 0.0
        return token

    def _ask(self, message: bytes, deadline: float) -> TimeStampToken:
        nonce = secrets.randbits(63)
        with self._told():
            query = Request(  # noqa: S310 (the scheme was checked when the signer was loaded)
                self.url,
                request(message, nonce),
                {"Content-Type": "application/timestamp-query"},
                method="POST",
            )
            with build_opener(_NoRedirects).open(query, timeout=self.timeout) as answer:
                parts, size = [], 0
                while part := answer.read1(_MAX_ANSWER):
                    parts.append(part)
                    size += len(part)
                    if size > _MAX_ANSWER or time.monotonic() > deadline:
                        raise Unavailable(f"{self.host} answered too much or too slowly")
            return read_response(b"".join(parts), message, nonce)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn whatever goes wrong into one sentence."""
        try:
            yield
        except TimeStampError as error:
            raise Unavailable(f"{self.host}: {error}") from error
        except URLError as error:
            reason = getattr(error, "code", None) or type(error.reason).__name__
            raise Unavailable(f"{self.host} is not available ({reason})") from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.host} is not available ({type(error).__name__})") from error


def stamp_file(
    content: bytes, media_type: str, service: TimeStampService
) -> tuple[bytes, datetime]:
    """Return a signed file with a time-stamp of its signature, and the time.

    Raises :class:`Unavailable`.
    """
    try:
        token = service.stamp(message_to_stamp(content, media_type))
        return embed(content, media_type, token.content), token.time
    except NoRoom as error:
        raise Unavailable(f"{service.host}: {error}") from error


class _NoRedirects(HTTPRedirectHandler):
    """A redirected POST would become a GET, and lead who knows where."""

    def redirect_request(self, *_arguments: object, **_more: object) -> None:
        """Follow nothing."""
