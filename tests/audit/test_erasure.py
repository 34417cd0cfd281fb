"""Personal texts can go, and every proof still holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from guardrail.audit import AuditLog, Evidence, RecordNotFound, erasure, store
from guardrail.audit.bundle_check import verify_bundle
from guardrail.audit.keys import LogKey
from guardrail.errors import ConfigurationError
from guardrail.identifiers import new_id
from tests.audit.samples import ALLOW, MODEL, POLICY, Behind, generate, make_request, release

ORDER = {"reason": "request of 3 November", "by": "dpo@example.org"}


def record(log: AuditLog, prompt: str, **changes: Any) -> UUID:
    """Record one generation that was written to a file."""
    request = make_request(prompt, **changes)
    request = replace(request, destinations=(f"/pictures/{prompt}.png",))
    log.begin(request, replace(ALLOW, effective_prompt=None), MODEL)
    return release(log, request)


def test_everything_about_an_actor_is_reported(log: AuditLog) -> None:
    first = record(log, "one", actor="ada", negative_prompt="fog")
    record(log, "two", actor="bob")
    second = record(log, "three", actor="ada", metadata={"k": 1})
    report = log.personal.about(actor="ada")
    assert set(report.records) == {first, second}
    assert {(text.record_id, text.field, text.text) for text in report.texts} == {
        (first, "actor", "ada"),
        (first, "destination", "/pictures/one.png"),
        (first, "negative_prompt", "fog"),
        (first, "prompt", "one"),
        (second, "actor", "ada"),
        (second, "destination", "/pictures/three.png"),
        (second, "metadata", '{"k": 1}'),
        (second, "prompt", "three"),
    }
    assert [(p.record_id, p.destination) for p in report.pictures] == [
        (first, "/pictures/one.png"),
        (second, "/pictures/three.png"),
    ]
    assert report.pictures[0].sha256 == log.record(first).sha256
    assert log.personal.about(actor="nobody").records == ()


def test_erasing_an_actor_breaks_no_proof(log: AuditLog, tmp_path: Path) -> None:
    mine = record(log, "one", actor="ada")
    other = record(log, "two", actor="bob")
    key = LogKey.load_or_create(tmp_path / "key")
    before = log.proofs().checkpoint(key)
    outcome = log.personal.erase(actor="ada", **ORDER)
    assert {text.text for text in outcome.report.texts} == {"one", "ada", "/pictures/one.png"}
    assert [p.destination for p in outcome.report.pictures] == ["/pictures/one.png"]

    erased = log.record(mine)
    assert (erased.prompt, erased.actor, erased.destination) == (None, None, None)
    assert erased.erased == ("actor", "destination", "prompt")
    assert erased.sha256 is not None
    assert log.record(other).prompt == "two"
    assert log.personal.about(actor="ada").records == ()
    verified = log.verify(Evidence(external=(before,), verifiers=(key.verifier,)), full=True)
    assert verified.ok, verified.problems
    assert verified.erased == 3
    log.proofs().checkpoint(key)
    bundle = verify_bundle(log.proofs().bundle(mine, key.verifier), [key.verifier])
    assert bundle.ok
    assert bundle.erased == ("actor", "destination", "prompt")


def test_who_ordered_it_and_why_is_recorded(log: AuditLog, behind: Behind) -> None:
    record_id = record(log, "one")
    log.personal.erase(records=[record_id], **ORDER)
    event = log.record(record_id).events[-1]
    assert event.type == "personal.erased"
    assert event.body["data"]["fields"] == ["actor", "destination", "prompt"]
    kept = {text for (text,) in behind.run("SELECT text FROM personal")}
    assert kept == set(ORDER.values())
    again = log.personal.erase(records=[record_id], **ORDER)  # the account of it stays
    assert again.report.texts == ()
    assert {text for (text,) in behind.run("SELECT text FROM personal")} == kept
    assert log.verify().ok


def test_the_text_and_its_salt_are_gone_from_the_disk(sqlite_url: str, tmp_path: Path) -> None:
    secret = "a very particular prompt"
    with AuditLog.open(sqlite_url) as log:
        log.store_policy(POLICY, '{"id":"default"}')
        record_id = generate(log, secret, actor="ada lovelace")
        [(salt,)] = Behind(sqlite_url).run("SELECT salt FROM personal WHERE field = 'prompt'")
        on_disk = b"".join(file.read_bytes() for file in tmp_path.glob("audit.db*"))
        assert secret.encode() in on_disk
        assert salt in on_disk
        assert log.personal.erase(records=[record_id], **ORDER).thorough
        on_disk = b"".join(file.read_bytes() for file in tmp_path.glob("audit.db*"))
        assert secret.encode() not in on_disk
        assert b"ada lovelace" not in on_disk
        assert salt not in on_disk


@pytest.mark.postgres
def test_dead_rows_are_vacuumed(postgresql_url: str) -> None:
    with AuditLog.open(postgresql_url) as log:
        generate(log, "an ordinary prompt")
        record_id = generate(log, "a very particular prompt")
        assert log.personal.erase(records=[record_id], **ORDER).thorough
        owner = Behind(postgresql_url)
        owner.run("CHECKPOINT")
        [(table,)] = owner.run("SELECT pg_read_binary_file(pg_relation_filepath('personal'))")
        assert b"a very particular prompt" not in table
        owner.close()


def test_a_reader_in_the_way_is_said(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.3)
    with AuditLog.open(sqlite_url) as log:
        record_id = generate(log)
        reader = Behind(sqlite_url)
        reader.run("BEGIN")
        reader.run("SELECT count(*) FROM audit_event")
        outcome = log.personal.erase(records=[record_id], **ORDER)
        assert not outcome.thorough
        reader.run("ROLLBACK")
        reader.close()
        assert log.personal.erase(records=[record_id], **ORDER).thorough


def test_a_restored_text_is_found(log: AuditLog, behind: Behind) -> None:
    record_id = record(log, "one")
    kept = behind.run("SELECT * FROM personal WHERE field = 'prompt'")
    log.personal.erase(records=[record_id], **ORDER)
    behind.run("INSERT INTO personal VALUES (?, ?, ?, ?, ?)", *kept[0])
    assert log.verify().problems == ("1 personal texts were erased and are back",)


def test_unknown_records_are_said_before_anything_is_erased(log: AuditLog) -> None:
    record_id = record(log, "one")
    with pytest.raises(RecordNotFound):
        log.personal.erase(records=[record_id, new_id()], **ORDER)
    assert log.record(record_id).prompt == "one"


def test_a_record_on_hold_is_not_erased(log: AuditLog) -> None:
    held, free = record(log, "one", actor="ada"), record(log, "two", actor="ada")
    log.personal.hold(held, reason="case 7", by="counsel")
    assert log.personal.about(actor="ada").on_hold == (held,)
    with pytest.raises(ConfigurationError, match="legal hold: nothing was erased"):
        log.personal.erase(actor="ada", **ORDER)
    assert log.record(free).prompt == "two"
    with pytest.raises(ConfigurationError, match="already on hold"):
        log.personal.hold(held, reason="case 7", by="counsel")
    log.personal.unhold(held, reason="settled", by="counsel")
    with pytest.raises(ConfigurationError, match="is not on hold"):
        log.personal.unhold(held, reason="settled", by="counsel")
    log.personal.erase(actor="ada", **ORDER)
    assert log.record(held).prompt is None
    assert log.verify(full=True).ok


def test_what_is_old_expires_and_the_skeleton_stays(url: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with AuditLog.open(url, clock=lambda: now) as log:
        log.store_policy(POLICY, '{"id":"default"}')
        old, held = record(log, "old"), record(log, "held")
        log.personal.hold(held, reason="case 7", by="counsel")
        unfinished = make_request("unfinished")
        log.begin(unfinished, ALLOW, MODEL)
        now += timedelta(days=200)
        new = record(log, "new")
        before = now - timedelta(days=180)

        preview = log.personal.expire(before=before, by="retention", dry_run=True).report
        assert preview.records == (old,)
        assert preview.on_hold == (held,)
        assert log.record(old).prompt == "old"

        outcome = log.personal.expire(before=before, fields=["prompt"], by="retention")
        assert [text.text for text in outcome.report.texts] == ["old"]
        assert (log.record(old).prompt, log.record(old).actor) == (None, "ada@example.org")
        assert log.record(old).events[-1].type == "personal.expired"
        assert [log.record(i).prompt for i in (held, new)] == ["held", "new"]
        assert log.record(unfinished.record_ids[0]).prompt == "unfinished"

        log.personal.expire(before=before, by="retention")
        assert log.record(old).actor is None
        size = log.verify().size
        log.personal.expire(before=before, by="retention")  # nothing is left to expire
        assert log.verify().size == size
        assert log.verify(full=True).ok


def test_many_records_are_erased_in_parts_and_at_once(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "CHUNK", 7)
    request = make_request(count=40)
    log.begin(request, ALLOW, MODEL)
    outcome = log.personal.erase(actor="ada@example.org", **ORDER)
    assert len(outcome.report.records) == 40
    assert log.verify().ok
    assert log.verify().erased == 80
