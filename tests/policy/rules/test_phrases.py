from __future__ import annotations

import pytest

from tests.policy.rules.examining import codes, examine


@pytest.mark.parametrize(
    "text", ["red tape", "RED-TAPE", "r e d t a p e", "r3d t4pe", "réd\u200btape"]
)
def test_disguises_are_seen_through(text: str) -> None:
    assert codes("phrases", f"some {text} here", phrases=["red tape"]) == {"PHRASE_LISTED"}


@pytest.mark.parametrize("text", ["bored tapestry", "red and tape", "tape red"])
def test_other_words_pass(text: str) -> None:
    assert not examine("phrases", text, phrases=["red tape"])


def test_a_stem_finds_longer_words() -> None:
    assert codes("phrases", "a falsified letter", phrases=["fals*"])
    assert not codes("phrases", "a falsified letter", phrases=["fals"])


def test_an_allowed_phrase_makes_what_is_inside_harmless() -> None:
    options = {"phrases": ["tape"], "allow": ["tape measure"]}
    assert not codes("phrases", "a tape measure", **options)
    assert codes("phrases", "a tape measure and tape", **options)


def test_a_phrase_without_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no letter"):
        examine("phrases", "", phrases=["..."])
