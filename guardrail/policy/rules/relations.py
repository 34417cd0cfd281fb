"""People known to the requester: "my ex", "my coworker Dana Whitfield", "mi vecina"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrail.policy.interface import Text
from guardrail.policy.lexicon import Found, find_in

_BETWEEN = re.compile(r"\W+(?:[\w'’-]+\W+){0,2}")
"""At most two words between "my" and the relation: "my former chemistry teacher"."""
_GIVEN_TO = re.compile(r"\b(?:for|to|from|by)\s+$", re.IGNORECASE)
_THEIR_THING = re.compile(
    r"['’]s\s+(?!face|body|head|hair|likeness|wedding|ex|old|former|best)", re.I
)
_NAME_AFTER = re.compile(r",?\s+[A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+){0,2}")


def private_people(text: Text) -> Iterator[Found]:
    """Yield people the text says the requester knows, with their names where they follow."""
    groups = find_in(text, "relations", plain=True)
    written = text.text
    end = -1
    for found in sorted([*groups.get("whole", ()), *_owned(written, groups)], key=_order):
        if found.end <= end or _GIVEN_TO.search(written[max(0, found.start - 8) : found.start]):
            continue
        if _THEIR_THING.match(written, found.end):
            continue
        name = _NAME_AFTER.match(written, found.end)
        end = name.end() if name else found.end
        yield Found(found.group, found.language, found.phrase, found.start, end, found.view)


def _order(found: Found) -> tuple[int, int]:
    return found.start, -found.end


def _owned(written: str, groups: dict[str, list[Found]]) -> Iterator[Found]:
    for own in groups.get("own", ()):
        for relation in groups.get("relation", ()):
            gap = written[own.end : relation.start]
            if own.end < relation.start and len(gap) < 40 and _BETWEEN.fullmatch(gap):
                phrase = f"{own.phrase} {relation.phrase}"
                yield Found("relation", "en", phrase, own.start, relation.end, relation.view)
