"""Signing a generated picture: encode, sign, read back, and let nothing out that does not hold."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from guardrail.clock import Clock, rfc3339, utc_now
from guardrail.contracts import ManifestFacts, SignedImage, TimeStamp
from guardrail.errors import ProvenanceError
from guardrail.provenance.background import meanwhile
from guardrail.provenance.encoding import encode, pixels_sha256, plain
from guardrail.provenance.manifest import generated_manifest
from guardrail.provenance.native import NativeSigner, Reading, read
from guardrail.provenance.signers import Credential, Signer
from guardrail.provenance.timestamps import Mode
from guardrail.provenance.timestamps.service import Unavailable, stamp_file
from guardrail.provenance.untrusted import rows, table, text
from guardrail.provenance.vocabulary import GENERATION_LABEL
from guardrail.provenance.wellformed import manifest_faults

if TYPE_CHECKING:
    from PIL.Image import Image


class Provenance:
    """Turns pictures into signed files. Thread-safe, and safe to use after a fork."""

    def __init__(
        self, signer: Signer, *, clock: Clock = utc_now, software_version: str = "0"
    ) -> None:
        self.signer = signer
        self._clock = clock
        self._version = software_version
        self._native: tuple[Credential, NativeSigner] | None = None

    @property
    def anchors_pem(self) -> str:
        """What verifies the pictures signed now, in PEM. Raises :class:`ProvenanceError`."""
        return self.signer.credential().anchors_pem

    def sign(self, image: Image, facts: ManifestFacts, media_type: str) -> SignedImage:
        """Return the picture as a complete signed file of ``media_type``, held in memory.

        The manifest is checked before it is signed, and the finished file is read back: its
        state must be trusted under our own anchors (which includes the hash of the asset), and
        it must name the record it was made for. Raises :class:`ProvenanceError` otherwise.
        """
        picture = plain(image)
        credential, native = self._signing()
        definition = generated_manifest(
            facts, software_version=self._version, development=credential.info.development
        )
        refuse_faulty(definition)
        pixels = meanwhile(lambda: pixels_sha256(picture), picture.width * picture.height * 3)
        signed = native.sign(definition, media_type, encode(picture, media_type))
        content, label, stamp = self._finish(signed, media_type, credential, facts)
        return SignedImage(
            content=content,
            format=media_type,
            sha256=hashlib.sha256(content).hexdigest(),
            pixels_sha256=pixels(),
            manifest_label=label,
            signer=credential.info,
            time_stamp=stamp,
        )

    def _signing(self) -> tuple[Credential, NativeSigner]:
        credential = self.signer.credential()
        native = self._native
        if native is None or native[0] is not credential:
            native = (credential, NativeSigner(credential))
            self._native = native
        return native

    def _finish(
        self, content: bytes, media_type: str, credential: Credential, facts: ManifestFacts
    ) -> tuple[bytes, str, TimeStamp | None]:
        """Return the file that may leave (time-stamped, where an authority is to be asked), the
        label of its manifest, and how the time-stamp went."""
        service = credential.time_stamps
        if service is None or service.mode is Mode.OFF:
            return content, self._check(content, media_type, credential, facts)[0], None
        try:
            stamped, moment = stamp_file(content, media_type, service)
            label, codes = self._check(stamped, media_type, credential, facts)
            # c2pa-rs only informs about a time-stamp that does not hold.
            wanted = "timeStamp.trusted" if service.anchors else "timeStamp.validated"
            if wanted not in codes:
                raise Unavailable(f"{service.host}: the time-stamp does not hold ({wanted})")
            return stamped, label, TimeStamp("stamped", service.host, rfc3339(moment))
        except Unavailable as error:
            if service.mode is Mode.REQUIRED:
                raise ProvenanceError(
                    f"The picture could not be time-stamped: {error}.",
                    hint="Its signer requires a time-stamp; try again, or name another authority.",
                ) from error
            skipped = TimeStamp("skipped", service.host, reason=str(error))
        return content, self._check(content, media_type, credential, facts)[0], skipped

    def _check(
        self, content: bytes, media_type: str, credential: Credential, facts: ManifestFacts
    ) -> tuple[str, frozenset[str]]:
        """Read the signed file back as a stranger would; return its manifest's label and the
        codes of what succeeded."""
        reading = read(content, media_type, credential.anchors_pem, crjson=False)
        if not isinstance(reading, Reading) or reading.state != "Trusted":
            raise ProvenanceError(
                f"The signed picture does not verify ({_reasons(reading)}).",
                hint="`guardrail keys check` names what is wrong with the certificates.",
            )
        label = text(reading.store.get("active_manifest")) or ""
        manifest = table(table(reading.store.get("manifests")).get(label))
        claims = [a for a in rows(manifest.get("assertions")) if a.get("label") == GENERATION_LABEL]
        if [table(c.get("data")).get("recordId") for c in claims] != [str(facts.record_id)]:
            raise ProvenanceError("The signed picture does not name the record it was made for.")
        return label, frozenset(_codes(reading, "success"))


def refuse_faulty(definition: dict[str, Any]) -> None:
    """Raise :class:`ProvenanceError` for a manifest that must not be signed."""
    faults = manifest_faults(definition)
    if faults:
        first = faults[0]
        raise ProvenanceError(f"The manifest is not well-formed: {first.where} {first.sentence}.")


def _reasons(reading: object) -> str:
    if not isinstance(reading, Reading):
        return "it carries no credentials"
    return ", ".join(_codes(reading, "failure")) or reading.state


def _codes(reading: Reading, outcome: str) -> list[str]:
    results = table(table(reading.store.get("validation_results")).get("activeManifest"))
    return [text(entry.get("code")) or "?" for entry in rows(results.get(outcome))]
