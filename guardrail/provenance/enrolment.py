"""Asking an authority for a certificate: a fresh key and a signing request (PKCS#10)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guardrail.errors import ConfigurationError
from guardrail.files import write_durably
from guardrail.provenance.certificates import new_key
from guardrail.provenance.signers.keys import SigningKey
from guardrail.provenance.vocabulary import INTENDED_PURPOSES


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for; the C2PA profile requires all three."""

    common_name: str
    organisation: str
    country: str
    """Two letters, ISO 3166."""


def signing_request(key: SigningKey, subject: Subject) -> str:
    """Return a request in PEM that asks for what the C2PA leaf profile requires.

    Raises :class:`ConfigurationError` for a subject that no certificate can hold.
    """
    try:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, subject.country),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name),
            ]
        )
    except ValueError as error:
        raise ConfigurationError(f"The subject is not possible: {error}.") from error
    purposes = [
        x509.ObjectIdentifier(INTENDED_PURPOSES["c2pa-kp-claimSigning"]),
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ]
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNING_ONLY, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM).decode("ascii")


def write_new_key(path: Path, passphrase: bytes | None) -> SigningKey:
    """Write a fresh P-256 key to a new file (0600, encrypted where there is a passphrase).

    Raises :class:`ConfigurationError` when the file exists: a key is never overwritten.
    """
    key = new_key()
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    try:
        write_durably(path, content, mode=0o600)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{path} exists already; a key is never overwritten.", hint="Name another file."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}).") from error
    return key


_SIGNING_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
