"""``guardrail keys``: what signs, and what is wrong with it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from guardrail.cli import cli
from guardrail.cli.errors import run
from tests.provenance.authority import issue, key_pem


@pytest.fixture
def guardrail(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(cli, [str(argument) for argument in arguments])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


def test_dev_makes_the_chain_once_and_warns(guardrail: Any, home: Path) -> None:
    code, out, err = guardrail("keys", "dev")
    assert code == 0
    assert out.startswith("made")
    assert "not for production" in out
    assert "Development only" in err
    assert (home / "development" / "root.pem").exists()
    assert guardrail("keys", "dev")[1].startswith("exists")


def test_show_makes_nothing(guardrail: Any, home: Path) -> None:
    code, out, err = guardrail("keys", "show")
    assert code == 0
    assert "no development chain yet" in out
    assert "guardrail keys dev" in err
    assert not home.exists()


def test_show_tells_who_signs(guardrail: Any, home: Path) -> None:
    guardrail("keys", "dev")
    signer = json.loads(guardrail("keys", "show", "--format", "json")[1])["signer"]
    assert signer["kind"] == "development"
    assert signer["development"] is True


def test_check_tries_the_signer(guardrail: Any) -> None:
    code, out, _ = guardrail("keys", "check")
    assert code == 0
    assert "a picture was signed" in out


def test_check_against_the_profile_is_exit_5(guardrail: Any) -> None:
    code, out, err = guardrail("keys", "check", "--profile", "al1")
    assert code == 5
    assert "profile.level" in out
    assert "AL1" in err


def test_check_names_the_fault_of_a_certificate(guardrail: Any, tmp_path: Path) -> None:
    issued = issue(purposes=None)
    path = tmp_path / "signer.pem"
    issued.write(tmp_path / "parts")
    path.write_bytes(key_pem(issued.key) + (tmp_path / "parts" / "chain.pem").read_bytes())
    code, out, _ = guardrail("keys", "check", path)
    assert code == 5
    assert "It has no extended key usage.  [eku.missing]" in out
    assert "Have it issued with c2pa-kp-claimSigning" in out


def test_check_with_anchors_sees_a_missing_issuer(guardrail: Any, tmp_path: Path) -> None:
    issued = issue()
    folder = issued.write(tmp_path / "parts")
    leaf = issued.chain[0].public_bytes(serialization.Encoding.PEM)
    (tmp_path / "signer.pem").write_bytes(key_pem(issued.key) + leaf)
    code, out, _ = guardrail(
        "keys", "check", tmp_path / "signer.pem", "--anchors", folder / "root.pem"
    )
    assert code == 5
    assert "chain.incomplete" in out


def test_check_of_nothing_is_exit_2(guardrail: Any) -> None:
    code, _, err = guardrail("keys", "check", "no-such-signer")
    assert code == 2
    assert "There is no signer 'no-such-signer'" in err


CSR = ("--common-name", "Our Product", "--organization", "Our House", "--country", "DE")


def test_csr_asks_for_what_the_profile_wants(guardrail: Any, tmp_path: Path) -> None:
    key, request = tmp_path / "k.pem", tmp_path / "r.csr"
    code, _, err = guardrail("keys", "csr", "--key", key, "-o", request, *CSR)
    assert code == 0
    assert "encrypts the key at rest" in err
    found = x509.load_pem_x509_csr(request.read_bytes())
    assert found.is_signature_valid
    assert found.subject.rfc4514_string() == "CN=Our Product,O=Our House,C=DE"
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.content_commitment
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert "1.3.6.1.4.1.62558.2.1" in [purpose.dotted_string for purpose in purposes]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_csr_never_overwrites_a_key(guardrail: Any, tmp_path: Path) -> None:
    key = tmp_path / "k.pem"
    key.write_text("precious")
    code, _, err = guardrail("keys", "csr", "--key", key, "-o", tmp_path / "r.csr", *CSR)
    assert code == 2
    assert "never overwritten" in err
    assert key.read_text() == "precious"
    assert not (tmp_path / "r.csr").exists()


def test_csr_encrypts_the_key(
    guardrail: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_SECRET", "open sesame")
    key = tmp_path / "k.pem"
    code, out, err = guardrail(
        "keys", "csr", "--key", key, "-o", tmp_path / "r.csr", *CSR,
        "--passphrase-env", "KEY_SECRET",
    )  # fmt: skip
    assert code == 0
    assert b"ENCRYPTED" in key.read_bytes()
    assert "sesame" not in out + err
    serialization.load_pem_private_key(key.read_bytes(), b"open sesame")


def test_csr_with_a_country_of_three_letters_is_exit_2(guardrail: Any, tmp_path: Path) -> None:
    wrong = (*CSR[:-1], "DEU")
    code, _, err = guardrail(
        "keys", "csr", "--key", tmp_path / "k.pem", "-o", tmp_path / "r.csr", *wrong
    )
    assert code == 2
    assert "subject is not possible" in err
