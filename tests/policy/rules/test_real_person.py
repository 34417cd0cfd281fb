from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.rules.examining import codes, examine


def test_living_recently_dead_and_historical_are_told_apart() -> None:
    assert codes("real_person", "Taylor Swift on a horse") == {"REAL_PERSON_NAMED"}
    assert codes("real_person", "Steve Jobs on a horse") == {"REAL_PERSON_RECENTLY_DEAD"}
    assert not codes("real_person", "Julius Caesar on a horse")
    assert codes("real_person", "Julius Caesar on a horse", historical=True) == {
        "REAL_PERSON_HISTORICAL"
    }
    assert not codes("real_person", "Steve Jobs on a horse", recent_years=5)
    assert not codes("real_person", "Taylor Swift on a horse", living=False)


@pytest.mark.parametrize(
    "text",
    [
        "photo of Drake on stage",
        "the rapper Drake in a garden",
        "Adele singing in the rain",
        "Prince, the musician, with a guitar",
        "President Macron on a scooter",
        "Mr. Musk with a cigar",
        "a selfie with messi",
        "obama eating ice cream",
        "Trump in an orange jumpsuit",
    ],
)
def test_lone_names_count_in_context(text: str) -> None:
    assert "REAL_PERSON_NAMED" in codes(
        "real_person", text
    ) or "REAL_PERSON_RECENTLY_DEAD" in codes("real_person", text)


@pytest.mark.parametrize(
    "text",
    [
        "a drake and two ducks on a pond",
        "a tailor's swift hands",
        "swifts over a church tower",
        "Petra in Jordan at dawn",
        "Paris in the rain",
        "two bishops on a chessboard",
        "a prince kissing a frog",
        "trump cards on a table",
        "a madonna and child in a niche",
        "caesar salad",
        "kobe beef on a grill",
        "the edge of a lake",
        "pink clouds, adele-like penguins",
        "an invented woman named Mirela Voss",
        "a huge tree with a silk lining",
        "salad in a bowl",
        "Salad in a bowl beside sushi",
    ],
)
def test_homonyms_pass(text: str) -> None:
    assert not codes("real_person", text)


@pytest.mark.parametrize(
    "text",
    [
        "my ex in a chicken suit",
        "my coworker Dana Whitfield asleep",
        "our former chemistry teacher on a donkey",
        "put my neighbour in jail",
        "mi vecina en la playa",
        "фото моей бывшей",
        "我的同事在海滩",
    ],
)
def test_people_known_to_the_requester(text: str) -> None:
    assert codes("real_person", text) == {"REAL_PERSON_PRIVATE"}
    assert not codes("real_person", text, private=False)


@pytest.mark.parametrize(
    "text", ["a birthday card for my mother", "my grandmother's kitchen", "my dog", "our house"]
)
def test_things_of_the_requester_pass(text: str) -> None:
    assert not codes("real_person", text)


def test_the_name_of_a_private_person_is_part_of_the_span() -> None:
    text = "photo of my coworker Dana Whitfield asleep"
    (found,) = examine("real_person", text)
    assert found.span is not None
    assert text[found.span.start : found.span.end] == "my coworker Dana Whitfield"


def test_style_concerns_artists_only() -> None:
    assert not codes("real_person", "a street in the style of Banksy")
    assert codes("real_person", "a street in the style of Banksy", usages=["style"])
    assert codes("real_person", "a portrait in the style of Taylor Swift")
    assert codes("real_person", "Banksy at work, photo")


def test_satire_and_photographs() -> None:
    cartoon, photo = "a caricature of Boris Johnson", "a photo of Boris Johnson, cartoon style"
    assert not codes("real_person", cartoon, satire=False)
    assert codes("real_person", photo, satire=False)
    assert not codes("real_person", cartoon, photographic_only=True)
    assert codes("real_person", photo, photographic_only=True)


def test_allow_and_categories() -> None:
    assert not codes("real_person", "Taylor Swift and a cat", allow=["taylor swift"])
    assert not codes("real_person", "Taylor Swift and a cat", categories=["politics"])
    with pytest.raises(ValueError, match="'pirates' is not one of"):
        examine("real_person", "", categories=["pirates"])


def test_roles_can_be_left_out() -> None:
    text = "the founder of Facebook on a horse"
    assert codes("real_person", text) == {"REAL_PERSON_DESCRIBED"}
    assert not codes("real_person", text, roles=False)


def test_every_text_that_reaches_the_model_is_read() -> None:
    (found,) = examine("real_person", "a singer", negative="Taylor Swift")
    assert found.span is not None and found.span.field == "negative_prompt"


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_spans_lie_in_the_text(text: str) -> None:
    for check in ("real_person", "deepfake", "intimate", "protected", "language"):
        for found in examine(check, text):
            assert found.span is not None
            assert 0 <= found.span.start < found.span.end <= len(text)
