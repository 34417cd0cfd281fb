"""Signing in a real PKCS#11 token: SoftHSM, with a key that cannot be taken out."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from guardrail.errors import MissingExtra, ProvenanceError
from guardrail.provenance import Provenance, load_signer, verify
from tests.provenance.authority import issue
from tests.provenance.conftest import make_facts, make_picture

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((path for path in MODULES if Path(path).exists()), None)
PIN = "481516"

pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None,
    reason="needs SoftHSM: apt-get install softhsm2",
)


class Held:
    """A public key whose private half is in the token; what the authority needs of a key."""

    def __init__(self, public: Any, private: Any) -> None:
        self._public = public
        self.answer = _try_to_copy(private)
        """What the token says to whoever asks for the key itself."""

    def public_key(self) -> Any:
        return self._public


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A token of its own with a P-256, a P-384 and an RSA key, none of them extractable."""
    import pkcs11

    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "guardrail tests",
         "--pin", PIN, "--so-pin", PIN],
        check=True, capture_output=True,
    )  # fmt: skip
    library = pkcs11.lib(str(MODULE))
    library.reinitialize()  # the token was made after the module was loaded, if it was
    keys = {}
    with library.get_token(token_label="guardrail tests").open(user_pin=PIN, rw=True) as session:
        for label, curve in (("ES256", "secp256r1"), ("ES384", "secp384r1")):
            keys[label] = _curve_key(session, label, curve)
        keys["PS256"] = _rsa_key(session, "PS256")
    yield keys
    del os.environ["SOFTHSM2_CONF"]


def _try_to_copy(private: Any) -> str:
    import pkcs11

    secret = {
        pkcs11.KeyType.EC: pkcs11.Attribute.VALUE,
        pkcs11.KeyType.RSA: pkcs11.Attribute.PRIVATE_EXPONENT,
    }
    try:
        return repr(private[secret[private.key_type]])
    except pkcs11.exceptions.PKCS11Error as error:
        return type(error).__name__


def _curve_key(session: Any, label: str, curve: str) -> Held:
    import pkcs11
    from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC,
        {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)},
        local=True,
    )
    template = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
    public, private = parameters.generate_keypair(
        store=True, label=label, private_template=template
    )
    return Held(serialization.load_der_public_key(encode_ec_public_key(public)), private)


def _rsa_key(session: Any, label: str) -> Held:
    import pkcs11
    from pkcs11.util.rsa import encode_rsa_public_key

    template = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
    public, private = session.generate_keypair(
        pkcs11.KeyType.RSA, 2048, store=True, label=label, private_template=template
    )
    from cryptography.hazmat.primitives.asymmetric import rsa

    spki = encode_rsa_public_key(public)  # PKCS#1
    loaded = serialization.load_der_public_key(spki)
    assert isinstance(loaded, rsa.RSAPublicKey)
    return Held(loaded, private)


def configure(folder: Path, held: Held, key: str, **changes: str) -> Path:
    """Write a signer file for a key of the token, with a chain issued for it."""
    issued = issue(held)
    folder.mkdir()
    from guardrail.provenance.certificates import pem

    (folder / "chain.pem").write_text(pem(*issued.chain[:-1]))
    (folder / "root.pem").write_text(pem(issued.root))
    settings = {"module": MODULE, "token": "guardrail tests", "key": key, **changes}
    lines = [f"{name}: {value}" for name, value in settings.items()]
    text = ["kind: pkcs11", *lines, "pin: {env: TOKEN_PIN}", "certificates: chain.pem",
            "anchors: root.pem"]  # fmt: skip
    path = folder / "signer.yaml"
    path.write_text("\n".join(text))
    return path


@pytest.fixture
def pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PIN", PIN)


@pytest.mark.parametrize("key", ["ES256", "ES384", "PS256"])
@pytest.mark.usefixtures("pin")
def test_a_key_in_a_token_signs(token: dict[str, Held], tmp_path: Path, key: str) -> None:
    stage = Provenance(load_signer(configure(tmp_path / "k", token[key], key), home=tmp_path))
    made = stage.sign(make_picture(), make_facts(), "image/png")
    assert verify(made.content, anchors=stage.anchors_pem).trusted
    assert (made.signer.kind, made.signer.algorithm) == ("pkcs11", key)


def test_the_key_cannot_be_taken_out(token: dict[str, Held]) -> None:
    assert {held.answer for held in token.values()} == {"AttributeSensitive"}


@pytest.mark.usefixtures("pin")
def test_many_threads_share_the_token(token: dict[str, Held], tmp_path: Path) -> None:
    stage = Provenance(
        load_signer(configure(tmp_path / "k", token["ES256"], "ES256"), home=tmp_path)
    )
    facts = [make_facts() for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda f: stage.sign(make_picture(), f, "image/png"), facts))
    assert all(verify(one.content, anchors=stage.anchors_pem).trusted for one in made)


def _sign_in_child(stage: Provenance, queue: Any) -> None:
    made = stage.sign(make_picture(), make_facts(), "image/png")
    queue.put(verify(made.content, anchors=stage.anchors_pem).state.value)


@pytest.mark.usefixtures("pin")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_connects_by_itself_and_the_parent_goes_on(
    token: dict[str, Held], tmp_path: Path
) -> None:
    stage = Provenance(
        load_signer(configure(tmp_path / "k", token["ES256"], "ES256"), home=tmp_path)
    )
    stage.sign(make_picture(), make_facts(), "image/png")
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    child = context.Process(target=_sign_in_child, args=(stage, queue))
    child.start()
    assert queue.get(timeout=60) == "trusted"
    child.join(60)
    assert stage.sign(make_picture(), make_facts(), "image/png").signer.kind == "pkcs11"


class TestFaults:
    def fails(self, path: Path, caplog: pytest.LogCaptureFixture) -> ProvenanceError:
        stage = Provenance(load_signer(path, home=path.parent))
        with caplog.at_level(logging.DEBUG), pytest.raises(ProvenanceError) as caught:
            stage.sign(make_picture(), make_facts(), "image/png")
        assert PIN not in f"{caught.value} {caught.value.hint} {stage.signer!r} {caplog.text}"
        return caught.value

    def test_a_wrong_pin(
        self,
        token: dict[str, Held],
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("TOKEN_PIN", "000000")
        path = configure(tmp_path / "k", token["ES256"], "ES256")
        # In a process that is logged in already the module does not look at the PIN again.
        script = (
            "import sys; from pathlib import Path\n"
            "from guardrail.errors import ProvenanceError\n"
            "from guardrail.provenance import Provenance, load_signer\n"
            "from tests.provenance.conftest import make_facts, make_picture\n"
            f"stage = Provenance(load_signer({str(path)!r}, home=Path('.')))\n"
            "try: stage.sign(make_picture(), make_facts(), 'image/png')\n"
            "except ProvenanceError as error: print(error.message)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert "refuses the PIN" in done.stdout, done.stderr
        assert "000000" not in done.stdout + done.stderr

    @pytest.mark.usefixtures("pin")
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"token": "nobody's"}, "is not in any slot"),
            ({"key": "missing"}, "holds no private key with that label"),
            ({"key": "ES384"}, "cannot be used|did not sign|does not fit"),
            ({"module": "chain.pem"}, "does not load"),
        ],
    )
    def test_what_is_wrong_is_named(
        self,
        token: dict[str, Held],
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        change: dict[str, str],
        words: str,
    ) -> None:
        path = configure(tmp_path / "k", token["ES256"], **{"key": "ES256", **change})
        assert re.search(words, self.fails(path, caplog).message)

    def test_no_pin(
        self, token: dict[str, Held], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = configure(tmp_path / "k", token["ES256"], "ES256")
        assert "TOKEN_PIN holds no pin" in self.fails(path, caplog).message


@pytest.mark.usefixtures("pin")
def test_without_the_extra_it_says_what_to_install(
    token: dict[str, Held], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configure(tmp_path / "k", token["ES256"], "ES256")
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(MissingExtra) as caught:
        Provenance(load_signer(path, home=tmp_path)).sign(make_picture(), make_facts(), "image/png")
    assert "guardrail[pkcs11]" in str(caught.value.hint)
