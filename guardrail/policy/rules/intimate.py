"""``intimate``: sexual content with real people or minors, and intimate imagery without consent.

The check behind the locked core rules. It has no option that weakens it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.lexicon import Found, find_in, load_lexicon
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.mentions import mentions
from guardrail.policy.rules.reasons import (
    INTIMATE_MINOR,
    INTIMATE_PERSON,
    NON_CONSENSUAL,
    UNDRESS,
    Reason,
)
from guardrail.policy.rules.relations import private_people

_UNDRESS = "undress"


class IntimateOptions(CheckOptions):
    """``with:`` of an ``intimate`` rule: nothing can be configured."""


class Intimate:
    """Finds intimate content with people who must not be shown in it."""

    Options = IntimateOptions

    def __init__(self, options: IntimateOptions) -> None:
        load_lexicon("intimate")  # a fault in it shows when the policy is loaded
        load_lexicon("deepfake")

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield what was found; the texts of one request are read together, so that content in
        one and a person in another are still found."""
        read = [(text, find_in(text, "intimate")) for text in texts]
        wanted = [(t, g) for t, g in read if not t.field.startswith("negative")]
        for text, groups in wanted:
            yield from self._in_text(text, groups, wanted)

    def _in_text(
        self,
        text: Text,
        groups: dict[str, list[Found]],
        wanted: Sequence[tuple[Text, dict[str, list[Found]]]],
    ) -> Iterable[Match]:
        undress = find_in(text, "deepfake").get(_UNDRESS, [])
        for found in groups.get("consent", ())[:1]:
            yield _match(NON_CONSENSUAL, text, found)
        for found in undress[:1]:
            yield _match(UNDRESS, text, found)
        content = [*groups.get("sexual", ()), *undress]
        if not content:
            return
        if any(g.get("minor") for _, g in wanted):
            yield _match(INTIMATE_MINOR, text, content[0])
        if any(_speaks_of_someone(t, g) for t, g in wanted):
            yield _match(INTIMATE_PERSON, text, content[0])


def _speaks_of_someone(text: Text, groups: dict[str, list[Found]]) -> bool:
    """Whether a real person is meant: of the register, or of the requester's life."""
    if groups.get("someone") or mentions(text).found:
        return True
    return next(private_people(text), None) is not None


def _match(reason: Reason, text: Text, found: Found) -> Match:
    span = Span(found.start, found.end, text.field)
    return match(reason, span, matched=found.phrase, view=found.view)
