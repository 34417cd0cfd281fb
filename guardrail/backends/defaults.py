"""What a loaded pipeline does when the caller does not say, and which sizes it takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from guardrail.backends.interface import Defaults

EMBEDDED_DEFAULTS: Mapping[str, Any] = {"steps": 20, "guidance_scale": 3.0}
FALLBACK_SIZE = 1024
"""Pixels a side, for a pipeline that does not say what it was trained at."""
PIPELINES_CHECK_BY = 8
"""Most pipelines refuse sizes that are not multiples of 8, whatever their own factor."""


def pipeline_defaults(pipeline: Any, overrides: Mapping[str, Any]) -> Defaults:
    """Return the defaults of a diffusers pipeline, ``overrides`` winning."""
    parameters = inspect.signature(pipeline.__call__).parameters
    multiple = size_multiple(pipeline)
    width, height = (_whole(side, multiple) for side in _native_size(pipeline, parameters))
    scale = "true_cfg_scale" if guided_by_true_cfg(parameters) else "guidance_scale"
    base = Defaults(
        width=width,
        height=height,
        steps=int(_default(parameters, "num_inference_steps", 50)),
        guidance_scale=float(_default(parameters, scale, 7.5)),
        multiple=multiple,
    )
    return replace(base, **overrides)


def size_multiple(pipeline: Any) -> int:
    """Return of what the width and height must be multiples, in pixels: the autoencoder's
    factor, times the transformer's patch (two where latents are packed in pairs)."""
    factor = _first(pipeline, ("vae_scale_factor", "movq_scale_factor"), PIPELINES_CHECK_BY)
    config = _denoiser_config(pipeline)
    patch = config.get("patch_size")
    if not isinstance(patch, int):
        patch = max(config.get("all_patch_size") or (1,))
    if hasattr(pipeline, "_pack_latents"):
        patch = max(patch, 2)
    if hasattr(pipeline, "movq"):
        patch = factor  # Kandinsky 2 rounds to the square of its factor
    return math.lcm(PIPELINES_CHECK_BY, int(factor) * int(patch))


def guided_by_true_cfg(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """True for pipelines whose classifier-free guidance is called ``true_cfg_scale`` and is on by
    default (Qwen-Image); elsewhere the name is a rarely used extra of a distilled model (Flux)."""
    default = _default(parameters, "true_cfg_scale", 0.0)
    return isinstance(default, int | float) and default > 1


def _native_size(pipeline: Any, parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in pixels that the model was trained at."""
    given = tuple(_default(parameters, side, None) for side in ("width", "height"))
    if all(isinstance(side, int) for side in given):
        return given
    factor = _first(pipeline, ("vae_scale_factor", "movq_scale_factor"), PIPELINES_CHECK_BY)
    sample = _first(pipeline, ("default_sample_size",), None)
    sample = sample or _denoiser_config(pipeline).get("sample_size")
    if isinstance(sample, int):
        return sample * factor, sample * factor
    if isinstance(sample, list | tuple) and len(sample) == 2:
        return sample[1] * factor, sample[0] * factor
    return FALLBACK_SIZE, FALLBACK_SIZE


def _denoiser_config(pipeline: Any) -> Mapping[str, Any]:
    denoiser = _first(pipeline, ("transformer", "unet", "prior"), None)
    return getattr(denoiser, "config", None) or {}


def _first(owner: Any, names: tuple[str, ...], otherwise: Any) -> Any:
    found = (getattr(owner, name, None) for name in names)
    return next((value for value in found if value is not None), otherwise)


def _whole(pixels: int, multiple: int) -> int:
    return max(multiple, pixels // multiple * multiple)


def _default(parameters: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    value = parameters[name].default if name in parameters else None
    return otherwise if value in (None, inspect.Parameter.empty) else value
