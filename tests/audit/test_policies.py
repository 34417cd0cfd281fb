"""Policy versions and activations, on each database."""

from __future__ import annotations

import hashlib

from guardrail.audit import AuditLog
from guardrail.contracts import PolicyRef
from tests.audit.samples import ALLOW, MODEL, POLICY, make_request

TEXT = '{"id":"strict"}'
OTHER = PolicyRef("strict", "2", hashlib.sha256(TEXT.encode()).hexdigest())


def test_activations_are_events_newest_first(log: AuditLog) -> None:
    assert log.policies.active() is None
    log.policies.activate(POLICY, actor="ann", reason="The first.")
    log.store_policy(OTHER, TEXT)
    log.policies.activate(OTHER, actor="bob", reason="Stricter.")
    newest, oldest = log.policies.activations()
    assert (newest.policy, newest.actor, newest.reason) == (OTHER, "bob", "Stricter.")
    assert (newest.replaced, oldest.replaced) == (POLICY.digest, None)
    assert log.policies.active() == newest
    assert log.policies.activations(limit=1) == (newest,)
    assert log.verify().ok


def test_versions_say_how_much_they_decided(log: AuditLog) -> None:
    log.store_policy(OTHER, TEXT)
    log.begin(make_request(count=2), ALLOW, MODEL)
    counts = {v.policy.id: v.requests for v in log.policies.versions()}
    assert counts == {POLICY.id: 2, OTHER.id: 0}


def test_an_activation_is_no_generation(log: AuditLog) -> None:
    log.policies.activate(POLICY, actor="ann", reason="The first.")
    assert log.records().records == ()
    assert log.sweep() == ()
