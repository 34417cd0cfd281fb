"""The key that signs checkpoints: Ed25519, and never the key that signs pictures."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from guardrail.audit.notes import (
    Checkpoint,
    NoteSignature,
    SignedCheckpoint,
    key_id,
    parse_verifier_key,
    verifier_key,
)
from guardrail.errors import AuditError
from guardrail.files import write_durably

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def key_file(home: Path) -> Path:
    """Return where the log's key lies in a home folder."""
    return home / "audit" / "checkpoint.key"


@dataclass(frozen=True, slots=True)
class LogVerifier:
    """A public key that checkpoints are verified with. Works for every origin unless ``name``
    says which one it is for."""

    public: bytes
    """32 bytes, RFC 8032."""
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a line ``name+id+key``. Raises :class:`ConfigurationError`."""
        name, public = parse_verifier_key(text)
        return cls(public, name)

    def line(self, origin: str) -> str:
        """Write the key as one line for the log of this origin."""
        return verifier_key(origin, self.public)

    def signed(self, signed: SignedCheckpoint) -> bool:
        """Whether this key signed the checkpoint under the checkpoint's own origin."""
        origin = signed.checkpoint.origin
        if self.name not in (None, origin):
            return False
        ours = (origin, key_id(origin, self.public))
        found = [s.signature for s in signed.signatures if (s.name, s.key_id) == ours]
        return bool(found) and all(self._verifies(s, signed.signed_text) for s in found)

    def _verifies(self, signature: bytes, text: str) -> bool:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (slow to import)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PublicKey,
        )

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class LogKey:
    """The private key of a log. Its text form never leaves the key file."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read the key from a PEM file. Raises :class:`AuditError`."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )

        try:
            key = load_pem_private_key(file.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AuditError(f"The key of the log, {file}, cannot be read.") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise AuditError(f"The key of the log, {file}, is not an Ed25519 key.")
        return cls(key)

    @classmethod
    def load_or_create(cls, file: Path) -> Self:
        """Read the key, or make one, readable by its owner only. Raises :class:`AuditError`."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PrivateKey,
        )

        if not file.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            try:
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _write_once(file, pem)
            except OSError as error:
                raise AuditError(
                    f"The key of the log, {file}, cannot be written ({error.strerror})."
                ) from error
        return cls.load(file)

    @property
    def verifier(self) -> LogVerifier:
        """The public half."""
        return LogVerifier(self._private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        """Sign a checkpoint under the name of its log."""
        identifier = key_id(checkpoint.origin, self.verifier.public)
        signature = self._private.sign(checkpoint.text.encode())
        line = NoteSignature(checkpoint.origin, identifier, signature)
        return SignedCheckpoint(checkpoint, (line,), checkpoint.text)


def _write_once(file: Path, content: bytes) -> None:
    """Make a file that is whole from its first moment; leave one that is there already."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(6)}.tmp")
    write_durably(temporary, content, mode=0o600)
    try:
        with contextlib.suppress(FileExistsError):  # another process made it just now
            file.hardlink_to(temporary)
    finally:
        temporary.unlink()
