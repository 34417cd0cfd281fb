"""Every certificate fault by its stable name, with what to say and what to do.

c2pa-rs answers nearly every one of them with "the certificate is invalid", or signs and is then
not trusted. Each was measured against it; those of the profile come from the C2PA certificate
policy (conformance programme 0.2), which is stricter than the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography import x509


class Severity(StrEnum):
    """``ERROR``: it does not sign or does not verify. ``WARNING``: it does, and should not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class CertificateFault:
    """One thing that is wrong with a chain."""

    code: str
    """Stable name of the rule, e.g. ``eku.missing``. Never reused or renamed."""
    severity: Severity
    certificate: str
    """Subject of the certificate it concerns."""
    sentence: str
    remedy: str


_E, _W = Severity.ERROR, Severity.WARNING
_PURPOSES = "Have it issued with c2pa-kp-claimSigning and emailProtection."
_PROFILE = "The C2PA certificate policy asks for it; ask your certificate authority."

FAULTS: Final[dict[str, tuple[Severity, str, str]]] = {
    "validity.expired": (
        _E,
        "It expired on {date}.",
        "Have it renewed. What it signed without a time-stamp no longer verifies.",
    ),
    "validity.future": (_E, "It is not valid before {date}.", "Wait, or set the clock."),
    "validity.soon": (_W, "It expires in {days} days.", "Have it renewed; sign with a time-stamp."),
    "key.weak": (_E, "Its RSA key has only {bits} bits.", "Use 2048 bits or more, or P-256."),
    "key.kind": (
        _E,
        "C2PA does not sign with this kind of key.",
        "Use P-256, P-384, P-521, RSA or Ed25519.",
    ),
    "key.mismatch": (
        _E,
        "The private key is not the one this certificate is for.",
        "Give the key that the certificate was requested with.",
    ),
    "signature.weak": (_E, "It was signed with {digest}.", "Have it issued again with SHA-256."),
    "constraints.missing": (_W, "It has no basic constraints.", _PROFILE),
    "constraints.authority": (
        _E,
        "It is the certificate of an authority.",
        "Put the signing certificate first in the file.",
    ),
    "usage.missing": (_E, "It has no key usage.", "Have it issued with digitalSignature."),
    "usage.authority": (
        _E,
        "Its key usage lets it sign certificates.",
        "Have it issued with digitalSignature only.",
    ),
    "usage.signature": (
        _W,
        "Its key usage lacks digitalSignature.",
        "Have it issued with digitalSignature.",
    ),
    "eku.missing": (_E, "It has no extended key usage.", _PURPOSES),
    "eku.any": (_E, "Its extended key usage allows anything.", _PURPOSES),
    "eku.exclusive": (_E, "It is also for {purpose}, which must stand alone.", _PURPOSES),
    "eku.other": (_E, "Its extended key usage is not for signing content.", _PURPOSES),
    "eku.profile": (_W, "Its extended key usage lacks c2pa-kp-claimSigning.", _PROFILE),
    "eku.alone": (_W, "Older verifiers refuse c2pa-kp-claimSigning alone.", _PURPOSES),
    "aki.missing": (_E, "It has no authority key identifier.", "Have it issued with one."),
    "ski.missing": (_W, "It has no subject key identifier.", _PROFILE),
    "issuer.not_authority": (
        _E,
        "It stands as an issuer and may not issue.",
        "Put only the signing certificate and its issuers into the file.",
    ),
    "chain.reversed": (
        _E,
        "The chain is in reverse order.",
        "Put the signing certificate first, its issuer next.",
    ),
    "chain.order": (
        _E,
        "It was not issued by the certificate that follows it.",
        "Order the file: signing certificate, its issuer, that one's issuer.",
    ),
    "chain.self_signed": (
        _W,
        "It is self-signed.",
        "Nobody trusts it who was not given it; have one issued.",
    ),
    "chain.incomplete": (
        _E,
        "Its issuer ({issuer}) is neither in the file nor among the trust anchors.",
        "Add the issuer's certificate to the file.",
    ),
    "profile.validity": (_W, "It is valid for {days} days; {level} allows {limit}.", _PROFILE),
    "profile.subject": (_W, "Its subject lacks {names}.", _PROFILE),
    "profile.critical": (_W, "Its {extension} is not critical.", _PROFILE),
    "profile.usage": (_W, "Its key usage lacks nonRepudiation.", _PROFILE),
    "profile.policy": (_W, "It does not name the C2PA certificate policy.", _PROFILE),
    "profile.ocsp": (_W, "It does not say where its revocation can be asked (OCSP).", _PROFILE),
    "profile.level": (_W, "It does not state assurance level {level}.", _PROFILE),
    "profile.record": (_W, "It names no record of the Conforming Products List.", _PROFILE),
}


def certificate_fault(
    code: str, certificate: x509.Certificate, **details: object
) -> CertificateFault:
    """Return the fault called ``code`` for one certificate."""
    severity, sentence, remedy = FAULTS[code]
    subject = certificate.subject.rfc4514_string() or "(empty subject)"
    return CertificateFault(code, severity, subject, sentence.format(**details), remedy)
