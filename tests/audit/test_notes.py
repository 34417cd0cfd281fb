"""Checkpoints and proofs as text, by the C2SP formats."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.audit.keys import LogKey, LogVerifier
from guardrail.audit.merkle import frontier_of, inclusion_proof, leaf_hash, range_root_of
from guardrail.audit.notes import (
    Checkpoint,
    InclusionProof,
    NoteSignature,
    SignedCheckpoint,
    key_id,
    parse_checkpoint,
    parse_proof,
    parse_verifier_key,
    verifier_key,
)
from guardrail.errors import ConfigurationError

# The published example of the Go package golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NEUMANN_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
# The example of the tlog-checkpoint specification.
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
    "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> LogKey:
    """A log's key."""
    return LogKey.load_or_create(tmp_path_factory.mktemp("key") / "checkpoint.key")


def test_the_published_key_and_signature_are_understood() -> None:
    name, public = parse_verifier_key(NEUMANN)
    assert verifier_key(name, public) == NEUMANN
    data = base64.b64decode(NEUMANN_SIGNATURE)
    assert key_id(name, public) == data[:4]
    verifier = LogVerifier(public, name)
    checkpoint = Checkpoint(name, 0, b"")
    signature = NoteSignature(name, data[:4], data[4:])
    assert verifier.signed(SignedCheckpoint(checkpoint, (signature,), NEUMANN_TEXT))
    assert not verifier.signed(SignedCheckpoint(checkpoint, (signature,), NEUMANN_TEXT[:-1]))


def test_the_published_checkpoint_is_understood() -> None:
    signed = parse_checkpoint(EXAMPLE)
    assert signed.checkpoint.origin == "example.com/behind-the-sofa"
    assert signed.checkpoint.size == 20852163
    assert signed.note == EXAMPLE
    assert signed.checkpoint.text == signed.signed_text


@given(st.integers(0, 2**63), st.binary(min_size=32, max_size=32))
def test_what_is_signed_is_read_again(key: LogKey, size: int, root: bytes) -> None:
    signed = key.sign(Checkpoint("guardrail/x", size, root))
    assert parse_checkpoint(signed.note) == signed
    assert key.verifier.signed(signed)


def test_every_changed_byte_breaks_it(key: LogKey) -> None:
    note = key.sign(Checkpoint("guardrail/x", 12, bytes(32))).note
    for at in range(len(note)):
        changed = note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :]
        try:
            signed = parse_checkpoint(changed)
        except ConfigurationError:
            continue
        assert not key.verifier.signed(signed)


def test_another_key_and_another_name_do_not_count(key: LogKey, tmp_path_factory: object) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signed = key.sign(Checkpoint("guardrail/x", 12, bytes(32)))
    assert not LogKey(Ed25519PrivateKey.generate()).verifier.signed(signed)
    assert LogVerifier(key.verifier.public, "guardrail/x").signed(signed)
    assert not LogVerifier(key.verifier.public, "guardrail/y").signed(signed)


def test_further_signatures_are_left_alone(key: LogKey) -> None:
    note = key.sign(Checkpoint("guardrail/x", 12, bytes(32))).note
    witness = "\u2014 witness.example " + base64.b64encode(bytes(76)).decode() + "\n"
    signed = parse_checkpoint(note + witness)
    assert key.verifier.signed(signed)
    assert signed.note == note + witness


@pytest.mark.parametrize(
    "note",
    [
        "",
        "x",
        EXAMPLE[:-1],
        EXAMPLE.replace("\n\n", "\n"),
        EXAMPLE.partition("\u2014")[0],
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", "²"),
        EXAMPLE.replace("CsUY", "CsU"),
        EXAMPLE.replace("CsUY", "Cs Y"),
        EXAMPLE.replace("\u2014", "-"),
        EXAMPLE.replace("\n2085", "\r\n2085"),
        EXAMPLE.replace("q2I=", "q2J="),
        "\n" + EXAMPLE,
        EXAMPLE + "x" * 70_000 + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(ConfigurationError, match="not a signed checkpoint"):
        parse_checkpoint(note)


@given(st.text())
def test_any_text_is_a_checkpoint_or_a_sentence(text: str) -> None:
    for parse in (parse_checkpoint, parse_proof, parse_verifier_key):
        try:
            parse(text)
        except ConfigurationError as error:
            assert error.message.startswith("This is not")


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_proofs_are_read_again_and_hold(key: LogKey, size: int) -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    signed = key.sign(Checkpoint("guardrail/x", size, frontier_of(leaves).root))
    for index in range(size):
        path = tuple(inclusion_proof(range_root_of(leaves), index, size))
        proof = parse_proof(InclusionProof(index, path, signed).text)
        assert proof == InclusionProof(index, path, signed)
        assert proof.holds(leaves[index])
        assert not proof.holds(leaf_hash(b"other"))
        assert not InclusionProof(size, path, signed).holds(leaves[index])


@pytest.mark.parametrize("change", [("index 2", "index 02"), ("index", "extra"), ("@v1", "@v2")])
def test_what_is_no_proof_is_refused(key: LogKey, change: tuple[str, str]) -> None:
    signed = key.sign(Checkpoint("guardrail/x", 3, bytes(32)))
    text = InclusionProof(2, (bytes(32),), signed).text
    assert parse_proof(text)
    with pytest.raises(ConfigurationError, match="not a proof"):
        parse_proof(text.replace(*change))


@pytest.mark.parametrize(
    "line",
    ["", "a+b", NEUMANN[:-4], NEUMANN.replace("c74f", "c74e"), NEUMANN.replace("ARpc", "AhpC")],
)
def test_what_is_no_public_key_is_refused(line: str) -> None:
    with pytest.raises(ConfigurationError, match="not the public key"):
        parse_verifier_key(line)
