"""The policy in force: the version that somebody activated, exactly as it was then.

``policy = "active"`` makes every pipeline on a store decide by the version last activated there.
It is rebuilt from its stored text, so editing a file changes nothing until it is activated; and
when a list it decides by has changed since, it is refused rather than run as something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guardrail.errors import PolicyError
from guardrail.policy import Policy, load_policy, restore_policy

if TYPE_CHECKING:
    from guardrail.audit import AuditLog
    from guardrail.settings import Settings

ACTIVE = "active"


def active_policy(log: AuditLog) -> Policy:
    """Return the version last activated in ``log``.

    Raises :class:`PolicyError` when there is none, or when it can no longer be run as it was.
    """
    activation = log.policies.active()
    if activation is None:
        raise PolicyError(
            "No policy is active in this store.",
            hint="Activate one: guardrail policy activate NAME|FILE --actor WHO --reason WHY",
        )
    digest = activation.policy.digest
    policy = restore_policy(log.policy_text(digest))
    if policy.ref.digest != digest:
        raise PolicyError(
            f"The active policy {activation.policy.id!r} ({digest[:12]}) decides by lists that "
            "have changed since it was activated.",
            hint="Look at it again and activate it anew: guardrail policy activate",
        )
    return policy


def chosen_policy(settings: Settings) -> Policy:
    """Return the policy that the settings name, for commands that generate nothing.

    Raises :class:`PolicyError`, and :class:`~guardrail.errors.AuditError` when it is the active
    one and there is no store.
    """
    if settings.policy != ACTIVE:
        return load_policy(settings.policy)
    from guardrail.audit import AuditLog  # noqa: PLC0415 (the other policies need no database)

    with AuditLog.open(settings.audit_url, migrate=False) as log:
        return active_policy(log)


def named_policy(policy: str | Path | Policy) -> Policy | None:
    """Return the policy that a pipeline was given, loaded; None for the active one, which needs
    the store. Raises :class:`PolicyError`."""
    if isinstance(policy, Policy):
        return policy
    return None if policy == ACTIVE else load_policy(policy)
