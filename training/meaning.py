"""What a caption says, slot by slot: the targets the text encoder learns to read."""

from __future__ import annotations

import re

from training.captions import GROUND_WORDS, RELATION_WORDS, TIME_WORDS
from training.scenes import (
    BACKGROUNDS,
    COLOURS,
    GROUNDS,
    HAIR_COLOURS,
    HAIR_LENGTHS,
    SHAPES,
    STYLES,
    SUBJECTS,
    TIMES,
)

UNSAID = "-"
_COLOUR = "|".join(COLOURS)
_SHAPE = "|".join(SHAPES)
_RELATION = {form: name for name, forms in RELATION_WORDS.items() for form in forms}
_PAIR = re.compile(
    rf"\ban? (?:({_COLOUR}) )?({_SHAPE}) ({'|'.join(sorted(_RELATION, key=len, reverse=True))}) "
    rf"an? (?:({_COLOUR}) )?({_SHAPE})\b"
)
_ONE = re.compile(rf"\b(?:(small|large|big) )?(?:({_COLOUR}) )?({_SHAPE})\b")
PLACES = {
    "left of": ("left", "right"),
    "right of": ("right", "left"),
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
}
_YES = ("yes",)

SLOTS: dict[str, tuple[str, ...]] = {
    **{f"{place} colour": tuple(COLOURS) for place in ("left", "right", "top", "bottom", "one")},
    **{f"{place} shape": SHAPES for place in ("left", "right", "top", "bottom", "one")},
    "size": ("small", "large"),
    "background": BACKGROUNDS,
    "style": STYLES,
    "subject": SUBJECTS,
    "subject colour": tuple(COLOURS),
    "time": TIMES,
    "ground": (*GROUNDS, "water"),
    "hair": tuple(HAIR_COLOURS),
    "hair length": HAIR_LENGTHS,
    "hat": tuple(COLOURS),
    "shirt": tuple(COLOURS),
    **dict.fromkeys(("mountains", "companion", "portrait", "glasses", "beard", "smile"), _YES),
}
"""Every slot and its values; index 0 of a target means that the caption does not say."""


def meaning(text: str) -> dict[str, str]:
    """Return the slots that ``text`` fills."""
    said: dict[str, str] = {}
    _shapes(text, said)
    _landscape(text, said)
    _person(text, said)
    if match := re.search(r"\b(\w+) background", text):
        said["background"] = match[1]
    for style in STYLES:
        if re.search(rf"\b{style}\b", text):
            said["style"] = style
    return {slot: value for slot, value in said.items() if value in SLOTS[slot]}


def targets(text: str) -> list[int]:
    """Return one class index a slot, in the order of :data:`SLOTS`."""
    said = meaning(text)
    return [values.index(said[slot]) + 1 if slot in said else 0 for slot, values in SLOTS.items()]


def _shapes(text: str, said: dict[str, str]) -> None:
    if pair := _PAIR.search(text):
        first, second = PLACES[_RELATION[pair[3]]]
        for place, colour, shape in ((first, pair[1], pair[2]), (second, pair[4], pair[5])):
            said[f"{place} shape"] = shape
            said[f"{place} colour"] = colour or UNSAID
    elif one := _ONE.search(text):
        said["size"] = {"big": "large"}.get(one[1], one[1] or UNSAID)
        said["one colour"], said["one shape"] = one[2] or UNSAID, one[3]


def _landscape(text: str, said: dict[str, str]) -> None:
    if match := re.search(rf"\b(?:({_COLOUR}) )?({'|'.join(SUBJECTS)})\b", text):
        said["subject"], said["subject colour"] = match[2], match[1] or UNSAID
    for slot, table in (("time", TIME_WORDS), ("ground", GROUND_WORDS)):
        for value, forms in table.items():
            if any(re.search(rf"\b{form}\b", text) for form in (*forms, value)):
                said[slot] = value
    if re.search(r"\bmountains?\b", text):
        said["mountains"] = "yes"
    if re.search(r"\b(beside|next to|with) a tree\b", text):
        said["companion"] = "yes"


def _person(text: str, said: dict[str, str]) -> None:
    if re.search(r"\b(portrait|person|woman|man)\b", text):
        said["portrait"] = "yes"
    if match := re.search(r"\b(?:(long|short) )?(?:(\w+) )?hair\b", text):
        said["hair length"], said["hair"] = match[1] or UNSAID, match[2] or UNSAID
    for thing in ("hat", "shirt"):
        if match := re.search(rf"\b({_COLOUR}) {thing}\b", text):
            said[thing] = match[1]
    for thing, pattern in (("glasses", "glasses"), ("beard", "beard"), ("smile", r"smil\w+")):
        if re.search(rf"\b{pattern}\b", text):
            said[thing] = "yes"
