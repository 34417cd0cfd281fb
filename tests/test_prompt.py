"""A prompt from its parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrail import Pipeline, PolicyBlocked
from guardrail.prompt import Prompt
from tests.drawn import DrawnBackend

WORDS = st.text("abcdefg hij", min_size=1).filter(lambda text: text.strip() != "")


def test_the_parts_come_in_order() -> None:
    prompt = Prompt(
        "a lighthouse.",
        style="watercolor style",
        composition="centred",
        lighting="at dusk",
        constraints=("no text",),
        without=("people", "boats"),
    )
    assert prompt.text == "a lighthouse, centred, at dusk, no text, watercolor style"
    assert prompt.negative_prompt == "people, boats"


def test_a_subject_is_enough() -> None:
    assert Prompt("a lighthouse").as_arguments() == {
        "prompt": "a lighthouse",
        "negative_prompt": None,
    }


@pytest.mark.parametrize(
    "parts",
    [
        {"subject": ""}, {"subject": "  "}, {"subject": 7}, {"subject": "a", "style": ""},
        {"subject": "a", "constraints": ("",)}, {"subject": "a", "without": (7,)},
    ],
)  # fmt: skip
def test_an_empty_part_is_a_mistake(parts: Any) -> None:
    with pytest.raises(ValueError, match="every part"):
        Prompt(**parts)


@given(WORDS, WORDS, st.lists(WORDS, max_size=3))
def test_no_part_gets_lost(subject: str, style: str, constraints: list[str]) -> None:
    text = Prompt(subject, style=style, constraints=tuple(constraints)).text
    assert all(part.strip() in text for part in (subject, style, *constraints))


def test_the_policy_judges_every_part(home: Any) -> None:
    pipe = Pipeline.from_pretrained(DrawnBackend(), home=home)
    with pytest.raises(PolicyBlocked):
        pipe.generate(**Prompt("a portrait", constraints=("showing Taylor Swift",)).as_arguments())
    assert pipe.generate(**Prompt("a lighthouse", lighting="at dusk").as_arguments())
    pipe.close()
