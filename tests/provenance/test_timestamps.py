"""Time-stamps from a local authority: asked in time, left alone when down, told in the record."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.contracts import SignedImage, TimeStamp
from guardrail.errors import ConfigurationError, ProvenanceError
from guardrail.provenance import Provenance, load_signer, verify
from guardrail.provenance.signers import PemSigner
from guardrail.provenance.timestamps import Mode, TimeStampService, service
from guardrail.provenance.timestamps.embedding import NoRoom, embed, message_to_stamp
from guardrail.provenance.timestamps.protocol import TimeStampError, read_response, request
from guardrail.provenance.timestamps.service import Unavailable
from tests.provenance.authority import issue
from tests.provenance.conftest import make_facts, make_picture
from tests.provenance.tsa import Behaviour, answer, make_authority, serve

KINDS = ["image/png", "image/jpeg", "image/webp"]

if shutil.which("openssl") is None:
    pytest.fail("the tests of time-stamps need openssl: apt-get install openssl")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an authority."""
    folder = tmp_path_factory.mktemp("authority") / "tsa"
    make_authority(folder)
    return folder


@pytest.fixture
def running(authority: Path) -> Iterator[tuple[str, Behaviour]]:
    with serve(authority) as started:
        yield started


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issue().write(tmp_path_factory.mktemp("keys") / "k")


def stage(keys: Path, stamps: TimeStampService | None) -> Provenance:
    signer = PemSigner(
        keys / "chain.pem", keys / "key.pem", root=keys / "root.pem", time_stamps=stamps
    )
    return Provenance(signer)


def sign(provenance: Provenance, kind: str = "image/png", **facts: Any) -> SignedImage:
    return provenance.sign(make_picture(), make_facts(**facts), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", [None, "x" * 200_000], ids=["small", "in several segments"])
def test_a_stamped_picture_says_when_it_was_signed(
    running: tuple[str, Behaviour],
    authority: Path,
    keys: Path,
    kind: str,
    prompt: str | None,
) -> None:
    stamps = TimeStampService(running[0], Mode.REQUIRED, anchors=authority / "root.pem")
    provenance = stage(keys, stamps)
    made = sign(provenance, kind, prompt=prompt)
    found = verify(made.content, anchors=provenance.anchors_pem)
    assert found.trusted
    assert found.failures == ()
    assert found.rubric().passed
    assert found.rubric("integrity").passed
    assert found.signature
    assert found.signature.time
    assert made.time_stamp
    assert (made.time_stamp.status, made.time_stamp.authority) == ("stamped", "127.0.0.1")
    moment = datetime.fromisoformat(str(made.time_stamp.time))
    assert moment == datetime.fromisoformat(found.signature.time)
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_authority_that_is_off_is_not_asked(running: tuple[str, Behaviour], keys: Path) -> None:
    made = sign(stage(keys, TimeStampService(running[0], Mode.OFF)))
    assert made.time_stamp is None
    assert running[1].queries == []


def test_a_stamped_picture_outlives_its_certificate_and_an_unstamped_one_does_not(
    running: tuple[str, Behaviour], authority: Path, tmp_path: Path
) -> None:
    end = datetime.now(UTC) + timedelta(seconds=4)
    folder = issue(end=timedelta(seconds=4)).write(tmp_path / "k")
    stamps = TimeStampService(running[0], Mode.REQUIRED, anchors=authority / "root.pem")
    stamped, plain = sign(stage(folder, stamps)).content, sign(stage(folder, None)).content
    anchors = (folder / "root.pem").read_text() + (authority / "root.pem").read_text()
    assert verify(stamped, anchors=anchors).trusted
    assert verify(plain, anchors=anchors).trusted
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1.1)
    assert verify(stamped, anchors=anchors).trusted
    late = verify(plain, anchors=anchors)
    assert late.state == "invalid"
    assert "signingCredential.expired" in [failure.code for failure in late.failures]
    # A verifier that does not know the authority cannot take its word.
    alone = verify(stamped, anchors=(folder / "root.pem").read_text())
    assert alone.state == "invalid"


def spoil(content: bytes) -> bytes:
    return content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an error": ({"status": 503}, "not available (503)"),
    "a redirect": ({"status": 302}, "not available (302)"),
    "an empty answer": ({"replace": lambda _c: b""}, "not a time-stamp"),
    "nonsense": ({"replace": lambda _c: b"hello" * 100}, "not a time-stamp"),
    "too much": ({"replace": lambda _c: b"\x30" * 200_000}, "too much"),
    "half an answer": ({"replace": lambda c: c[: len(c) // 2]}, "not a time-stamp"),
    "a broken signature": ({"replace": spoil}, "does not hold"),
}


@pytest.mark.parametrize("case", BAD)
def test_without_a_good_time_stamp_required_lets_nothing_out_and_best_effort_records_why(
    running: tuple[str, Behaviour], authority: Path, keys: Path, case: str
) -> None:
    changes, words = BAD[case]
    for name, value in changes.items():
        setattr(running[1], name, value)
    stamps = TimeStampService(running[0], Mode.REQUIRED, anchors=authority / "root.pem")
    with pytest.raises(ProvenanceError) as caught:
        sign(stage(keys, stamps))
    assert words in caught.value.message
    provenance = stage(keys, replace(stamps, mode=Mode.BEST_EFFORT))
    made = sign(provenance)
    assert made.time_stamp
    assert made.time_stamp.status == "skipped"
    assert words in str(made.time_stamp.reason)
    assert "hidden" not in f"{caught.value} {made.time_stamp}"  # a token in the address
    found = verify(made.content, anchors=provenance.anchors_pem)
    assert found.trusted
    assert found.signature
    assert found.signature.time is None


def test_an_authority_that_our_anchors_do_not_cover_is_not_taken(
    running: tuple[str, Behaviour], keys: Path
) -> None:
    stamps = TimeStampService(running[0], Mode.REQUIRED, anchors=keys / "root.pem")
    with pytest.raises(ProvenanceError, match=r"timeStamp\.trusted"):
        sign(stage(keys, stamps))


def test_a_time_stamp_of_another_picture_is_not_taken(
    running: tuple[str, Behaviour], authority: Path, keys: Path
) -> None:
    content = answer(authority, request(b"another", 7))
    running[1].replace = lambda _content: content
    stamps = TimeStampService(running[0], Mode.REQUIRED, anchors=authority / "root.pem")
    with pytest.raises(ProvenanceError, match="of something else"):
        sign(stage(keys, stamps))


def test_a_silent_authority_costs_no_more_than_the_time_out(
    running: tuple[str, Behaviour], keys: Path
) -> None:
    running[1].delay = 3.0
    started = time.monotonic()
    made = sign(stage(keys, TimeStampService(running[0], timeout=0.3)))
    assert time.monotonic() - started < 2.0
    assert made.time_stamp
    assert made.time_stamp.status == "skipped"


def test_an_authority_that_drips_its_answer_costs_no_more_either(
    running: tuple[str, Behaviour], keys: Path
) -> None:
    running[1].drip = 0.02
    started = time.monotonic()
    made = sign(stage(keys, TimeStampService(running[0], timeout=0.3)))
    assert time.monotonic() - started < 2.0
    assert made.time_stamp == TimeStamp(
        "skipped", "127.0.0.1", reason="127.0.0.1 answered too much or too slowly"
    )


class TestCircuitBreaker:
    def closed_port(self) -> str:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{taken.getsockname()[1]}/"

    def test_after_three_failures_it_is_left_alone(
        self, running: tuple[str, Behaviour], keys: Path
    ) -> None:
        running[1].status = 500
        provenance = stage(keys, TimeStampService(running[0]))
        reasons = [str(sign(provenance).time_stamp.reason) for _ in range(6)]  # type: ignore[union-attr]
        assert len(running[1].queries) == 3
        assert ["left alone" in reason for reason in reasons] == [False] * 3 + [True] * 3

    def test_after_a_while_one_request_tries_again(
        self, running: tuple[str, Behaviour], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [100.0]
        monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
        stamps = TimeStampService(running[0])
        running[1].status = 500
        for _ in range(4):
            with pytest.raises(Unavailable):
                stamps.stamp(b"message")
        assert len(running[1].queries) == 3
        now[0] += 61
        with pytest.raises(Unavailable, match="500"):  # still down: closed again at once
            stamps.stamp(b"message")
        with pytest.raises(Unavailable, match="left alone"):
            stamps.stamp(b"message")
        now[0] += 61
        running[1].status = 200
        stamps.stamp(b"message")
        running[1].status = 500
        with pytest.raises(Unavailable, match="500"):  # and a success starts the count anew
            stamps.stamp(b"message")
        assert len(running[1].queries) == 6

    def test_nobody_there(self, keys: Path) -> None:
        stamps = TimeStampService(self.closed_port(), Mode.REQUIRED)
        with pytest.raises(ProvenanceError, match="ConnectionRefusedError"):
            sign(stage(keys, stamps))


class TestSignerFile:
    def write(self, keys: Path, text: str) -> Path:
        path = keys / "signer.yaml"
        path.write_text(
            "kind: pem\ncertificates: chain.pem\nkey: key.pem\nanchors: root.pem\n" + text
        )
        return path

    def test_it_names_the_authority(
        self, running: tuple[str, Behaviour], authority: Path, keys: Path
    ) -> None:
        text = (
            f"timestamp: {{url: '{running[0]}', mode: required, timeout: 10, "
            f"anchors: '{authority / 'root.pem'}'}}\n"
        )
        provenance = Provenance(load_signer(self.write(keys, text), home=keys))
        assert sign(provenance).time_stamp.status == "stamped"  # type: ignore[union-attr]
        assert provenance.signer.anchors() == provenance.anchors_pem

    @pytest.mark.parametrize("word", ["off", "'off'"])
    def test_off_is_off_as_yaml_writes_it(self, keys: Path, word: str) -> None:
        path = self.write(keys, f"timestamp: {{url: 'http://tsa.example/', mode: {word}}}\n")
        assert sign(Provenance(load_signer(path, home=keys))).time_stamp is None

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("timestamp: http://tsa.example", "must name an authority"),
            ("timestamp: {mode: required}", "'url' is missing"),
            ("timestamp: {url: 'file:///etc/passwd'}", "is not an http"),
            ("timestamp: {url: 'http://t.example', mode: perhaps}", "must be one of required"),
            ("timestamp: {url: 'http://t.example', timeout: 0}", "at most 60"),
            ("timestamp: {url: 'http://t.example', timeout: yes}", "number of seconds"),
            ("timestamp: {url: 'http://t.example', anchors: none.pem}", "does not exist"),
            ("timestamp: {url: 'http://t.example', retries: 3}", "unknown setting 'retries'"),
        ],
    )
    def test_what_is_wrong_is_named(self, keys: Path, text: str, words: str) -> None:
        with pytest.raises(ConfigurationError, match=words):
            load_signer(self.write(keys, text), home=keys)


class TestProtocol:
    def test_openssl_reads_our_request(self, tmp_path: Path) -> None:
        (tmp_path / "q").write_bytes(request(b"message", 2**62 + 5))
        done = subprocess.run(
            ["openssl", "ts", "-query", "-in", tmp_path / "q", "-text"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "sha256" in done.stdout
        assert "Certificate required: yes" in done.stdout
        assert f"Nonce: 0x{2**62 + 5:016X}" in done.stdout

    @pytest.mark.parametrize("nonce", [1, 127, 128, 255, 256, 2**63 - 1])
    def test_an_answer_of_openssl_is_read(self, authority: Path, nonce: int) -> None:
        token = read_response(answer(authority, request(b"m", nonce)), b"m", nonce)
        assert abs(token.time - datetime.now(UTC)) < timedelta(minutes=1)

    def test_another_nonce_is_another_request(self, authority: Path) -> None:
        with pytest.raises(TimeStampError, match="another request"):
            read_response(answer(authority, request(b"m", 5)), b"m", 6)

    def test_a_refusal_is_told(self) -> None:
        with pytest.raises(TimeStampError, match="status 2"):
            read_response(bytes.fromhex("30053003020102"), b"m", 1)

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200))
    def test_anything_else_is_no_time_stamp(self, content: bytes) -> None:
        with pytest.raises(TimeStampError):
            read_response(content, b"m", 1)

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_a_damaged_answer_is_read_or_refused(self, authority: Path, data: Any) -> None:
        whole = _answer_once(authority)
        at = data.draw(st.integers(0, len(whole) - 1))
        spoilt = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
        with contextlib.suppress(TimeStampError):
            read_response(spoilt, b"m", 5)


_ANSWERS: dict[Path, bytes] = {}


def _answer_once(authority: Path) -> bytes:
    if authority not in _ANSWERS:
        _ANSWERS[authority] = answer(authority, request(b"m", 5))
    return _ANSWERS[authority]


class TestEmbedding:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_token_of_any_size_that_fits_keeps_the_length(
        self, signed: dict[str, bytes], kind: str
    ) -> None:
        for size in (0, 23, 24, 255, 256, 4000, 10_000):
            assert len(embed(signed[kind], kind, b"t" * size)) == len(signed[kind])

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_token_that_does_not_fit_is_refused(
        self, signed: dict[str, bytes], kind: str
    ) -> None:
        with pytest.raises(NoRoom):
            embed(signed[kind], kind, b"t" * 11_000)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_file_without_a_manifest_is_refused(self, kind: str) -> None:
        with pytest.raises(NoRoom):
            message_to_stamp(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, kind)

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(KINDS), st.data())
    def test_a_damaged_file_is_stamped_or_refused(
        self, signed: dict[str, bytes], kind: str, data: Any
    ) -> None:
        whole = signed[kind]
        at = data.draw(st.integers(0, len(whole) - 1))
        spoilt = whole[:at] + data.draw(st.binary(max_size=9)) + whole[at + 5 :]
        with contextlib.suppress(NoRoom):
            embed(spoilt, kind, b"t" * 3000)
