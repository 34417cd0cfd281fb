"""Private keys: reading them, and signing with them in the form that COSE wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from guardrail.clock import rfc3339
from guardrail.contracts import SignerInfo
from guardrail.errors import ProvenanceError
from guardrail.provenance.certificates import fingerprint, is_development

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ES256": hashes.SHA256(),
    "ES384": hashes.SHA384(),
    "ES512": hashes.SHA512(),
    "PS256": hashes.SHA256(),
}
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_COORDINATE = {"ES256": 32, "ES384": 48, "ES512": 66}
HASH_NAMES = {"ES256": "sha256", "ES384": "sha384", "ES512": "sha512", "PS256": "sha256"}
"""Which hash a COSE algorithm signs, as :mod:`hashlib` calls it."""


@dataclass(frozen=True, slots=True)
class KeyFault:
    """Why a key file cannot be used, in words that hold nothing of the key."""

    sentence: str
    hint: str | None = None


def algorithm_of(public_key: object) -> str | None:
    """Return the COSE algorithm for a public key (C2PA 2.2 section 13.2), None if there is none."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _CURVES.get(public_key.curve.name)
    if isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size >= 2048:
        return "PS256"
    return "Ed25519" if isinstance(public_key, ed25519.Ed25519PublicKey) else None


def describe(kind: str, leaf: x509.Certificate) -> SignerInfo:
    """Return what may be told about a signer, from its certificate."""
    return SignerInfo(
        kind=kind,
        algorithm=algorithm_of(leaf.public_key()) or "unknown",
        certificate_sha256=fingerprint(leaf),
        subject=leaf.subject.rfc4514_string(),
        not_after=rfc3339(leaf.not_valid_after_utc),
        development=is_development(leaf),
    )


def read_key(content: bytes, passphrase: bytes | None) -> SigningKey | KeyFault:
    """Read a private key in PEM: PKCS#8 (encrypted or not), SEC 1 or PKCS#1."""
    try:
        key = serialization.load_pem_private_key(content, passphrase)
    except TypeError:
        if passphrase is None:
            return KeyFault("is encrypted and no passphrase was given.", "Name its passphrase.")
        return KeyFault("is not encrypted, but a passphrase was given.", "Drop the passphrase.")
    except (ValueError, UnsupportedAlgorithm):
        if passphrase is not None:
            return KeyFault("cannot be decrypted: the passphrase is wrong or the file is damaged.")
        return KeyFault("holds no private key that can be read.", "Give a PKCS#8 key in PEM.")
    if not isinstance(key, SigningKey) or algorithm_of(key.public_key()) is None:
        return KeyFault(
            "is of a kind that C2PA does not sign with.",
            "Use P-256, P-384, P-521, RSA of 2048 bits or more, or Ed25519.",
        )
    return key


def cose_signature(key: SigningKey) -> Callable[[bytes], bytes]:
    """Return the function that signs bytes with ``key`` as RFC 9053 lays down."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    algorithm = algorithm_of(key.public_key()) or ""
    digest = _HASHES[algorithm]
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return lambda data: key.sign(data, scheme, digest)
    size = _COORDINATE[algorithm]
    return lambda data: raw_ecdsa(key.sign(data, ec.ECDSA(digest)), size)


def raw_ecdsa(der: bytes, size: int) -> bytes:
    """Turn a DER signature into ``r || s``, each of ``size`` bytes (RFC 9053 section 2.1)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def raw_signature(signature: bytes, algorithm: str) -> bytes:
    """Return a signature in the form COSE wants: an ECDSA signature in DER becomes ``r || s``,
    anything else stays as it is."""
    size = _COORDINATE.get(algorithm)
    if size is None or len(signature) == 2 * size:
        return signature
    try:
        return raw_ecdsa(signature, size)
    except (ValueError, OverflowError):
        return signature


def check_signature(leaf: x509.Certificate, signature: bytes, data: bytes) -> None:
    """Check a signature in COSE form against a certificate. Raises ``InvalidSignature``."""
    key = leaf.public_key()
    algorithm = algorithm_of(key) or ""
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey):
        digest = _HASHES["PS256"]
        key.verify(signature, data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _COORDINATE:
        size = _COORDINATE[algorithm]
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(_HASHES[algorithm]))
    else:
        raise InvalidSignature


def matches(key: SigningKey, leaf: x509.Certificate) -> bool:
    """Say whether the certificate is for this key."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == leaf.public_key().public_bytes(*form)


def unusable(path: object, fault: KeyFault) -> ProvenanceError:
    """Return the error for a key file that cannot be used."""
    return ProvenanceError(f"The key file {path} {fault.sentence}", hint=fault.hint)
