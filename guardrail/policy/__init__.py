"""Request to decision: policy documents, the engine, and the checks on texts."""

from guardrail.policy.document import Need
from guardrail.policy.engine import Policy
from guardrail.policy.loader import load_policy, restore_policy

__all__ = ["Need", "Policy", "load_policy", "restore_policy"]
