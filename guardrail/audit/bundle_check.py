"""Verifying a bundle of evidence: no database, no network, nothing but the file and, at best, a
key and a checkpoint from elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from guardrail.audit.bundle import FORMAT
from guardrail.audit.events import commitment_digest, storable
from guardrail.audit.keys import LogVerifier
from guardrail.audit.merkle import leaf_hash
from guardrail.audit.notes import SignedCheckpoint, parse_checkpoint, parse_proof
from guardrail.errors import ConfigurationError

MAX_FILES = 1000
MAX_BYTES = 256 * 1024 * 1024
"""Of all files together, unpacked."""

_NO_BUNDLE = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,  # an archive that is encrypted, JSON that is too deep
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a file raises that is not an archive, or not one of ours."""


class BundleAssurance(StrEnum):
    """What a clean bundle proves, and nothing more."""

    NONE = "none"
    SELF_CONSISTENT = "agrees with itself and with the key it brings along"
    TRUSTED_KEY = "signed by the key you gave"
    EXTERNAL = "held against the checkpoint you gave"


@dataclass(frozen=True, slots=True)
class BundleVerification:
    """The outcome of verifying a bundle."""

    record: str
    events: tuple[str, ...]
    """What happened, in order: the types of the events."""
    size: int
    """Events in the log that the checkpoint covers."""
    key: str
    """The key that the bundle brings along."""
    shown: tuple[str, ...]
    """Personal fields whose text is there, and was committed to."""
    withheld: tuple[str, ...]
    erased: tuple[str, ...]
    asset: str | None
    """SHA-256 of the picture in the bundle; None when there is none."""
    problems: tuple[str, ...]
    assurance: BundleAssurance

    @property
    def ok(self) -> bool:
        """True when nothing was found."""
        return not self.problems


def verify_bundle(
    content: bytes,
    verifiers: Iterable[LogVerifier] = (),
    external: Iterable[SignedCheckpoint] = (),
) -> BundleVerification:
    """Verify a bundle. Raises :class:`ConfigurationError` for a file that is none."""
    try:
        files = _unpack(content)
        manifest = json.loads(files["manifest.json"])
        if manifest["format"] != FORMAT:
            raise ConfigurationError("The bundle has a format that this version does not know.")
        return _Check(files, manifest, tuple(verifiers), tuple(external)).outcome()
    except _NO_BUNDLE as error:
        raise ConfigurationError("This is not a bundle of evidence.") from error


def _unpack(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(entries) > MAX_FILES or len(set(names)) != len(names):
            raise ValueError("too many files, or one of them twice")
        if sum(entry.file_size for entry in entries) > MAX_BYTES:
            raise ValueError("too large")
        return {entry.filename: archive.read(entry) for entry in entries}


@dataclass(slots=True)
class _Check:
    files: dict[str, bytes]
    manifest: dict[str, Any]
    verifiers: tuple[LogVerifier, ...]
    external: tuple[SignedCheckpoint, ...]
    problems: list[str] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)

    def outcome(self) -> BundleVerification:
        signed = parse_checkpoint(self.files["checkpoint.txt"].decode())
        brought = self.files["key.txt"].decode().strip()
        self.problems += self._events(signed)
        self.problems += self._signature(signed, brought)
        texts = json.loads(self.files["personal.json"])
        self.problems += self._personal(texts)
        self.problems += self._policies()
        asset = self._asset()
        return BundleVerification(
            str(self.manifest["record"]),
            tuple(document["type"] for document in self.documents),
            signed.checkpoint.size,
            brought,
            _fields(texts, "shown"),
            _fields(texts, "withheld"),
            _fields(texts, "erased"),
            asset,
            tuple(self.problems),
            BundleAssurance.NONE if self.problems else self._assurance(signed),
        )

    def _events(self, signed: SignedCheckpoint) -> Iterator[str]:
        for seq in self.manifest["events"]:
            body = self.files[f"events/{seq}.json"]
            proof = parse_proof(self.files[f"events/{seq}.tlog-proof"].decode())
            document = json.loads(body)
            self.documents.append(document)
            if proof.signed != signed:
                yield f"event {seq}: it is proved against another checkpoint"
            if not proof.holds(leaf_hash(body)):
                yield f"event {seq}: the log of the checkpoint does not hold it"
            if (proof.index, document["seq"]) != (seq, seq):
                yield f"event {seq}: it stands elsewhere in the log"
            if document.get("record") != self.manifest["record"]:
                yield f"event {seq}: it belongs to another record"
        if not self.documents:
            yield "there is no event"

    def _signature(self, signed: SignedCheckpoint, brought: str) -> Iterator[str]:
        if not LogVerifier.parse(brought).signed(signed):
            yield "the checkpoint is not signed by the key in the bundle"
        if self.verifiers and not any(key.signed(signed) for key in self.verifiers):
            yield "the checkpoint is not signed by the key you gave"
        for other in self.external:
            ours, theirs = signed.checkpoint, other.checkpoint
            if ours.origin != theirs.origin:
                yield "the checkpoint you gave belongs to another log"
            elif ours.size == theirs.size and ours.root != theirs.root:
                yield "the checkpoint you gave shows another history"

    def _personal(self, texts: list[dict[str, Any]]) -> Iterator[str]:
        committed = {
            (name, digest)
            for document in self.documents
            for name, digest in document.get("personal", {}).items()
        }
        for text in texts:
            if (text["field"], text["commitment"]) not in committed:
                yield f"{text['field']}: no event commits to it"
            elif text["state"] == "shown":
                stored = storable(text["text"])
                digest = commitment_digest(bytes.fromhex(text["salt"]), stored)
                if digest != text["commitment"]:
                    yield f"{text['field']}: it is not the text that was committed to"
        left = committed - {(text["field"], text["commitment"]) for text in texts}
        for name, _ in sorted(left):
            yield f"{name}: the bundle does not account for it"

    def _policies(self) -> Iterator[str]:
        for digest in {str(d["policy"]) for d in self.documents if "policy" in d}:
            text = self.files.get(f"policy/{digest}.txt")
            if text is None:
                yield f"policy {digest[:12]}: its text is missing"
            elif hashlib.sha256(text).hexdigest() != digest:
                yield f"policy {digest[:12]}: this is not the text that decided"

    def _asset(self) -> str | None:
        released = {document.get("asset") for document in self.documents}
        for name, content in self.files.items():
            if name.startswith("asset/"):
                digest = hashlib.sha256(content).hexdigest()
                if digest not in released:
                    self.problems.append("the picture is not the one that was released")
                return digest
        return None

    def _assurance(self, signed: SignedCheckpoint) -> BundleAssurance:
        same = [o for o in self.external if o.checkpoint == signed.checkpoint]
        if same and self.verifiers:
            return BundleAssurance.EXTERNAL
        return BundleAssurance.TRUSTED_KEY if self.verifiers else BundleAssurance.SELF_CONSISTENT


def _fields(texts: list[dict[str, Any]], state: str) -> tuple[str, ...]:
    return tuple(str(text["field"]) for text in texts if text["state"] == state)
