"""Every certificate fault is named, and what is called an error really does not sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from PIL import Image

from guardrail.errors import ProvenanceError
from guardrail.provenance import Provenance
from guardrail.provenance.certificate_faults import FAULTS, Severity
from guardrail.provenance.certificates import pem
from guardrail.provenance.checkup import check_signer
from guardrail.provenance.preflight import chain_faults
from guardrail.provenance.profile import AL1, AL2, profile_faults
from guardrail.provenance.signers import PemSigner
from tests.provenance.authority import (
    CLAIM_SIGNING,
    DOCUMENT_SIGNING,
    EMAIL,
    Issued,
    issue,
    self_signed,
    usage,
)
from tests.provenance.conftest import make_facts

NOW = datetime.now(UTC)


def reverse(issued: Issued) -> Issued:
    return Issued(issued.key, [*reversed(issued.chain[:-1]), issued.root])


def without_issuer(issued: Issued) -> Issued:
    return Issued(issued.key, [issued.chain[0], issued.root])


def strange_issuer() -> Issued:
    one, two = issue(), issue()
    return Issued(one.key, [one.chain[0], two.chain[1], one.root])


CASES: dict[str, Callable[[], Issued]] = {
    "validity.expired": lambda: issue(begin=timedelta(days=-9), end=timedelta(days=-1)),
    "validity.future": lambda: issue(begin=timedelta(days=1)),
    "validity.soon": lambda: issue(end=timedelta(days=10)),
    "key.weak": lambda: issue(rsa.generate_private_key(65537, 1024)),
    "key.kind": lambda: issue(ec.generate_private_key(ec.SECP256K1())),
    "constraints.missing": lambda: issue(constraints=None),
    "constraints.authority": lambda: issue(constraints=True),
    "usage.missing": lambda: issue(key_usage=None),
    "usage.authority": lambda: issue(key_usage=usage(digital_signature=True, key_cert_sign=True)),
    "usage.signature": lambda: issue(key_usage=usage(content_commitment=True)),
    "eku.missing": lambda: issue(purposes=None),
    "eku.any": lambda: issue(purposes=[EMAIL, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
    "eku.exclusive": lambda: issue(purposes=[EMAIL, ExtendedKeyUsageOID.TIME_STAMPING]),
    "eku.other": lambda: issue(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]),
    "eku.profile": lambda: issue(purposes=[EMAIL]),
    "eku.alone": lambda: issue(purposes=[CLAIM_SIGNING]),
    "aki.missing": lambda: issue(identifiers=False),
    "ski.missing": lambda: issue(subject_identifier=False),
    "chain.reversed": lambda: reverse(issue()),
    "chain.order": strange_issuer,
    "chain.self_signed": self_signed,
    "chain.incomplete": lambda: without_issuer(issue()),
    "issuer.not_authority": lambda: Issued(
        (one := issue()).key, [one.chain[0], one.chain[0], one.root]
    ),
}
LENIENT = {"constraints.authority"}
"""Called an error although c2pa-rs signs: an authority's certificate must not sign content."""


def faults_of(issued: Issued) -> dict[str, Severity]:
    chain = issued.chain[:-1] or issued.chain
    found = chain_faults(chain, moment=NOW, anchors=[issued.root])
    assert all(fault.sentence and fault.remedy for fault in found)
    assert not any("{" in fault.sentence for fault in found)
    return {fault.code: fault.severity for fault in found}


def signs(issued: Issued, folder: Path) -> bool:
    """Whether c2pa-rs signs with it and then trusts it under its root."""
    folder = issued.write(folder)
    (folder / "chain.pem").write_text(pem(*(issued.chain[:-1] or issued.chain)))
    stage = Provenance(
        PemSigner(folder / "chain.pem", folder / "key.pem", root=folder / "root.pem")
    )
    try:
        stage.sign(Image.new("RGB", (8, 8)), make_facts(), "image/png")
    except ProvenanceError:
        return False
    return True


def test_a_sound_chain_has_no_fault(tmp_path: Path) -> None:
    issued = issue()
    assert faults_of(issued) == {}
    assert signs(issued, tmp_path / "x")


@pytest.mark.parametrize("purposes", [[CLAIM_SIGNING, DOCUMENT_SIGNING], [DOCUMENT_SIGNING]])
def test_document_signing_works_with_our_trust_settings(tmp_path: Path, purposes: Any) -> None:
    assert signs(issue(purposes=purposes), tmp_path / "x")


def test_every_fault_has_a_case() -> None:
    others = {code for code in FAULTS if code.startswith("profile.")}
    assert set(FAULTS) == set(CASES) | others | {"key.mismatch", "signature.weak"}


@pytest.mark.parametrize("code", CASES)
def test_a_fault_is_named_and_its_severity_is_what_the_library_does(
    tmp_path: Path, code: str
) -> None:
    issued = CASES[code]()
    found = faults_of(issued)
    assert code in found
    works = Severity.ERROR not in found.values()
    if code not in LENIENT:
        assert signs(issued, tmp_path / "x") is works


def test_a_leaf_without_its_issuer_is_fine_when_the_issuer_is_the_anchor() -> None:
    issued = issue()
    leaf, middle, _root = issued.chain
    assert chain_faults([leaf], moment=NOW, anchors=[middle]) == ()
    assert [f.code for f in chain_faults([leaf], moment=NOW, anchors=[issued.root])] == [
        "chain.incomplete"
    ]


class TestProfile:
    def extras(self, level: bytes = AL1.level_oid) -> list[x509.ExtensionType]:
        policy = x509.PolicyInformation(x509.ObjectIdentifier("1.3.6.1.4.1.62558.1.1"), None)
        ocsp = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP,
            x509.UniformResourceIdentifier("http://ocsp.example.com"),
        )
        return [
            x509.CertificatePolicies([policy]),
            x509.AuthorityInformationAccess([ocsp]),
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.62558.3"), level),
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.62558.4"), b"\x0c\x01x"),
        ]

    def codes(self, issued: Issued, level: Any = AL1) -> list[str]:
        return [fault.code for fault in profile_faults(issued.chain[0], level)]

    def test_a_certificate_that_meets_it_has_no_fault(self, tmp_path: Path) -> None:
        issued = issue(extra=self.extras(), names={"C": "DE", "O": "Test House"})
        assert self.codes(issued) == []
        assert signs(issued, tmp_path / "x")

    def test_each_missing_part_is_named(self) -> None:
        issued = issue(names={}, end=timedelta(days=400), key_usage=usage(digital_signature=True))
        assert sorted(self.codes(issued)) == [
            "profile.level",
            "profile.ocsp",
            "profile.policy",
            "profile.record",
            "profile.subject",
            "profile.usage",
            "profile.validity",
        ]

    def test_level_two_is_shorter_and_says_so(self) -> None:
        issued = issue(extra=self.extras(), names={"C": "DE", "O": "T"}, end=timedelta(days=100))
        assert sorted(self.codes(issued, AL2)) == ["profile.level", "profile.validity"]
        short = issue(
            extra=self.extras(AL2.level_oid), names={"C": "DE", "O": "T"}, end=timedelta(days=80)
        )
        assert self.codes(short, AL2) == []


class TestCheckup:
    def signer(self, issued: Issued, folder: Path) -> PemSigner:
        issued.write(folder)
        return PemSigner(folder / "chain.pem", folder / "key.pem", root=folder / "root.pem")

    def test_a_good_signer_is_tried(self, tmp_path: Path) -> None:
        outcome = check_signer(self.signer(issue(), tmp_path / "x"))
        assert outcome.usable
        assert outcome.tried
        assert outcome.faults == ()

    def test_a_bad_one_is_explained_where_the_library_is_not(self, tmp_path: Path) -> None:
        outcome = check_signer(self.signer(issue(purposes=None), tmp_path / "x"))
        assert not outcome.usable
        assert [fault.code for fault in outcome.errors] == ["eku.missing"]

    def test_a_key_of_another_certificate_is_explained(self, tmp_path: Path) -> None:
        one, two = issue(), issue()
        outcome = check_signer(self.signer(replace(one, key=two.key), tmp_path / "x"))
        assert not outcome.usable
        assert "does not belong" in str(outcome.problem)

    def test_a_file_without_certificates_is_explained(self, tmp_path: Path) -> None:
        signer = self.signer(issue(), tmp_path / "x")
        signer.certificates.write_text("nothing")
        assert "holds no certificate" in str(check_signer(signer).problem)
