"""Counts over the record: volume, outcomes, rules, how long the stages took."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from guardrail.audit import events as types
from guardrail.audit.records import STATE_OF
from guardrail.audit.tables import AuditEvent
from guardrail.clock import rfc3339

QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the record says about a stretch of time, by events."""

    records: int
    """Pictures asked for."""
    days: Mapping[str, int]
    """Pictures asked for, by day (UTC)."""
    outcomes: Mapping[str, int]
    """How records ended, by state. A record that ended outside the stretch is not in it."""
    tenants: Mapping[str, int]
    models: Mapping[str, int]
    policies: Mapping[str, int]
    """Records by the digest of the policy that decided."""
    rules: Mapping[str, int]
    """Findings by rule, those of shadow rules and warnings included."""
    reasons: Mapping[str, int]
    """Findings by reason code."""
    milliseconds: Mapping[str, Mapping[str, float]]
    """Quantiles of each stage's time for released pictures: p50, p95, p99."""


def statistics(
    connection: Connection, since: datetime | None = None, until: datetime | None = None
) -> Statistics:
    """Count the events of a stretch of time."""
    within = [
        *([AuditEvent.time >= rfc3339(since)] if since else []),
        *([AuditEvent.time < rfc3339(until)] if until else []),
    ]

    def counted(column: Any) -> dict[str, int]:
        query = (
            select(column.label("what"), func.count().label("times"))
            .where(AuditEvent.type == types.REQUESTED, column.is_not(None), *within)
            .group_by(column)
        )
        return _sorted({row.what: row.times for row in connection.execute(query)})

    days = counted(func.substr(AuditEvent.time, 1, 10))
    kinds = connection.execute(
        select(AuditEvent.type, func.count().label("times"))
        .where(AuditEvent.type.in_(types.TERMINAL), *within)
        .group_by(AuditEvent.type)
    )
    bodies = connection.execution_options(yield_per=1000).scalars(
        select(AuditEvent.body).where(AuditEvent.type.in_(_TELLING), *within)
    )
    rules, reasons, times = _read(bodies)
    return Statistics(
        records=sum(days.values()),
        days=dict(sorted(days.items())),
        outcomes=_sorted({str(STATE_OF[row.type]): row.times for row in kinds}),
        tenants=counted(AuditEvent.tenant),
        models=counted(AuditEvent.model),
        policies=counted(AuditEvent.policy_digest),
        rules=_sorted(rules),
        reasons=_sorted(reasons),
        milliseconds={stage: _quantiles(values) for stage, values in sorted(times.items())},
    )


_TELLING = (types.REQUESTED, types.RELEASED, types.REFUSED, types.HELD, types.FAILED)
"""Events that hold findings or times."""


def _read(bodies: Iterable[str]) -> tuple[Counter[str], Counter[str], dict[str, list[float]]]:
    rules, reasons, times = Counter[str](), Counter[str](), defaultdict[str, list[float]](list)
    for body in bodies:
        if '"findings":[{' not in body and '"milliseconds":{' not in body:
            continue  # most refusals aside, there is nothing to read
        data = json.loads(body).get("data", {})
        # The report of the pictures repeats what their decision found: it is not counted again.
        for place in ("decision", "output_decision"):
            for finding in data.get(place, {}).get("findings", []):
                rules[finding["rule_id"]] += 1
                reasons[finding["reason_code"]] += 1
        for stage, took in data.get("milliseconds", {}).items():
            times[stage].append(took)
    return rules, reasons, times


def _quantiles(values: list[float]) -> dict[str, float]:
    """Nearest-rank quantiles."""
    ranked = sorted(values)
    return {f"p{q * 100:.0f}": ranked[int(q * (len(ranked) - 1) + 0.5)] for q in QUANTILES}


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
