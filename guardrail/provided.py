"""What this version does of the things a policy can require. Nothing is listed that a test does
not show."""

from __future__ import annotations

from guardrail.policy import Need

PROVIDED = frozenset(
    {
        Need.SIGNED_MANIFEST,  # every released picture: provenance, checked before release
        Need.RECORD_RETENTION,  # the store has no way to delete a record, whatever its age
        Need.DETECTION_TOOL,  # `guardrail verify`, and any other C2PA reader
    }
)
"""A policy that requires anything else is refused at start, unless its operator assures it."""
