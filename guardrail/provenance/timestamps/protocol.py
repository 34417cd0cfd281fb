"""RFC 3161 messages: the request, and what is read of the answer (DER)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_SEQUENCE, _INTEGER, _OCTETS, _OID, _NULL, _BOOLEAN = 0x30, 0x02, 0x04, 0x06, 0x05, 0x01
_TIME, _CONTEXT_0 = 0x18, 0xA0
_SHA256 = bytes.fromhex("608648016503040201")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_GRANTED = (0, 1)


class TimeStampError(Exception):
    """The answer is no time-stamp, or is one of something else. Its text is our own."""


@dataclass(frozen=True, slots=True)
class TimeStampToken:
    """A time-stamp whose imprint and nonce are those that were asked for. Its signature is
    checked when the finished file is read back."""

    content: bytes
    """The ``TimeStampToken``: CMS signed data, DER."""
    time: datetime


def request(message: bytes, nonce: int) -> bytes:
    """Return a ``TimeStampReq`` (section 2.4.1) for the SHA-256 of ``message``, which asks for
    the authority's certificates too: a reader needs them."""
    algorithm = _wrap(_SEQUENCE, _wrap(_OID, _SHA256) + _wrap(_NULL, b""))
    imprint = _wrap(_SEQUENCE, algorithm + _wrap(_OCTETS, hashlib.sha256(message).digest()))
    parts = (_number(1), imprint, _number(nonce), _wrap(_BOOLEAN, b"\xff"))
    return _wrap(_SEQUENCE, b"".join(parts))


def read_response(content: bytes, message: bytes, nonce: int) -> TimeStampToken:
    """Return the token of a ``TimeStampResp`` (section 2.4.2).

    Raises :class:`TimeStampError` unless it was granted, for this message and this nonce.
    """
    try:
        status, *rest = _children(_only(content, _SEQUENCE))
        code = int.from_bytes(_children_of(status, _SEQUENCE)[0][1], "big")
        if code not in _GRANTED:
            raise TimeStampError(f"The authority refused (status {code}).")
        token = rest[0]
        info = _information(token[1])
        return TimeStampToken(_wrap(*token), _checked(info, message, nonce))
    except (IndexError, ValueError) as error:
        raise TimeStampError("The answer is not a time-stamp.") from error


Element = tuple[int, bytes]
"""Tag and content of a DER element."""


def _information(content: bytes) -> list[Element]:
    """Return the fields of ``TSTInfo`` from the content of ``ContentInfo``."""
    kind, signed = _children(content)
    if kind != (_OID, _SIGNED_DATA):
        raise ValueError("not signed data")
    data = _children(_only(signed[1], _SEQUENCE))
    encapsulated = _first(data, _SEQUENCE)
    wrapped = _first(_children(encapsulated), _CONTEXT_0)
    return _children(_only(_only(wrapped, _OCTETS), _SEQUENCE))


def _checked(info: list[Element], message: bytes, nonce: int) -> datetime:
    algorithm, digest = _children(info[2][1])
    named = _children(algorithm[1])[0]
    if named != (_OID, _SHA256) or digest != (_OCTETS, hashlib.sha256(message).digest()):
        raise TimeStampError("The time-stamp is of something else.")
    later = info[5:]
    if _number(nonce) not in [_wrap(*item) for item in later]:
        raise TimeStampError("The time-stamp answers another request.")
    return _moment(_first(info, _TIME).decode("ascii"))


def _moment(text: str) -> datetime:
    """Read a GeneralizedTime in UTC, with or without a fraction."""
    if not text.endswith("Z"):
        raise ValueError("not UTC")
    whole, _, fraction = text[:-1].partition(".")
    moment = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment.replace(microsecond=int((fraction + "000000")[:6])) if fraction else moment


def _first(elements: list[Element], tag: int) -> bytes:
    return [content for kind, content in elements if kind == tag][0]  # noqa: RUF015 (IndexError)


def _only(content: bytes, tag: int) -> bytes:
    found = _children(content)
    if len(found) != 1 or found[0][0] != tag:
        raise ValueError("another element")
    return found[0][1]


def _children_of(element: Element, tag: int) -> list[Element]:
    if element[0] != tag:
        raise ValueError("another element")
    return _children(element[1])


def _children(content: bytes) -> list[Element]:
    return list(_elements(content))


def _elements(content: bytes) -> Iterator[Element]:
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length >= 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("a length that DER does not use")
            length, at = int.from_bytes(content[at : at + count], "big"), at + count
        if at + length > len(content):
            raise ValueError("cut off")
        yield tag, content[at : at + length]
        at += length


def _wrap(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def _number(value: int) -> bytes:
    return _wrap(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
