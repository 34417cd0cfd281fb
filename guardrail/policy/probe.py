"""Requests for asking the policy where nothing is generated: ``check``, cases and replays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from guardrail.contracts import GenerationRequest


def probe(
    prompt: str,
    *,
    negative_prompt: str | None = None,
    actor: str | None = None,
    tenant: str | None = None,
    purpose: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> GenerationRequest:
    """Return a request that carries these texts and the most usual size and steps.

    It has no record: it is for :meth:`Policy.decide`, never for a backend.
    """
    return GenerationRequest(
        request_id=UUID(int=0),
        prompt=prompt,
        negative_prompt=negative_prompt,
        width=512,
        height=512,
        steps=30,
        guidance_scale=7.5,
        actor=actor,
        tenant=tenant,
        purpose=purpose,
        metadata=dict(metadata or {}),
    )
