"""Checking a signer: its certificates, its key, and a signature made for the purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cryptography import x509
from PIL import Image

from guardrail.clock import Clock, rfc3339, utc_now
from guardrail.contracts import (
    Decision,
    ManifestFacts,
    ModelIdentity,
    PolicyRef,
    SignerInfo,
    Verdict,
)
from guardrail.errors import ProvenanceError
from guardrail.provenance.certificate_faults import CertificateFault, Severity
from guardrail.provenance.preflight import chain_faults
from guardrail.provenance.profile import AssuranceLevel, profile_faults
from guardrail.provenance.signers import Signer
from guardrail.provenance.signers.keys import describe
from guardrail.provenance.signing import Provenance


@dataclass(frozen=True, slots=True)
class SignerCheck:
    """What is known about a signer after looking at it and trying it."""

    info: SignerInfo | None
    """From the certificate; None when it could not be read."""
    faults: tuple[CertificateFault, ...]
    problem: str | None
    """Why key or certificate cannot be used, or a trial signature does not hold."""
    tried: bool
    """Whether a picture was signed and verified."""

    @property
    def usable(self) -> bool:
        """True when a trial signature verified and no fault is an error."""
        return self.tried and self.problem is None and not self.errors

    @property
    def errors(self) -> tuple[CertificateFault, ...]:
        """The faults that keep the signer from working."""
        return tuple(f for f in self.faults if f.severity is Severity.ERROR)


def check_signer(
    signer: Signer,
    *,
    clock: Clock = utc_now,
    anchors: Sequence[x509.Certificate] = (),
    level: AssuranceLevel | None = None,
) -> SignerCheck:
    """Return what is wrong with a signer, by name; then sign a small picture and verify it.

    ``anchors`` are what verifiers trust, if known; ``level`` adds the C2PA leaf profile.
    """
    try:
        chain = x509.load_pem_x509_certificates(signer.chain().encode("ascii"))
    except ProvenanceError as error:
        return SignerCheck(None, (), error.message, tried=False)
    faults = chain_faults(chain, moment=clock(), anchors=anchors)
    if level is not None:
        faults += profile_faults(chain[0], level)
    try:
        info = signer.info
        _try(signer, clock)
    except ProvenanceError as error:
        return SignerCheck(describe("unknown", chain[0]), faults, error.message, tried=False)
    return SignerCheck(info, faults, None, tried=True)


def _try(signer: Signer, clock: Clock) -> None:
    nobody = PolicyRef("trial", "0", "0" * 64)
    facts = ManifestFacts(
        record_id=UUID(int=0),
        model=ModelIdentity("trial", None, "0" * 64, {}, "none"),
        seed=0,
        decision=Decision(Verdict.ALLOW, nobody),
        created=rfc3339(clock()),
        width=16,
        height=16,
        title="trial of a signer",
    )
    Provenance(signer, clock=clock).sign(Image.new("RGB", (16, 16)), facts, "image/png")
