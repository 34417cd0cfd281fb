"""Letters of other scripts that look like Latin ones (from Unicode's confusables data, UTS #39).

Only what is used to disguise Latin words; comparison only, never shown (UTS #39 section 4).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

DATA = Path(__file__).parent / "data" / "confusables.tsv"


@lru_cache(maxsize=1)
def confusables() -> dict[str, str]:
    """Return look-alike to small Latin letter; capitals and small letters are told apart, since
    they look like different things (Greek capital nu like N, the small one like v)."""
    table: dict[str, str] = {}
    for line in DATA.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            letter, characters = line.split("\t")
            table.update(dict.fromkeys(characters, letter))
    return table
