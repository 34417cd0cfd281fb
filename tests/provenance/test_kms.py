"""Signing in a cloud key service, against doubles that refuse what the services refuse."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrail.errors import MissingExtra, ProvenanceError
from guardrail.provenance import Provenance, load_signer, verify
from guardrail.provenance.signers.kms import crc32c
from tests.provenance.authority import KEYS, Issued, issue
from tests.provenance.conftest import make_facts, make_picture
from tests.provenance.services import Aws, Azure, Gcp, ServiceError, crc32c_by_table

SERVICES: dict[str, tuple[Any, str]] = {
    "aws-kms": (Aws, Aws(None).key_id),
    "gcp-kms": (Gcp, Gcp(None).name),
    "azure-key-vault": (Azure, Azure(None).key_id),
}
EXTRAS = {
    "aws-kms": ("boto3", "guardrail[aws]"),
    "gcp-kms": ("google.cloud", "guardrail[gcp]"),
    "azure-key-vault": ("azure.identity", "guardrail[azure]"),
}


def stage(folder: Path, issued: Issued, kind: str, key: str | None = None) -> Provenance:
    issued.write(folder)
    name = key or SERVICES[kind][1]
    (folder / "signer.yaml").write_text(
        f"kind: {kind}\nkey: {name}\ncertificates: chain.pem\nanchors: root.pem\n"
    )
    return Provenance(load_signer(folder / "signer.yaml", home=folder))


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "PS256"])
def test_a_key_in_a_service_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, algorithm: str
) -> None:
    issued = issue(KEYS[algorithm]())
    SERVICES[kind][0](issued.key).install(monkeypatch)
    provenance = stage(tmp_path / "k", issued, kind)
    made = provenance.sign(make_picture(), make_facts(), "image/png")
    assert verify(made.content, anchors=provenance.anchors_pem).trusted
    assert (made.signer.kind, made.signer.algorithm) == (kind, algorithm)


def test_only_a_digest_goes_to_aws_however_long_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issue()
    service = Aws(issued.key)
    service.install(monkeypatch)
    provenance = stage(tmp_path / "k", issued, "aws-kms")
    provenance.sign(make_picture(), make_facts(prompt="x" * 50_000), "image/png")
    assert service.calls == [{"MessageType": "DIGEST", "length": 32}]


@pytest.mark.parametrize("kind", SERVICES)
def test_a_key_that_does_not_exist_lets_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    issued = issue()
    SERVICES[kind][0](issued.key).install(monkeypatch)
    provenance = stage(tmp_path / "k", issued, kind, key="other")
    with pytest.raises(ProvenanceError, match="did not sign") as caught:
        provenance.sign(make_picture(), make_facts(), "image/png")
    assert isinstance(caught.value.__cause__, ServiceError)


@pytest.mark.parametrize("kind", SERVICES)
def test_the_key_of_another_certificate_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    SERVICES[kind][0](KEYS["ES256"]()).install(monkeypatch)
    with pytest.raises(ProvenanceError, match="does not fit the certificate"):
        stage(tmp_path / "k", issue(), kind).sign(make_picture(), make_facts(), "image/png")


@pytest.mark.parametrize("damage", ["request", "signature"])
def test_an_answer_of_google_that_was_damaged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    issued = issue()
    Gcp(issued.key, damage=damage).install(monkeypatch)
    with pytest.raises(ProvenanceError, match="damaged on the way"):
        stage(tmp_path / "k", issued, "gcp-kms").sign(make_picture(), make_facts(), "image/png")


def test_what_a_service_says_stays_out_of_errors_and_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    issued = issue()
    Aws(issued.key, fails=ServiceError("token AKIA-SECRET expired")).install(monkeypatch)
    with caplog.at_level(logging.DEBUG), pytest.raises(ProvenanceError) as caught:
        stage(tmp_path / "k", issued, "aws-kms").sign(make_picture(), make_facts(), "image/png")
    assert "SECRET" not in f"{caught.value} {caught.value.hint} {caplog.text}"
    assert "SECRET" in str(caught.value.__cause__)


@pytest.mark.parametrize("kind", SERVICES)
def test_a_kind_of_key_that_the_service_is_not_used_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    issued = issue(KEYS["Ed25519"]())
    SERVICES[kind][0](issued.key).install(monkeypatch)
    with pytest.raises(ProvenanceError, match="Keys for Ed25519 are not used"):
        stage(tmp_path / "k", issued, kind).sign(make_picture(), make_facts(), "image/png")


@pytest.mark.parametrize("kind", SERVICES)
def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    module, extra = EXTRAS[kind]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra) as caught:
        stage(tmp_path / "k", issue(), kind).sign(make_picture(), make_facts(), "image/png")
    assert extra in str(caught.value.hint)


@pytest.mark.parametrize("data", [b"", b"123456789", bytes(range(256))])
def test_the_checksum_is_crc32c(data: bytes) -> None:
    assert crc32c(data) == crc32c_by_table(data)
    assert crc32c(b"123456789") == 0xE3069283  # the check value of RFC 3720
