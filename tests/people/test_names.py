from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.people import NameIndex, load_name_index
from guardrail.people.compile import SHIPPED, compile_names
from guardrail.people.compiled import Compiled
from guardrail.people.register import load_register
from guardrail.text import views

INDEX = load_name_index()


def people(text: str) -> set[str]:
    hits = [*INDEX.hits(views(text)), *INDEX.misspelt(text), *INDEX.roles(text)]
    return {hit.person.name for hit in hits if not hit.needs_context}


def test_the_shipped_index_is_compiled_from_the_register() -> None:
    assert compile_names(load_register()) == SHIPPED.read_bytes(), (
        "run: python -m guardrail.people.compile"
    )


def test_it_opens_at_once() -> None:
    started = time.perf_counter()
    NameIndex.open(SHIPPED)
    assert time.perf_counter() - started < 0.15


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Swift, Taylor in a garden", "Taylor Swift"),
        ("Jae-yong Lee at a desk", "Lee Jae-yong"),
        ("#ilovetaylorswift2026", "Taylor Swift"),
        ("Tayler Swift", "Taylor Swift"),
        ("Taylro Swift", "Taylor Swift"),
        ("Taylor Swft", "Taylor Swift"),
        ("Taylor Swifts house", "Taylor Swift"),
        ("Beyonse on stage", "Beyoncé"),
        ("портрет Владимира Путина", "Vladimir Putin"),
        ("с Дональдом Трампом", "Donald Trump"),
        ("ドナルド・トランプの写真", "Donald Trump"),
        ("도널드 트럼프가 웃는다", "Donald Trump"),
        ("ارسم ودونالد ترامب", "Donald Trump"),
        ("डोनाल्ड ट्रम्प की तस्वीर", "Donald Trump"),
        ("Gerhard Schroeder", "Gerhard Schröder"),
        ("EIon Musk", "Elon Musk"),
        ("Facebook's founder at sea", "Mark Zuckerberg"),
        ("the man who founded Amazon", "Jeff Bezos"),
        ("France's president", "Emmanuel Macron"),
        ("the forty-fourth president of the United States of America", "Barack Obama"),
        ("the guy who plays Tyler Durden", "Brad Pitt"),
        ("the Pope in a white coat", "Pope Leo XIV"),
    ],
)
def test_people_are_found(text: str, name: str) -> None:
    assert name in people(text)


@pytest.mark.parametrize(
    "text",
    [
        "a tailor's swift hands",
        "the weekend market",
        "a nirvana mandala",
        "two kings and a queen",
        "a French king in a painting",
        "a president of a garden club in France",
        "a star and friends at a party",
        "アンティークの椅子",
        "Jim Cook, a farmer",
    ],
)
def test_nobody_is_found(text: str) -> None:
    assert not people(text)


@given(st.text(max_size=150))
@settings(max_examples=200, deadline=None)
def test_spans_lie_in_the_text(text: str) -> None:
    for hit in (*INDEX.hits(views(text)), *INDEX.misspelt(text), *INDEX.roles(text)):
        assert 0 <= hit.start < hit.end <= len(text)


@given(st.sampled_from(load_register()), st.sampled_from(["", "portrait of ", "x, "]))
@settings(max_examples=300, deadline=None)
def test_every_name_of_the_register_is_found(person: object, before: str) -> None:
    name = person.name  # type: ignore[attr-defined]
    assert any(hit.person.name == name for hit in INDEX.hits(views(before + name)))


@pytest.mark.parametrize("seed", ["t a y l o r ", "taylor ", "president of ", "david ", "#a"])
def test_adversarial_texts_take_linear_time(seed: str) -> None:
    started = time.perf_counter()
    people((seed * 4000)[:4000])
    assert time.perf_counter() - started < 3


def test_a_file_that_is_cut_off_is_refused() -> None:
    from guardrail.errors import ConfigurationError

    whole = SHIPPED.read_bytes()
    for data in (b"", whole[:20], whole[: len(whole) // 2], b"x" * 100):
        with pytest.raises(ConfigurationError):
            Compiled(memoryview(data))
