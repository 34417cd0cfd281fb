"""Checkpoints and proofs of a real log."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guardrail.audit import AuditLog, Evidence, RecordNotFound
from guardrail.audit.keys import LogKey, key_file
from guardrail.audit.merkle import frontier_of, leaf_hash
from guardrail.audit.notes import parse_checkpoint, parse_proof
from guardrail.audit.store import Store
from guardrail.audit.tables import ONCE_INDEXES
from guardrail.audit.tree import StoredTree
from guardrail.errors import AuditError, ConfigurationError
from guardrail.identifiers import new_id
from tests.audit.samples import (
    ALLOW,
    MODEL,
    POLICY,
    POLICY_TEXT,
    Behind,
    generate,
    make_request,
    refusal,
)


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    """A log's key."""
    return LogKey.load_or_create(tmp_path / "checkpoint.key")


def fill(log: AuditLog, events: int) -> None:
    """Record this many events in few commits."""
    while events > 0:
        count = min(events, 64)
        log.begin(make_request(count=count), ALLOW, MODEL)
        events -= count


def test_a_checkpoint_says_what_the_log_is(log: AuditLog, behind: Behind, key: LogKey) -> None:
    fill(log, 3)
    signed = log.proofs().checkpoint(key)
    rows = behind.run("SELECT event_id, body FROM audit_event ORDER BY seq")
    assert signed.checkpoint.origin == f"guardrail/{rows[0][0]}"
    assert signed.checkpoint.size == 3
    assert signed.checkpoint.root == frontier_of(leaf_hash(b.encode()) for _, b in rows).root
    assert key.verifier.signed(signed)
    assert log.proofs().stored() == (signed,)
    assert log.verify(Evidence(verifiers=(key.verifier,))).ok


def test_an_unchanged_log_is_not_stored_twice(log: AuditLog, key: LogKey) -> None:
    fill(log, 3)
    assert log.proofs().checkpoint(key) == log.proofs().checkpoint(key)
    assert len(log.proofs().stored()) == 1


def test_an_empty_log_is_not_signed(log: AuditLog, key: LogKey) -> None:
    with pytest.raises(AuditError, match="nothing to sign"):
        log.proofs().checkpoint(key)


def test_a_schedule_signs_no_more_often_than_it_says(log: AuditLog, url: str, key: LogKey) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    fill(log, 1)
    with AuditLog.open(url, clock=lambda: now) as timed:
        first = timed.proofs().checkpoint(key, max_age=hour)
        fill(log, 1)
        assert timed.proofs().checkpoint(key, max_age=hour) == first
        now += hour
        assert timed.proofs().checkpoint(key, max_age=hour).checkpoint.size == 2


def test_the_newest_checkpoint_is_kept_outside(log: AuditLog, key: LogKey, tmp_path: Path) -> None:
    proofs = log.proofs(tmp_path / "kept")
    for _ in range(2):
        fill(log, 2)
        signed = proofs.checkpoint(key)
    assert proofs.kept(signed.checkpoint.origin) == [signed]
    [file] = (tmp_path / "kept").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("nonsense")
    with pytest.raises(AuditError, match="cannot be read"):
        proofs.checkpoint(key)


def test_a_new_key_may_sign_the_same_size(log: AuditLog, key: LogKey, tmp_path: Path) -> None:
    fill(log, 2)
    other = LogKey.load_or_create(tmp_path / "other.key")
    log.proofs().checkpoint(key)
    log.proofs().checkpoint(other)
    assert len(log.proofs().stored()) == 2
    assert log.verify(Evidence(verifiers=(key.verifier, other.verifier))).ok
    outcome = log.verify(Evidence(verifiers=(other.verifier,)))
    assert outcome.problems == ("checkpoint of 2 events: it is not signed by the log's key",)


@pytest.mark.parametrize("events", [1, 2, 255, 256, 257, 600])
def test_every_event_is_proved_in_logs_of_any_size(
    log: AuditLog, behind: Behind, key: LogKey, events: int
) -> None:
    fill(log, events)
    signed = log.proofs().checkpoint(key)
    bodies = [b for (b,) in behind.run("SELECT body FROM audit_event ORDER BY seq")]
    records = log.records(limit=10_000).records
    for record in records[:: max(1, events // 12)]:
        [proved] = log.proofs().inclusion(record.record_id)
        assert proved.seq == record.seq
        assert proved.body == bodies[record.seq]
        proof = parse_proof(proved.proof.text)
        assert proof.signed == signed
        assert proof.holds(leaf_hash(proved.body.encode()))
        assert not proof.holds(leaf_hash(proved.body.replace("acme", "evil").encode()))


def test_the_stored_tree_agrees_with_the_leaves(log: AuditLog, url: str, behind: Behind) -> None:
    fill(log, 700)
    leaves = [bytes(h) for (h,) in behind.run("SELECT leaf_hash FROM audit_event ORDER BY seq")]
    store = Store(url)
    with store.read() as connection:
        tree = StoredTree(connection)
        for size in (0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 699, 700):
            assert tree.root(size) == frontier_of(leaves[:size]).root
        with pytest.raises(AuditError, match="incomplete"):
            tree.root(701)
    store.close()


@pytest.mark.parametrize(("old", "new"), [(1, 2), (100, 300), (256, 600), (600, 600), (257, 513)])
def test_a_later_log_continues_an_earlier_one(
    log: AuditLog, key: LogKey, old: int, new: int
) -> None:
    fill(log, old)
    first = log.proofs().checkpoint(key)
    fill(log, new - old)
    second = log.proofs().checkpoint(key)
    assert log.proofs().consistency(first, second).holds


def test_a_fork_shows(log: AuditLog, key: LogKey) -> None:
    fill(log, 5)
    first = log.proofs().checkpoint(key)
    fill(log, 5)
    second = log.proofs().checkpoint(key)
    forged = parse_checkpoint(
        key.sign(type(first.checkpoint)(first.checkpoint.origin, 5, bytes(32))).note
    )
    assert not log.proofs().consistency(forged, second).holds
    other = key.sign(type(first.checkpoint)("guardrail/other", 5, first.checkpoint.root))
    assert not log.proofs().consistency(other, second).holds
    with pytest.raises(ConfigurationError, match="cannot be compared"):
        log.proofs().consistency(second, first)


def test_a_record_that_no_checkpoint_covers_says_so(log: AuditLog, key: LogKey) -> None:
    record_id = generate(log)
    with pytest.raises(ConfigurationError, match="No checkpoint covers") as caught:
        log.proofs().inclusion(record_id)
    assert "guardrail audit checkpoint" in (caught.value.hint or "")
    log.proofs().checkpoint(key)
    assert len(log.proofs().inclusion(record_id)) == 2
    later = generate(log)
    with pytest.raises(ConfigurationError, match="No checkpoint covers"):
        log.proofs().inclusion(later)
    with pytest.raises(RecordNotFound):
        log.proofs().inclusion(new_id())


DAMAGES: dict[str, tuple[str, str]] = {
    "note": ("UPDATE checkpoint SET note = 'x'", "it is not a signed checkpoint"),
    "size": ("UPDATE checkpoint SET size = 1", "its columns differ from the signed text"),
    "key": ("UPDATE checkpoint SET key_id = '00'", "its columns differ from the signed text"),
    "node": (
        "UPDATE tree_node SET hash = (SELECT root FROM tree_state LIMIT 1)",
        "node 0 of level 8: it is not what its leaves lead to",
    ),
    "missing node": ("DELETE FROM tree_node", "node 0 of level 8: it is not what"),
    "finding": (
        "UPDATE found_by SET rule_id = 'other'",
        "event 300: what is stored of its findings differs",
    ),
    "missing finding": ("DELETE FROM found_by", "event 300: what is stored of its findings"),
    "invented finding": (
        "INSERT INTO found_by SELECT seq + 999, rule_id, reason_code, record_id FROM found_by",
        "stored findings belong to no event",
    ),
    "invented node": (
        "INSERT INTO tree_node SELECT 16, 9, hash FROM tree_node",
        "1 nodes of the tree stand over no events",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_proof_tables_are_found(
    log: AuditLog, behind: Behind, key: LogKey, damage: str
) -> None:
    fill(log, 300)
    log.refuse(make_request(), refusal())
    log.proofs().checkpoint(key)
    sql, sentence = DAMAGES[damage]
    behind.tamper(sql)
    outcome = log.verify(Evidence(verifiers=(key.verifier,)))
    assert sentence in "\n".join(outcome.problems)


def test_full_verification_reads_the_stories_too(sqlite_url: str) -> None:
    """A log that is forged as a whole, by somebody who is not careful."""
    from tests.audit.test_attacks import Attacker

    behind = Behind(sqlite_url)
    with AuditLog.open(sqlite_url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        generate(log)
        attacker = Attacker("", behind, None, [])  # type: ignore[arg-type]
        bodies = attacker.bodies()
        assert log.verify(full=True).ok
        for index in ONCE_INDEXES:  # he takes away what stands in his way
            behind.run(f"DROP INDEX {index}")
        again = [body | {"id": str(new_id())} for body in bodies]
        attacker.rewrite([bodies[1], bodies[0], again[0], again[1]])
        problems = "\n".join(log.verify(full=True).problems)
    assert "the index uq_audit_event_closed is missing" in problems
    assert "closes record" in problems
    assert "opens record" in problems
    behind.close()


def test_a_body_in_another_form_is_found(log: AuditLog, behind: Behind) -> None:
    generate(log)
    behind.tamper("UPDATE audit_event SET body = replace(body, '{\"', '{ \"') WHERE seq = 0")
    assert "event 0: its text is not canonical JSON" in log.verify(full=True).problems


def test_the_key_is_private_and_made_once(tmp_path: Path) -> None:
    file = key_file(tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: LogKey.load_or_create(file).verifier, range(16)))
    assert len(set(keys)) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [item.name for item in file.parent.iterdir()] == ["checkpoint.key"]
    assert "PRIVATE" not in repr(LogKey.load(file)) + repr(keys[0])


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAA\n"])
def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(AuditError, match="cannot be read"):
        LogKey.load_or_create(tmp_path / "key")
    with pytest.raises(AuditError, match="cannot be read"):
        LogKey.load(tmp_path / "none")


def test_a_key_of_another_kind_is_an_error(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (tmp_path / "key").write_bytes(pem)
    with pytest.raises(AuditError, match="not an Ed25519"):
        LogKey.load(tmp_path / "key")
