"""Compares descriptions that single a person out: "France's president", "the man who founded X".

A description becomes a short sequence of canonical words: articles and the like are dropped,
"plays" and "portrayed" read alike, and so do "French" and "of France". It is found where its
words stand together, in its own order or with the head after the rest ("Facebook's founder").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from guardrail.text import fold

DATA = Path(__file__).parent / "data" / "role_words.tsv"
BARRIER = ""
"""Stands between words that belong to different phrases."""
_WORDS = re.compile(r"(?P<word>[^\W_]+(?:'(?=\w))?)|(?P<barrier>(?:[;!?()\n]|,(?!\d)|\.(?=\s|$))+)")
_ABBREVIATED = re.compile(r"\bU\.S\.(?:A\.)?")
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60}
_ORDINALS_WRITTEN = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_ORDINALS = _ORDINALS_WRITTEN.split(" ")
_TENS_OR_NONE = (0, *_TENS.values())
_QUICK = re.compile(r"[^\W_]+")
_SUFFIX = {1: "st", 2: "nd", 3: "rd"}
_INDEFINITE = frozenset({"a", "an", "some", "any", "another", "every", "no"})
_DEFINITE = frozenset({"the", "this", "that"})
_LOOK_BACK = 3
"""Words before a description in which an article is looked for."""
_SKIPS = 1
"""Further words that may stand inside a description."""


@dataclass(frozen=True, slots=True)
class Word:
    """One canonical word of a text and where it stands."""

    text: str
    start: int
    end: int
    indefinite: bool = False
    """Whether "a", "an" or the like stands right before: the phrase means nobody in particular."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    dropped: frozenset[str]
    joined: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]
    """By first word, longest first."""
    same: Mapping[str, str]


def canonical(text: str) -> tuple[str, ...]:
    """Return the canonical words of a description."""
    return tuple(word.text for word in words_of(text) if word.text != BARRIER)


def with_barriers(text: str) -> tuple[str, ...]:
    """Return the canonical words of a description that punctuation divides, as a text has them."""
    words = [word.text for word in words_of(text)]
    return tuple(words[:-1] if words[-1:] == [BARRIER] else words)


def words_of(text: str) -> list[Word]:
    """Return the canonical words of a text, with a :data:`BARRIER` between phrases."""
    vocabulary = _vocabulary()
    raw = list(_raw(text))
    words: list[Word] = []
    at, since_article = 0, _LOOK_BACK + 1
    while at < len(raw):
        token, start, _ = raw[at]
        used, name = _joined(raw, at, vocabulary)
        if used == 1:
            if token in _INDEFINITE:
                since_article = 0
            elif token in _DEFINITE or token == BARRIER:
                since_article = _LOOK_BACK + 1
            name = "" if token in vocabulary.dropped else vocabulary.same.get(token, token)
        if token == BARRIER or name:
            words.append(Word(name, start, raw[at + used - 1][2], since_article <= _LOOK_BACK))
            since_article += 1
        at += used
    return _without_actor_before_play(words)


def leading_words(text: str) -> set[str]:
    """Return every canonical word that can occur in a text: a quick look before the exact one."""
    vocabulary, words = _vocabulary(), set()
    for word in set(_QUICK.findall(text.lower())):
        folded = word if word.isascii() else fold(word)
        words.add(vocabulary.same.get(folded, folded))
        words.update(name for _, name in vocabulary.joined.get(folded, ()))
        if folded in _ORDINALS:
            words.update(_ordinal(tens + _ORDINALS.index(folded) + 1) for tens in _TENS_OR_NONE)
    return words


def occurrences(role: Sequence[str], words: Sequence[Word], at: int) -> tuple[int, int] | None:
    """Return the span of ``role`` around the word at ``at``, which is one of its words; None when
    it does not stand there."""
    for order in _orders(tuple(role)):
        for place, word in enumerate(order):
            if word == words[at].text:
                begin = _walk(order[:place][::-1], words, at, -1)
                finish = _walk(order[place + 1 :], words, at, 1)
                if begin is not None and finish is not None and not words[begin].indefinite:
                    return words[begin].start, words[finish].end
    return None


@lru_cache(maxsize=4096)
def _orders(role: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    turned = [role[cut:] + role[:cut] for cut in range(1, min(3, len(role)))]
    return tuple(dict.fromkeys([role, *turned]))


def _walk(wanted: Sequence[str], words: Sequence[Word], at: int, step: int) -> int | None:
    skips = _SKIPS if len(wanted) > 1 else 0
    for word in wanted:
        at += step
        while 0 <= at < len(words) and words[at].text != word:
            if skips == 0 or words[at].text == BARRIER:
                return None
            skips -= 1
            at += step
        if not 0 <= at < len(words):
            return None
    return at


def _raw(text: str) -> Iterator[tuple[str, int, int]]:
    pending: tuple[int, int, int] | None = None
    text = _ABBREVIATED.sub(lambda found: "US".ljust(len(found.group())), text)
    for found in _WORDS.finditer(text.replace("’", "'").replace("_", " ")):
        if found.group("barrier"):
            yield BARRIER, *found.span()
            pending = None
            continue
        word, (start, end) = fold(found.group("word")), found.span()
        if word in _TENS:
            pending = (_TENS[word], start, end)
            continue
        if word in _ORDINALS:
            number = _ORDINALS.index(word) + 1 + (pending[0] if pending else 0)
            yield _ordinal(number), pending[1] if pending else start, end
        elif word:
            yield word, start, end
        pending = None


def _ordinal(number: int) -> str:
    return f"{number}{'th' if 10 < number % 100 < 14 else _SUFFIX.get(number % 10, 'th')}"


def _joined(
    raw: Sequence[tuple[str, int, int]], at: int, vocabulary: _Vocabulary
) -> tuple[int, str]:
    for parts, name in vocabulary.joined.get(raw[at][0], ()):
        if tuple(token for token, _, _ in raw[at : at + len(parts)]) == parts:
            return len(parts), name
    return 1, ""


def _without_actor_before_play(words: list[Word]) -> list[Word]:
    return [
        word
        for word, following in zip(words, [*words[1:], None], strict=False)
        if not (word.text == "actor" and following and following.text == "play")
    ]


@lru_cache(maxsize=1)
def _vocabulary() -> _Vocabulary:
    dropped: set[str] = set()
    joined: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    same: dict[str, str] = {}
    for line in DATA.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        kind, name, written = line.split("\t")
        for form in written.split("|"):
            if kind == "drop":
                dropped.add(form)
            elif kind == "join":
                parts = tuple(form.split(" "))
                joined.setdefault(parts[0], []).append((parts, name))
            else:
                same[form] = name
    longest = {
        word: tuple(sorted(forms, key=lambda form: -len(form[0]))) for word, forms in joined.items()
    }
    return _Vocabulary(frozenset(dropped), longest, same)
