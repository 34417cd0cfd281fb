"""What this version does of the things a policy can require.

Nothing is listed before it is done for every picture, without the caller's doing.
"""

from __future__ import annotations

from guardrail.policy import Need

PROVIDED = frozenset(
    {
        Need.SIGNED_MANIFEST,  # every released picture: provenance, checked before release
        Need.RECORD_RETENTION,  # the store has no way to delete a record, whatever its age
    }
)
"""A policy that requires anything else is refused at start, unless its operator assures it."""
