"""Writes the evaluation prompts, from templates and half of the register.

    python benchmarks/prompts/generate.py --output FILE

People are drawn from the half of the register whose names hash to an even number. The templates in
``evaluation/`` were written before the checks were tuned. ``evaluation.jsonl`` is frozen: it was
written once, and the register has grown since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from guardrail.people.register import Person, load_register

HERE = Path(__file__).parent
SPLIT = "evaluation"
SEED = 20261125
ROWS = {
    "exact": 320, "alias": 320, "mononym": 120, "script": 320, "leet": 180, "homoglyph": 180,
    "zero_width": 180, "spacing": 180, "fullwidth": 120, "hashtag": 180, "typo": 240,
    "possessive": 160, "role": 200, "private": 150, "benign_general": 1200,
}  # fmt: skip
NOUNS = {
    "politics": "politician", "business": "entrepreneur", "film": "movie star", "music": "singer",
    "sport": "athlete", "science": "scientist", "religion": "preacher", "royalty": "monarch",
    "internet": "influencer", "history": "leader", "media": "presenter", "arts": "artist",
}  # fmt: skip
LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
LOOKALIKES = {
    "a": "аɑα", "c": "сϲ", "e": "еє", "i": "іι", "j": "ј", "o": "оοօ", "p": "рρ", "s": "ѕ",
    "x": "х", "y": "уү", "k": "кκ", "m": "м", "n": "ոп", "u": "υս", "v": "ѵν", "h": "һհ",
}  # fmt: skip
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202c\u180e"
RECENT = 30
YEAR = 2026


def lines(split: str, name: str) -> list[str]:
    """Return the lines of a template file."""
    return [x for x in (HERE / split / f"{name}.txt").read_text("utf-8").splitlines() if x]


def people() -> list[Person]:
    """Return the living or recently dead people of one half of the register."""
    return [
        person
        for person in load_register()
        if hashlib.sha256(person.name.encode()).digest()[0] % 2 == 0 and person.recent(YEAR, RECENT)
    ]


class Split:
    """All prompts of one split, drawn with a fixed seed."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.random = random.Random(f"{SEED} {split}")
        self.people = people()
        self.templates = lines(split, "person")
        self.forms = {
            unicodedata.normalize("NFKC", form.rstrip("*")).casefold()
            for person in load_register()
            for form in (person.name, *person.aliases)
        }

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield every row: class, what is expected, prompt, and what helps to read a miss."""
        for kind in ("exact", "leet", "homoglyph", "zero_width", "spacing", "fullwidth",
                     "hashtag", "typo", "possessive"):  # fmt: skip
            yield from self._named(kind)
        yield from self._aliases()
        yield from self._mononyms()
        yield from self._scripts()
        yield from self._roles()
        yield from self._private()
        for name, expect in (("description", "real_person"), ("benign_homonym", "none"),
                             ("fiction_history", "none"), ("benign_intent", "none")):  # fmt: skip
            for prompt in lines(self.split, name):
                yield {"class": name, "expect": expect, "prompt": prompt}
        for row in lines(self.split, "intent"):
            language, prompt = row.split("\t")
            kind = "intent_en" if language == "en" else "intent_translated"
            yield {"class": kind, "expect": "deepfake", "prompt": prompt, "language": language}
        yield from self._general()

    def _person(self) -> Person:
        return self.random.choice(self.people)

    def _full(self) -> Person:
        while True:
            person = self._person()
            if person.name.isascii() and " " in person.name and len(person.name) >= 8:
                return person

    def _row(self, kind: str, written: str, person: Person) -> dict[str, str]:
        prompt = self.random.choice(self.templates).replace("{X}", written)
        return {"class": kind, "expect": "real_person", "prompt": prompt, "person": person.name}

    def _named(self, kind: str) -> Iterator[dict[str, str]]:
        for _ in range(ROWS[kind]):
            if kind == "exact":
                person = next(p for p in iter(self._person, None) if f"{p.name}*" not in p.aliases)
                yield self._row(kind, self._cased(person.name), person)
            else:
                person = self._full()
                yield self._row(kind, getattr(self, f"_{kind}")(person.name), person)

    def _cased(self, name: str) -> str:
        return self.random.choice([name, name, name.lower(), name.upper()])

    def _leet(self, name: str) -> str:
        spots = [i for i, c in enumerate(name) if c.lower() in LEET]
        chosen = set(self.random.sample(spots, self.random.randint(1, len(spots)))) if spots else ()
        return "".join(
            self.random.choice(LEET[c.lower()]) if i in chosen else c for i, c in enumerate(name)
        )

    def _homoglyph(self, name: str) -> str:
        spots = [i for i, c in enumerate(name) if c in LOOKALIKES]
        chosen = set(self.random.sample(spots, self.random.randint(1, len(spots)))) if spots else ()
        return "".join(
            self.random.choice(LOOKALIKES[c]) if i in chosen else c for i, c in enumerate(name)
        )

    def _zero_width(self, name: str) -> str:
        return "".join(
            c + (self.random.choice(INVISIBLE) if self.random.random() < 0.4 else "") for c in name
        ) + self.random.choice(INVISIBLE)

    def _spacing(self, name: str) -> str:
        joint = self.random.choice(" .-_*/·")
        style = self.random.randrange(3)
        if style == 0:
            return joint.join(name.replace(" ", "  " if joint == " " else ""))
        if style == 1:
            return name.replace(" ", self.random.choice(["", "  ", "_", "-", ".", "+", "\n"]))
        at = self.random.randrange(2, len(name) - 2)
        return name[:at] + self.random.choice("-_.*") + name[at:]

    def _fullwidth(self, name: str) -> str:
        base = self.random.choice(["ff21", "1d400", "1d434", "24b6"])
        upper = int(base, 16)
        lower = {"ff21": 0xFF41, "1d400": 0x1D41A, "1d434": 0x1D44E, "24b6": 0x24D0}[base]
        return "".join(
            chr(upper + ord(c) - 65) if c.isupper()
            else chr(lower + ord(c) - 97) if c.islower() and not (base == "1d434" and c == "h")
            else c
            for c in name
        )  # fmt: skip

    def _hashtag(self, name: str) -> str:
        glued = "".join(c for c in name if c.isalnum())
        written = self.random.choice([glued, glued.lower()])
        tail = self.random.choice(["", "", "FanArt", "edit", "2026", "Official", "vibes"])
        return self.random.choice("##@") + written + tail

    def _typo(self, name: str) -> str:
        while True:
            at = self.random.randrange(1, len(name) - 1)
            if not (name[at].isalpha() and name[at + 1].isalpha()):
                continue
            letter = self.random.choice("abcdefghijklmnopqrstuvwxyz")
            written = self.random.choice([
                name[:at] + name[at + 1 :],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
                name[:at] + letter + name[at + 1 :],
                name[:at] + letter + name[at:],
            ])  # fmt: skip
            if written != name and written.casefold() not in self.forms:
                return written

    def _possessive(self, name: str) -> str:
        first, _, last = name.rpartition(" ")
        return self.random.choice([
            f"{name}'s twin", f"{name}’s shadow", f"{last}, {first}", f"{name}s living room",
        ])  # fmt: skip

    def _aliases(self) -> Iterator[dict[str, str]]:
        pairs = [(p, a) for p in self.people for a in p.aliases if not a.endswith("*")]
        for person, alias in self.random.sample(pairs, ROWS["alias"]):
            yield self._row("alias", self._cased(alias), person)

    def _mononyms(self) -> Iterator[dict[str, str]]:
        pairs = [(p, a) for p in self.people for a in p.aliases if a.endswith("*")]
        templates = lines(self.split, "mononym")
        for person, alias in self.random.sample(pairs, ROWS["mononym"]):
            prompt = self.random.choice(templates).replace("{X}", alias[:-1])
            prompt = prompt.replace("{noun}", NOUNS[person.category])
            yield {"class": "mononym", "expect": "real_person", "prompt": prompt,
                   "person": person.name}  # fmt: skip

    def _scripts(self) -> Iterator[dict[str, str]]:
        templates = [row.split("\t") for row in lines(self.split, "script")]
        inflected = [row.split("\t") for row in lines(self.split, "inflected")]
        for prompt, name in inflected:
            yield {"class": "script", "expect": "real_person", "prompt": prompt, "person": name}
        wanted = ROWS["script"] - len(inflected)
        while wanted:
            language, template = self.random.choice(templates)
            person = self._person()
            forms = [s for s in person.scripts if _language(s) == language]
            if forms:
                wanted -= 1
                prompt = template.replace("{X}", self.random.choice(forms))
                yield {"class": "script", "expect": "real_person", "prompt": prompt,
                       "person": person.name}  # fmt: skip

    def _roles(self) -> Iterator[dict[str, str]]:
        written = [row.split("\t") for row in lines(self.split, "role")]
        for prompt, name in written:
            yield {"class": "role", "expect": "real_person", "prompt": prompt, "person": name}
        pairs = [(p, r) for p in self.people for r in p.roles]
        for person, role in self.random.sample(pairs, ROWS["role"] - len(written)):
            prompt = self.random.choice(self.templates).replace("{X}", f"the {role}")
            yield {"class": "role", "expect": "real_person", "prompt": prompt,
                   "person": person.name}  # fmt: skip

    def _private(self) -> Iterator[dict[str, str]]:
        slots = self._fillers()
        for _ in range(ROWS["private"]):
            prompt = self._fill(self.random.choice(lines(self.split, "private")), slots)
            yield {"class": "private_person", "expect": "real_person", "prompt": prompt}

    def _general(self) -> Iterator[dict[str, str]]:
        slots, templates, seen = self._fillers(), lines(self.split, "benign_general"), set()
        while len(seen) < ROWS["benign_general"]:
            prompt = self._fill(self.random.choice(templates), slots)
            if prompt not in seen:
                seen.add(prompt)
                yield {"class": "benign_general", "expect": "none", "prompt": prompt}

    def _fillers(self) -> dict[str, list[str]]:
        rows = (row.split("\t") for row in lines(self.split, "fillers"))
        return {name: values.split("|") for name, values in rows}

    def _fill(self, template: str, slots: dict[str, list[str]]) -> str:
        for name, values in slots.items():
            template = template.replace("{" + name + "}", self.random.choice(values))
        return template


SCRIPTS = {
    "CYRILLIC": "ru", "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko",
    "ARABIC": "ar", "DEVANAGARI": "hi", "HEBREW": "he", "GREEK": "el", "THAI": "th",
}  # fmt: skip


def _language(name: str) -> str:
    kinds = {SCRIPTS.get(unicodedata.name(c, "").split(" ")[0], "") for c in name if c.isalpha()}
    return "ja" if "ja" in kinds else next(iter(kinds - {""}), "")


def main() -> None:
    """Write one split as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    with given.output.open("w", encoding="utf-8") as file:
        for number, row in enumerate(Split(SPLIT).rows(), 1):
            numbered = {"id": f"{SPLIT[:4]}-{number:04}", **row}
            file.write(json.dumps(numbered, ensure_ascii=False) + "\n")
    print(f"wrote {number} prompts to {given.output}")


if __name__ == "__main__":
    main()
