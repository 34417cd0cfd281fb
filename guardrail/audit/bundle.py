"""Evidence for a third party: one record with everything that proves it, in one file.

A bundle is a ZIP archive that holds the exact bytes of each event, its proof of inclusion, the
signed checkpoint, the public key, the texts the events commit to (those not withheld or erased),
the policy that decided and, if it is at hand, the picture. Nothing else is needed to verify it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from guardrail.audit.keys import LogVerifier
from guardrail.audit.proofs import ProvedEvent
from guardrail.audit.store import Store
from guardrail.audit.tables import Personal, PolicyVersion
from guardrail.errors import ConfigurationError

FORMAT = "org.guardrail.evidence/1"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time that ZIP can say: the same bundle has the same bytes."""
_SAME = {"effective_prompt": "prompt"}
"""A field that repeats another one is withheld with it."""

GUIDE = """\
This archive is evidence about one record of a guardrail audit log. Verify it without trusting
whoever gave it to you:

    guardrail audit verify-bundle THIS.zip --key KEY --checkpoint COPY

KEY is a file with the log's public key, COPY a checkpoint of the log, both from a source of your
own. Without them, the archive is only shown to agree with itself.

By hand, with any tools:

1. events/N.json holds the exact bytes of event N. Its leaf hash is SHA-256(0x00 || bytes).
2. events/N.tlog-proof (https://c2sp.org/tlog-proof) leads from the leaf hash to the root in the
   checkpoint at its end: RFC 6962 section 2.1.1, nodes are SHA-256(0x01 || left || right).
3. The checkpoint (https://c2sp.org/tlog-checkpoint) is signed with Ed25519 by the key in
   key.txt. Compare that key, or the checkpoint, with one you have from elsewhere.
4. personal.json holds the texts that the events commit to. For each, the event's "personal"
   holds SHA-256("guardrail/personal/v1" || 0x00 || salt || text). What was withheld or erased is
   named there too: the proof does not need it.
5. policy/D.txt is the policy that decided; D is its SHA-256, and stands in the events.
6. asset/ holds the picture, if it was added, with its C2PA manifest in it. The SHA-256 of the
   file stands in the event of its release.
"""


@dataclass(frozen=True, slots=True)
class PersonalText:
    """One text that an event commits to."""

    field: str
    commitment: str
    salt: bytes | None
    text: str | None
    """None where it is withheld or erased."""
    state: str
    """``shown``, ``withheld`` or ``erased``."""


def build_bundle(
    store: Store,
    events: Sequence[ProvedEvent],
    verifier: LogVerifier,
    *,
    withheld: Collection[str] = (),
    asset: Path | None = None,
) -> bytes:
    """Return the archive for one record, given its proved events.

    ``verifier`` is the key that signed the checkpoint; ``withheld`` names personal fields to
    leave out; ``asset`` is the picture's file.

    Raises :class:`~guardrail.errors.ConfigurationError` for a file that is not the record's
    picture, a key that did not sign, and a field that the record does not have.
    """
    signed = events[0].proof.signed
    if not verifier.signed(signed):
        raise ConfigurationError(
            "The checkpoint was signed by another key.",
            hint="Prove against a newer one: guardrail audit checkpoint",
        )
    documents = [json.loads(event.body) for event in events]
    with store.read() as connection:
        texts = _texts(connection, documents, withheld)
        policies = _policies(connection, documents)
    files: dict[str, bytes] = {"README.txt": GUIDE.encode()}
    files["checkpoint.txt"] = signed.note.encode()
    files["key.txt"] = (verifier.line(signed.checkpoint.origin) + "\n").encode()
    for event in events:
        files[f"events/{event.seq}.json"] = event.body.encode()
        files[f"events/{event.seq}.tlog-proof"] = event.proof.text.encode()
    files["personal.json"] = _json([_shown(text) for text in texts])
    files |= {f"policy/{digest}.txt": text.encode() for digest, text in policies.items()}
    if asset is not None:
        files[f"asset/{asset.name}"] = _asset(asset, documents)
    files["manifest.json"] = _json(_manifest(documents, files))
    return _zip(files)


def _texts(
    connection: Connection, documents: list[dict[str, Any]], withheld: Collection[str]
) -> list[PersonalText]:
    known = {name for document in documents for name in document.get("personal", {})}
    unknown = sorted(set(withheld) - known)
    if unknown:
        raise ConfigurationError(
            f"The record has no field {unknown[0]!r} to withhold.",
            hint=f"It has: {', '.join(sorted(known))}.",
        )
    held = {
        row.commitment: row
        for row in connection.execute(
            select(Personal.commitment, Personal.salt, Personal.text).where(
                Personal.record_id == documents[0]["record"]
            )
        )
    }
    texts = []
    for document in documents:
        for name, digest in document.get("personal", {}).items():
            row = held.get(digest)
            if row is None:
                texts.append(PersonalText(name, digest, None, None, "erased"))
            elif name in withheld or _SAME.get(name) in withheld:
                texts.append(PersonalText(name, digest, None, None, "withheld"))
            else:
                texts.append(PersonalText(name, digest, bytes(row.salt), row.text, "shown"))
    return texts


def _shown(text: PersonalText) -> dict[str, Any]:
    found = {"field": text.field, "commitment": text.commitment, "state": text.state}
    if text.salt is not None and text.text is not None:
        found |= {"salt": text.salt.hex(), "text": text.text}
    return found


def _policies(connection: Connection, documents: list[dict[str, Any]]) -> dict[str, str]:
    digests = {document["policy"] for document in documents if "policy" in document}
    rows = connection.execute(
        select(PolicyVersion.digest, PolicyVersion.text).where(PolicyVersion.digest.in_(digests))
    )
    return {row.digest: row.text for row in rows}


def _asset(file: Path, documents: list[dict[str, Any]]) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}).") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest not in [document.get("asset") for document in documents]:
        raise ConfigurationError(f"{file} is not the picture that this record released.")
    return content


def _manifest(documents: list[dict[str, Any]], files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "record": documents[0]["record"],
        "events": [document["seq"] for document in documents],
        "files": sorted(files),
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
