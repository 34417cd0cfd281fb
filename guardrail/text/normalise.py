"""One text, the ways it can be read, and where each letter stands in the original.

A *view* is the text without anything but letters and digits, folded in one particular way; each
of its characters knows which original code point it comes from and whether it can begin or end a
word. Spacing, punctuation, zero-width characters, hyphens, hashtags and camel case therefore
cannot hide a phrase, and every span is reported in the original text. All work is linear.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from anyascii import anyascii

from guardrail.text.confusables import confusables
from guardrail.text.scripts import ANYWHERE, Script, prefixes, script_of, spoken_mark
from guardrail.text.stems import stem

LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "6": "b", "7": "t", "8": "b", "9": "g"}
LEET |= {"@": "a", "$": "s", "!": "i", "€": "e", "£": "l", "|": "l", "+": "t", "2": "z"}
_AS_L = frozenset("1!|I")
_LEET_INSIDE = re.compile(r"[a-z][-._]?[0-9@$!€£|+]|[0-9@$!€£|+][-._]?[a-z]", re.IGNORECASE)
_CAPITAL_I = re.compile(r"[A-Za-z]I[a-z]|[a-z]I|I[b-df-hj-km-np-rt-z]")
_RUN = re.compile(r"(.)\1\1", re.DOTALL)
_ASCII_WORD = re.compile(r"[A-Za-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])[A-Z]|(?<=[A-Z])[A-Z](?=[a-z])")


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text. The sequences run in parallel over the characters of ``text``."""

    name: str
    text: str
    origin: Sequence[int]
    """Index of the original code point of each character."""
    starts: Sequence[int]
    """1 where the character can begin a word."""
    ends: Sequence[int]
    """1 where the character can end a word."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original half-open span of ``text[start:end]``."""
        return self.origin[start], self.origin[end - 1] + 1


def views(text: str) -> tuple[View, ...]:
    """Return every reading that can differ from the plain one, the plain one first."""
    found: dict[str, View] = {}
    for view in _all_views(text):
        found.setdefault(view.text, view)
    return tuple(found.values())


def fold(text: str) -> str:
    """Return the plain view of a pattern: what matching compares."""
    if text.isascii():
        return "".join(_ASCII_WORD.findall(text)).lower()
    return "".join([_PLAIN[char] for char in text])


def squeeze(text: str) -> str:
    """Collapse runs of the same character: what stretched spellings are compared by."""
    return "".join([c for i, c in enumerate(text) if i == 0 or text[i - 1] != c])


def latin(text: str) -> str:
    """Return the transliteration of a pattern into ASCII letters and digits."""
    return "".join([_TRANSLITERATED[char] for char in text])


def _all_views(text: str) -> Iterator[View]:
    plain = _ascii_view(text) if text.isascii() else _view("plain", text, _PLAIN)
    yield plain
    leet = bool(_LEET_INSIDE.search(text))
    if leet:
        yield _leet_view("leet", text, _LEET_TABLE, _LEET)
    if (leet and not _AS_L.isdisjoint(text)) or _CAPITAL_I.search(text):
        yield _leet_view("leet-l", text, _LEET_L_TABLE, _LEET_L)
    if not text.isascii():
        yield _view("skeleton", text, _SKELETON)
        yield _view("skeleton-leet", text, _SKELETON_LEET)
        yield _view("transliterated", text, _TRANSLITERATED)
        if any("\u0400" <= char <= "\u04ff" for char in text):
            yield _stemmed(plain)
    if _RUN.search(plain.text):
        yield _squeezed(plain)


def _ascii_view(text: str) -> View:
    """The plain view of an ASCII text: the usual case, without a loop over its characters."""
    pieces: list[str] = []
    origin: list[int] = []
    starts = bytearray()
    for word in _ASCII_WORD.finditer(text):
        begin, end = word.span()
        piece = word.group()
        flags = bytearray(end - begin)
        flags[0] = 1
        if not (piece.islower() or piece.isupper()):
            for hump in _CAMEL.finditer(piece):
                flags[hump.start()] = 1
        pieces.append(piece)
        origin.extend(range(begin, end))
        starts += flags
    ends = starts[1:] + b"\1" if starts else starts
    return View("plain", "".join(pieces).lower(), origin, starts, ends)


def _leet_view(name: str, text: str, table: Mapping[int, str], folding: _Folding) -> View:
    """A view with digits and symbols read as letters. A symbol can also stand between words."""
    if not text.isascii():
        return _view(name, text, folding)
    view = _ascii_view(text.translate(table))
    starts = bytearray(view.starts)
    for symbol in _SYMBOL.finditer(text):
        at = bisect_left(view.origin, symbol.start())
        starts[at : at + 2] = b"\1" * len(starts[at : at + 2])
    return View(name, view.text, view.origin, starts, starts[1:] + b"\1" if starts else starts)


class _Folding(dict[str, str]):
    """What each character becomes in one kind of view; '' for what is no letter there."""

    def __init__(self, compute: Callable[[str], str]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, char: str) -> str:
        folded = "" if ignorable(char) else self._compute(char)
        if len(self) < 50_000:
            self[char] = folded
        return folded


class _Ignorable(dict[str, bool]):
    def __missing__(self, char: str) -> bool:
        answer = not char.isascii() and (
            char in "\u115f\u1160\u3164\uffa0"
            or (unicodedata.category(char) in ("Cf", "Mn", "Me") and not spoken_mark(char))
        )
        if len(self) < 50_000:
            self[char] = answer
        return answer


_IGNORABLE = _Ignorable()


def ignorable(char: str) -> bool:
    """Return whether the character changes nothing a reader sees as a letter: default-ignorable
    code points, format controls (bidirectional overrides among them) and marks."""
    return _IGNORABLE[char]


def _view(name: str, text: str, folding: _Folding) -> View:
    pieces: list[str] = []
    origin: list[int] = []
    starts = bytearray()
    begins, previous, kind, loose, after_symbol = True, "", Script.LATIN, 0, False
    for index, char in enumerate(text):
        piece = folding[char]
        if not piece:
            if not _IGNORABLE[char]:
                begins, previous = True, char
            continue
        script = script_of(piece[0])
        symbol = not (char.isalnum() or spoken_mark(char))
        start = begins or symbol or after_symbol or script in ANYWHERE or script is not kind
        start = start or (previous.islower() and char.isupper())
        pieces.append(piece)
        origin.extend([index] * len(piece))
        starts.append(start or bool(loose))
        starts.extend(b"\0" * (len(piece) - 1))
        loose = prefixes(script, char, begins or bool(loose), loose)
        begins, previous, kind, after_symbol = False, char, script, symbol
    ends = starts[1:] + b"\1" if starts else starts
    return View(name, "".join(pieces), origin, starts, ends)


def _squeezed(plain: View) -> View:
    kept = [i for i, char in enumerate(plain.text) if i == 0 or plain.text[i - 1] != char]
    return _selected("squeezed", plain, kept)


def _stemmed(plain: View) -> View:
    """Words without their endings, in scripts whose languages inflect names."""
    kept: list[int] = []
    begin = 0
    for index in range(len(plain.text)):
        if plain.ends[index]:
            kept.extend(range(begin, begin + len(stem(plain.text[begin : index + 1]))))
            begin = index + 1
    return _selected("stemmed", plain, kept)


def _selected(name: str, view: View, kept: Sequence[int]) -> View:
    starts = bytearray(view.starts[i] for i in kept)
    return View(
        name,
        "".join([view.text[i] for i in kept]),
        [view.origin[i] for i in kept],
        starts,
        starts[1:] + b"\1" if starts else starts,
    )


def _plain(char: str) -> str:
    """Compatibility decomposition, case folding, no diacritics; '' for what is no letter."""
    if char.isascii():
        return char.lower() if char.isalnum() else ""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char).casefold())
    return "".join([c for c in folded if c.isalnum() or spoken_mark(c)])


def _leet(char: str) -> str:
    return LEET.get(char) or _plain(char)


def _skeleton(char: str) -> str:
    """The Latin letter that the character looks like, whatever its script."""
    table = confusables()
    if char in table:
        return table[char]
    composed = unicodedata.normalize("NFKC", char)
    base = unicodedata.normalize("NFKD", composed)[:1]
    if base in table and not base.isascii():
        return table[base]
    return "".join([table.get(c, c) for c in _plain(char)])


def _transliterated(char: str) -> str:
    plain = _plain(char)
    if plain.isascii():
        return plain
    return "".join([c for c in anyascii(plain).lower() if c.isalnum()])


_SYMBOL = re.compile(r"[@$!|+]")
_LEET_TABLE = {ord(char): letter for char, letter in LEET.items()}
_LEET_L_TABLE = _LEET_TABLE | dict.fromkeys(map(ord, _AS_L), "l")
_PLAIN = _Folding(_plain)
_LEET = _Folding(_leet)
_LEET_L = _Folding(lambda char: "l" if char in _AS_L else _leet(char))
_SKELETON = _Folding(_skeleton)
_SKELETON_LEET = _Folding(lambda char: LEET.get(char) or _skeleton(char))
_TRANSLITERATED = _Folding(_transliterated)
