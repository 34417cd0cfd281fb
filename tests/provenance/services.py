"""Local doubles of the cloud key services, as strict as the services are.

Each holds a real key, signs a digest as the service does, and refuses what the service refuses:
a digest of another length, an algorithm of another key, a message that is too long, an argument
that does not exist.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

HASHES: dict[int, hashes.HashAlgorithm] = {
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}
LENGTHS = {"sha256": 32, "sha384": 48, "sha512": 64}


class ServiceError(Exception):
    """What a service answers to a wrong request."""


def sign_digest(key: Any, digest: bytes) -> bytes:
    """Sign a digest: ECDSA in DER, RSA with PSS and a salt as long as the digest."""
    scheme = HASHES[len(digest)]
    if isinstance(key, rsa.RSAPrivateKey):
        salted = padding.PSS(padding.MGF1(scheme), scheme.digest_size)
        return key.sign(digest, salted, Prehashed(scheme))
    signature: bytes = key.sign(digest, ec.ECDSA(Prehashed(scheme)))
    return signature


def crc32c_by_table(data: bytes) -> int:
    """CRC-32C by another way than the code under test: a table, and reflected bits."""
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    crc = ~0 & 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return ~crc & 0xFFFFFFFF


@dataclass
class Aws:
    """``boto3.client("kms")``."""

    key: Any
    key_id: str = "alias/signing"
    calls: list[dict[str, Any]] = field(default_factory=list)
    fails: Exception | None = None

    def sign(
        self,
        *,
        KeyId: str,  # noqa: N803
        Message: bytes,  # noqa: N803
        MessageType: str,  # noqa: N803
        SigningAlgorithm: str,  # noqa: N803
    ) -> dict[str, Any]:
        self.calls.append({"MessageType": MessageType, "length": len(Message)})
        if self.fails:
            raise self.fails
        if KeyId != self.key_id:
            raise ServiceError("NotFoundException")
        if len(Message) > 4096:
            raise ServiceError("ValidationException: at most 4096 bytes")
        family, *_, bits = SigningAlgorithm.split("_")
        if family != ("RSASSA" if isinstance(self.key, rsa.RSAPrivateKey) else "ECDSA"):
            raise ServiceError("InvalidKeyUsageException")
        if MessageType != "DIGEST" or len(Message) * 8 != int(bits):
            raise ServiceError("ValidationException: digest is invalid length")
        return {"KeyId": KeyId, "Signature": sign_digest(self.key, Message),
                "SigningAlgorithm": SigningAlgorithm}  # fmt: skip

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand in for boto3 and botocore."""

        class Config:
            def __init__(
                self, *, connect_timeout: float, read_timeout: float, retries: dict[str, int]
            ) -> None:
                assert 0 < connect_timeout <= 30
                assert 0 < read_timeout <= 30
                assert set(retries) == {"total_max_attempts"}

        def client(service: str, *, region_name: str | None, config: Config) -> Aws:
            assert (service, type(config)) == ("kms", Config)
            return self

        put(monkeypatch, "boto3", client=client)
        put(monkeypatch, "botocore")
        put(monkeypatch, "botocore.config", Config=Config)


@dataclass
class Gcp:
    """``google.cloud.kms_v1.KeyManagementServiceClient``."""

    key: Any
    name: str = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
    damage: str | None = None

    def asymmetric_sign(self, *, request: dict[str, Any], timeout: float) -> Any:
        assert 0 < timeout <= 30
        assert set(request) <= {"name", "digest", "digest_crc32c", "data", "data_crc32c"}
        if request["name"] != self.name:
            raise ServiceError("NOT_FOUND")
        [(kind, digest)] = request["digest"].items()
        if len(digest) != LENGTHS[kind]:
            raise ServiceError("INVALID_ARGUMENT: digest")
        if request["digest_crc32c"] != crc32c_by_table(digest):
            raise ServiceError("INVALID_ARGUMENT: checksum")
        signature = sign_digest(self.key, digest)
        sent = signature[:-1] + b"\x00" if self.damage == "signature" else signature
        return SimpleNamespace(
            name=self.name,
            signature=sent,
            signature_crc32c=crc32c_by_table(signature),
            verified_digest_crc32c=self.damage != "request",
        )

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand in for google.cloud.kms_v1."""
        kms = put(monkeypatch, "google.cloud.kms_v1", KeyManagementServiceClient=lambda: self)
        put(monkeypatch, "google")
        put(monkeypatch, "google.cloud", kms_v1=kms)


@dataclass
class Azure:
    """``azure.keyvault.keys.crypto.CryptographyClient``: answers raw ``r || s``."""

    key: Any
    key_id: str = "https://vault.example/keys/signing/1"

    def sign(self, algorithm: Any, digest: bytes) -> Any:
        bits = int(algorithm.value[2:])
        if len(digest) * 8 != bits:
            raise ServiceError("BadParameter: digest length")
        signature = sign_digest(self.key, digest)
        if algorithm.value.startswith("ES"):
            size = {256: 32, 384: 48, 512: 66}[bits]
            r, s = decode_dss_signature(signature)
            signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return SimpleNamespace(key_id=self.key_id, algorithm=algorithm, signature=signature)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand in for azure.identity and azure.keyvault.keys.crypto."""
        from enum import StrEnum

        names = ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
        algorithms = StrEnum("SignatureAlgorithm", [(n.lower(), n) for n in names])

        class Credential:
            pass

        def client(
            key: str, credential: Any, *, connection_timeout: float, read_timeout: float
        ) -> Azure:
            assert isinstance(credential, Credential)
            assert 0 < connection_timeout <= 30
            assert 0 < read_timeout <= 30
            if key != self.key_id:
                raise ServiceError("KeyNotFound")
            return self

        for parent in ("azure", "azure.keyvault", "azure.keyvault.keys"):
            put(monkeypatch, parent)
        put(monkeypatch, "azure.identity", DefaultAzureCredential=Credential)
        put(
            monkeypatch,
            "azure.keyvault.keys.crypto",
            CryptographyClient=client,
            SignatureAlgorithm=algorithms,
        )


def put(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: Any) -> ModuleType:
    """Put a module in place of one that is not installed."""
    module = ModuleType(name)
    module.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, name, module)
    return module
