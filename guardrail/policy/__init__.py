"""Request to decision: policy documents, the engine, and the checks on texts."""

from guardrail.policy.engine import Policy
from guardrail.policy.loader import load_policy

__all__ = ["Policy", "load_policy"]
