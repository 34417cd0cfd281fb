"""Signing with a key in a PEM file: development, tests and small shops.

The conformance programme counts this as assurance level 1 at most, and only with the key
encrypted at rest. Nothing is read until the first use, and the key is never handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from guardrail.contracts import SignerInfo
from guardrail.errors import ProvenanceError
from guardrail.provenance.certificates import pem
from guardrail.provenance.signers.interface import Credential
from guardrail.provenance.signers.keys import (
    KeyFault,
    cose_signature,
    describe,
    matches,
    read_key,
    unusable,
)
from guardrail.provenance.signers.passphrase import Passphrase
from guardrail.provenance.timestamps import TimeStampService


@dataclass(slots=True)
class PemSigner:
    """Signs with the key in ``key`` under the chain in ``certificates`` (which may be one file).

    A file that is replaced (rotation) is read again on the next signature. Keep key and chain in
    one file and replace it with one rename: then no signature fails in between.
    """

    certificates: Path
    key: Path
    passphrase: Passphrase | None = field(default=None, repr=False)
    root: Path | None = None
    """What verifies the chain. Default: the chain's last certificate."""
    time_stamps: TimeStampService | None = field(default=None, repr=False)
    _loaded: tuple[tuple[int, ...], Credential] | None = field(default=None, repr=False)

    @property
    def info(self) -> SignerInfo:
        """Who signs. Reads the files on first use."""
        return self.credential().info

    def chain(self) -> str:
        """Return the certificates. Raises :class:`ProvenanceError`."""
        return pem(*read_certificates(self.certificates))

    def anchors(self) -> str:
        """Return what verifies the pictures. Raises :class:`ProvenanceError`."""
        return anchors_pem(self.root, read_certificates(self.certificates), self.time_stamps)

    def credential(self) -> Credential:
        """Return key and chain. Raises :class:`ProvenanceError` naming the file at fault."""
        version = file_versions(self.certificates, self.key)
        loaded = self._loaded
        if loaded is None or loaded[0] != version:
            loaded = (version, self._load())
            self._loaded = loaded
        return loaded[1]

    def _load(self) -> Credential:
        public = _read(self.certificates)
        # Where one file holds both, it is read once: it may be replaced at any moment, and the
        # key of one version must never meet the certificate of another.
        private = public if self.key == self.certificates else _read(self.key)
        chain = parse_certificates(public, self.certificates)
        secret = self.passphrase.read() if self.passphrase else None
        key = read_key(private, secret)
        if isinstance(key, KeyFault):
            raise unusable(self.key, key)
        if not matches(key, chain[0]):
            raise ProvenanceError(
                f"The key in {self.key} does not belong to the first certificate in "
                f"{self.certificates}.",
                hint="Put the signing certificate first; `guardrail keys check` says more.",
            )
        return Credential(
            info=describe("pem", chain[0]),
            chain_pem=pem(*chain),
            anchors_pem=anchors_pem(self.root, chain, self.time_stamps),
            sign=cose_signature(key),
            time_stamps=self.time_stamps,
        )


def anchors_pem(
    root: Path | None, chain: list[x509.Certificate], stamps: TimeStampService | None
) -> str:
    """Return what verifies a chain (its root, or else its last certificate) and its time-stamps.

    Raises :class:`ProvenanceError`.
    """
    anchors = read_certificates(root) if root else chain[-1:]
    stamping = read_certificates(stamps.anchors) if stamps and stamps.anchors else []
    return pem(*anchors, *stamping)


def file_versions(*paths: Path) -> tuple[int, ...]:
    """Return what changes when one of the files is replaced. Raises :class:`ProvenanceError`."""
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise _unreadable(error.filename, error) from error
    return tuple(number for s in stats for number in (s.st_mtime_ns, s.st_ino, s.st_size))


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a PEM file, in order. Raises :class:`ProvenanceError`."""
    return parse_certificates(_read(path), path)


def parse_certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    """Return the certificates in PEM text that was read from ``path``, in order.

    Raises :class:`ProvenanceError`.
    """
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise ProvenanceError(
            f"{path} holds no certificate that can be read.",
            hint="Give the chain in PEM, the signing certificate first.",
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: object, error: OSError) -> ProvenanceError:
    return ProvenanceError(f"{path} cannot be read ({error.strerror}).")
