"""``real_person``: real people, by name in any spelling, by role, or by their relation to the
requester."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from guardrail.clock import utc_now
from guardrail.contracts import GenerationRequest, Span
from guardrail.people import load_name_index
from guardrail.people.names import Form, NameHit
from guardrail.people.register import CATEGORIES
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.rules import reasons
from guardrail.policy.rules.matches import match
from guardrail.text import fold


class RealPersonOptions(CheckOptions):
    """``with:`` of a ``real_person`` rule."""

    recent_years: int = Field(default=30, ge=0, le=10_000)
    """People who died at most so many years ago count as if they lived."""
    historical: bool = False
    """Whether people who died longer ago are found too."""
    categories: frozenset[str] = Field(default=CATEGORIES, min_length=1)
    """Which categories of the register to look for."""
    roles: bool = True
    """Whether descriptions such as "the 44th president of the United States" count."""
    allow: tuple[str, ...] = ()
    """Names as the register spells them, of people who may be shown."""


class RealPerson:
    """Finds real people in every text that reaches the model."""

    Options = RealPersonOptions

    def __init__(self, options: RealPersonOptions) -> None:
        unknown = sorted(options.categories - CATEGORIES)
        if unknown:
            raise ValueError(
                f"categories: {unknown[0]!r} is not one of {' '.join(sorted(CATEGORIES))}"
            )
        self._options = options
        self._allowed = frozenset(fold(name) for name in options.allow)
        self._names = load_name_index()

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield each place once, the longest form that covers it."""
        for text in texts:
            for hit in _longest(self._hits(text)):
                reason = reasons.DESCRIBED if hit.form is Form.ROLE else reasons.NAMED
                if not hit.person.recent(utc_now().year, self._options.recent_years):
                    reason = reasons.HISTORICAL
                span = Span(hit.start, hit.end, text.field)
                yield match(reason, span, matched=hit.matched, view=hit.view)

    def _hits(self, text: Text) -> Iterator[NameHit]:
        options, year = self._options, utc_now().year
        for hit in self._names.hits(text.views):
            person = hit.person
            counts = options.historical or person.recent(year, options.recent_years)
            listed = (
                person.category in options.categories and fold(person.name) not in self._allowed
            )
            wanted = options.roles or hit.form is not Form.ROLE
            if counts and listed and wanted and not hit.needs_context:
                yield hit


def _longest(hits: Iterable[NameHit]) -> Iterator[NameHit]:
    end = -1
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if hit.end > end:
            yield hit
            end = hit.end

