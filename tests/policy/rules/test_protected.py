from __future__ import annotations

from tests.policy.rules.examining import codes


def test_styles_characters_and_marks() -> None:
    assert codes("protected", "a wall in the style of Banksy") == {"STYLE_OF_LIVING_ARTIST"}
    assert codes("protected", "Pikachu in a forest") == {"CHARACTER_NAMED"}
    assert codes("protected", "a can of Coca-Cola") == {"TRADEMARK_NAMED"}


def test_the_dead_and_the_ordinary_pass() -> None:
    assert not codes("protected", "a field in the style of Vincent van Gogh")
    assert not codes("protected", "an apple, a shell and a target")


def test_lists_can_be_chosen_and_added_to() -> None:
    assert not codes("protected", "Pikachu", characters=False)
    assert not codes("protected", "a can of Coca-Cola", allow=["coca cola"])
    assert codes("protected", "Zorblax", more_characters=["Zorblax"]) == {"CHARACTER_NAMED"}
