"""X.509 as the signer needs it: issuing a chain that verifiers accept, and reading one.

The profile follows the C2PA certificate policy for claim signing leaves: basic constraints and
key usage critical, subject and authority key identifiers present, claimSigning beside
emailProtection (c2pa-rs takes claimSigning alone only where its trust settings name it).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guardrail.provenance.vocabulary import INTENDED_PURPOSES

DEVELOPMENT_ORGANISATION = "guardrail development - not for production"
"""The organisation of every self-made certificate, by which readers recognise them."""

_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that may sign others, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def issue_authority(
    common_name: str, *, moment: datetime, lifetime: timedelta, parent: Issuer | None = None
) -> Issuer:
    """Return a fresh certificate authority: a root, or one below ``parent`` that may issue
    leaves only."""
    key = new_key()
    signing_key = parent.key if parent else key
    subject = _name(common_name)
    builder = _begin(subject, key.public_key(), moment, lifetime)
    builder = _issued(builder, parent.certificate.subject if parent else subject, signing_key)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=0 if parent else 1), critical=True
    ).add_extension(_usage(authority=True), critical=True)
    return Issuer(builder.sign(signing_key, hashes.SHA256()), key)


def issue_leaf(
    common_name: str,
    public_key: ec.EllipticCurvePublicKey,
    parent: Issuer,
    *,
    moment: datetime,
    lifetime: timedelta,
) -> x509.Certificate:
    """Return a claim signing certificate for ``public_key``, issued by ``parent``."""
    builder = _begin(_name(common_name), public_key, moment, lifetime)
    builder = _issued(builder, parent.certificate.subject, parent.key)
    purposes = [
        x509.ObjectIdentifier(INTENDED_PURPOSES["c2pa-kp-claimSigning"]),
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ]
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .sign(parent.key, hashes.SHA256())
    )


def pem(*certificates: x509.Certificate) -> str:
    """Return certificates as PEM text, in the given order."""
    parts = [c.public_bytes(serialization.Encoding.PEM).decode("ascii") for c in certificates]
    return "".join(parts)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate (DER), hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_development(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is one of guardrail's self-made ones."""
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return any(name.value == DEVELOPMENT_ORGANISATION for name in names)


def _begin(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    moment: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _SKEW)
        .not_valid_after(moment + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _issued(
    builder: x509.CertificateBuilder, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.issuer_name(issuer).add_extension(identifier, critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, DEVELOPMENT_ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
