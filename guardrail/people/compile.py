"""Compiles a register into its index: every form of every person under every key it is found by.

    python -m guardrail.people.compile     rewrites the index of the shipped register

A key is a folded form without spaces. Marked keys serve what cannot be spelled out: the words of
a name (one misspelt word is found through the others), the rarest word of a role, and surnames
(found behind a title or an occupation).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum, IntFlag
from pathlib import Path

from guardrail.files import write_atomically
from guardrail.people.compiled import Entry, write_compiled
from guardrail.people.register import FOLDER, Person, load_register
from guardrail.people.roles import canonical
from guardrail.text import fold, latin, squeeze, stem

SHIPPED = FOLDER.parent / "public_figures.names"
"""The compiled form of the shipped register; a test compares it with the register."""
CONTEXT = "*"
"""Ends an alias that is also an ordinary word or name: alone it proves nothing."""
WORD, ROLE, SURNAME, NEAR = "\x01", "\x02", "\x03", "\x04"
"""What marked keys begin with: a word of a name, a word of a role, a surname, a lone name without
one of its letters."""
MAX_VALUES = 400
"""Entries kept for a word that very many names share; the others have rarer words."""
MIN_STEMMED = 5
"""Letters that stay of a name without its case endings, at least."""
MIN_TURNED = 6
"""Letters a name has at least to be found with its words turned around."""
MIN_MISSPELT = 7
"""Letters a name has at least for its misspellings to count."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_PARTICLES_WRITTEN = "de da do dos di del della van von der den la le el al bin ibn jr sr"
_COMMON = frozenset(_PARTICLES_WRITTEN.split(" ")) | {"the", "of", "and", "a", "in", "i", "st"}
"""Words that lead to too many names."""
_PARTICLES = frozenset(_PARTICLES_WRITTEN.split(" "))


class Kind(IntFlag):
    """Flags of an entry: its form in the lowest two bits, and what its spelling proves."""

    NAME = 0
    ALIAS = 1
    SCRIPT = 2
    ROLE = 3
    NEEDS_CONTEXT = 4
    SEVERAL_WORDS = 8


class Variant(IntEnum):
    """How a key was made from a form; the lowest two bits of its values."""

    EXACT = 0
    SQUEEZED = 1
    STEMMED = 2


def compile_names(people: Iterable[Person]) -> bytes:
    """Return the compiled index of ``people``; see :class:`guardrail.people.names.NameIndex`."""
    known = list(people)
    entries = [entry for number, person in enumerate(known) for entry in _entries(number, person)]
    frequency = Counter(
        word for entry in entries if _form(entry) is Kind.ROLE for word in canonical(entry.text)
    )
    keys: dict[str, int | list[int]] = {}
    for number, entry in enumerate(entries):
        for key, value in _keys(number, entry, frequency):
            there = keys.setdefault(key, value)
            if isinstance(there, list):
                if value not in there[-8:] and len(there) < MAX_VALUES:
                    there.append(value)
            elif there != value:  # most keys stand for one entry: no list is made for them
                keys[key] = [there, value]
    return write_compiled(known, entries, keys)


def _entries(number: int, person: Person) -> Iterator[Entry]:
    lone = f"{person.name}{CONTEXT}" in person.aliases
    yield _entry(number, Kind.NAME, person.name + (CONTEXT if lone else ""))
    for alias in person.aliases:
        if not lone or alias != f"{person.name}{CONTEXT}":
            yield _entry(number, Kind.ALIAS, alias)
    for name in person.scripts:
        yield _entry(number, Kind.SCRIPT, name)
    for role in person.roles:
        yield _entry(number, Kind.ROLE, role)


def _entry(person: int, form: Kind, written: str) -> Entry:
    text = written.removesuffix(CONTEXT)
    flags = form
    if written.endswith(CONTEXT):
        flags |= Kind.NEEDS_CONTEXT
    if len(words_of_name(text)) > 1:
        flags |= Kind.SEVERAL_WORDS
    return Entry(person, int(flags), text)


def _form(entry: Entry) -> Kind:
    return Kind(entry.flags & 3)


def words_of_name(name: str) -> list[str]:
    """Return the folded words of a name; hyphens and dots divide words."""
    parts = "".join(c if c.isalnum() or c == "'" else " " for c in name.replace("’", "'"))
    return [word for word in (fold(part) for part in parts.split()) if word]


def _keys(number: int, entry: Entry, frequency: Counter[str]) -> Iterator[tuple[str, int]]:
    if _form(entry) is Kind.ROLE:
        words = canonical(entry.text)
        if len(words) > 1:
            yield ROLE + min(words, key=lambda word: (frequency[word], -len(word))), number
        else:
            yield "the" + fold(entry.text.removeprefix("the ")), number << 2
        return
    for key, variant in _spellings(entry.text):
        yield key, number << 2 | variant
    if not entry.flags & Kind.NEEDS_CONTEXT and entry.text.isascii():
        yield from _misspelt(number, entry)
    if _form(entry) is Kind.NAME and entry.flags & Kind.SEVERAL_WORDS:
        yield SURNAME + _surname(words_of_name(entry.text)), number


def _spellings(text: str) -> Iterator[tuple[str, Variant]]:
    plain = fold(text)
    forms = {plain}
    if text.isascii():
        forms.update(_turned(text))
    elif latin(text[:1]) and ord(text[0]) < 0x250:
        forms |= {latin(text), fold(text.lower().translate(_UMLAUTS))}
    for form in sorted(forms - {""}):
        yield form, Variant.EXACT
        if squeeze(form) != form:
            yield squeeze(form), Variant.SQUEEZED
    stemmed = "".join(stem(word) for word in words_of_name(text))
    if stemmed != plain and len(stemmed) >= MIN_STEMMED:
        yield stemmed, Variant.STEMMED


def _turned(text: str) -> Iterator[str]:
    """The name with its last word first, and with its first word last: "Swift, Taylor"; "Yuna Kim"
    for "Kim Yuna"."""
    words = words_of_name(text)
    if len(words) < 2 or any(len(word) < 2 for word in words) or len(fold(text)) < MIN_TURNED:
        return
    cut = len(words) - 1
    while cut > 1 and words[cut - 1] in _PARTICLES:
        cut -= 1
    for place in {len(words) - 1, cut, 1}:
        yield "".join(words[place:] + words[:place])


def _misspelt(number: int, entry: Entry) -> Iterator[tuple[str, int]]:
    words = words_of_name(entry.text)
    if sum(map(len, words)) < MIN_MISSPELT:
        return
    if len(words) == 1:
        yield from ((NEAR + key, number) for key in shortened(words[0]))
    else:
        leading = [word for word in dict.fromkeys(words) if word not in _COMMON]
        if sum(len(word) > 1 for word in leading) > 1:
            leading = [word for word in leading if len(word) > 1]
        yield from ((WORD + word, number) for word in leading)


def shortened(word: str) -> list[str]:
    """Return ``word`` and ``word`` without each of its letters: two words that are one edit apart
    share one of these."""
    return list(dict.fromkeys([word, *(word[:i] + word[i + 1 :] for i in range(len(word)))]))


def _surname(words: Sequence[str]) -> str:
    trailing = [word for word in words if word not in ("jr", "sr", "ii", "iii")]
    return (trailing or list(words))[-1]


def main() -> None:
    """Compile the shipped register."""
    data = compile_names(load_register())
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    write_atomically(path, data)


if __name__ == "__main__":
    main()
