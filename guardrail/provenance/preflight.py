"""The certificate preflight: what is wrong with a chain, before anything is signed with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from guardrail.provenance.certificate_faults import CertificateFault, certificate_fault
from guardrail.provenance.signers.keys import algorithm_of
from guardrail.provenance.vocabulary import INTENDED_PURPOSES

_SOON = timedelta(days=30)
_CLAIM_SIGNING = INTENDED_PURPOSES["c2pa-kp-claimSigning"]
_ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string
_EXCLUSIVE = {
    ExtendedKeyUsageOID.TIME_STAMPING.dotted_string: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string: "OCSPSigning",
}
_WEAK_HASHES = ("md5", "sha1")

Faults = Iterator[CertificateFault]
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def chain_faults(
    chain: Sequence[x509.Certificate],
    *,
    moment: datetime,
    anchors: Sequence[x509.Certificate] = (),
) -> tuple[CertificateFault, ...]:
    """Return every fault of a chain, signing certificate first; empty when it is sound.

    ``anchors`` are what the verifier trusts, if known: with them, completeness can be judged.
    """
    return tuple(_all_faults(chain, moment, anchors))


def _all_faults(
    chain: Sequence[x509.Certificate], moment: datetime, anchors: Sequence[x509.Certificate]
) -> Faults:
    disordered = tuple(_order(chain))
    reversed_chain = any(fault.code == "chain.reversed" for fault in disordered)
    for position, certificate in enumerate(reversed(chain) if reversed_chain else chain):
        for rule in _LEAF_RULES if position == 0 else _ISSUER_RULES:
            yield from rule(certificate)
        yield from _validity(certificate, moment)
    yield from disordered
    if not disordered:
        yield from _completeness(chain, anchors)


def _validity(certificate: x509.Certificate, moment: datetime) -> Faults:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if moment > end:
        yield certificate_fault("validity.expired", certificate, date=f"{end:%Y-%m-%d}")
    elif moment < begin:
        yield certificate_fault("validity.future", certificate, date=f"{begin:%Y-%m-%d %H:%M}")
    elif end - moment < _SOON:
        yield certificate_fault("validity.soon", certificate, days=(end - moment).days)


def _public_key(certificate: x509.Certificate) -> Faults:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield certificate_fault("key.weak", certificate, bits=key.key_size)
    elif algorithm_of(key) is None:
        yield certificate_fault("key.kind", certificate)
    digest = certificate.signature_hash_algorithm
    if digest is not None and digest.name in _WEAK_HASHES:
        yield certificate_fault("signature.weak", certificate, digest=digest.name)


def _leaf_constraints(certificate: x509.Certificate) -> Faults:
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None:
        yield certificate_fault("constraints.missing", certificate)
    elif constraints.ca:
        yield certificate_fault("constraints.authority", certificate)


def _leaf_usage(certificate: x509.Certificate) -> Faults:
    usage = extension(certificate, x509.KeyUsage)
    if usage is None:
        yield certificate_fault("usage.missing", certificate)
        return
    if usage.key_cert_sign:
        yield certificate_fault("usage.authority", certificate)
    if not usage.digital_signature:
        yield certificate_fault("usage.signature", certificate)


def _leaf_purposes(certificate: x509.Certificate) -> Faults:
    purposes = purposes_of(certificate)
    if not purposes:
        yield certificate_fault("eku.missing", certificate)
        return
    if _ANY_PURPOSE in purposes:
        yield certificate_fault("eku.any", certificate)
    for oid, word in _EXCLUSIVE.items():
        if oid in purposes:
            yield certificate_fault("eku.exclusive", certificate, purpose=word)
    ours = purposes & frozenset(INTENDED_PURPOSES.values())
    if not ours:
        yield certificate_fault("eku.other", certificate)
    elif _CLAIM_SIGNING not in ours:
        yield certificate_fault("eku.profile", certificate)
    elif len(ours) == 1:
        yield certificate_fault("eku.alone", certificate)


def _identifiers(certificate: x509.Certificate) -> Faults:
    if extension(certificate, x509.AuthorityKeyIdentifier) is None:
        yield certificate_fault("aki.missing", certificate)
    if extension(certificate, x509.SubjectKeyIdentifier) is None:
        yield certificate_fault("ski.missing", certificate)


def _issuer_constraints(certificate: x509.Certificate) -> Faults:
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield certificate_fault("issuer.not_authority", certificate)


_Rule = Callable[[x509.Certificate], Faults]
_LEAF_RULES: tuple[_Rule, ...] = (
    _public_key,
    _leaf_constraints,
    _leaf_usage,
    _leaf_purposes,
    _identifiers,
)
_ISSUER_RULES: tuple[_Rule, ...] = (_public_key, _issuer_constraints)


def _order(chain: Sequence[x509.Certificate]) -> Faults:
    for certificate, issuer in pairwise(chain):
        if issued_by(certificate, issuer):
            continue
        backwards = issued_by(chain[-1], chain[-2]) and not issued_by(chain[0], chain[1])
        yield certificate_fault("chain.reversed" if backwards else "chain.order", certificate)
        return


def _completeness(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> Faults:
    last = chain[-1]
    if len(chain) == 1 and issued_by(last, last):
        yield certificate_fault("chain.self_signed", last)
    if anchors and last not in anchors and not any(issued_by(last, a) for a in anchors):
        yield certificate_fault("chain.incomplete", last, issuer=last.issuer.rfc4514_string())


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether ``issuer`` signed ``certificate``, by name and by signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def purposes_of(certificate: x509.Certificate) -> frozenset[str]:
    """Return the extended key usages of a certificate, dotted."""
    found = extension(certificate, x509.ExtendedKeyUsage)
    return frozenset(purpose.dotted_string for purpose in found or ())


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return an extension of a certificate, or None."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
