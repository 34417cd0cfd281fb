"""Where to put a concept's threshold: from pictures that show it, and pictures that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from guardrail.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and how it does on the pictures it was chosen on."""

    threshold: float
    precision: float
    """Of what it calls shown, the share that is. 1.0 where it calls nothing shown."""
    recall: float
    """Of what is shown, the share it finds."""
    auc: float
    """Chance that a picture that shows it scores higher than one that does not, 0..1."""
    shown: int
    not_shown: int


def calibrate(
    shown: Sequence[float], not_shown: Sequence[float], *, min_recall: float | None = None
) -> Calibration:
    """Choose a threshold from the scores of both kinds of pictures, each in 0..1.

    Without ``min_recall``: the one with the highest F1, in the widest gap between scores. With it:
    the highest one that still finds that share of what is shown. Raises
    :class:`ConfigurationError` unless there are pictures of both kinds.
    """
    if not shown or not not_shown:
        raise ConfigurationError(
            "A threshold needs pictures of both kinds.",
            hint="Put pictures into the folders 'shown' and 'not-shown'.",
        )
    auc = _auc(shown, not_shown)
    candidates = [
        (_measure(t, shown, not_shown, auc), gap) for t, gap in _between(shown, not_shown)
    ]
    if min_recall is None:
        return max(candidates, key=lambda pair: (_f1(pair[0]), pair[1]))[0]
    fitting = [result for result, _ in candidates if result.recall >= min_recall]
    if not fitting:
        raise ConfigurationError(f"No threshold finds {min_recall:.0%} of what is shown.")
    return max(fitting, key=lambda result: result.threshold)


def _between(shown: Sequence[float], not_shown: Sequence[float]) -> list[tuple[float, float]]:
    """Thresholds half-way between neighbouring scores, each with the width of its gap."""
    ordered = sorted({0.0, *shown, *not_shown, 1.0})
    return [((low + high) / 2, high - low) for low, high in pairwise(ordered)]


def _measure(
    threshold: float, shown: Sequence[float], not_shown: Sequence[float], auc: float
) -> Calibration:
    found = sum(score >= threshold for score in shown)
    wrong = sum(score >= threshold for score in not_shown)
    return Calibration(
        threshold=round(threshold, 6),
        precision=found / (found + wrong) if found + wrong else 1.0,
        recall=found / len(shown),
        auc=auc,
        shown=len(shown),
        not_shown=len(not_shown),
    )


def _f1(result: Calibration) -> float:
    both = result.precision + result.recall
    return 2 * result.precision * result.recall / both if both else 0.0


def _auc(shown: Sequence[float], not_shown: Sequence[float]) -> float:
    higher = sum((s > n) + (s == n) / 2 for s in shown for n in not_shown)
    return higher / (len(shown) * len(not_shown))
