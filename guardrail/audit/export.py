"""The record as streams: its events, byte for byte, and its records as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, select

from guardrail.audit.records import Record
from guardrail.audit.tables import AuditEvent

COLUMNS = (
    "record_id",
    "request_id",
    "seq",
    "time",
    "state",
    "verdict",
    "actor",
    "tenant",
    "purpose",
    "model",
    "policy",
    "policy_digest",
    "rules",
    "seed",
    "prompt",
    "sha256",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def event_lines(
    connection: Connection, after: int = -1, limit: int | None = None
) -> Iterator[tuple[int, str]]:
    """Yield (seq, text) of the events after ``after``, in order.

    Each text is exactly what was hashed, without a newline in it: a copy of the log line by line
    can be verified against its checkpoints with nothing but the lines.
    """
    query = (
        select(AuditEvent.seq, AuditEvent.body)
        .where(AuditEvent.seq > after)
        .order_by(AuditEvent.seq)
        .limit(limit)
    )
    for row in connection.execution_options(yield_per=1000).execute(query):
        yield row.seq, row.body


def csv_lines(records: Iterable[Record]) -> Iterator[str]:
    """Yield a table of records as CSV (RFC 4180), the header first.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    yield _line(COLUMNS)
    for record in records:
        yield _line([_cell(value) for value in _values(record)])


def _values(record: Record) -> Iterator[object]:
    policy = record.decision.get("policy", {})
    findings = [
        *record.decision.get("findings", []),
        *(record.output_decision or {}).get("findings", []),
    ]
    told = {
        "model": record.model.id if record.model else None,
        "policy": policy.get("id"),
        "policy_digest": policy.get("digest"),
        "rules": " ".join(sorted({finding["rule_id"] for finding in findings})),
    }
    for column in COLUMNS:
        yield told[column] if column in told else getattr(record, column)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()
