"""Common English words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

DATA = Path(__file__).parent / "data" / "ordinary_words.txt"


@lru_cache(maxsize=1)
def ordinary_words() -> frozenset[str]:
    """Return common English words of three letters and more, in small letters."""
    words = frozenset(DATA.read_text("utf-8").splitlines())
    return frozenset(word for word in words if not word.startswith("#"))
