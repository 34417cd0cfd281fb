"""What the commands of ``guardrail audit`` share."""

from __future__ import annotations

from guardrail.audit import AuditLog
from guardrail.cli.output import Output


def open_log(output: Output) -> AuditLog:
    """Open the store; it is never made by looking at it."""
    log = AuditLog.open(output.settings.audit_url, migrate=False)
    output.note(f"record store  {log.url_display}", dim=True)
    return log
