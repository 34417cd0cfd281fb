"""A request as the arguments of one pipeline call, and what that pipeline will not heed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from guardrail.backends.defaults import guided_by_true_cfg
from guardrail.contracts import GenerationRequest


@dataclass(frozen=True, slots=True)
class Call:
    """The keyword arguments of one call."""

    arguments: dict[str, Any]
    ignored: tuple[str, ...]
    """Names of what the request holds and this pipeline does not heed, sorted."""


def build_call(request: GenerationRequest, pipeline: Any, parameters: Mapping[str, Any]) -> Call:
    """Return the call for ``request``. ``parameters`` is the signature of ``pipeline``."""
    count = request.count
    negative = request.negative_prompt
    wanted: dict[str, Any] = {
        "prompt": [request.prompt] * count,
        "negative_prompt": None if negative is None else [negative] * count,
        "width": request.width,
        "height": request.height,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "generator": _generators(request.seeds),
        "output_type": "np",
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if guided_by_true_cfg(parameters):
        given["true_cfg_scale"] = given.pop("guidance_scale")
    arguments = {name: value for name, value in given.items() if name in parameters}
    ignored = (set(given) - set(arguments) - {"output_type"}) | _without_effect(
        request, pipeline, parameters
    )
    return Call(arguments, tuple(sorted(ignored)))


def _generators(seeds: tuple[int, ...]) -> list[torch.Generator] | torch.Generator:
    """One generator an image, on the CPU, where the same seed gives the same noise on every
    machine. A single one is passed bare: some pipelines take no list."""
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    return generators[0] if len(generators) == 1 else generators


def _without_effect(
    request: GenerationRequest, pipeline: Any, parameters: Mapping[str, Any]
) -> set[str]:
    """What the pipeline accepts and then does nothing with."""
    idle: set[str] = set()
    if guided_by_true_cfg(parameters):
        # Guides only against a negative prompt, and only above 1.
        if request.negative_prompt is None:
            idle.add("guidance_scale")
        elif request.guidance_scale <= 1:
            idle.add("negative_prompt")
        return idle
    denoiser = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
    config: Mapping[str, Any] = getattr(denoiser, "config", None) or {}
    distilled = "true_cfg_scale" in parameters or config.get("time_cond_proj_dim") is not None
    if config.get("guidance_embeds") is False and "true_cfg_scale" in parameters:
        idle.add("guidance_scale")
    unguided = distilled or request.guidance_scale <= 1
    if request.negative_prompt is not None and unguided:
        idle.add("negative_prompt")
    return idle
