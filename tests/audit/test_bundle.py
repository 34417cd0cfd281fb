"""Evidence in one file: it holds without a database, and anything changed in it shows."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.audit import AuditLog
from guardrail.audit.bundle_check import BundleAssurance, verify_bundle
from guardrail.audit.keys import LogKey
from guardrail.audit.notes import Checkpoint
from guardrail.errors import ConfigurationError
from tests.audit.samples import ALLOW, MODEL, POLICY, POLICY_TEXT, generate, make_request, release

PICTURE = b"the signed picture"


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    """A log's key."""
    return LogKey.load_or_create(tmp_path / "checkpoint.key")


def fill(log: AuditLog) -> UUID:
    """Record some generations; return the record in the middle."""
    for _ in range(3):
        generate(log)
    request = make_request("a secret prompt", negative_prompt="fog")
    log.begin(request, replace(ALLOW, effective_prompt="a redacted secret prompt"), MODEL)
    record_id = release(log, request, content=PICTURE)
    for _ in range(3):
        generate(log)
    return record_id


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, LogKey]:
    """A complete bundle, and the key of its log."""
    folder = tmp_path_factory.mktemp("bundle")
    key = LogKey.load_or_create(folder / "key")
    (folder / "picture.png").write_bytes(PICTURE)
    with AuditLog.open(folder / "audit.db") as log:
        log.store_policy(POLICY, POLICY_TEXT)
        record_id = fill(log)
        log.proofs().checkpoint(key)
        content = log.proofs().bundle(record_id, key.verifier, asset=folder / "picture.png")
    return content, key


def unpacked(content: bytes) -> dict[str, bytes]:
    """The files of a bundle."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    """A bundle of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_bundle_holds_everything(log: AuditLog, key: LogKey, tmp_path: Path) -> None:
    record_id = fill(log)
    signed = log.proofs().checkpoint(key)
    (tmp_path / "a.png").write_bytes(PICTURE)
    content = log.proofs().bundle(record_id, key.verifier, asset=tmp_path / "a.png")
    assert set(unpacked(content)) == {
        "README.txt",
        "asset/a.png",
        "checkpoint.txt",
        "events/6.json",
        "events/6.tlog-proof",
        "events/7.json",
        "events/7.tlog-proof",
        "key.txt",
        "manifest.json",
        "personal.json",
        f"policy/{POLICY.digest}.txt",
    }
    found = verify_bundle(content)
    assert found.ok, found.problems
    assert found.record == str(record_id)
    assert found.events == ("generation.requested", "generation.released")
    assert set(found.shown) == {"actor", "effective_prompt", "negative_prompt", "prompt"}
    assert found.asset is not None
    assert found.assurance is BundleAssurance.SELF_CONSISTENT
    assert verify_bundle(content, [key.verifier]).assurance is BundleAssurance.TRUSTED_KEY
    assert verify_bundle(content, [key.verifier], [signed]).assurance is BundleAssurance.EXTERNAL
    assert content == log.proofs().bundle(record_id, key.verifier, asset=tmp_path / "a.png")


def test_withheld_and_erased_texts_do_not_break_the_proof(
    log: AuditLog, key: LogKey, behind: Any
) -> None:
    record_id = fill(log)
    log.proofs().checkpoint(key)
    behind.run("DELETE FROM personal WHERE field = 'actor'")
    content = log.proofs().bundle(record_id, key.verifier, withheld=["prompt"])
    assert b"secret" not in b"".join(unpacked(content).values())
    found = verify_bundle(content, [key.verifier])
    assert found.ok
    assert (found.shown, found.withheld, found.erased) == (
        ("negative_prompt",),
        ("effective_prompt", "prompt"),
        ("actor",),
    )


def test_what_cannot_be_bundled_is_said(log: AuditLog, key: LogKey, tmp_path: Path) -> None:
    record_id = fill(log)
    with pytest.raises(ConfigurationError, match="No checkpoint covers"):
        log.proofs().bundle(record_id, key.verifier)
    log.proofs().checkpoint(key)
    with pytest.raises(ConfigurationError, match="no field 'promt' to withhold"):
        log.proofs().bundle(record_id, key.verifier, withheld=["promt"])
    (tmp_path / "b.png").write_bytes(b"another")
    with pytest.raises(ConfigurationError, match="not the picture"):
        log.proofs().bundle(record_id, key.verifier, asset=tmp_path / "b.png")
    other = LogKey.load_or_create(tmp_path / "other.key")
    with pytest.raises(ConfigurationError, match="signed by another key"):
        log.proofs().bundle(record_id, other.verifier)


Files = dict[str, bytes]


def swapped(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    """Change one file."""

    def change(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def forge_the_commitment(files: Files) -> None:
    texts = json.loads(files["personal.json"])
    texts[0]["text"] = "another"
    files["personal.json"] = json.dumps(texts).encode()


def leave_a_text_out(files: Files) -> None:
    files["personal.json"] = json.dumps(json.loads(files["personal.json"])[1:]).encode()


def invent_a_text(files: Files) -> None:
    texts = json.loads(files["personal.json"])
    files["personal.json"] = json.dumps([*texts, {**texts[0], "field": "reason"}]).encode()


def swap_the_events(files: Files) -> None:
    for kind in ("json", "tlog-proof"):
        a, b = f"events/6.{kind}", f"events/7.{kind}"
        files[a], files[b] = files[b], files[a]


def change_the_picture(files: Files) -> None:
    files["asset/picture.png"] += b"\0"


def drop_the_policy(files: Files) -> None:
    del files[f"policy/{POLICY.digest}.txt"]


def hide_an_event(files: Files) -> None:
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps(manifest | {"events": []}).encode()


FORGERIES: dict[str, tuple[Callable[[Files], None], str]] = {
    "event": (swapped("events/6.json", b"acme", b"evil"), "does not hold it"),
    "record": (swapped("manifest.json", b'"record": "0', b'"record": "1'), "another record"),
    "order": (swap_the_events, "stands elsewhere"),
    "no event": (hide_an_event, "there is no event"),
    "text": (forge_the_commitment, "not the text that was committed to"),
    "left out": (leave_a_text_out, "does not account for it"),
    "invented": (invent_a_text, "no event commits to it"),
    "policy": (swapped(f"policy/{POLICY.digest}.txt", b"default", b"evil"), "not the text that"),
    "no policy": (drop_the_policy, "its text is missing"),
    "picture": (change_the_picture, "not the one that was released"),
    "size": (swapped("checkpoint.txt", b"\n14\n", b"\n15\n"), "not signed by the key"),
    "proof": (swapped("events/6.tlog-proof", b"\n14\n", b"\n15\n"), "another checkpoint"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_bundle_does_not_hold(whole: tuple[bytes, LogKey], name: str) -> None:
    content, key = whole
    forge, sentence = FORGERIES[name]
    files = unpacked(content)
    forge(files)
    found = verify_bundle(packed(files), [key.verifier])
    assert not found.ok
    assert found.assurance is BundleAssurance.NONE
    assert sentence in "\n".join(found.problems)


def test_another_key_or_history_shows(whole: tuple[bytes, LogKey], tmp_path: Path) -> None:
    content, key = whole
    other = LogKey.load_or_create(tmp_path / "other.key")
    found = verify_bundle(content, [other.verifier])
    assert found.problems == ("the checkpoint is not signed by the key you gave",)
    from guardrail.audit.notes import parse_checkpoint

    ours = parse_checkpoint(unpacked(content)["checkpoint.txt"].decode()).checkpoint
    fork = key.sign(replace(ours, root=bytes(32)))
    assert verify_bundle(content, [key.verifier], [fork]).problems == (
        "the checkpoint you gave shows another history",
    )
    elsewhere = key.sign(Checkpoint("guardrail/other", 14, ours.root))
    assert not verify_bundle(content, [key.verifier], [elsewhere]).ok
    larger = key.sign(Checkpoint(ours.origin, 99, bytes(32)))
    found = verify_bundle(content, [key.verifier], [larger])
    assert found.assurance is BundleAssurance.TRUSTED_KEY  # it says nothing about this one


@settings(max_examples=150)
@given(st.data())
def test_no_changed_byte_is_mistaken_for_evidence(
    whole: tuple[bytes, LogKey], data: st.DataObject
) -> None:
    content, key = whole
    at = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = verify_bundle(bytes(changed), [key.verifier])
    except ConfigurationError:
        return
    if found.ok:  # only what carries no evidence may differ: the guide, names, times, padding
        before, after = unpacked(content), unpacked(bytes(changed))
        evidence = {n for n in before if not n.startswith(("README", "asset"))}
        assert all(after.get(name) == before[name] for name in evidence - {"manifest.json"})


@pytest.mark.parametrize("content", [b"", b"PK", packed({}), packed({"manifest.json": b"[]"})])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="not a bundle"):
        verify_bundle(content)


def test_a_bundle_that_unpacks_too_large_is_refused(
    whole: tuple[bytes, LogKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    import guardrail.audit.bundle_check as module

    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    with pytest.raises(ConfigurationError, match="not a bundle"):
        verify_bundle(whole[0])


def test_an_unknown_format_is_said(whole: tuple[bytes, LogKey]) -> None:
    files = unpacked(whole[0])
    swapped("manifest.json", b"evidence/1", b"evidence/9")(files)
    with pytest.raises(ConfigurationError, match="format"):
        verify_bundle(packed(files))
