"""``deepfake``: the intent to deceive, impersonate, undress, defame or fabricate.

Some wordings are enough alone (a face swap, "so that people believe"). Others say it together:
a *fake* near a *document*, or a real person near a compromising scene.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.lexicon import Found, find_in, load_lexicon
from guardrail.policy.rules import reasons
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.mentions import mentions
from guardrail.policy.rules.reasons import Reason
from guardrail.policy.rules.relations import private_people

NEAR = 36
"""Characters between two wordings that say something together, punctuation not among them."""
_APART = re.compile(r"[.;!?\n]")


class Intent(StrEnum):
    """What a request for a deceptive picture wants."""

    FACE_SWAP = "face_swap"
    UNDRESS = "undress"
    DECEPTION = "deception"
    IMPERSONATION = "impersonation"
    DEFAMATION = "defamation"
    EVIDENCE = "evidence"
    NEWS = "news"
    ENDORSEMENT = "endorsement"


class DeepfakeOptions(CheckOptions):
    """``with:`` of a ``deepfake`` rule."""

    intents: frozenset[Intent] = Field(default=frozenset(Intent), min_length=1)
    """Which intents to find; all of them when left out."""


_ALONE = {
    "swap": Intent.FACE_SWAP,
    "undress": Intent.UNDRESS,
    "deceive": Intent.DECEPTION,
    "impersonate": Intent.IMPERSONATION,
    "defame": Intent.DEFAMATION,
    "forgery": Intent.EVIDENCE,
}
_FAKED = {
    "document": Intent.EVIDENCE,
    "newsworthy": Intent.NEWS,
    "advert": Intent.ENDORSEMENT,
    "scene": Intent.DEFAMATION,
}
_TOGETHER = (
    *(("fake", thing, intent) for thing, intent in _FAKED.items()),
    *(("authentic", thing, intent) for thing, intent in _FAKED.items()),
    ("authentic", "event", Intent.NEWS),
    ("outlet", "newsworthy", Intent.NEWS),
    ("outlet", "document", Intent.NEWS),
    ("unasked", "advert", Intent.ENDORSEMENT),
    ("replace", "face", Intent.FACE_SWAP),
    ("cause", "belief", Intent.DECEPTION),
    ("takeoff", "garment", Intent.UNDRESS),
)
"""Two groups that say an intent where they stand together."""
_OF_OFFICES = frozenset({"scene", "advert"})
"""What must not be shown of a real person who is only called by an office: "the senator"."""
_REASONS: Mapping[Intent, Reason] = {
    Intent.FACE_SWAP: reasons.FACE_SWAP,
    Intent.UNDRESS: reasons.UNDRESS,
    Intent.DECEPTION: reasons.DECEPTION,
    Intent.IMPERSONATION: reasons.IMPERSONATION,
    Intent.DEFAMATION: reasons.DEFAMATION,
    Intent.EVIDENCE: reasons.EVIDENCE,
    Intent.NEWS: reasons.NEWS,
    Intent.ENDORSEMENT: reasons.ENDORSEMENT,
}


class Deepfake:
    """Finds deceptive intent in every text that reaches the model."""

    Options = DeepfakeOptions

    def __init__(self, options: DeepfakeOptions) -> None:
        self._intents = options.intents
        load_lexicon("deepfake")  # a fault in it shows when the policy is loaded

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield each intent once a text, at the words that say it best."""
        for text in texts:
            seen: set[Intent] = set()
            for intent, found in self._intents_of(text):
                if intent in self._intents and intent not in seen:
                    seen.add(intent)
                    span = Span(found.start, found.end, text.field)
                    yield match(_REASONS[intent], span, matched=found.phrase, view=found.view)

    def _intents_of(self, text: Text) -> Iterator[tuple[Intent, Found]]:
        groups = _without_harmless(find_in(text, "deepfake"))
        for group, intent in _ALONE.items():
            yield from ((intent, found) for found in groups.get(group, ())[:1])
        for one, other, intent in _TOGETHER:
            pairs = _near(text.text, groups.get(one, ()), groups.get(other, ()))
            yield from ((intent, pair) for pair in pairs)
        yield from self._about(text, groups)

    @staticmethod
    def _about(text: Text, groups: Mapping[str, Sequence[Found]]) -> Iterator[tuple[Intent, Found]]:
        """What is harmless on its own and not with a real person in it."""
        if not any(group in groups for group in _FAKED):
            return
        named = _about_someone(text)
        for group, intent in _FAKED.items():
            found = groups.get(group, ())
            if named:
                yield from ((intent, item) for item in found[:1])
            elif group in _OF_OFFICES:
                yield from (
                    (intent, pair) for pair in _near(text.text, groups.get("someone", ()), found)
                )


def _about_someone(text: Text) -> bool:
    """Whether the text speaks of a person who lives: named, described or known to the requester."""
    if any(mention.hit.person.living for mention in mentions(text).found):
        return True
    return next(private_people(text), None) is not None


def _without_harmless(groups: Mapping[str, list[Found]]) -> dict[str, list[Found]]:
    harmless = groups.get("harmless", ())
    return {
        group: [
            item
            for item in found
            if not any(one.start < item.end and item.start < one.end for one in harmless)
        ]
        for group, found in groups.items()
    }


def _near(text: str, ones: Sequence[Found], others: Sequence[Found]) -> Iterator[Found]:
    """Yield the first pair that stands together, as one stretch."""
    for one in ones:
        for other in others:
            first, second = (one, other) if one.start <= other.start else (other, one)
            between = text[first.end : second.start]
            if second.start - first.end <= NEAR and not _APART.search(between):
                yield Found(
                    other.group,
                    other.language,
                    f"{one.phrase} + {other.phrase}",
                    first.start,
                    max(first.end, second.end),
                    other.view,
                )
                return
