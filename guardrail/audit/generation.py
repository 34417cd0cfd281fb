"""The events of a generation: what the stages' values become in the log.

Free text (the prompts, who asked, where the file goes, the words of an error) is personal: the
log commits to it, and only the erasable table holds it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from guardrail.audit import events as types
from guardrail.audit.events import Event
from guardrail.audit.processes import this_process
from guardrail.contracts import (
    Decision,
    GenerationRequest,
    ImageReport,
    ModelIdentity,
    Release,
    Stage,
    Verdict,
    as_json,
)
from guardrail.inputs import InputPicture

_REFUSAL = {
    Verdict.BLOCK: types.REFUSED,
    Verdict.REVIEW: types.HELD,
    Verdict.ERROR: types.FAILED,
}


def requested(
    request: GenerationRequest, decision: Decision, model: ModelIdentity | None
) -> list[Event]:
    """One ``generation.requested`` for each image."""
    data: dict[str, Any] = {
        "decision": _without_prompt(decision),
        "mode": request.mode,
        "parameters": {
            "width": request.width,
            "height": request.height,
            "steps": request.steps,
            "guidance_scale": request.guidance_scale,
            "scheduler": request.scheduler,
            "count": request.count,
            **_guidance(request),
        },
        "inputs": [_input(picture) for picture in request.inputs],
        "process": this_process(),
    }
    if model is not None:
        data["model"] = as_json(model)
    texts = _texts(request, decision)
    destinations = request.destinations or (None,) * request.count
    return [
        Event(
            types.REQUESTED,
            record_id,
            request.request_id,
            tenant=request.tenant,
            purpose=request.purpose,
            verdict=decision.verdict,
            model=model.id if model else None,
            policy_digest=decision.policy.digest,
            seed=str(seed),
            data=data,
            personal=texts if destination is None else texts | {"destination": destination},
        )
        for record_id, seed, destination in zip(
            request.record_ids, request.seeds, destinations, strict=True
        )
    ]


def _guidance(request: GenerationRequest) -> dict[str, Any]:
    """What a request with pictures says besides the usual."""
    if not request.inputs:
        return {}
    given = {
        "strength": request.strength,
        "outpaint": list(request.outpaint) if request.outpaint else None,
        "keep_outside": request.keep_outside,
        "control_scale": request.control_scale,
    }
    return {name: value for name, value in given.items() if value is not None}


def _input(picture: InputPicture) -> dict[str, Any]:
    """A picture that the request brought along, by its digests; it is not kept."""
    return {
        "role": picture.role,
        "sha256": picture.sha256,
        "pixels_sha256": picture.pixels_sha256,
        "width": picture.image.width,
        "height": picture.image.height,
    }


def refused(
    request: GenerationRequest,
    record_id: UUID,
    decision: Decision,
    stage: Stage,
    report: ImageReport | None = None,
) -> Event:
    """The end of a record that the policy did not allow, at the prompt or at the picture."""
    data: dict[str, Any] = {"stage": stage}
    if report is not None:
        data |= {"output_decision": _without_prompt(decision), "report": as_json(report)}
    return Event(
        _REFUSAL[decision.verdict],
        record_id,
        request.request_id,
        tenant=request.tenant,
        verdict=decision.verdict,
        policy_digest=decision.policy.digest,
        data=data,
    )


def released(request: GenerationRequest, release: Release) -> Event:
    """The release of one signed picture."""
    signed = release.signed
    described = as_json(signed) | {"content": None, "size": len(signed.content)}
    data = {
        "signed": {key: value for key, value in described.items() if value is not None},
        "report": as_json(release.report),
        "output_decision": _without_prompt(release.decision),
        "reproduction": as_json(release.image.reproduction),
        "milliseconds": dict(release.times.entries),
        "staged": release.staged,
    }
    return Event(
        types.RELEASED,
        release.record_id,
        request.request_id,
        tenant=request.tenant,
        verdict=release.decision.verdict,
        policy_digest=release.decision.policy.digest,
        seed=str(release.image.seed),
        asset_sha256=signed.sha256,
        data=data,
    )


def failed(
    request: GenerationRequest, record_ids: Sequence[UUID], stage: str, error: str
) -> list[Event]:
    """The end of records whose stage failed closed. ``error`` may name a file: it is personal."""
    return [
        Event(
            types.FAILED,
            record_id,
            request.request_id,
            tenant=request.tenant,
            data={"failure": {"stage": stage}},
            personal={"failure": error},
        )
        for record_id in record_ids
    ]


def cancelled(request: GenerationRequest, record_ids: Sequence[UUID]) -> list[Event]:
    """The end of records that the caller stopped."""
    return [
        Event(types.CANCELLED, record_id, request.request_id, tenant=request.tenant)
        for record_id in record_ids
    ]


def _texts(request: GenerationRequest, decision: Decision) -> dict[str, str]:
    redacted = decision.effective_prompt
    metadata = json.dumps(dict(request.metadata), sort_keys=True) if request.metadata else None
    texts = {
        "prompt": request.prompt,
        "effective_prompt": redacted if redacted != request.prompt else None,
        "negative_prompt": request.negative_prompt,
        "actor": request.actor,
        "metadata": metadata,
    }
    return {name: text for name, text in texts.items() if text is not None}


def _without_prompt(decision: Decision) -> dict[str, Any]:
    return {key: value for key, value in as_json(decision).items() if key != "effective_prompt"}
