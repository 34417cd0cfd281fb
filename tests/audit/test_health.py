"""A quick look at the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guardrail.audit import AuditLog
from guardrail.audit.keys import LogKey
from tests.audit.samples import ALLOW, MODEL, POLICY, POLICY_TEXT, Behind, generate, make_request


def test_a_fit_store_says_what_it_holds(url: str, tmp_path: Path) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    with AuditLog.open(url, clock=lambda: now) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        assert log.health().summary == "0 events, unsigned, 0 records unfinished"
        generate(log)
        log.proofs().checkpoint(LogKey.load_or_create(tmp_path / "key"))
        now += timedelta(hours=2)
        log.begin(make_request(), ALLOW, MODEL)
        health = log.health()
        assert health.ok
        assert health.summary == "3 events, 2 of them under a checkpoint, 1 records unfinished"
        assert health.checkpoint_age == timedelta(hours=2)
        now += timedelta(days=8)
        assert log.health().unfinished == 0  # a quick look does not go back that far


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("DELETE FROM audit_event WHERE seq = 1", "The tree of the log is incomplete."),
        ("UPDATE audit_event SET leaf_hash = ? WHERE seq = 1", "do not lead to the head"),
        ("DROP INDEX uq_audit_event_closed", "uq_audit_event_closed is missing"),
    ],
)
def test_a_store_that_is_not_fit_says_why(sqlite_url: str, sql: str, sentence: str) -> None:
    behind = Behind(sqlite_url)
    with AuditLog.open(sqlite_url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        generate(log)
        behind.tamper(sql, *([bytes(32)] if "?" in sql else []))
        health = log.health()
    assert not health.ok
    assert sentence.lower() in health.summary.lower()
    behind.close()
