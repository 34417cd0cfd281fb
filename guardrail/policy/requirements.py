"""What a policy needs of the rest of the system: marks, records, time stamps.

A policy cannot make a visible label; it can say that one is required, and the pipeline then refuses
to start unless it makes one or the operator states, in the policy itself, who does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from guardrail.errors import ConfigurationError
from guardrail.policy.document import Need, Requirement, ResolvedPolicy

MEANING: dict[Need, str] = {
    Need.SIGNED_MANIFEST: "a signed C2PA manifest that says the picture is AI-generated",
    Need.LATENT_DISCLOSURE: "provider, system, version, time and unique id inside the picture",
    Need.TRUSTED_TIMESTAMP: "an RFC 3161 time stamp of a trusted authority on the signature",
    Need.VISIBLE_LABEL: "a label that a viewer can see in the picture",
    Need.WATERMARK: "an imperceptible watermark that survives the loss of metadata",
    Need.AIGC_METADATA: "implicit label TC260:AIGC of GB 45438-2025 in the picture's metadata",
    Need.RECORD_RETENTION: "records kept for at least the stated number of days",
    Need.DETECTION_TOOL: "a free public tool that tells whether a picture was made here",
    Need.TAKEDOWN: "withdrawal of a picture within the stated number of hours",
}
"""What each need is, in words."""


class Standing(StrEnum):
    """Whether a requirement is met, and by whom."""

    ENFORCED = "enforced"
    """The pipeline does it, and releases nothing where it fails."""
    ASSURED = "assured"
    """The operator states in the policy that it is done elsewhere."""
    UNMET = "unmet"
    """Not implemented here: the pipeline refuses to start."""


def standing(
    policy: ResolvedPolicy, requirement: Requirement, provided: Collection[Need]
) -> Standing:
    """Return whether ``requirement`` is met where the pipeline provides ``provided``."""
    if requirement.need in provided:
        return Standing.ENFORCED
    if any(assurance.need is requirement.need for assurance in policy.assured):
        return Standing.ASSURED
    return Standing.UNMET


def unmet(policy: ResolvedPolicy, provided: Collection[Need]) -> tuple[Requirement, ...]:
    """Return the requirements that nobody meets."""
    return tuple(
        requirement
        for requirement in policy.requirements
        if standing(policy, requirement, provided) is Standing.UNMET
    )


def require_met(policy: ResolvedPolicy, provided: Collection[Need]) -> None:
    """Raise :class:`ConfigurationError` naming every requirement that nobody meets."""
    missing = unmet(policy, provided)
    if missing:
        names = ", ".join(f"{r.id} ({MEANING[r.need]})" for r in missing)
        needs: Sequence[str] = sorted({str(r.need) for r in missing})
        raise ConfigurationError(
            f"The policy {policy.id!r} requires what this pipeline does not do: {names}.",
            hint=f"Where it is done elsewhere, say so in a policy that extends this one: "
            f"assured: [{{need: {needs[0]}, how: ...}}].",
        )
