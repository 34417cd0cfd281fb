"""Names that one edit separates from a name of the register.

A letter left out, put in or replaced, or two neighbours swapped, in one word of a name; the other
words lead to it. Only the few names that share an exact word are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from guardrail.people.compile import NEAR, WORD, shortened, words_of_name
from guardrail.people.compiled import Compiled
from guardrail.text import fold
from guardrail.text.ordinary import ordinary_words

MIN_LONE = 6
"""Letters a name of one word has at least for its misspellings to count."""
MAX_OTHER = 4
"""Letters up to which a word that is a name itself is taken for that other name: Jim is not Tim."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Written(NamedTuple):
    """One word of a text as written."""

    word: str
    """Folded."""
    start: int
    end: int
    capital: bool


@dataclass(frozen=True, slots=True)
class Misspelling:
    """An entry of a compiled register that a stretch of text nearly spells."""

    entry: int
    start: int
    end: int


def misspellings(compiled: Compiled, text: str) -> Iterator[Misspelling]:
    """Yield every name that one edit turns into one of the register."""
    words, ordinary = _words(text), ordinary_words()
    for at, written in enumerate(words):
        entries = compiled.of_word(WORD + written.word)
        for number in entries:
            span = _one_edit_off(compiled, number, words, at)
            if span:
                yield Misspelling(number, *span)
        lone = len(written.word) >= MIN_LONE - 1 and not entries
        if lone and (written.capital or written.word not in ordinary):
            yield from _lone(compiled, written)


def _words(text: str) -> list[Written]:
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        folded = word.lower() if word.isascii() and word.isalpha() else fold(word)
        found.append(Written(folded, match.start(), match.end(), word[0].isupper()))
    return found


def _lone(compiled: Compiled, written: Written) -> Iterator[Misspelling]:
    for key in shortened(written.word):
        for number in compiled.table.find(NEAR + key):
            name = _name_words(compiled, number)[0]
            near = OSA.distance(name, written.word, score_cutoff=1) == 1
            if len(name) >= MIN_LONE and near and written.word not in ordinary_words():
                yield Misspelling(number, written.start, written.end)


def _one_edit_off(
    compiled: Compiled, number: int, words: Sequence[Written], at: int
) -> tuple[int, int] | None:
    name = _name_words(compiled, number)
    first = at - name.index(words[at].word)
    stretch = words[first : first + len(name)] if first >= 0 else ()
    if len(stretch) < len(name):
        return None
    off = [
        (wanted, written)
        for wanted, written in zip(name, stretch, strict=True)
        if wanted != written.word
    ]
    if len(off) != 1 or not _is_misspelt(compiled, *off[0]):
        return None
    return stretch[0].start, stretch[-1].end


def _is_misspelt(compiled: Compiled, wanted: str, written: Written) -> bool:
    word = written.word
    if word == f"{wanted}s":  # a possessive without its apostrophe
        return True
    if min(len(wanted), len(word)) < 3 or OSA.distance(wanted, word, score_cutoff=1) > 1:
        return False
    if len(word) <= MAX_OTHER and compiled.of_word(WORD + word):
        return False
    return written.capital or word not in ordinary_words()


@lru_cache(maxsize=8192)
def _name_words(compiled: Compiled, number: int) -> tuple[str, ...]:
    return tuple(words_of_name(compiled.text(number)))
