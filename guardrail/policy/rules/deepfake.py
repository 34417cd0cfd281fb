"""``deepfake``: the intent to deceive, impersonate, undress, defame or fabricate.

Some wordings are enough alone (a face swap, "so that people believe"). Others say it together:
a *fake* near a *document*, or a real person near a compromising scene.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.lexicon import Found, load_lexicon
from guardrail.policy.rules import reasons
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.mentions import mentions
from guardrail.policy.rules.reasons import Reason
from guardrail.policy.rules.relations import private_people

NEAR = 60
"""Characters between a *fake* and the thing that is faked."""


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
}
_FAKED = {
    "document": Intent.EVIDENCE,
    "newsworthy": Intent.NEWS,
    "advert": Intent.ENDORSEMENT,
    "scene": Intent.DEFAMATION,
}
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
        self._lexicon = load_lexicon("deepfake")

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
        groups = self._lexicon.find(text.views)
        for group, intent in _ALONE.items():
            yield from ((intent, found) for found in groups.get(group, ())[:1])
        for group, intent in _FAKED.items():
            yield from (
                (intent, pair) for pair in _near(groups.get("fake", ()), groups.get(group, ()))
            )
        if any(group in groups for group in _FAKED) and _about_someone(text):
            for group, intent in _FAKED.items():
                yield from ((intent, found) for found in groups.get(group, ())[:1])


def _about_someone(text: Text) -> bool:
    """Whether the text speaks of a person who lives: named, described or known to the requester."""
    if any(mention.hit.person.living for mention in mentions(text).found):
        return True
    return next(private_people(text), None) is not None


def _near(fakes: Sequence[Found], things: Sequence[Found]) -> Iterator[Found]:
    for thing in things:
        for fake in fakes:
            if (
                fake.end <= thing.start + 1 <= fake.end + NEAR
                or thing.end <= fake.start + 1 <= thing.end + NEAR
            ):
                yield Found(
                    thing.group,
                    thing.language,
                    f"{fake.phrase} + {thing.phrase}",
                    min(fake.start, thing.start),
                    max(fake.end, thing.end),
                    thing.view,
                )
                return
