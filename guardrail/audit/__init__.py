"""Everything to an append-only, provable record."""

from guardrail.audit.log import AuditLog
from guardrail.audit.policies import Activation, PolicyHistory, StoredVersion
from guardrail.audit.records import Filters, Page, Record, RecordNotFound, State
from guardrail.audit.verification import Assurance, LogVerification

__all__ = [
    "Activation",
    "Assurance",
    "AuditLog",
    "Filters",
    "LogVerification",
    "Page",
    "PolicyHistory",
    "Record",
    "RecordNotFound",
    "State",
    "StoredVersion",
]
