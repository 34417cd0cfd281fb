"""Runs one check on one prompt, the way the engine does."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from guardrail.contracts import GenerationRequest
from guardrail.policy.interface import Match, Text
from guardrail.policy.rules import CHECKS


def examine(check: str, prompt: str, *, negative: str | None = None, **options: Any) -> list[Match]:
    """Return what ``check`` finds in ``prompt`` under ``options``."""
    kind: Any = CHECKS[check]
    request = GenerationRequest(UUID(int=0), prompt, 64, 64, 1, 1.0, negative_prompt=negative)
    texts = [Text("prompt", prompt)]
    if negative is not None:
        texts.append(Text("negative_prompt", negative))
    return list(kind(kind.Options(**options)).examine(texts, request))


def codes(check: str, prompt: str, **options: Any) -> set[str]:
    """Return the reason codes that ``check`` gives for ``prompt``."""
    return {match.reason_code for match in examine(check, prompt, **options)}
