"""What stands around a name, and whether it shows that a person is meant.

A name that is also an ordinary word ("Drake", "Prince") proves nothing alone. It counts when the
words around it add up: an occupation beside it says the most, an article before it speaks against.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from guardrail.people.names import NameHit
from guardrail.people.register import CATEGORIES
from guardrail.policy.interface import Text
from guardrail.policy.lexicon import Found, find_in

ENOUGH = 3
"""Points at which a person is meant."""
_BESIDE = 3
_ANYWHERE = 2
_CUE = 2
_AGAINST = -4
_NEAR = 14
"""Characters between a name and an occupation that belong together: "Drake, the famous rapper"."""
_WORD_BEFORE = re.compile(r"([\w']+)\W*$")
_ARTICLES = frozenset(
    {"a", "an", "the", "this", "that", "these", "those", "some", "any", "my", "your", "our"}
    | {"two", "three", "four", "five"}
)
_PLACES = frozenset({"in", "at", "near", "to", "from", "through", "over", "across", "toward"})
_STYLE_AFTER = re.compile(
    r"\s*(?:-|['’]s\s|\s)\s*styled?\b|的?风格|的?畫風|的?画风|風|スタイル| ?스타일| ?풍"
)


class Usage(StrEnum):
    """What a name is there for."""

    DEPICTION = "depiction"
    STYLE = "style"
    QUOTATION = "quotation"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The words of one text that say something about the names in it."""

    text: str
    groups: dict[str, list[Found]]

    @classmethod
    def of(cls, text: Text) -> Surroundings:
        """Read the surroundings of a text in its plain view."""
        return cls(text.text, find_in(text, "context", plain=True))

    def photographic(self) -> bool:
        """Return whether the text asks for something that looks like a photograph."""
        return bool(self.groups.get("photographic"))

    def satirical(self) -> bool:
        """Return whether the text asks for a caricature and not for a photograph."""
        return bool(self.groups.get("satire")) and not self.photographic()

    def usage(self, hit: NameHit) -> Usage:
        """Return what the name is there for. Only an artist's name can stand for a style: any
        other name brings the person's looks with it, however the request puts it."""
        if hit.person.category == "arts" and (
            self._before("style", hit, gap=10) or _STYLE_AFTER.match(self.text, hit.end)
        ):
            return Usage.STYLE
        if self._before("quotation", hit, gap=4):
            return Usage.QUOTATION
        return Usage.DEPICTION

    def means_a_person(self, hit: NameHit) -> bool:
        """Return whether a form that is also an ordinary word names a person here."""
        written = self.text[hit.start : hit.end]
        exactly = len(hit.matched) <= 3 or "." in hit.matched
        if exactly and written != hit.matched:
            return False
        return self._points(hit, written) >= ENOUGH

    def _points(self, hit: NameHit, written: str) -> int:
        points = 1 if written[:1].isupper() and not self.text.isupper() else 0
        points += 1 if " " in hit.matched and not written.islower() else 0
        before = _WORD_BEFORE.search(self.text[max(0, hit.start - 24) : hit.start])
        word = before.group(1).lower() if before else ""
        occupation = self._occupation(hit)
        if word in _ARTICLES or word.isdigit() or (word in _PLACES and not occupation):
            points += _AGAINST
        points += occupation
        if self._before("title", hit, gap=3):
            points += _BESIDE
        if self._before("depiction", hit, gap=3):
            points += _CUE
        if self._after("human", hit, gap=4):
            points += _CUE
        return points

    def _occupation(self, hit: NameHit) -> int:
        found = [*self.groups.get(hit.person.category, ()), *self.groups.get("anyone", ())]
        if any(_gap(item, hit) <= _NEAR for item in found):
            return _BESIDE
        return _ANYWHERE if found else 0

    def _before(self, group: str, hit: NameHit, gap: int) -> bool:
        return any(0 <= hit.start - item.end <= gap for item in self.groups.get(group, ()))

    def _after(self, group: str, hit: NameHit, gap: int) -> bool:
        return any(0 <= item.start - hit.end <= gap for item in self.groups.get(group, ()))

    @property
    def occupations(self) -> Sequence[Found]:
        """Everything that names an occupation, its group being a category of the register."""
        return [item for name in CATEGORIES for item in self.groups.get(name, ())]


def _gap(item: Found, hit: NameHit) -> int:
    if item.end <= hit.start:
        return hit.start - item.end
    if item.start >= hit.end:
        return item.start - hit.end
    return 1000


def inside(hit: NameHit, spans: Iterable[tuple[int, int]]) -> bool:
    """Return whether the hit lies within one of the spans."""
    return any(start <= hit.start and hit.end <= end for start, end in spans)
