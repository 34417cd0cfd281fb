"""Verifying a file: hash it, ask the library, say it in plain words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from guardrail.errors import ConfigurationError
from guardrail.provenance.confined import Limits, parse_confined
from guardrail.provenance.native import Unreadable, context
from guardrail.provenance.reading import interpret
from guardrail.provenance.report import Failure, SignatureState, Verification
from guardrail.provenance.words import plain_words

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypavif", 4, "image/avif"),
    (b"ftypheic", 4, "image/heic"),
    (b"GIF8", 0, "image/gif"),
    (b"II*\x00", 0, "image/tiff"),
    (b"MM\x00*", 0, "image/tiff"),
    (b"\x00\x00\x00\x0cJXL ", 0, "image/jxl"),
    (b"%PDF-", 0, "application/pdf"),
    (b"ftyp", 4, "video/mp4"),
)

_CODES = {
    "NotSupported": "guardrail.unsupported",
    "Limits": "guardrail.limits",
    "Crashed": "guardrail.crashed",
}
_STATES = {"guardrail.unsupported": SignatureState.NONE}
DEFAULT = Limits()
_NO_CREDENTIALS = (
    "No Content Credentials. That proves nothing in either direction: they are lost whenever "
    "a picture is saved by software that does not know them."
)


def verify(
    source: Path | bytes,
    *,
    anchors: str | None = None,
    media_type: str | None = None,
    limits: Limits = DEFAULT,
) -> Verification:
    """Return what the credentials of a file say and whether they hold.

    ``anchors`` (PEM) are the certificates that are trusted; without any, nobody is, and the best
    state is ``valid_untrusted``. The network is never used. Raises
    :class:`~guardrail.errors.ConfigurationError` when the file cannot be read or the anchors are
    not PEM; anything wrong *in* the file is a state, not an error.

    The file is parsed in a child process under ``limits``, since it may have been made to do
    harm; one that exceeds them is invalid.
    """
    content = source if isinstance(source, bytes) else _content(source)
    media_type = media_type or sniff(content)
    if anchors:
        context(anchors)  # what is wrong with our own certificates is told here, not in the child
    parsed = parse_confined(content, media_type, anchors, limits)
    facts = Verification(
        state=SignatureState.NONE,
        sentence=_NO_CREDENTIALS,
        sha256=hashlib.sha256(content).hexdigest(),
        media_type=media_type,
        pixels_sha256=parsed.pixels_sha256,
    )
    outcome = parsed.outcome
    if outcome is None:
        return facts
    if isinstance(outcome, Unreadable):
        return _unreadable(facts, outcome)
    return interpret(facts, outcome.state, outcome.store, outcome.crjson)


def sniff(content: bytes) -> str | None:
    """Return the media type that the first bytes of a file speak of; None if unknown."""
    return next((kind for magic, at, kind in _MAGIC if content[at:].startswith(magic)), None)


def _content(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).") from error


def _unreadable(facts: Verification, outcome: Unreadable) -> Verification:
    code = _CODES.get(outcome.kind, "guardrail.unparsable")
    if facts.media_type is None and code == "guardrail.unparsable":
        code = "guardrail.unsupported"
    sentence = plain_words(code)
    return replace(
        facts,
        state=_STATES.get(code, SignatureState.INVALID),
        sentence=sentence,
        failures=(Failure(code, sentence),),
    )
