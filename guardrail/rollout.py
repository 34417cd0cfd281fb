"""Asks the record about a policy: logged requests to ask again, and what shadow rules found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from guardrail.activation import ACTIVE, active_policy
from guardrail.audit import AuditLog, Filters, Record
from guardrail.contracts import GenerationRequest, Mode
from guardrail.policy import Policy, load_policy, restore_policy
from guardrail.policy.probe import probe
from guardrail.policy.replay import Logged

PAGE = 500
DIGEST = 64


def policy_of(log: AuditLog, name: str) -> Policy:
    """Return the policy that ``name`` means: a name, a file, ``active``, or the digest of a
    version in the record. Raises :class:`~guardrail.errors.PolicyError`."""
    if name == ACTIVE:
        return active_policy(log)
    if len(name) == DIGEST and set(name) <= set("0123456789abcdef"):
        return restore_policy(log.policy_text(name))
    return load_policy(name)


def requests(log: AuditLog, filters: Filters) -> Iterator[Record]:
    """Yield one record of every request, newest first."""
    seen, following = None, None
    while True:
        page = log.records(filters, limit=PAGE, before=following)
        for record in page.records:
            if record.request_id != seen:  # the records of a batch stand together
                yield record
            seen = record.request_id
        following = page.next
        if following is None:
            return


def logged(log: AuditLog, filters: Filters, skipped: Counter[str]) -> Iterator[Logged]:
    """Yield every request that can be asked again, newest first; count why others cannot."""
    for record in requests(log, filters):
        if record.prompt is None or record.erased:
            skipped["erased"] += 1
            continue
        yield Logged(str(record.record_id), record.time, _request(record), record.model)


def _request(record: Record) -> GenerationRequest:
    asked = probe(
        record.prompt or "",
        negative_prompt=record.negative_prompt,
        actor=record.actor,
        tenant=record.tenant,
        purpose=record.purpose,
        metadata=json.loads(record.metadata) if record.metadata else None,
    )
    kept = ("width", "height", "steps", "guidance_scale", "scheduler")
    sizes = {name: record.parameters[name] for name in kept if name in record.parameters}
    return replace(asked, seeds=(0,) * int(record.parameters.get("count", 1)), **sizes)


@dataclass(slots=True)
class ShadowRule:
    """What one shadow rule would have done."""

    rule_id: str
    action: str
    requests: int = 0
    """Requests in which it found something."""
    decisive: int = 0
    """Those of them that were allowed: the rule would have changed the verdict."""
    tenants: Counter[str] = field(default_factory=Counter)
    latest: str = ""
    """Record of the newest such request."""


def shadow_rules(records: Iterable[Record]) -> tuple[int, dict[str, ShadowRule]]:
    """Count what the shadow rules of each recorded decision found."""
    rules: dict[str, ShadowRule] = {}
    total = 0
    for record in records:
        total += 1
        for rule_id, finding in _shadow_findings(record).items():
            rule = rules.setdefault(rule_id, ShadowRule(rule_id, finding["action"]))
            rule.latest = rule.latest or str(record.record_id)
            rule.requests += 1
            rule.decisive += record.verdict == "allow" and finding["action"] in ("block", "review")
            rule.tenants[record.tenant or "(none)"] += 1
    return total, rules


def _shadow_findings(record: Record) -> dict[str, Mapping[str, Any]]:
    """Return one finding of each shadow rule, of the prompt and of the picture."""
    findings = [*record.decision.get("findings", []), *(record.report or {}).get("findings", [])]
    return {f["rule_id"]: f for f in findings if f["mode"] == Mode.SHADOW and not f["failed"]}
