"""Signing with a key that guardrail never holds: a callback, a hardware module, a cloud service.

The conformance programme's assurance level 2 asks for this: the key is made and used where
nobody can copy it, and only the bytes to sign go there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from guardrail.contracts import SignerInfo
from guardrail.errors import ProvenanceError
from guardrail.provenance.certificates import pem
from guardrail.provenance.signers.interface import Credential
from guardrail.provenance.signers.keys import (
    algorithm_of,
    check_signature,
    describe,
    raw_signature,
)
from guardrail.provenance.signers.pem import anchors_pem, file_versions, read_certificates
from guardrail.provenance.timestamps import TimeStampService

Sign = Callable[[bytes], bytes]
"""Returns a signature over the bytes (not over a digest of them)."""
Connect = Callable[[str], Sign]
"""Reaches the key, given the COSE algorithm of its certificate, e.g. ``ES256``."""


@dataclass(slots=True)
class CallbackSigner:
    """Signs through ``connect``, under the chain in ``certificates`` (PEM, signing one first).

    ``connect`` is called on the first signature of each process, so that a forked child makes a
    connection of its own. ECDSA signatures may be raw (``r || s``) or DER. Each signature is
    checked against the certificate before it is used.
    """

    certificates: Path
    connect: Connect
    kind: str = "callback"
    root: Path | None = None
    """What verifies the chain. Default: the chain's last certificate."""
    time_stamps: TimeStampService | None = field(default=None, repr=False)
    _loaded: tuple[tuple[int, ...], Credential] | None = field(default=None, repr=False)

    @property
    def info(self) -> SignerInfo:
        """Who signs, from the certificate; the key is not touched."""
        return self.credential().info

    def chain(self) -> str:
        """Return the certificates. Raises :class:`ProvenanceError`."""
        return pem(*read_certificates(self.certificates))

    def anchors(self) -> str:
        """Return what verifies the pictures. Raises :class:`ProvenanceError`."""
        return anchors_pem(self.root, read_certificates(self.certificates), self.time_stamps)

    def credential(self) -> Credential:
        """Return the chain and the way to the key. A chain that is replaced is read again.

        Raises :class:`ProvenanceError` naming the file at fault.
        """
        version = file_versions(self.certificates)
        loaded = self._loaded
        if loaded is None or loaded[0] != version:
            loaded = (version, self._load())
            self._loaded = loaded
        return loaded[1]

    def _load(self) -> Credential:
        chain = read_certificates(self.certificates)
        return Credential(
            info=describe(self.kind, chain[0]),
            chain_pem=pem(*chain),
            anchors_pem=anchors_pem(self.root, chain, self.time_stamps),
            sign=_PerProcess(self.connect, chain[0]),
            time_stamps=self.time_stamps,
        )


class _PerProcess:
    """Signs through a connection of the process it is called in."""

    def __init__(self, connect: Connect, leaf: x509.Certificate) -> None:
        self._connect, self._leaf = connect, leaf
        self._algorithm = algorithm_of(leaf.public_key()) or ""
        self._connections: dict[int, Sign] = {}

    def __call__(self, data: bytes) -> bytes:
        process = os.getpid()
        sign = self._connections.get(process)
        if sign is None:
            # Two threads may both connect; the later connection serves from then on.
            sign = self._connections[process] = self._connect(self._algorithm)
        signature = raw_signature(sign(data), self._algorithm)
        try:
            check_signature(self._leaf, signature, data)
        except InvalidSignature as error:
            raise ProvenanceError(
                "The key made a signature that does not fit the certificate.",
                hint="Name the key that the first certificate of the chain was issued for.",
            ) from error
        return signature
