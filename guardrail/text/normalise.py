"""One text, the ways it can be read, and where each letter stands in the original.

A *view* is the text without anything but letters and digits, folded in one particular way; each
of its characters knows which original code point it comes from and whether it begins or ends a
word. Spacing, punctuation, zero-width characters, hyphens, hashtags and camel case therefore
cannot hide a phrase, and every span is reported in the original text. All work is linear.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii

from guardrail.text.confusables import CONFUSABLES

LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"}
LEET |= {"@": "a", "$": "s", "!": "i", "€": "e", "£": "l", "|": "l", "+": "t"}
_SPACELESS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "HANGUL")


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text. The sequences run in parallel over the characters of ``text``."""

    name: str
    text: str
    origin: tuple[int, ...]
    """Index of the original code point of each character."""
    starts: tuple[bool, ...]
    """Whether the character begins a word."""
    ends: tuple[bool, ...]
    """Whether the character ends a word."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original half-open span of ``text[start:end]``."""
        return self.origin[start], self.origin[end - 1] + 1


@dataclass(frozen=True, slots=True)
class _Letter:
    char: str
    origin: int
    starts: bool


def views(text: str) -> tuple[View, ...]:
    """Return every reading that can differ from the plain one, the plain one first."""
    found = {view.text: view for view in reversed(list(_all_views(text)))}
    return tuple(reversed(found.values()))


def fold(text: str) -> str:
    """Return the plain view of a pattern: what matching compares."""
    return _view("plain", text, _plain).text


def squeeze(text: str) -> str:
    """Collapse runs of the same character: what stretched spellings are compared by."""
    return "".join(c for i, c in enumerate(text) if i == 0 or text[i - 1] != c)


def spaceless(char: str) -> bool:
    """Return whether the character belongs to a script written without spaces."""
    return not char.isascii() and unicodedata.name(char, "").startswith(_SPACELESS)


def _all_views(text: str) -> Iterator[View]:
    plain = _view("plain", text, _plain)
    yield plain
    if any(char in LEET for char in text):
        yield _view("leet", text, _leet)
        yield _view("leet-l", text, _leet_l)
    if not text.isascii():
        yield _view("skeleton", text, _skeleton)
        yield _view("skeleton-leet", text, lambda char: _leet(_skeleton(char) or char))
        yield _view("transliterated", text, _transliterated)
    if any(
        a == b == c for a, b, c in zip(plain.text, plain.text[1:], plain.text[2:], strict=False)
    ):
        yield _squeezed(plain)


def _view(name: str, text: str, fold_char: Callable[[str], str]) -> View:
    letters: list[_Letter] = []
    begins, previous = True, ""
    for index, char in enumerate(text):
        if _ignorable(char):
            continue
        folded = fold_char(char)
        if not folded:
            begins = begins or not unicodedata.category(char).startswith("M")
            previous = char
            continue
        camel = previous.islower() and char.isupper()
        for position, piece in enumerate(folded):
            letters.append(_Letter(piece, index, (begins or camel) and position == 0))
        begins, previous = False, char
    return _assemble(name, letters)


def _assemble(name: str, letters: list[_Letter]) -> View:
    starts = tuple(letter.starts for letter in letters)
    return View(
        name,
        "".join(letter.char for letter in letters),
        tuple(letter.origin for letter in letters),
        starts,
        (*starts[1:], True) if letters else (),
    )


def _squeezed(plain: View) -> View:
    kept = [i for i, char in enumerate(plain.text) if i == 0 or plain.text[i - 1] != char]
    letters = [_Letter(plain.text[i], plain.origin[i], plain.starts[i]) for i in kept]
    return _assemble("squeezed", letters)


@lru_cache(maxsize=8192)
def _ignorable(char: str) -> bool:
    """Default-ignorable code points, format controls (bidirectional overrides among them) and
    marks: they change nothing a reader sees as a letter."""
    if char.isascii():
        return False
    return unicodedata.category(char) in ("Cf", "Mn", "Me") or char in "\u115f\u1160\u3164\uffa0"


@lru_cache(maxsize=8192)
def _plain(char: str) -> str:
    """Compatibility decomposition, case folding, no diacritics; '' for what is no letter."""
    if char.isascii():
        return char.lower() if char.isalnum() else ""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char).casefold())
    return "".join(c for c in folded if c.isalnum())


@lru_cache(maxsize=8192)
def _leet(char: str) -> str:
    return LEET.get(char) or _plain(char)


def _leet_l(char: str) -> str:
    return "l" if char in "1!" else _leet(char)


@lru_cache(maxsize=8192)
def _skeleton(char: str) -> str:
    plain = _plain(char)
    return "".join(CONFUSABLES.get(c, c) for c in plain) or CONFUSABLES.get(char, "")


@lru_cache(maxsize=8192)
def _transliterated(char: str) -> str:
    plain = _plain(char)
    if plain.isascii():
        return plain
    return "".join(c for c in anyascii(plain).lower() if c.isalnum())
