"""``protected``: the styles of living artists, characters and trademarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from guardrail.contracts import GenerationRequest, Span
from guardrail.policy.interface import CheckOptions, Match, Text
from guardrail.policy.lexicon import find_in, load_lexicon
from guardrail.policy.rules.matches import match
from guardrail.policy.rules.mentions import mentions
from guardrail.policy.rules.phrases import Phrase
from guardrail.policy.rules.reasons import ARTIST, CHARACTER, TRADEMARK
from guardrail.policy.rules.surroundings import Usage
from guardrail.text import PhraseIndex, fold


class ProtectedOptions(CheckOptions):
    """``with:`` of a ``protected`` rule."""

    living_artists: bool = True
    """Whether "in the style of" a living artist of the register is found."""
    characters: bool = True
    """Whether the shipped list of characters is looked for."""
    trademarks: bool = True
    """Whether the shipped list of trademarks is looked for."""
    more_characters: tuple[Phrase, ...] = Field(default=(), max_length=100_000)
    """Further characters."""
    more_trademarks: tuple[Phrase, ...] = Field(default=(), max_length=100_000)
    """Further trademarks."""
    allow: tuple[Phrase, ...] = ()
    """Names that may be used: the company's own, or licensed ones."""


class Protected:
    """Finds works and marks that belong to somebody."""

    Options = ProtectedOptions

    def __init__(self, options: ProtectedOptions) -> None:
        self._options = options
        self._allowed = frozenset(fold(name) for name in options.allow)
        self._more = [
            (reason, names, PhraseIndex(names))
            for reason, names in (
                (CHARACTER, options.more_characters),
                (TRADEMARK, options.more_trademarks),
            )
            if names
        ]
        load_lexicon("protected")  # a fault in it shows when the policy is loaded

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield every work and mark, each place once a list."""
        for text in texts:
            yield from self._artists(text)
            yield from self._listed(text)
            for reason, names, index in self._more:
                for hit in index.hits(text.views):
                    if fold(names[hit.phrase]) not in self._allowed:
                        span = Span(hit.start, hit.end, text.field)
                        yield match(reason, span, matched=names[hit.phrase], view=hit.view)

    def _artists(self, text: Text) -> Iterator[Match]:
        if not self._options.living_artists:
            return
        for mention in mentions(text).found:
            person, hit = mention.hit.person, mention.hit
            allowed = fold(person.name) in self._allowed
            if mention.usage is Usage.STYLE and person.living and not allowed:
                span = Span(hit.start, hit.end, text.field)
                yield match(ARTIST, span, matched=hit.matched, view=hit.view)

    def _listed(self, text: Text) -> Iterator[Match]:
        groups = find_in(text, "protected")
        for group, wanted, reason in (
            ("character", self._options.characters, CHARACTER),
            ("trademark", self._options.trademarks, TRADEMARK),
        ):
            for found in groups.get(group, ()) if wanted else ():
                if fold(found.phrase) not in self._allowed:
                    span = Span(found.start, found.end, text.field)
                    yield match(reason, span, matched=found.phrase, view=found.view)
