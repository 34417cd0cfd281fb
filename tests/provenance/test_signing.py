"""Signing: what leaves holds, and what does not hold does not leave."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guardrail.errors import ProvenanceError
from guardrail.provenance import Credential, Provenance, load_signer, signing, verify
from guardrail.provenance.encoding import pixels_sha256
from guardrail.provenance.signers import DevelopmentSigner
from tests.provenance.conftest import make_facts, make_picture

KINDS = ["image/png", "image/jpeg", "image/webp"]


class Rigged:
    """A signer whose credential is another's with something changed."""

    def __init__(self, inner: Any, **changes: Any) -> None:
        self._credential: Credential = replace(inner.credential(), **changes)
        self.info = self._credential.info

    def credential(self) -> Credential:
        return self._credential

    def chain(self) -> str:
        return self._credential.chain_pem


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_picture_is_trusted_under_our_own_anchor(
    provenance: Provenance, picture: Image.Image, kind: str
) -> None:
    facts = make_facts()
    made = provenance.sign(picture, facts, kind)
    found = verify(made.content, anchors=provenance.anchors_pem)
    assert found.trusted
    assert found.failures == ()
    assert made.format == found.media_type == kind
    assert made.sha256 == hashlib.sha256(made.content).hexdigest() == found.sha256
    assert made.manifest_label == found.manifest_label
    assert made.pixels_sha256 == pixels_sha256(picture)
    assert made.signer.development
    assert found.development


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_every_check_of_the_conformance_rubric(
    signed: dict[str, bytes], provenance: Provenance, kind: str
) -> None:
    found = verify(signed[kind], anchors=provenance.anchors_pem)
    for name, count in (("conformance", 31), ("integrity", 6)):
        report = found.rubric(name)
        assert len(report.checks) == count
        assert [check for check in report.checks if not check.passed] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_signals_rubric_sees_a_wholly_generated_picture(
    signed: dict[str, bytes], kind: str
) -> None:
    assert verify(signed[kind]).rubric("signals").present == ("Contains Fully GenAI Media",)


def test_every_assertion_is_created_and_none_gathered(signed: dict[str, bytes]) -> None:
    [manifest] = json.loads(str(verify(signed["image/png"]).crjson))["manifests"]
    labels = [
        entry["url"].rsplit("/", 1)[-1] for entry in manifest["claim.v2"]["created_assertions"]
    ]
    assert labels == [
        "c2pa.actions.v2",
        "c2pa.ai-disclosure",
        "cawg.training-mining",
        "org.guardrail.generation",
        "org.guardrail.prompt",
        "c2pa.hash.data",
    ]
    assert manifest["claim.v2"]["gathered_assertions"] == []
    assert manifest["claim.v2"]["claim_generator_info"]["specVersion"] == "2.4.0"


def test_png_and_webp_keep_the_pixels(provenance: Provenance, picture: Image.Image) -> None:
    for kind in ("image/png", "image/webp"):
        made = provenance.sign(picture, make_facts(), kind)
        assert verify(made.content).pixels_sha256 == made.pixels_sha256 == pixels_sha256(picture)


def test_the_prompt_is_in_the_file_only_when_policy_says_so(
    provenance: Provenance, picture: Image.Image
) -> None:
    without = provenance.sign(picture, make_facts(), "image/png").content
    given = provenance.sign(picture, make_facts(prompt="zebra crossing"), "image/png").content
    assert b"zebra" not in without
    assert b"zebra" in given
    assert b"hidden wish" not in given


@pytest.mark.parametrize(
    "prompt", ["<script>alert(1)</script>", "a\x00b\u202ec", "x" * 100_000, "\ud800 alone", "🦓"]
)
def test_hostile_prompts_sign_and_read_back(
    provenance: Provenance, picture: Image.Image, prompt: str
) -> None:
    facts = make_facts(prompt=prompt, title=prompt[:200])
    found = verify(
        provenance.sign(picture, facts, "image/png").content, anchors=provenance.anchors_pem
    )
    assert found.trusted
    assert found.guardrail
    assert found.guardrail.prompt == prompt.replace("\ud800", "\ufffd")


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def pixel_of(content: bytes) -> int:
    """Where pixels are: WebP keeps the credentials behind them, the others before."""
    return 200 if content[8:12] == b"WEBP" else len(content) - 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (lambda c: flip(c, pixel_of(c)), "assertion.dataHash.mismatch"),
        (lambda c: c + b"x", "assertion.dataHash.mismatch"),
        (lambda c: flip(c, c.index(b"red boat")), "assertion.hashedURI.mismatch"),
        (lambda c: flip(c, c.index(b"prompt_guided")), "assertion.hashedURI.mismatch"),
        (lambda c: flip(c, c.index(b"specVersion") + 13), "claimSignature.mismatch"),
    ],
    ids=["pixels", "appended", "prompt", "disclosure", "claim"],
)
def test_every_change_afterwards_is_seen(
    signed: dict[str, bytes],
    provenance: Provenance,
    kind: str,
    tamper: Callable[[bytes], bytes],
    code: str,
) -> None:
    found = verify(tamper(signed[kind]), anchors=provenance.anchors_pem)
    assert found.state == "invalid"
    assert code in [failure.code for failure in found.failures]


def test_a_key_that_raises_is_the_cause_and_its_text_stays_inside(
    provenance: Provenance, picture: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_data: bytes) -> bytes:
        raise ConnectionError("PIN 1234 refused by token")

    stage = Provenance(Rigged(provenance.signer, sign=broken))
    with caplog.at_level(logging.DEBUG), pytest.raises(ProvenanceError) as caught:
        stage.sign(picture, make_facts(), "image/png")
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "ConnectionError" in caught.value.message
    assert "1234" not in caught.value.message + str(caught.value.hint) + caplog.text


@pytest.mark.parametrize("answer", [b"", b"short", b"\x00" * 64, b"\x01" * 5000])
def test_a_key_that_answers_nonsense_lets_nothing_out(
    provenance: Provenance, picture: Image.Image, answer: bytes
) -> None:
    with pytest.raises(ProvenanceError):
        Provenance(Rigged(provenance.signer, sign=lambda _data: answer)).sign(
            picture, make_facts(), "image/png"
        )


def test_a_chain_that_our_anchors_do_not_cover_lets_nothing_out(
    provenance: Provenance, picture: Image.Image, tmp_path: Path
) -> None:
    other = DevelopmentSigner(tmp_path).credential().anchors_pem
    with pytest.raises(ProvenanceError, match=r"signingCredential\.untrusted"):
        Provenance(Rigged(provenance.signer, anchors_pem=other)).sign(
            picture, make_facts(), "image/png"
        )


def test_a_file_changed_between_signing_and_reading_lets_nothing_out(
    provenance: Provenance, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = signing.NativeSigner.sign

    def spoilt(self: Any, definition: Any, kind: str, content: bytes) -> bytes:
        done = honest(self, definition, kind, content)
        return flip(done, len(done) - 20)

    monkeypatch.setattr(signing.NativeSigner, "sign", spoilt)
    with pytest.raises(ProvenanceError, match=r"assertion\.dataHash\.mismatch"):
        provenance.sign(picture, make_facts(), "image/png")


def test_a_file_of_another_record_lets_nothing_out(
    provenance: Provenance, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = provenance.sign(picture, make_facts(), "image/png").content
    monkeypatch.setattr(signing.NativeSigner, "sign", lambda *_arguments: other)
    with pytest.raises(ProvenanceError, match="record"):
        provenance.sign(picture, make_facts(), "image/png")


def test_a_manifest_with_a_fault_is_not_signed(
    provenance: Provenance, picture: Image.Image
) -> None:
    with pytest.raises(ProvenanceError, match=r"not well-formed.*RFC 3339"):
        provenance.sign(picture, make_facts(created="yesterday"), "image/png")


def test_many_threads_share_one_stage(provenance: Provenance) -> None:
    pictures = [make_picture(seed=seed) for seed in range(24)]
    facts = [make_facts() for _ in pictures]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda p, f: provenance.sign(p, f, "image/png"), pictures, facts))
    for picture, fact, one in zip(pictures, facts, made, strict=True):
        found = verify(one.content, anchors=provenance.anchors_pem)
        assert found.trusted
        assert found.pixels_sha256 == pixels_sha256(picture)
        assert found.guardrail
        assert found.guardrail.record_id == str(fact.record_id)


def _sign_in_child(provenance: Provenance, queue: Any) -> None:
    made = provenance.sign(make_picture(), make_facts(), "image/png")
    queue.put((os.getpid(), verify(made.content, anchors=provenance.anchors_pem).state.value))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_signs_with_its_own_signer(
    provenance: Provenance, picture: Image.Image
) -> None:
    provenance.sign(picture, make_facts(), "image/png")  # the parent's signer exists by now
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    children = [context.Process(target=_sign_in_child, args=(provenance, queue)) for _ in "ab"]
    for child in children:
        child.start()
    states = dict(queue.get(timeout=60) for _ in children)
    for child in children:
        child.join(60)
    assert list(states.values()) == ["trusted", "trusted"]
    assert os.getpid() not in states
    assert provenance.sign(picture, make_facts(), "image/png").signer.development


def test_a_stage_takes_up_a_leaf_that_was_issued_again(
    tmp_path: Path, picture: Image.Image
) -> None:
    moments = [datetime.now(UTC)]
    signer = load_signer("development", home=tmp_path, clock=lambda: moments[-1])
    stage = Provenance(signer)
    first = stage.sign(picture, make_facts(), "image/png")
    moments.append(moments[0] + timedelta(days=365))
    with pytest.raises(ProvenanceError, match=r"signingCredential|not valid|Signature"):
        stage.sign(picture, make_facts(), "image/png")  # not yet valid by the system's clock
    assert first.signer.certificate_sha256 != signer.info.certificate_sha256
