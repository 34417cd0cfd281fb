"""What the signing stage needs from whoever holds the key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from guardrail.contracts import SignerInfo
from guardrail.provenance.timestamps import TimeStampService


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate chain and the power to sign under it, at one moment.

    Every signer signs by callback, so that a key in a file and a key in a hardware module take
    the same way, and no key ever enters the native library.
    """

    info: SignerInfo
    chain_pem: str = field(repr=False)
    """The signing certificate first, then its issuers; PEM."""
    anchors_pem: str = field(repr=False)
    """What verifies the chain; PEM."""
    sign: Callable[[bytes], bytes] = field(repr=False)
    """Return the signature over the bytes in the form COSE wants (RFC 9053): ``r || s`` for
    ECDSA, PSS with a salt of the digest's length, plain Ed25519. Thread-safe."""
    time_stamps: TimeStampService | None = field(default=None, repr=False)
    """The authority that vouches for when it was signed; ``anchors_pem`` verifies it too."""


@runtime_checkable
class Signer(Protocol):
    """Holds a key, or reaches one. Making a signer touches no key; using it does."""

    @property
    def info(self) -> SignerInfo:
        """Who signs, without any secret. Raises :class:`~guardrail.errors.ProvenanceError`."""

    def credential(self) -> Credential:
        """Return what signs now: a signer may rotate between two calls.

        Raises :class:`~guardrail.errors.ProvenanceError` with a sentence that holds no secret.
        """

    def chain(self) -> str:
        """Return the certificates that would be used, PEM, without touching the key.

        Raises :class:`~guardrail.errors.ProvenanceError`.
        """

    def anchors(self) -> str:
        """Return what verifies the pictures signed now, PEM, without touching the key.

        Raises :class:`~guardrail.errors.ProvenanceError`.
        """
