from __future__ import annotations

import time

import pytest

from tests.policy.rules.examining import examine


def test_span_is_in_code_points_of_the_original() -> None:
    (found,) = examine("pattern", "日本 é AB-12", patterns=[r"\bAB-\d+"])
    assert found.span is not None
    assert "日本 é AB-12"[found.span.start : found.span.end] == "AB-12"


def test_a_wrong_expression_is_located() -> None:
    with pytest.raises(ValueError, match=r"patterns\[1\]: not an RE2 expression: missing"):
        examine("pattern", "", patterns=["a", "(b"])


def test_an_expression_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="matches the empty text"):
        examine("pattern", "", patterns=["x*"])


def test_nested_quantifiers_run_in_linear_time() -> None:
    started = time.perf_counter()
    assert not examine("pattern", "a" * 20_000 + "!", patterns=[r"(a+)+$"])
    assert time.perf_counter() - started < 2
