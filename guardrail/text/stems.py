"""Cuts case endings off Slavic words in Cyrillic, so that an inflected name is found."""

from __future__ import annotations

MIN_STEM = 3
"""Letters that always stay."""
_WRITTEN = (
    "ого его ому ему ыми ими ами ями ой ей ый ий ым им ом ем ою ею ую юю ая яя ов ев ых их ах ях "
    "ию ия ии ие ью а я у ю ы и е о й ь"
)
_ENDINGS = sorted(_WRITTEN.split(" "), key=len, reverse=True)
_LAST = "аяуюыиеойьъіїє"


def stem(word: str) -> str:
    """Return a folded word without its case ending. Words of other scripts come back whole."""
    if not ("а" <= word[-1:] <= "я" or word[-1:] in "іїєґ"):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM:
            word = word[: -len(ending)]
            break
    while len(word) > MIN_STEM and word[-1] in _LAST:
        word = word[:-1]
    return word
