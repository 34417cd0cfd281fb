"""What the engine asks of a check on texts, and what a check answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from guardrail.contracts import GenerationRequest, Span
from guardrail.text.normalise import View, views


class Text:
    """One text of a request that reaches the model, and every way it can be read."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        """Which text: ``prompt``, ``negative_prompt``, ..."""
        self.text = text

    @cached_property
    def views(self) -> tuple[View, ...]:
        """Every normalised reading, the plain one first; computed once for all checks."""
        return views(self.text)


@dataclass(frozen=True, slots=True)
class Match:
    """One thing a check found in one text."""

    reason_code: str
    """Stable, e.g. ``REAL_PERSON_NAMED``. Never reused or renamed."""
    reason: str
    """One sentence for a person; never repeats the prompt."""
    span: Span | None = None
    """Where, in the original text."""
    matched: str | None = None
    """The register or list entry that matched, never free text of the prompt."""
    view: str | None = None
    """The normalised view it matched in."""
    score: float | None = None
    threshold: float | None = None
    remediation: str | None = None
    """What to change; the rule's own remediation wins."""


class CheckOptions(BaseModel):
    """Base of every check's ``with:`` options: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptCheck(Protocol):
    """Looks at the texts of one request under the options of one rule.

    A class with a nested ``Options`` (a :class:`CheckOptions`) and a constructor that takes one.
    Constructed once a policy, used from many threads.
    """

    def __init__(self, options: Any) -> None: ...

    def examine(self, texts: Sequence[Text], request: GenerationRequest) -> Iterable[Match]:
        """Yield what was found. Raises anything when it cannot look: the engine turns that into
        an ``error`` verdict."""
        ...
