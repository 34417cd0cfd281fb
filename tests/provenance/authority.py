"""A certificate authority for tests that issues whatever a test asks for, faults included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guardrail.provenance.certificates import pem

CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
KEYS: dict[str, Any] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Issued:
    """A key and its chain, leaf first, root last."""

    key: Any
    chain: list[x509.Certificate]

    @property
    def root(self) -> x509.Certificate:
        return self.chain[-1]

    def write(self, folder: Path, passphrase: bytes | None = None, **options: Any) -> Path:
        """Write ``key.pem`` and ``chain.pem`` (without the root) and return the folder."""
        folder.mkdir(exist_ok=True)
        (folder / "key.pem").write_bytes(key_pem(self.key, passphrase, **options))
        (folder / "chain.pem").write_text(pem(*self.chain[:-1]))
        (folder / "root.pem").write_text(pem(self.root))
        return folder


def key_pem(key: Any, passphrase: bytes | None = None, form: str = "PKCS8") -> bytes:
    """Return a key in PEM."""
    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else None
    content: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        secret or serialization.NoEncryption(),
    )
    return content


def usage(**bits: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: bits.get(name, False) for name in USAGES})


SIGNING = usage(digital_signature=True, content_commitment=True)


def issue(
    key: Any = None,
    *,
    purposes: Sequence[x509.ObjectIdentifier] | None = (CLAIM_SIGNING, EMAIL),
    key_usage: x509.KeyUsage | None = SIGNING,
    constraints: bool | None = False,
    identifiers: bool = True,
    subject_identifier: bool = True,
    begin: timedelta = timedelta(hours=-1),
    end: timedelta = timedelta(days=90),
    middle: bool = True,
    extra: Sequence[x509.ExtensionType] = (),
    names: dict[str, str] | None = None,
) -> Issued:
    """Return a leaf as asked for, under a fresh root (and intermediate)."""
    now = datetime.now(UTC)
    key = key or KEYS["ES256"]()
    root_key, middle_key = KEYS["ES256"](), KEYS["ES256"]()
    root = _authority("test root", root_key, "test root", root_key, 1, now)
    chain, issuer, issuer_key = [root], "test root", root_key
    if middle:
        chain.insert(0, _authority("test issuer", middle_key, "test root", root_key, 0, now))
        issuer, issuer_key = "test issuer", middle_key
    builder = _builder("test signer", key.public_key(), issuer, now + begin, now + end, names)
    wanted: list[tuple[x509.ExtensionType, bool]] = [(value, False) for value in extra]
    if constraints is not None:
        wanted.append((x509.BasicConstraints(constraints, None), True))
    if key_usage is not None:
        wanted.append((key_usage, True))
    if purposes is not None:
        wanted.append((x509.ExtendedKeyUsage(purposes), False))
    if subject_identifier:
        wanted.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if identifiers:
        public = issuer_key.public_key()
        wanted.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False))
    for value, critical in wanted:
        builder = builder.add_extension(value, critical)
    return Issued(key, [builder.sign(issuer_key, hashes.SHA256()), *chain])


def self_signed() -> Issued:
    """Return a leaf that signed itself."""
    key = KEYS["ES256"]()
    now = datetime.now(UTC)
    end = now + timedelta(days=90)
    public = key.public_key()
    leaf = (
        _builder("alone", public, "alone", now - timedelta(hours=1), end, None)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(usage(digital_signature=True), True)
        .add_extension(x509.ExtendedKeyUsage([CLAIM_SIGNING, EMAIL]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
        .sign(key, hashes.SHA256())
    )
    return Issued(key, [leaf])


def _authority(  # noqa: PLR0917
    subject: str, key: Any, issuer: str, issuer_key: Any, length: int, now: datetime
) -> x509.Certificate:
    public = key.public_key()
    certificate: x509.Certificate = (
        _builder(subject, public, issuer, now - timedelta(days=1), now + timedelta(days=900), None)
        .add_extension(x509.BasicConstraints(True, length), True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate


def _builder(  # noqa: PLR0917
    subject: str,
    public: Any,
    issuer: str,
    begin: datetime,
    end: datetime,
    names: dict[str, str] | None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject, names))
        .issuer_name(_name(issuer, None))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _name(common: str, others: dict[str, str] | None) -> x509.Name:
    kinds = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME}
    parts = {"O": "Test House"} if others is None else others
    attributes = [x509.NameAttribute(kinds[k], v) for k, v in parts.items()]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])
