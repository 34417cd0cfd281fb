"""The C2PA claim signing leaf profile, assurance levels 1 and 2 (certificate policy 0.2).

A certificate can sign, be trusted by one's own anchors, and still not be one that the C2PA trust
list would ever hold; this says what is missing for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from guardrail.provenance.certificate_faults import CertificateFault, certificate_fault
from guardrail.provenance.preflight import extension

_POLICY = "1.3.6.1.4.1.62558.1.1"
_LEVEL = x509.ObjectIdentifier("1.3.6.1.4.1.62558.3")
_RECORD = x509.ObjectIdentifier("1.3.6.1.4.1.62558.4")
_SUBJECT = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "CN": NameOID.COMMON_NAME,
}


@dataclass(frozen=True, slots=True)
class AssuranceLevel:
    """One assurance level: how long a certificate may live and how it says what it is."""

    name: str
    days: int
    level_oid: bytes
    """The value of the assurance level extension: an OID, DER."""


# OBJECT IDENTIFIER 1.3.6.1.4.1.62558.3.10 and .3.20
AL1 = AssuranceLevel("AL1", 366, bytes.fromhex("060a2b0601040183e85e030a"))
AL2 = AssuranceLevel("AL2", 90, bytes.fromhex("060a2b0601040183e85e0314"))
LEVELS = {"al1": AL1, "al2": AL2}


def profile_faults(leaf: x509.Certificate, level: AssuranceLevel) -> tuple[CertificateFault, ...]:
    """Return what keeps a certificate from meeting an assurance level; empty when nothing does."""
    return (*_names(leaf, level), *_extensions(leaf), *_c2pa_extensions(leaf, level))


def _names(leaf: x509.Certificate, level: AssuranceLevel) -> Iterator[CertificateFault]:
    days = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days
    if days > level.days:
        yield certificate_fault(
            "profile.validity", leaf, days=days, level=level.name, limit=level.days
        )
    missing = [n for n, oid in _SUBJECT.items() if not leaf.subject.get_attributes_for_oid(oid)]
    if missing:
        yield certificate_fault("profile.subject", leaf, names=", ".join(missing))


def _extensions(leaf: x509.Certificate) -> Iterator[CertificateFault]:
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.content_commitment:
        yield certificate_fault("profile.usage", leaf)
    for kind, word in ((x509.KeyUsage, "key usage"), (x509.BasicConstraints, "basic constraints")):
        if any(isinstance(e.value, kind) and not e.critical for e in leaf.extensions):
            yield certificate_fault("profile.critical", leaf, extension=word)
    policies = extension(leaf, x509.CertificatePolicies)
    if _POLICY not in [p.policy_identifier.dotted_string for p in policies or ()]:
        yield certificate_fault("profile.policy", leaf)
    access = extension(leaf, x509.AuthorityInformationAccess)
    if AuthorityInformationAccessOID.OCSP not in [a.access_method for a in access or ()]:
        yield certificate_fault("profile.ocsp", leaf)


def _c2pa_extensions(leaf: x509.Certificate, level: AssuranceLevel) -> Iterator[CertificateFault]:
    unknown = {
        e.oid: e.value.value
        for e in leaf.extensions
        if isinstance(e.value, x509.UnrecognizedExtension)
    }
    if unknown.get(_LEVEL) != level.level_oid:
        yield certificate_fault("profile.level", leaf, level=level.name)
    if _RECORD not in unknown:
        yield certificate_fault("profile.record", leaf)
