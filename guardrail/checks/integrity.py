"""``picture_integrity``: is this a picture at all?

Models fail by returning black or uniform frames (not-a-number in half precision, a safety checker
that zeroes pixels) and other tools report those as success. Here it is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guardrail.checks.interface import Observation

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureIntegrity:
    """Matches pictures without content: every channel's range is at most ``tolerance`` (0-255)."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._tolerance = int(options.get("tolerance", 2))

    def observe(self, images: Sequence[Image]) -> Sequence[Observation]:
        """Return one observation for each picture."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> Observation:
        extremes = image.convert("RGB").getextrema()
        spread = max(float(high) - float(low) for low, high in extremes)  # type: ignore[misc]
        scores = {"range": spread}
        if spread > self._tolerance:
            return Observation(None, scores=scores)
        return Observation(
            "PICTURE_BLANK",
            "The model returned a picture of one flat colour instead of an image.",
            score=spread,
            threshold=float(self._tolerance),
            scores=scores,
        )
