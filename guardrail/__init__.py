"""Generate images under governance: policy, provenance and a provable record for each picture.

    import guardrail

    pipe = guardrail.Pipeline.from_pretrained("embedded")
    result = pipe.generate("a house on a meadow at sunset, watercolor style", seed=7)
    result.save("house.png")

The names below are the public interface. They are imported on first use, so that
``import guardrail`` itself needs neither torch nor a database.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from guardrail._version import __version__

if TYPE_CHECKING:
    from guardrail.audit import AuditLog as AuditLog
    from guardrail.contracts import Decision as Decision
    from guardrail.contracts import Finding as Finding
    from guardrail.contracts import Verdict as Verdict
    from guardrail.errors import GuardrailError as GuardrailError
    from guardrail.errors import PolicyBlocked as PolicyBlocked
    from guardrail.errors import ReviewRequired as ReviewRequired
    from guardrail.errors import StageFailed as StageFailed
    from guardrail.pipeline import Pipeline as Pipeline
    from guardrail.policy import Policy as Policy
    from guardrail.policy import load_policy as load_policy
    from guardrail.provenance import Verification as Verification
    from guardrail.provenance import verify as verify
    from guardrail.result import Result as Result

_HOME = {
    "AuditLog": "guardrail.audit",
    "Decision": "guardrail.contracts",
    "Finding": "guardrail.contracts",
    "GuardrailError": "guardrail.errors",
    "Pipeline": "guardrail.pipeline",
    "Policy": "guardrail.policy",
    "PolicyBlocked": "guardrail.errors",
    "Result": "guardrail.result",
    "ReviewRequired": "guardrail.errors",
    "StageFailed": "guardrail.errors",
    "Verdict": "guardrail.contracts",
    "Verification": "guardrail.provenance",
    "load_policy": "guardrail.policy",
    "verify": "guardrail.provenance",
}

__all__ = [
    "AuditLog",
    "Decision",
    "Finding",
    "GuardrailError",
    "Pipeline",
    "Policy",
    "PolicyBlocked",
    "Result",
    "ReviewRequired",
    "StageFailed",
    "Verdict",
    "Verification",
    "__version__",
    "load_policy",
    "verify",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'guardrail' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
