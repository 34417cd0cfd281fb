"""Everything to an append-only, provable record."""

from guardrail.audit.log import AuditLog
from guardrail.audit.records import Filters, Page, Record, RecordNotFound, State
from guardrail.audit.verification import Assurance, LogVerification

__all__ = [
    "Assurance",
    "AuditLog",
    "Filters",
    "LogVerification",
    "Page",
    "Record",
    "RecordNotFound",
    "State",
]
