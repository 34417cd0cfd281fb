from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrail.text import PhraseIndex, fold, views

NAME = "Taylor Swift"
IGNORED = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202e\u0301\u0336"


def found(text: str, phrase: str = NAME) -> list[str]:
    return [text[h.start : h.end] for h in PhraseIndex([phrase]).hits(views(text))]


@pytest.mark.parametrize(
    "written",
    [
        "Taylor Swift",
        "TAYLOR SWIFT",
        "T a y l o r  S w i f t",
        "Taylor_Swift",
        "taylor-swift",
        "T.a.y.l.o.r S.w.i.f.t",
        "#TaylorSwift2026",
        "T4yl0r Sw1ft",
        "T@ylor $wift",
        "Τаylоr Ѕwіft",
        "Ｔａｙｌｏｒ Ｓｗｉｆｔ",
        "𝓣𝓪𝔂𝓵𝓸𝓻 𝓢𝔀𝓲𝓯𝓽",
        "Ⓣⓐⓨⓛⓞⓡ Ⓢⓦⓘⓕⓣ",
        "Táylör Swíft",
        "T\u200ba\u200dylor Sw\u2060ift",
        "Taaaylor Swiiift",
        "TayIor Swift",
    ],
)
def test_disguises_read_the_same(written: str) -> None:
    assert found(f"a photo of {written} at sea")


@pytest.mark.parametrize("text", ["tailor swift", "a taylor's swiftness", "stay lorries wifty"])
def test_other_words_stay_other(text: str) -> None:
    assert not found(text)


def test_span_covers_the_original_letters() -> None:
    text = "x T\u200ba y l o r Sw1ft, y"
    assert found(text)[0] == "T\u200ba y l o r Sw1ft"


def test_small_greek_and_capital_letters_look_like_different_ones() -> None:
    assert found("ΝΙΝΑ ΗΑΝΑ", "Nina Hana")
    assert found("νera", "vera")


def test_russian_cases() -> None:
    assert "stemmed" in {view.name for view in views("Владимира Путина")}
    (stemmed,) = (view.text for view in views("Владимиром Путиным") if view.name == "stemmed")
    assert stemmed == "владимирпутин"


def test_vowel_signs_of_indian_scripts_are_letters() -> None:
    assert fold("बिल") != fold("बल")
    assert not found("बिल्ली", "बिल")


def test_kana_keep_their_voicing() -> None:
    assert fold("ガ") != fold("カ")
    assert fold("ｶﾞ") == fold("ガ")


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_every_view_points_into_the_original(text: str) -> None:
    for view in views(text):
        assert len(view.text) == len(view.origin) == len(view.starts) == len(view.ends)
        assert list(view.origin) == sorted(view.origin)
        assert all(0 <= index < len(text) for index in view.origin)


@given(st.text(alphabet="Taylor Swift4$ .-#\u200bТа́", max_size=120))
@settings(max_examples=200, deadline=None)
def test_spans_are_valid(text: str) -> None:
    for hit in PhraseIndex([NAME, "taylor*"]).hits(views(text)):
        assert 0 <= hit.start < hit.end <= len(text)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_an_ignorable_character_never_removes_a_match(data: st.DataObject) -> None:
    text = "portrait of Taylor Swift, oil"
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(IGNORED)) + text[at:]
    assert found(text)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("name", ["Beyoncé", "도널드 트럼프", "ドナルド・トランプ", "Erdoğan"])
def test_every_normal_form_reads_the_same(form: str, name: str) -> None:
    assert found(f"x {unicodedata.normalize(form, name)} y", name)


@pytest.mark.parametrize("seed", ["a", "a1", "é", "а", "ा", "#Aa", "\u200b", "ﷺ", "ガ", "aaa"])
def test_time_is_linear(seed: str) -> None:
    def taken(length: int) -> float:
        text = (seed * length)[:length]
        best = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            views(text)
            best = min(best, time.perf_counter() - started)
        return best

    views((seed * 500)[:500])
    assert taken(16_000) < 20 * taken(4_000) + 0.05
