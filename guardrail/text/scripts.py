"""Which script a folded character belongs to, and what that says about word boundaries."""

from __future__ import annotations

from bisect import bisect_right
from enum import IntEnum


class Script(IntEnum):
    """Scripts that differ in how words begin and end."""

    LATIN = 0
    DIGIT = 1
    OTHER = 2
    ARABIC = 3
    HEBREW = 4
    HAN = 5
    HIRAGANA = 6
    KATAKANA = 7
    HANGUL = 8
    SPACELESS = 9
    """Thai, Lao, Khmer, Myanmar: no spaces between words."""


ANYWHERE = frozenset({Script.HAN, Script.HIRAGANA, Script.SPACELESS})
"""Scripts in which a word can begin at any character. Katakana words begin where katakana begins
or after a dot; Korean words after a space."""

_RANGES = (
    (0x0000, Script.LATIN),
    (0x0250, Script.OTHER),
    (0x0590, Script.HEBREW),
    (0x0600, Script.ARABIC),
    (0x0700, Script.OTHER),
    (0x0750, Script.ARABIC),
    (0x0780, Script.OTHER),
    (0x0E00, Script.SPACELESS),
    (0x0F00, Script.OTHER),
    (0x1000, Script.SPACELESS),
    (0x10A0, Script.OTHER),
    (0x1100, Script.HANGUL),
    (0x1200, Script.OTHER),
    (0x1780, Script.SPACELESS),
    (0x1800, Script.OTHER),
    (0x1E00, Script.LATIN),
    (0x1F00, Script.OTHER),
    (0x2E80, Script.HAN),
    (0x3041, Script.HIRAGANA),
    (0x30A0, Script.KATAKANA),
    (0x3100, Script.HAN),
    (0x3130, Script.HANGUL),
    (0x3190, Script.HAN),
    (0x31F0, Script.KATAKANA),
    (0x3200, Script.OTHER),
    (0x3400, Script.HAN),
    (0xA000, Script.OTHER),
    (0xAC00, Script.HANGUL),
    (0xD800, Script.OTHER),
    (0xF900, Script.HAN),
    (0xFB00, Script.OTHER),
    (0x20000, Script.HAN),
    (0x32000, Script.OTHER),
)
_BEGINNINGS = [begin for begin, _ in _RANGES]
_ARABIC_PREFIXES = frozenset("وفبلكا")
_HEBREW_PREFIXES = frozenset("ובהלמשכ")
_MAX_PREFIX = 3


_SPOKEN = ((0x0900, 0x0E00), (0x0E30, 0x0EFF), (0x0F71, 0x0FBD), (0x102B, 0x109F), (0x17B6, 0x17D4))
_SILENT = frozenset("\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc")
_VOICED = frozenset("\u3099\u309a")


def spoken_mark(char: str) -> bool:
    """Return whether the combining mark is a letter of its script: the vowel signs of India and
    South-East Asia, and what makes kana voiced. Accents and dots of other scripts are not."""
    if char in _VOICED:
        return True
    code = ord(char)
    if code < 0x0900 or code > 0x17D4 or char in _SILENT:
        return False
    return any(begin <= code < end for begin, end in _SPOKEN) and char.isprintable()


class _Scripts(dict[str, Script]):
    def __missing__(self, char: str) -> Script:
        code = ord(char)
        if char.isdigit():
            script = Script.DIGIT
        elif char in "ー\u3099\u309a":  # belongs to whatever it follows
            script = Script.KATAKANA
        else:
            script = _RANGES[bisect_right(_BEGINNINGS, code) - 1][1]
        if len(self) < 50_000:
            self[char] = script
        return script


_SCRIPTS = _Scripts()


def script_of(char: str) -> Script:
    """Return the script of one character."""
    return _SCRIPTS[char]


INFLECTION = {Script.HANGUL: 8, Script.OTHER: 3}
"""Folded characters that may follow a word in scripts that write endings on (Korean letters are
folded one by one)."""


def ending_may_follow(char: str) -> int:
    """Return how many characters of a written-on ending may follow a word that ends in ``char``."""
    if "\u0900" <= char <= "\u0dff":
        return 0
    return INFLECTION.get(_SCRIPTS[char], 0)


def prefixes(script: Script, char: str, begins: bool, count: int) -> int:
    """Return how many letters of written-on prefixes ("and", "the", "to") a word has so far; 0
    where the next letter cannot be the beginning of the word they are written onto."""
    if not begins or count >= _MAX_PREFIX:
        return 0
    if script is Script.ARABIC and char in _ARABIC_PREFIXES:
        return count + 1
    if script is Script.HEBREW and char in _HEBREW_PREFIXES and count == 0:
        return 1
    return 0
