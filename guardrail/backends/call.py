"""A request as the arguments of one pipeline call, and what that pipeline will not heed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

import torch

from guardrail.backends.canvas import Canvas
from guardrail.backends.defaults import guided_by_true_cfg
from guardrail.backends.modes import Variant
from guardrail.contracts import GenerationRequest
from guardrail.errors import ConfigurationError

SIZE_FROM_IMAGE = {"width", "height"}
"""Pipelines that start from a picture take its size, and need not take these."""


@dataclass(frozen=True, slots=True)
class Call:
    """The keyword arguments of one call."""

    arguments: dict[str, Any]
    ignored: tuple[str, ...]
    """Names of what the request holds and this pipeline does not heed, sorted."""
    guidance: dict[str, Any]
    """The effective values of what goes with pictures, for the record."""


def shape_of(request: GenerationRequest) -> tuple[Any, ...]:
    """Return what requests must have in common to be drawn in one call: all but the words, the
    seeds and whose they are."""
    return (
        request.mode,
        (request.width, request.height),
        request.steps,
        request.guidance_scale,
        request.scheduler,
        request.negative_prompt is None,
        (request.strength, request.outpaint, request.keep_outside, request.control_scale),
        tuple((picture.role, picture.pixels_sha256) for picture in request.inputs),
    )


def build_call(requests: Sequence[GenerationRequest], canvas: Canvas, variant: Variant) -> Call:
    """Return the one call of a pipeline for ``requests``, which have their shape in common.

    Raises :class:`ConfigurationError` when strength leaves no step to do.
    """
    parameters, request = variant.parameters, requests[0]
    guidance = _guidance(request, canvas, parameters)
    seeds = tuple(seed for each in requests for seed in each.seeds)
    negative = [each.negative_prompt for each in requests for _ in each.seeds]
    wanted: dict[str, Any] = {
        "prompt": [each.prompt for each in requests for _ in each.seeds],
        "negative_prompt": None if None in negative else negative,
        "width": canvas.size[0],
        "height": canvas.size[1],
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "generator": _generators(seeds),
        "output_type": "np",
        "strength": guidance.get("strength"),
        "controlnet_conditioning_scale": request.control_scale,
        **_pictures(canvas, len(seeds), parameters),
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if guided_by_true_cfg(parameters):
        given["true_cfg_scale"] = given.pop("guidance_scale")
    arguments = {name: value for name, value in given.items() if name in parameters}
    harmless = {"output_type"} | (SIZE_FROM_IMAGE if canvas.image else set())
    ignored = set(given) - set(arguments) - harmless
    ignored |= _without_effect(request, variant)
    return Call(arguments, tuple(sorted(ignored)), guidance)


def _pictures(canvas: Canvas, count: int, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The pictures under the names the pipeline has for them, one for each image of the batch."""
    # Where there is no picture to start from, Stable Diffusion calls the control picture "image".
    control = "control_image" if "control_image" in parameters else "image"
    named = {"image": canvas.image, "mask_image": canvas.mask}
    if canvas.control:
        named[control] = canvas.control
    several = count > 1
    return {name: [p] * count if several else p for name, p in named.items() if p is not None}


def _guidance(
    request: GenerationRequest, canvas: Canvas, parameters: Mapping[str, Parameter]
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if canvas.size != canvas.wanted:
        facts["canvas"] = list(canvas.size)
    if canvas.image is not None:
        strength = _effective(request.strength, "strength", parameters)
        if strength is not None and int(request.steps * strength) < 1:
            raise ConfigurationError(
                "strength leaves no step to do.", hint="Raise strength, or steps."
            )
        facts |= {"strength": strength, "outpaint": request.outpaint and list(request.outpaint)}
    if canvas.mask is not None:
        facts["keep_outside"] = request.keep_outside
    if canvas.control is not None:
        name = "controlnet_conditioning_scale"
        facts["control_scale"] = _effective(request.control_scale, name, parameters)
    return {name: value for name, value in facts.items() if value is not None}


def _effective(value: float | None, name: str, parameters: Mapping[str, Parameter]) -> float | None:
    default = parameters[name].default if name in parameters else None
    if value is None and isinstance(default, int | float):
        return float(default)
    return value


def _generators(seeds: tuple[int, ...]) -> list[torch.Generator] | torch.Generator:
    """One generator an image, on the CPU, where the same seed gives the same noise on every
    machine. A single one is passed bare: some pipelines take no list."""
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    return generators[0] if len(generators) == 1 else generators


def _without_effect(request: GenerationRequest, variant: Variant) -> set[str]:
    """What the pipeline accepts and then does nothing with."""
    idle: set[str] = set()
    pipeline, parameters = variant.pipeline, variant.parameters
    if guided_by_true_cfg(parameters):
        # Guides only against a negative prompt, and only above 1.
        if request.negative_prompt is None:
            idle.add("guidance_scale")
        elif request.guidance_scale <= 1:
            idle.add("negative_prompt")
        return idle
    denoiser = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
    config: Mapping[str, Any] = getattr(denoiser, "config", None) or {}
    if config.get("guidance_embeds") is False and "true_cfg_scale" in parameters:
        idle.add("guidance_scale")
    if request.negative_prompt is not None and not _guided(variant, request.guidance_scale):
        idle.add("negative_prompt")
    return idle


def _guided(variant: Variant, scale: float) -> bool:
    """Whether the pipeline computes an unguided half, where a negative prompt has its say."""
    if "true_cfg_scale" in variant.parameters:
        return False  # at its default of 1, which nothing here raises
    if "prior_guidance_scale" in variant.parameters:
        return True  # the prior is guided by a scale of its own
    if hasattr(type(variant.pipeline), "do_classifier_free_guidance"):
        # Each family has its own threshold; the property reads what the call is about to set.
        variant.pipeline._guidance_scale = scale
        return bool(variant.pipeline.do_classifier_free_guidance)
    return scale > 1
