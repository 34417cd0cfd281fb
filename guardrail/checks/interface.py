"""What an image check is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from guardrail.contracts import Region

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Observation:
    """What one check saw in one picture."""

    reason_code: str | None
    """Set when the check matched, e.g. ``PICTURE_BLANK``; None when there is nothing to report."""
    reason: str = ""
    matched: str | None = None
    region: Region | None = None
    score: float | None = None
    threshold: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    """Everything that was measured, matched or not."""


class ImageCheck(Protocol):
    """Looks at a batch of pictures under the options of one rule.

    One that uses a model may say which in an attribute ``model`` (JSON data with ``id`` and
    ``weights_digest``); the report then names it.
    """

    def observe(self, images: Sequence[Image]) -> Sequence[Observation]:
        """Return one observation for each picture, in order.

        Raises anything when it cannot look: the inspector turns that into an ``error`` verdict.
        """
        ...
