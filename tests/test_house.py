"""The house rules, as tests."""

from collections.abc import Callable, Iterator

import pytest

from tests import house


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_house_rule_holds(rule: Callable[[], Iterator[str]]) -> None:
    assert list(rule()) == []


def test_the_rules_look_at_something() -> None:
    assert len(house.modules()) > 20
