"""Says which language a short text is in, by script and by its commonest words."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from guardrail.text.normalise import fold
from guardrail.text.ordinary import ordinary_words

DATA = Path(__file__).parent / "data" / "common_words.tsv"
UNKNOWN = "und"
"""ISO 639-2 for undetermined: a script that none of the known languages is written in."""
MIN_WORDS = 2
"""Common words of one language that must be there before a Latin or Cyrillic text counts as it."""
ENGLISH_SHARE = 0.6
"""Share of English words from which a text counts as English."""
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "DEVANAGARI": "hi",
    "ARABIC": "ar",
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "KHMER": "km",
    "LAO": "lo",
    "MYANMAR": "my",
    "ETHIOPIC": "am",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "TIBETAN": "bo",
    "MONGOLIAN": "mn",
}
_BY_WORDS = ("LATIN", "CYRILLIC", "ARABIC", "DEVANAGARI")
_COMMON = {"COMMON", "DIGIT", "FULLWIDTH", "MATHEMATICAL"}


def identify(text: str) -> str | None:
    """Return the ISO 639-1 code of the language most of the text is in, :data:`UNKNOWN` for a
    script of no known language, or None where nothing tells (no letters, or too few words)."""
    if text.isascii():
        return _by_words(text, "LATIN")
    scripts = Counter(_script(char) for char in text if char.isalpha())
    scripts.pop("", None)
    if not scripts:
        return None
    if scripts["HIRAGANA"] + scripts["KATAKANA"] and scripts["CJK"]:
        return "ja"
    script = scripts.most_common(1)[0][0]
    if script in _BY_WORDS:
        return _by_words(text, script) or _SCRIPTS.get(script)
    return _SCRIPTS.get(script, UNKNOWN)


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    if char.isascii():
        return "LATIN"
    name = unicodedata.name(char, "").split(" ")[0].split("-")[0]
    return "" if name in _COMMON else name


def _by_words(text: str, script: str) -> str | None:
    words = [word for word in map(_folded, text.split()) if word]
    if script == "LATIN" and _english(words):
        return "en"
    votes: Counter[str] = Counter()
    for word in words:
        for language in _common_words().get(word, ()):
            votes[language] += 1
    ranked = votes.most_common(2)
    if not ranked or ranked[0][1] < MIN_WORDS:
        return None
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return None
    return ranked[0][0]


def _folded(word: str) -> str:
    return word.lower() if word.isascii() and word.isalpha() else fold(word)


def _english(words: Sequence[str]) -> bool:
    """Whether most words are English, however few of them are common to all texts."""
    telling = [word for word in words if len(word) > 2 and word.isalpha()]
    known = sum(word in ordinary_words() for word in telling)
    return bool(telling) and known >= ENGLISH_SHARE * len(telling)


@lru_cache(maxsize=1)
def _common_words() -> dict[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = {}
    for line in DATA.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            language, listed = line.split("\t")
            for word in dict.fromkeys(fold(w) for w in listed.split()):
                words[word] = (*words.get(word, ()), language)
    return words


_OTHERS = "en es fr de pt it nl pl tr vi id sv da no fi cs hu ro ru uk bg fa ur sw zu"
LANGUAGES = frozenset(_SCRIPTS.values()) | frozenset(_OTHERS.split(" "))
"""Every language that can be identified."""
