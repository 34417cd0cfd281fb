"""Signers: PEM files, encrypted or not, rotation, callbacks; and how a signer file is read."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guardrail.errors import ConfigurationError, GuardrailError, ProvenanceError
from guardrail.provenance import Provenance, load_signer, verify
from guardrail.provenance.signers import CallbackSigner, PemSigner
from guardrail.provenance.signers.keys import cose_signature, raw_signature
from tests.provenance.authority import KEYS, Issued, issue, key_pem
from tests.provenance.conftest import make_facts, make_picture

SECRET = "correct horse battery staple"


def signs(signer: Any, kind: str = "image/png") -> Any:
    """Sign a picture and return what verifying it under the signer's anchors says."""
    stage = Provenance(signer)
    made = stage.sign(make_picture(), make_facts(), kind)
    return verify(made.content, anchors=stage.anchors_pem)


def signer_file(folder: Path, text: str) -> Path:
    path = folder / "signer.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_every_algorithm_signs_every_format(algorithm: str, kind: str, tmp_path: Path) -> None:
    folder = issue(KEYS[algorithm]()).write(tmp_path / "k")
    signer = PemSigner(folder / "chain.pem", folder / "key.pem", root=folder / "root.pem")
    found = signs(signer, kind)
    assert found.trusted
    assert not found.development
    assert signer.info.algorithm == algorithm


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_an_encrypted_key_is_read_with_its_passphrase(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = issue().write(tmp_path / "k", SECRET.encode(), form=form)
    assert b"ENCRYPTED" in (folder / "key.pem").read_bytes()
    monkeypatch.setenv("KEY_SECRET", SECRET)
    path = signer_file(
        folder,
        "kind: pem\ncertificates: chain.pem\nkey: key.pem\nanchors: root.pem\n"
        "passphrase: {env: KEY_SECRET}\n",
    )
    assert signs(load_signer(path, home=tmp_path)).trusted


def test_a_passphrase_may_lie_in_a_file(tmp_path: Path) -> None:
    folder = issue().write(tmp_path / "k", SECRET.encode())
    (folder / "secret").write_text(SECRET + "\n")
    path = signer_file(
        folder,
        "kind: pem\ncertificates: chain.pem\nkey: key.pem\nanchors: root.pem\n"
        "passphrase: {file: secret}\n",
    )
    assert signs(load_signer(path, home=tmp_path)).trusted


def test_one_file_may_hold_key_and_chain(tmp_path: Path) -> None:
    issued = issue()
    folder = issued.write(tmp_path / "k")
    path = tmp_path / "signer.pem"
    path.write_bytes(key_pem(issued.key) + (folder / "chain.pem").read_bytes())
    assert signs(load_signer(path, home=tmp_path)).trusted


class TestFaults:
    """Each names the place and never the content."""

    def fails(self, signer: Any, caplog: pytest.LogCaptureFixture) -> GuardrailError:
        with caplog.at_level(logging.DEBUG), pytest.raises(GuardrailError) as caught:
            signs(signer)
        told = f"{caught.value} {caught.value.hint} {signer!r} {caplog.text}"
        assert SECRET not in told
        return caught.value

    @pytest.fixture
    def encrypted(self, tmp_path: Path) -> Path:
        return issue().write(tmp_path / "k", SECRET.encode())

    def load(self, folder: Path, passphrase: str) -> Any:
        text = f"kind: pem\ncertificates: chain.pem\nkey: key.pem\n{passphrase}"
        return load_signer(signer_file(folder, text), home=folder)

    def test_no_passphrase(self, encrypted: Path, caplog: pytest.LogCaptureFixture) -> None:
        assert "is encrypted" in self.fails(self.load(encrypted, ""), caplog).message

    def test_a_wrong_passphrase(
        self,
        encrypted: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("KEY_SECRET", "wrong " + SECRET)
        signer = self.load(encrypted, "passphrase: {env: KEY_SECRET}")
        assert "cannot be decrypted" in self.fails(signer, caplog).message

    def test_a_variable_that_is_not_set(
        self, encrypted: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        signer = self.load(encrypted, "passphrase: {env: KEY_SECRET}")
        assert "KEY_SECRET holds no passphrase" in self.fails(signer, caplog).message

    def test_a_passphrase_for_a_key_without_one(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KEY_SECRET", SECRET)
        folder = issue().write(tmp_path / "open")
        signer = self.load(folder, "passphrase: {env: KEY_SECRET}")
        assert "is not encrypted" in self.fails(signer, caplog).message

    def test_a_passphrase_written_into_the_file_is_refused_and_not_repeated(
        self, encrypted: Path
    ) -> None:
        with pytest.raises(ConfigurationError) as caught:
            self.load(encrypted, f"passphrase: {SECRET}")
        assert "not what it is" in caught.value.message
        assert SECRET not in f"{caught.value} {caught.value.hint}"

    def test_a_signer_file_that_is_not_yaml_is_not_repeated(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_signer(signer_file(tmp_path, f"kind: pem\n  key: [{SECRET}"), home=tmp_path)
        assert ":2:" in caught.value.message
        assert SECRET not in f"{caught.value} {caught.value.hint}"
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("kind: telepathy", "unknown kind"),
            ("- a\n- b", "not a signer file"),
            ("kind: pem\nkey: k", "'certificates' is missing"),
            ("kind: pem\ncertificates: nowhere.pem", "does not exist"),
            ("kind: pem\ncertificate: x", "unknown setting 'certificate'"),
            ("kind: pkcs11\nmodule: x", "'pin' is missing"),
            ("kind: aws-kms\nregion: 5", "'region' is missing or is not text"),
        ],
    )
    def test_a_signer_file_says_what_is_wrong_with_it(
        self, tmp_path: Path, text: str, words: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=words):
            load_signer(signer_file(tmp_path, text), home=tmp_path)

    def test_the_key_of_another_certificate(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = issue().write(tmp_path / "k")
        (folder / "key.pem").write_bytes(key_pem(KEYS["ES256"]()))
        signer = PemSigner(folder / "chain.pem", folder / "key.pem")
        assert "does not belong to the first" in self.fails(signer, caplog).message

    @pytest.mark.parametrize("missing", ["key.pem", "chain.pem"])
    def test_a_missing_file(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: str
    ) -> None:
        folder = issue().write(tmp_path / "k")
        (folder / missing).unlink()
        signer = PemSigner(folder / "chain.pem", folder / "key.pem")
        assert missing in self.fails(signer, caplog).message


class TestRotation:
    def replace(self, folder: Path, issued: Issued) -> None:
        issued.write(folder.parent / "new")
        for name in ("root.pem", "chain.pem", "key.pem"):
            (folder.parent / "new" / name).replace(folder / name)

    def test_a_replaced_key_signs_the_next_picture(self, tmp_path: Path) -> None:
        folder = issue().write(tmp_path / "k")
        stage = Provenance(
            PemSigner(folder / "chain.pem", folder / "key.pem", root=folder / "root.pem")
        )
        first = stage.sign(make_picture(), make_facts(), "image/png")
        issued = issue()
        self.replace(folder, issued)
        second = stage.sign(make_picture(), make_facts(), "image/png")
        assert first.signer.certificate_sha256 != second.signer.certificate_sha256
        assert verify(second.content, anchors=stage.anchors_pem).trusted
        assert not verify(first.content, anchors=stage.anchors_pem).trusted

    def test_pictures_in_flight_during_a_rotation_all_hold(self, tmp_path: Path) -> None:
        paths = [tmp_path / f"{n}.pem" for n in range(2)]
        roots = ""
        for path in paths:
            issued = issue()
            folder = issued.write(tmp_path / "k")
            path.write_bytes(key_pem(issued.key) + (folder / "chain.pem").read_bytes())
            roots += (folder / "root.pem").read_text()
        live = tmp_path / "live.pem"
        live.write_bytes(paths[0].read_bytes())
        stage = Provenance(PemSigner(live, live))
        stop = threading.Event()

        def rotate() -> None:
            for turn in range(200):
                copy = tmp_path / "next.pem"
                copy.write_bytes(paths[turn % 2].read_bytes())
                copy.replace(live)
            stop.set()

        def sign_on(_number: int) -> list[Any]:
            made = []
            while not stop.is_set():
                made.append(stage.sign(make_picture(), make_facts(), "image/png"))
            return made

        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(sign_on, n) for n in range(3)]
            pool.submit(rotate)
            made = [one for future in working for one in future.result(60)]
        assert len({one.signer.certificate_sha256 for one in made}) == 2
        assert all(verify(one.content, anchors=roots).trusted for one in made)


class TestCallback:
    def signer(self, folder: Path, issued: Issued, sign: Any = None) -> CallbackSigner:
        issued.write(folder / "k")
        chain, root = folder / "k" / "chain.pem", folder / "k" / "root.pem"
        return CallbackSigner(chain, lambda _algorithm: sign or cose_signature(issued.key),
                              root=root)  # fmt: skip

    @pytest.mark.parametrize("algorithm", KEYS)
    def test_anything_that_signs_bytes_is_a_signer(self, tmp_path: Path, algorithm: str) -> None:
        signer = self.signer(tmp_path, issue(KEYS[algorithm]()))
        assert signs(signer).trusted
        assert signer.info.kind == "callback"

    def test_an_answer_in_der_is_turned_into_what_cose_wants(self, tmp_path: Path) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        issued = issue()
        der = self.signer(
            tmp_path, issued, lambda data: issued.key.sign(data, ec.ECDSA(hashes.SHA256()))
        )
        assert signs(der).trusted

    def test_the_key_of_another_certificate_is_named_as_the_cause(self, tmp_path: Path) -> None:
        signer = self.signer(tmp_path, issue(), cose_signature(KEYS["ES256"]()))
        with pytest.raises(ProvenanceError, match="does not fit the certificate"):
            signs(signer)

    @pytest.mark.parametrize("answer", [b"", b"x" * 63, b"x" * 64, b"0" * 70, b"\x30\x06\x02\x01"])
    def test_nonsense_is_no_signature(self, tmp_path: Path, answer: bytes) -> None:
        signer = self.signer(tmp_path, issue(), lambda _data: answer)
        with pytest.raises(ProvenanceError, match="does not fit the certificate"):
            signs(signer)

    def test_naming_it_does_not_connect_and_each_signature_does_not_connect_again(
        self, tmp_path: Path, picture: Image.Image
    ) -> None:
        issued, connections = issue(), []
        folder = issued.write(tmp_path / "k")

        def connect(algorithm: str) -> Any:
            connections.append(algorithm)
            return cose_signature(issued.key)

        stage = Provenance(CallbackSigner(folder / "chain.pem", connect, root=folder / "root.pem"))
        assert stage.signer.info.algorithm == "ES256"
        assert connections == []
        for _ in range(3):
            stage.sign(picture, make_facts(), "image/png")
        assert connections == ["ES256"]


@pytest.mark.parametrize("signature", [b"", b"\x30", b"\x30\x80\x00", b"y" * 71])
def test_what_is_no_der_stays_as_it_is(signature: bytes) -> None:
    assert raw_signature(signature, "ES256") == signature
