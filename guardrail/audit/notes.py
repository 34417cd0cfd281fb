"""Checkpoints and proofs as text: the C2SP formats signed-note, tlog-checkpoint and tlog-proof.

Pure functions over text; the Ed25519 keys are those of :mod:`guardrail.audit.keys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from guardrail.audit.merkle import HASH_SIZE, root_from_inclusion
from guardrail.errors import ConfigurationError

ED25519 = b"\x01"
"""Signature type of signed-note for Ed25519."""
DASH = "\u2014"
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
MAX_NOTE = 64 * 1024
MAX_PATH = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to at one size."""

    origin: str
    """The log's identity: its first line, and the name of the key that signs it."""
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text, whose UTF-8 bytes are signed."""
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    """Four bytes that tell keys of one name apart."""
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands in the note, without its newline."""
        return f"{DASH} {self.name} {_encode(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with its signatures, and the exact text that was signed."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]
    signed_text: str

    @property
    def note(self) -> str:
        """The whole note."""
        return self.signed_text + "\n" + "".join(f"{s.line}\n" for s in self.signatures)


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That one leaf is in the tree of a checkpoint (RFC 6962 section 2.1.1)."""

    index: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint

    @property
    def text(self) -> str:
        """The proof in the tlog-proof format."""
        hashes = "".join(f"{_encode(item)}\n" for item in self.path)
        return f"{PROOF_HEADER}\nindex {self.index}\n{hashes}\n{self.signed.note}"

    def holds(self, leaf: bytes) -> bool:
        """Whether the leaf with this hash is in the tree. (Who signed it is another question.)"""
        checkpoint = self.signed.checkpoint
        try:
            root = root_from_inclusion(leaf, self.index, checkpoint.size, self.path)
        except ValueError:
            return False
        return root == checkpoint.root


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes that name an Ed25519 key (``public``: 32 bytes, RFC 8032)."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def verifier_key(name: str, public: bytes) -> str:
    """Write a public key as one line, ``name+id+key``, as the note tools read it."""
    return f"{name}+{key_id(name, public).hex()}+{_encode(ED25519 + public)}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """Read what :func:`verifier_key` wrote: the name and the 32-byte public key.

    Raises :class:`ConfigurationError`.
    """
    try:
        name, identifier, encoded = text.strip().split("+", 2)
        data = _decode(encoded)
        if data[:1] == ED25519 and len(data) == 33 and key_id(name, data[1:]).hex() == identifier:
            return name, data[1:]
    except ValueError:
        pass
    raise ConfigurationError("This is not the public key of a log (name+id+key, Ed25519).")


def parse_checkpoint(note: str) -> SignedCheckpoint:
    """Read a signed checkpoint; its signatures are not verified here.

    Raises :class:`ConfigurationError` for a text that is none.
    """
    try:
        return _parse_checkpoint(note)
    except ValueError as error:
        raise ConfigurationError("This is not a signed checkpoint of a log.") from error


def parse_proof(text: str) -> InclusionProof:
    """Read a proof in the tlog-proof format. Raises :class:`ConfigurationError`."""
    try:
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")
        if lines[0] != PROOF_HEADER or not lines[1].startswith("index ") or len(lines) > MAX_PATH:
            raise ValueError("no proof")
        path = tuple(_hash(line) for line in lines[2:])
        return InclusionProof(_decimal(lines[1][6:]), path, _parse_checkpoint(note))
    except (IndexError, ValueError) as error:
        raise ConfigurationError("This is not a proof of inclusion in a log.") from error


def write_consistency(
    old: SignedCheckpoint, path: Sequence[bytes], new: SignedCheckpoint
) -> dict[str, object]:
    """Return two checkpoints and the proof between them as JSON data."""
    return {
        "old": {"size": old.checkpoint.size, "note": old.note},
        "new": {"size": new.checkpoint.size, "note": new.note},
        "path": [_encode(item) for item in path],
    }


def _parse_checkpoint(note: str) -> SignedCheckpoint:
    if len(note) > MAX_NOTE or any(ord(c) < 32 and c != "\n" for c in note):
        raise ValueError("no note")
    text, blank, tail = note.rpartition("\n\n")
    signatures = tuple(_signature(line) for line in tail.splitlines())
    lines = text.split("\n")
    if not blank or len(lines) < 3 or not all(lines) or not note.endswith("\n"):
        raise ValueError("no checkpoint")
    if not signatures:
        raise ValueError("no signature")
    checkpoint = Checkpoint(lines[0], _decimal(lines[1]), _hash(lines[2]))
    return SignedCheckpoint(checkpoint, signatures, text + "\n")


def _signature(line: str) -> NoteSignature:
    dash, name, encoded = line.split(" ")
    data = _decode(encoded)
    if dash != DASH or not name or "+" in name or len(data) < 5:
        raise ValueError("no signature line")
    return NoteSignature(name, data[:4], data[4:])


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        raise ValueError("no number")
    return int(text)


def _hash(text: str) -> bytes:
    data = _decode(text)
    if len(data) != HASH_SIZE:
        raise ValueError("no hash")
    return data


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("no base64") from error
    if _encode(data) != text:
        raise ValueError("not the one way to write it")
    return data
