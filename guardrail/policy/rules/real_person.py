"""``real_person``: real people, by name in any spelling, by role, or by their relation to the
requester."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import Field

from guardrail.clock import utc_now
from guardrail.contracts import GenerationRequest, Span
from guardrail.errors import ConfigurationError
from guardrail.people import NameIndex, Person
from guardrail.people.names import Form
from guardrail.people.register import CATEGORIES
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.rules import reasons
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.mentions import Mention, Mentions, mentions
from guardrail.policy.rules.reasons import Reason
from guardrail.policy.rules.relations import private_people
from guardrail.policy.rules.surroundings import Usage
from guardrail.text import fold


class Register(CheckOptions):
    """One register that ``guardrail people import`` compiled."""

    path: str = Field(min_length=1)
    """Where the compiled file is."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Which version it must be, as the import printed it: a policy decides by known names."""


class RealPersonOptions(CheckOptions):
    """``with:`` of a ``real_person`` rule."""

    living: bool = True
    """Whether people who live are found."""
    recent_years: int = Field(default=30, ge=0, le=10_000)
    """People who died at most so many years ago are found too."""
    historical: bool = False
    """Whether people who died longer ago are found too."""
    categories: frozenset[str] = Field(default=CATEGORIES, min_length=1)
    """Which categories of the register are looked for."""
    roles: bool = True
    """Whether descriptions such as "the 44th president of the United States" count."""
    private: bool = True
    """Whether people known to the requester count: "my ex", "my coworker Dana"."""
    usages: frozenset[Usage] = frozenset({Usage.DEPICTION, Usage.QUOTATION})
    """What a name is there for when it counts; ``style`` concerns artists' names only."""
    satire: bool = True
    """Whether caricatures and cartoons that do not pass for photographs count."""
    photographic_only: bool = False
    """Whether only requests for something like a photograph count."""
    registers: tuple[Register, ...] = Field(default=(), max_length=16)
    """Further registers beside the shipped one."""
    allow: tuple[str, ...] = ()
    """Names as the register spells them, of people who may be shown."""


class RealPerson:
    """Finds real people in every text that reaches the model."""

    Options = RealPersonOptions

    def __init__(self, options: RealPersonOptions) -> None:
        unknown = sorted(options.categories - CATEGORIES)
        if unknown:
            listed = " ".join(sorted(CATEGORIES))
            raise ValueError(f"categories: {unknown[0]!r} is not one of {listed}")
        self._options = options
        self._more = tuple(_opened(register) for register in options.registers)
        self._allowed = frozenset(fold(name) for name in options.allow)

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield each place once, the longest form that covers it."""
        for text in texts:
            yield from self._public(text)
            if self._options.private:
                for found in private_people(text):
                    span = Span(found.start, found.end, text.field)
                    yield match(reasons.PRIVATE, span, matched=found.phrase, view=found.view)

    def _public(self, text: Text) -> Iterator[Match]:
        known = mentions(text, self._more)
        if not known.found or self._tolerated(known):
            return
        for mention in known.found:
            reason = self._reason(mention)
            if reason:
                hit = mention.hit
                span = Span(hit.start, hit.end, text.field)
                yield match(reason, span, matched=hit.matched, view=hit.view)

    def _tolerated(self, known: Mentions) -> bool:
        around = known.surroundings
        if around is None:
            return False
        satire = not self._options.satire and around.satirical()
        return satire or (self._options.photographic_only and not around.photographic())

    def _reason(self, mention: Mention) -> Reason | None:
        options, hit = self._options, mention.hit
        listed = hit.person.category in options.categories
        if not listed or fold(hit.person.name) in self._allowed:
            return None
        if mention.usage not in options.usages:
            return None
        if hit.form is Form.ROLE and not options.roles:
            return None
        by_life = self._by_life(hit.person)
        if by_life is reasons.NAMED and hit.form is Form.ROLE:
            return reasons.DESCRIBED
        return by_life

    def _by_life(self, person: Person) -> Reason | None:
        options = self._options
        if person.living:
            return reasons.NAMED if options.living else None
        if person.recent(utc_now().year, options.recent_years):
            return reasons.RECENTLY_DEAD
        return reasons.HISTORICAL if options.historical else None


def _opened(register: Register) -> NameIndex:
    try:
        index = NameIndex.open(Path(register.path).expanduser())
    except ConfigurationError as error:
        raise ValueError(f"registers: {error.message}") from error
    if index.digest != register.digest:
        raise ValueError(f"registers: {register.path} is another version than the digest says")
    return index
