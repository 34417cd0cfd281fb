"""Thresholds from labelled scores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail.checks.calibration import calibrate
from guardrail.errors import ConfigurationError

SCORES = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=30)


def test_what_can_be_separated_is_separated_in_the_middle_of_the_gap() -> None:
    found = calibrate([0.8, 0.9], [0.1, 0.2])
    assert found.threshold == 0.5
    assert (found.precision, found.recall, found.auc) == (1.0, 1.0, 1.0)
    assert (found.shown, found.not_shown) == (2, 2)


def test_overlap_costs_precision_or_recall() -> None:
    shown, others = [0.3, 0.6, 0.7, 0.9], [0.1, 0.2, 0.4, 0.65]
    best = calibrate(shown, others)  # F1 0.8 here, 0.75 at the next candidate
    assert best.threshold == pytest.approx(0.25)
    assert (best.precision, best.recall) == (4 / 6, 1.0)
    assert best.auc == 13 / 16
    higher = calibrate(shown, others, min_recall=0.75)
    assert higher.threshold == pytest.approx(0.5)
    assert (higher.precision, higher.recall) == (0.75, 0.75)


def test_chance_is_an_auc_of_one_half() -> None:
    assert calibrate([0.5, 0.5], [0.5]).auc == 0.5


@pytest.mark.parametrize(("shown", "others"), [([], [0.1]), ([0.1], [])])
def test_pictures_of_both_kinds_are_needed(shown: Any, others: Any) -> None:
    with pytest.raises(ConfigurationError, match="both kinds"):
        calibrate(shown, others)


def test_a_recall_that_cannot_be_had_is_said() -> None:
    with pytest.raises(ConfigurationError, match="100%"):
        calibrate([0.0, 0.5], [0.1], min_recall=1.0)


@given(SCORES, SCORES, st.floats(0.1, 1.0))
def test_the_figures_are_those_of_the_threshold(
    shown: list[float], others: list[float], recall: float
) -> None:
    for found in (calibrate(shown, others), calibrate(shown, others, min_recall=recall)):
        hits = sum(score >= found.threshold for score in shown)
        false = sum(score >= found.threshold for score in others)
        assert 0 < found.threshold < 1
        if abs(found.recall - hits / len(shown)) > 1e-9:
            # Two scores closer together than a rounded threshold can say.
            assert min(abs(found.threshold - score) for score in (*shown, *others)) < 1e-6
            continue
        assert found.recall == hits / len(shown)
        assert found.precision == (hits / (hits + false) if hits + false else 1.0)
    assert calibrate(shown, others, min_recall=recall).recall >= recall
