"""Does the record reproduce the picture? Generates it again and compares the pixels.

Nothing is released: the new pixels are compared and dropped. The policy in force today decides
first, as for any generation, and the log keeps that it was done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from guardrail.audit.records import RecordNotFound
from guardrail.backends.reproduction import threads
from guardrail.contracts import GeneratedImage, GenerationRequest
from guardrail.errors import VerificationFailed
from guardrail.identifiers import new_id
from guardrail.inputs import InputPicture
from guardrail.provenance import pixels_sha256
from guardrail.provenance.encoding import plain
from guardrail.run import refusal

if TYPE_CHECKING:
    from PIL.Image import Image

    from guardrail.audit import Record
    from guardrail.pipeline import Pipeline


NEAR_DB = 40.0
"""Peak signal-to-noise ratio from which a difference cannot be seen; below it, the picture is
another one."""


class ReplayVerdict(StrEnum):
    """How a second run compares with the recorded picture. Near is never called the same."""

    BIT_EXACT = "bit_exact"
    PIXEL_NEAR = "pixel_near"
    ENVIRONMENT_DIFFERS = "environment_differs"
    UNREPLAYABLE = "unreplayable"


@dataclass(frozen=True, slots=True)
class Replay:
    """The outcome of one rerun."""

    verdict: ReplayVerdict
    record_id: UUID
    reasons: tuple[str, ...] = ()
    """What differs from the recorded environment (also where the pixels are identical all the
    same), or why it cannot be replayed."""
    largest_difference: int | None = None
    """Largest difference of any channel of any pixel, 0..255; None without a picture to compare."""
    psnr: float | None = None
    """Peak signal-to-noise ratio in dB; None when identical or without a picture."""


def rerun(
    pipe: Pipeline,
    record: Record,
    reference: Image | None = None,
    inputs: Sequence[InputPicture] = (),
) -> Replay:
    """Generate the picture of ``record`` again, say how it compares, and record that.

    ``reference`` is the recorded picture's pixels, for measuring a difference; the record alone
    can only tell identical from not. ``inputs`` are the pictures that the request brought along:
    the log keeps their digests, not the pictures. The recorded number of threads is used
    meanwhile, in the whole process, because it decides the last bit. Raises the refusal,
    recorded, when today's policy refuses the prompt, and
    :class:`~guardrail.errors.StageFailed` when the model fails.
    """
    why = _unreplayable(pipe, record) or _not_as_recorded(record, inputs)
    replay = (
        Replay(ReplayVerdict.UNREPLAYABLE, record.record_id, (why,))
        if why
        else _replay(pipe, record, reference, inputs)
    )
    pipe.audit.note_rerun(record, replay.verdict, replay.reasons)
    return replay


def require_bit_exact(replay: Replay) -> None:
    """Raise :class:`VerificationFailed` unless the pixels were identical."""
    if replay.verdict is not ReplayVerdict.BIT_EXACT:
        raise VerificationFailed(
            f"The record did not reproduce its picture: {replay.verdict}.",
            hint="; ".join(replay.reasons) or None,
        )


def _replay(
    pipe: Pipeline, record: Record, reference: Image | None, inputs: Sequence[InputPicture]
) -> Replay:
    recorded = record.reproduction or {}
    requests = _requests(pipe, record, inputs)
    if isinstance(requests, str):
        return Replay(ReplayVerdict.UNREPLAYABLE, record.record_id, (requests,))
    for request in requests:
        decision = pipe.decide(request)
        if not decision.allowed:
            pipe.audit.refuse(request, decision)
            raise refusal(decision, request.record_ids[0])
        if (decision.effective_prompt or request.prompt) != request.prompt:
            why = "today's policy redacts the prompt, and the model would be asked something else"
            return Replay(ReplayVerdict.UNREPLAYABLE, record.record_id, (why,))
    with threads(recorded.get("environment", {}).get("threads")):
        images = _drawn(pipe, requests)
    image = images[int(recorded["batch"]["index"])]
    reasons = tuple(_differences(recorded, image.reproduction))
    picture = plain(image.image)
    if pixels_sha256(picture) == record.pixels_sha256:
        return Replay(ReplayVerdict.BIT_EXACT, record.record_id, reasons)
    largest, psnr = _distance(picture, reference) if reference else (None, None)
    verdict, reasons = _judge(reasons, largest, psnr)
    return Replay(verdict, record.record_id, reasons, largest, psnr)


def _judge(
    differs: tuple[str, ...], largest: int | None, psnr: float | None
) -> tuple[ReplayVerdict, tuple[str, ...]]:
    """The verdict on pixels that are not identical, and why."""
    if differs:
        return ReplayVerdict.ENVIRONMENT_DIFFERS, differs
    if largest is None:
        why = "the pixels differ; how much can be measured only against the recorded file"
        return ReplayVerdict.UNREPLAYABLE, (why,)
    if psnr is None or psnr >= NEAR_DB:
        return ReplayVerdict.PIXEL_NEAR, ()
    why = "another picture came out, although weights, parameters and environment are the same"
    return ReplayVerdict.UNREPLAYABLE, (why,)


def _unreplayable(pipe: Pipeline, record: Record) -> str | None:
    if record.pixels_sha256 is None or not record.reproduction:
        return f"the record holds no released picture (it is {record.state})"
    if not {"parameters", "batch"} <= set(record.reproduction):
        return "the backend that made it does not record its parameters"
    gone = _erased(record)
    if gone:
        return f"erased from the record: {gone}"
    if record.model is None or record.model.weights_digest != pipe.backend.identity.weights_digest:
        recorded = record.model.weights_digest[:12] if record.model else "unknown"
        loaded = pipe.backend.identity.weights_digest[:12]
        return f"the weights differ: recorded {recorded}, loaded {loaded}"
    return None


def _not_as_recorded(record: Record, inputs: Sequence[InputPicture]) -> str | None:
    """Why the pictures that were given are not those that the request brought along."""
    given = {str(picture.role): picture.pixels_sha256 for picture in inputs}
    for needed in (record.reproduction or {}).get("inputs", ()):
        role, digest = needed["role"], needed["sha256"]
        if role not in given:
            return f"it needs the {role} it was made from (SHA-256 of the file: {digest})"
        if given.pop(role) != needed["pixels_sha256"]:
            return f"the {role} is not the one it was made from (SHA-256 of the file: {digest})"
    return f"it was made without a picture as {next(iter(given))}" if given else None


def _requests(
    pipe: Pipeline, record: Record, inputs: Sequence[InputPicture]
) -> list[GenerationRequest] | str:
    """The requests that were drawn in one call, or why they are not known any more. A batch of
    several requests has its other words in its neighbours' records."""
    recorded = record.reproduction or {}
    neighbours = recorded["batch"].get("records")
    if neighbours is None:
        return [_request(record, recorded, inputs)]
    requests: list[GenerationRequest] = []
    for record_id, seed in zip(neighbours, recorded["batch"]["seeds"], strict=True):
        try:
            other = (
                record
                if UUID(record_id) == record.record_id
                else pipe.audit.record(UUID(record_id))
            )
        except RecordNotFound:
            return f"the record {record_id}, drawn in the same batch, is not in this store"
        gone = _erased(other)
        if gone:
            return f"erased from the record {record_id}, drawn in the same batch: {gone}"
        facts = dict(recorded) | {"batch": {"seeds": [seed]}}
        requests.append(_request(other, facts, inputs))
    return requests


def _drawn(pipe: Pipeline, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
    if len(requests) == 1:
        return list(pipe.backend.generate(requests[0]))
    together: Any = pipe.backend
    return [image for images in together.generate_batch(requests) for image in images]


def _erased(record: Record) -> str | None:
    """Which of the texts that the model was given are gone from a record."""
    gone = sorted({"prompt", "effective_prompt", "negative_prompt"} & set(record.erased))
    if record.prompt is None or gone:
        return ", ".join(gone) or "prompt"
    return None


def _request(
    record: Record, recorded: Mapping[str, Any], inputs: Sequence[InputPicture]
) -> GenerationRequest:
    parameters, batch = recorded["parameters"], recorded["batch"]
    return GenerationRequest(
        request_id=new_id(),
        record_ids=tuple(new_id() for _ in batch["seeds"]),
        prompt=record.effective_prompt or record.prompt or "",
        negative_prompt=record.negative_prompt,
        width=parameters["width"],
        height=parameters["height"],
        steps=parameters["num_inference_steps"],
        guidance_scale=float(parameters["guidance_scale"]),
        scheduler=parameters["scheduler"],
        mode=recorded.get("mode", "text-to-image"),
        inputs=tuple(inputs),
        strength=_fraction(parameters.get("strength")),
        outpaint=tuple(parameters["outpaint"]) if parameters.get("outpaint") else None,
        keep_outside=parameters.get("keep_outside", True),
        control_scale=_fraction(parameters.get("control_scale")),
        seeds=tuple(int(seed) for seed in batch["seeds"]),
        actor=record.actor,
        tenant=record.tenant,
        purpose=record.purpose,
    )


def _fraction(recorded: float | None) -> float | None:
    """Canonical JSON writes 1.0 as 1, and diffusers insists on a float."""
    return None if recorded is None else float(recorded)


def _differences(
    recorded: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    """Name every leaf that differs between two reproduction facts. What the record does not
    know (facts that an earlier version did not write) is no difference."""
    found: list[str] = []
    for key in sorted(recorded):
        before, after, name = recorded.get(key), now.get(key), f"{prefix}{key}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _differences(before, after, f"{name}.")
        elif before != after:
            found.append(f"{name}: recorded {before}, now {after}")
    return found


def _distance(image: Image, reference: Image) -> tuple[int | None, float | None]:
    """Return (largest channel difference 0..255, PSNR in dB); None when sizes differ."""
    import numpy as np  # noqa: PLC0415 (only needed when the pixels differ)

    first = np.asarray(image, dtype=np.int16)
    second = np.asarray(reference.convert(image.mode), dtype=np.int16)
    if first.shape != second.shape:
        return None, None
    difference = np.abs(first - second)
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    psnr = round(10 * math.log10(255**2 / error), 2) if error else None
    return int(difference.max()), psnr
