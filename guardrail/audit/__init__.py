"""Everything to an append-only, provable record."""

from guardrail.audit.assurance import Assurance, Evidence
from guardrail.audit.log import AuditLog
from guardrail.audit.policies import Activation, PolicyHistory, StoredVersion
from guardrail.audit.records import Filters, Page, Record, RecordNotFound, State
from guardrail.audit.verification import LogVerification

__all__ = [
    "Activation",
    "Assurance",
    "AuditLog",
    "Evidence",
    "Filters",
    "LogVerification",
    "Page",
    "PolicyHistory",
    "Record",
    "RecordNotFound",
    "State",
    "StoredVersion",
]
