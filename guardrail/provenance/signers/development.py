"""The development chain: made on first use, labelled everywhere, trusted by nobody else.

root -> intermediate -> leaf, in ``home/development``:

    root.pem           the root's certificate; its key is thrown away once it has signed
    intermediate.pem   certificate and key (0600), from which an expired leaf is issued again
    signer.pem         the leaf's key (0600), the leaf, the intermediate

Key and chain of the signer share one file, so that replacing it is one rename and a reader
never sees the key of one leaf with the certificate of another. The folder is made under another
name and renamed; of two processes that race, one wins and the other uses its chain.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guardrail.clock import Clock, utc_now
from guardrail.contracts import SignerInfo
from guardrail.errors import ProvenanceError
from guardrail.files import write_atomically, write_durably
from guardrail.provenance.certificates import Issuer, issue_authority, issue_leaf, new_key, pem
from guardrail.provenance.signers.interface import Credential
from guardrail.provenance.signers.keys import cose_signature, describe, matches

FOLDER = "development"
ROOT, INTERMEDIATE, SIGNER = "root.pem", "intermediate.pem", "signer.pem"
AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=1)


class DevelopmentSigner:
    """Signs with a self-made chain under ``home``. Safe across threads, forks and processes."""

    def __init__(self, home: Path, *, clock: Clock = utc_now) -> None:
        self.folder = home / FOLDER
        self._clock = clock
        self._current: tuple[Credential, datetime] | None = None

    @property
    def info(self) -> SignerInfo:
        """Who signs. Makes the chain on first use."""
        return self.credential().info

    @property
    def exists(self) -> bool:
        """Whether the chain has been made."""
        return self.folder.exists()

    def chain(self) -> str:
        """Return leaf and issuer. Makes the chain on first use."""
        return self.credential().chain_pem

    def anchors(self) -> str:
        """Return the root. Makes the chain on first use."""
        return self.credential().anchors_pem

    def credential(self) -> Credential:
        """Return the current leaf, made or issued again where needed.

        Raises :class:`ProvenanceError` when the folder cannot be read or written, or holds
        something else than guardrail left there.
        """
        # No lock: two threads that both load the same file do no harm, and a lock held by
        # another thread while the process forks would never be released in the child.
        current = self._current
        if current is None or self._moment() >= current[1]:
            current = self._load()
            self._current = current
        return current[0]

    def _moment(self) -> datetime:
        # The native verifier reads the system's clock and takes no other, so a certificate has
        # to be valid by that one too, even when a test lives in another year.
        return max(self._clock(), utc_now())

    def _load(self) -> tuple[Credential, datetime]:
        with _readable(self.folder):
            if not self.folder.exists():
                _make_chain(self.folder, self._moment())
            key, chain = _read_signer(self.folder / SIGNER)
            if self._moment() >= chain[0].not_valid_after_utc - RENEW_BEFORE:
                self._reissue()
                key, chain = _read_signer(self.folder / SIGNER)
            root = x509.load_pem_x509_certificate((self.folder / ROOT).read_bytes())
        credential = Credential(
            info=describe("development", chain[0]),
            chain_pem=pem(*chain),
            anchors_pem=pem(root),
            sign=cose_signature(key),
        )
        return credential, chain[0].not_valid_after_utc - RENEW_BEFORE

    def _reissue(self) -> None:
        key, chain = _read_signer(self.folder / INTERMEDIATE)
        moment = self._moment()
        if moment >= chain[0].not_valid_after_utc - LEAF_LIFETIME:
            raise ProvenanceError(
                f"The development chain in {self.folder} is at the end of its ten years.",
                hint="Move the folder away; a new chain is made on next use.",
            )
        content = _leaf_file(Issuer(chain[0], key), moment)
        write_atomically(self.folder / SIGNER, content, mode=0o600)


def development_root(home: Path) -> str | None:
    """Return the development root as PEM where a chain exists; None otherwise. Makes nothing."""
    try:
        return (home / FOLDER / ROOT).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None


def _make_chain(folder: Path, moment: datetime) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.parent / f".{folder.name}.{secrets.token_hex(6)}.tmp"
    staging.mkdir(mode=0o700)
    try:
        root = issue_authority(
            "guardrail development root", moment=moment, lifetime=AUTHORITY_LIFETIME
        )
        middle = issue_authority(
            "guardrail development issuer",
            moment=moment,
            lifetime=AUTHORITY_LIFETIME,
            parent=root,
        )
        write_durably(staging / ROOT, pem(root.certificate).encode())
        content = _private(middle.key) + pem(middle.certificate).encode()
        write_durably(staging / INTERMEDIATE, content, mode=0o600)
        write_durably(staging / SIGNER, _leaf_file(middle, moment), mode=0o600)
        staging.rename(folder)
    except OSError:
        if not folder.exists():  # otherwise another process was first, and its chain counts
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _leaf_file(issuer: Issuer, moment: datetime) -> bytes:
    key = new_key()
    leaf = issue_leaf(
        "guardrail development signer",
        key.public_key(),
        issuer,
        moment=moment,
        lifetime=LEAF_LIFETIME,
    )
    return _private(key) + pem(leaf, issuer.certificate).encode()


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_signer(path: Path) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    content = path.read_bytes()
    key = serialization.load_pem_private_key(content, None)
    chain = x509.load_pem_x509_certificates(content)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not matches(key, chain[0]):
        raise ValueError("key and certificate do not belong together")
    return key, chain


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn what the file system or a damaged file raises into one sentence without content."""
    try:
        yield
    except OSError as error:
        raise ProvenanceError(
            f"The development keys in {folder} cannot be used ({error.strerror}).",
            hint="Check the owner and the free space, or choose another folder with --home.",
        ) from error
    except (ValueError, TypeError) as error:
        raise ProvenanceError(
            f"A file of the development chain in {folder} is damaged.",
            hint="Move the folder away; a new chain is made on next use.",
        ) from error
