"""Which checks a rule can name, and the options each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from guardrail.contracts import Stage
from guardrail.plugins import load_plugins
from guardrail.policy.interface import PromptCheck

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _ImageOptions(BaseModel):
    """Options of an image check, validated here and handed over as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Concept(_ImageOptions):
    """What a picture may show, in words."""

    prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    negatives: Annotated[tuple[Text, ...], Field(min_length=1)]
    threshold: Annotated[float, Field(gt=0, lt=1)]
    """Probability mass of the prompts from which the concept counts as shown."""


class ConceptsOptions(_ImageOptions):
    """``with:`` of a ``concepts`` rule."""

    model: Text
    """``embedded``, an open_clip name, ``local-dir:PATH`` or ``hf-hub:ID``."""
    pretrained: Text | None = None
    concepts: Annotated[dict[Text, Concept], Field(min_length=1)]
    crops: Annotated[int, Field(ge=1, le=4)] = 1
    """Look also at ``crops`` x ``crops`` overlapping parts; 1 is the whole picture only."""


class PictureIntegrityOptions(_ImageOptions):
    """``with:`` of a ``picture_integrity`` rule."""

    tolerance: Annotated[int, Field(ge=0, le=255)] = 2
    """Largest range of a channel, 0..255, that still counts as blank."""


IMAGE_OPTIONS: Mapping[str, type[BaseModel]] = {
    "concepts": ConceptsOptions,
    "picture_integrity": PictureIntegrityOptions,
}
"""Options of the checks on pictures that come with guardrail."""


def prompt_checks() -> dict[str, type[PromptCheck]]:
    """Return every check of the prompt stage, by name: guardrail's own and those of plugins.

    Raises :class:`~guardrail.errors.ConfigurationError` when a plugin does not load.
    """
    from guardrail.policy.rules import CHECKS  # noqa: PLC0415 (the checks know this package)

    return dict(CHECKS) | load_plugins("guardrail.rules", reserved=CHECKS)


def options_model(
    check: str, stage: Stage, checks: Mapping[str, type[PromptCheck]]
) -> type[BaseModel] | None:
    """Return what validates a check's ``with:``; None for an image check that does not say.

    Raises ``KeyError`` when there is no such check at that stage.
    """
    factory: Any
    if stage is Stage.PROMPT:
        factory = checks[check]
        options: type[BaseModel] = factory.Options
        return options
    if check in IMAGE_OPTIONS:
        return IMAGE_OPTIONS[check]
    factory = load_plugins("guardrail.checks", reserved=IMAGE_OPTIONS)[check]
    return getattr(factory, "Options", None)


def check_names(stage: Stage, checks: Mapping[str, type[PromptCheck]]) -> list[str]:
    """Return the checks a rule of ``stage`` can name."""
    if stage is Stage.PROMPT:
        return sorted(checks)
    return sorted({*IMAGE_OPTIONS, *load_plugins("guardrail.checks", reserved=IMAGE_OPTIONS)})
