"""Signing in a cloud key service: AWS KMS, Google Cloud KMS, Azure Key Vault.

Only a digest leaves the process. The clients are the vendors' own, imported when something is
signed, and find their credentials as they always do; none is read here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from guardrail.errors import MissingExtra, ProvenanceError
from guardrail.provenance.signers.callback import Sign
from guardrail.provenance.signers.keys import HASH_NAMES

TIMEOUT = 10.0
"""Seconds for one answer of the service."""
_AWS = {
    "ES256": "ECDSA_SHA_256",
    "ES384": "ECDSA_SHA_384",
    "ES512": "ECDSA_SHA_512",
    "PS256": "RSASSA_PSS_SHA_256",
}
_AZURE = {"ES256": "ES256", "ES384": "ES384", "ES512": "ES512", "PS256": "PS256"}


@dataclass(frozen=True, slots=True)
class AwsKey:
    """An asymmetric key of AWS KMS."""

    key_id: str
    """Key id, ARN or alias."""
    region: str | None = None

    def connect(self, algorithm: str) -> Sign:
        """Return what signs with the key. Raises :class:`MissingExtra` without boto3."""
        name = _named(_AWS, algorithm, "AWS KMS")
        try:
            import boto3  # noqa: PLC0415 (an extra)
            from botocore.config import Config  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra("An AWS KMS signer", "aws") from error
        limits = Config(
            connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 3}
        )
        client = boto3.client("kms", region_name=self.region, config=limits)

        def sign(data: bytes) -> bytes:
            # RAW would end at 4,096 bytes, which a manifest with many assertions exceeds.
            answer = client.sign(
                KeyId=self.key_id,
                Message=_digest(algorithm, data),
                MessageType="DIGEST",
                SigningAlgorithm=name,
            )
            return bytes(answer["Signature"])

        return sign


@dataclass(frozen=True, slots=True)
class GcpKey:
    """An asymmetric key version of Google Cloud KMS."""

    key_version: str
    """``projects/.../locations/.../keyRings/.../cryptoKeys/.../cryptoKeyVersions/N``."""

    def connect(self, algorithm: str) -> Sign:
        """Return what signs with the key. Raises :class:`MissingExtra` without google-cloud-kms."""
        if algorithm not in HASH_NAMES:
            raise _unsupported(algorithm, "Google Cloud KMS")
        try:
            from google.cloud import kms_v1  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingExtra("A Google Cloud KMS signer", "gcp") from error
        client = kms_v1.KeyManagementServiceClient()

        def sign(data: bytes) -> bytes:
            digest = _digest(algorithm, data)
            request = {
                "name": self.key_version,
                "digest": {HASH_NAMES[algorithm]: digest},
                "digest_crc32c": crc32c(digest),
            }
            answer = client.asymmetric_sign(request=request, timeout=TIMEOUT)
            signature = bytes(answer.signature)
            # Google's guidance on integrity: what was damaged on the way is not a signature.
            if not answer.verified_digest_crc32c or answer.signature_crc32c != crc32c(signature):
                raise ProvenanceError(
                    "The answer of Google Cloud KMS was damaged on the way.", hint="Try again."
                )
            return signature

        return sign


@dataclass(frozen=True, slots=True)
class AzureKey:
    """A key of Azure Key Vault or Managed HSM."""

    key_id: str
    """``https://VAULT/keys/NAME/VERSION``."""

    def connect(self, algorithm: str) -> Sign:
        """Return what signs with the key. Raises :class:`MissingExtra` without the clients."""
        name = _named(_AZURE, algorithm, "Azure Key Vault")
        try:
            from azure.identity import DefaultAzureCredential  # noqa: PLC0415 (an extra)
            from azure.keyvault.keys.crypto import (  # noqa: PLC0415
                CryptographyClient,
                SignatureAlgorithm,
            )
        except ImportError as error:
            raise MissingExtra("An Azure Key Vault signer", "azure") from error
        client: Any = CryptographyClient(
            self.key_id,
            DefaultAzureCredential(),
            connection_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
        )
        scheme = SignatureAlgorithm(name)
        return lambda data: bytes(client.sign(scheme, _digest(algorithm, data)).signature)


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli, RFC 3720 appendix B.4) of a few bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(HASH_NAMES[algorithm], data).digest()


def _named(names: dict[str, str], algorithm: str, service: str) -> str:
    if algorithm not in names:
        raise _unsupported(algorithm, service)
    return names[algorithm]


def _unsupported(algorithm: str, service: str) -> ProvenanceError:
    return ProvenanceError(
        f"Keys for {algorithm} are not used through {service}.",
        hint="Use a key on P-256, P-384 or P-521, or RSA.",
    )
