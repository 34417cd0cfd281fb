"""The only importer of c2pa: signing and reading through c2pa-rs, in bytes and plain JSON.

Its objects stop here. A parent's native objects are closed in a forked child, so they are kept
by process id; there is no lock, because one held by another thread during a fork would stay
held for ever in the child, and making an object twice does no harm.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import c2pa

from guardrail.errors import GuardrailError, ProvenanceError
from guardrail.provenance.vocabulary import INTENDED_PURPOSES

if TYPE_CHECKING:
    from guardrail.provenance.signers.interface import Credential

_CONTEXTS = 16
_BASE: dict[str, Any] = {
    # A remote manifest would be fetched from an address that the file names.
    "verify": {
        "remote_manifest_fetch": False,
        # We read the whole file back ourselves, which also checks the hash of the asset.
        "verify_after_sign": False,
    },
    # The library's own thumbnails cost 14 to 33 times the signing and up to 1.9 MB (measured).
    "builder": {"thumbnail": {"enabled": False}},
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The library could not parse the file at all."""

    kind: str
    """Which of its errors it was, e.g. ``Other`` or ``NotSupported``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the library says about one file."""

    state: str
    """``Trusted``, ``Valid`` or ``Invalid``."""
    store: dict[str, Any]
    """The manifest store, as ``Reader.json()`` gives it."""
    crjson: str
    """The same as crJSON (2.4), which the rubrics and the created/gathered split need."""


class NativeSigner:
    """Signs definitions under one credential."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._signers: dict[int, Any] = {}
        self._failure = threading.local()

    def sign(self, definition: Mapping[str, Any], media_type: str, content: bytes) -> bytes:
        """Return ``content`` with a manifest embedded. In memory: signing a file onto itself
        would truncate it, and a failed signature would leave the file behind.

        Raises :class:`ProvenanceError`, with what the key raised as its cause.
        """
        self._failure.error = None
        target = io.BytesIO()
        try:
            builder = c2pa.Builder(dict(definition), context(None))
            builder.sign(self._signer(), media_type, io.BytesIO(content), target)
        except c2pa.C2paError as error:
            cause = self._failure.error
            if cause is not None:
                raise _key_failed(cause) from cause
            raise ProvenanceError(
                f"The picture could not be signed ({_short(error)}).",
                hint="`guardrail keys check` names what is wrong with the certificates.",
            ) from error
        return target.getvalue()

    def _signer(self) -> Any:
        process = os.getpid()
        signer = self._signers.get(process)
        if signer is None:
            algorithm = c2pa.C2paSigningAlg[self._credential.info.algorithm.upper()]
            signer = c2pa.Signer.from_callback(
                self._callback, algorithm, self._credential.chain_pem
            )
            self._signers[process] = signer
        return signer

    def _callback(self, data: bytes) -> bytes:
        # An exception would be logged with its text, which may hold a secret, and then lost:
        # the library only sees that there is no signature. Kept per thread, because one signer
        # serves many.
        try:
            return self._credential.sign(data)
        except Exception as error:  # noqa: BLE001 (re-raised as the cause by sign)
            self._failure.error = error
            return b""


def read(
    content: bytes, media_type: str | None, anchors: str | None, *, crjson: bool = True
) -> Reading | Unreadable | None:
    """Return what a file says; None when it carries no manifest.

    ``anchors`` (PEM) is what is trusted; without, nobody is. ``crjson`` says whether that form is
    wanted as well.
    """
    try:
        reader = c2pa.Reader.try_create(
            media_type, io.BytesIO(content), context=context(anchors or None)
        )
        if reader is None:
            return None
        with reader:
            return Reading(
                state=str(reader.get_validation_state()),
                store=json.loads(reader.json()),
                crjson=reader.crjson() if crjson else "",
            )
    except c2pa.C2paError as error:
        return Unreadable(type(error).__name__.removeprefix("_C2pa"))
    except (KeyError, ValueError, RecursionError):
        # An active manifest that failed to load surfaces as a KeyError (c2pa-python 0.38).
        return Unreadable("Manifest")


def context(anchors: str | None) -> Any:
    """Return the settings of this process for what is trusted, made once."""
    return _context(anchors, os.getpid())


@lru_cache(maxsize=_CONTEXTS)
def _context(anchors: str | None, _process: int) -> Any:
    settings = dict(_BASE)
    if anchors:
        settings["trust"] = {
            "trust_anchors": anchors,
            "trust_config": "\n".join(INTENDED_PURPOSES.values()),
        }
    try:
        return c2pa.Context.from_dict(settings)
    except c2pa.C2paError as error:
        raise ProvenanceError(
            "The trust anchors are not certificates in PEM.", hint="Check the file given as trust."
        ) from error


def _key_failed(cause: Exception) -> GuardrailError:
    if isinstance(cause, GuardrailError):
        return cause
    # Only the name: the text of a key store's error may hold a PIN or a token.
    return ProvenanceError(
        f"The key did not sign ({type(cause).__name__}).",
        hint="See the cause of this error; `guardrail keys check` tests the signer.",
    )


def _short(error: Exception) -> str:
    """Return the first words of the library's own sentence, which names no content of ours."""
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__
