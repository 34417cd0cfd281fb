"""One set of weights, several pipelines: text-to-image, image-to-image, inpainting, ControlNet.

diffusers has a class for each. They are built around the modules of the first one, so nothing is
loaded twice, and only when a request asks for them.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guardrail.errors import ConfigurationError

AUTO_CLASSES = {
    "text-to-image": "AutoPipelineForText2Image",
    "image-to-image": "AutoPipelineForImage2Image",
    "inpainting": "AutoPipelineForInpainting",
    "outpainting": "AutoPipelineForInpainting",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A pipeline and the signature of its call."""

    pipeline: Any
    parameters: Mapping[str, inspect.Parameter]
    names: tuple[str, ...]
    """The names of its components."""


class Variants:
    """The pipelines around one set of weights, by mode. Not thread-safe: the backend locks."""

    def __init__(self, base: Any, controlnet: Callable[[], Any]) -> None:
        self.base = _variant(base)
        self._load_controlnet = controlnet
        self._controlnet = getattr(base, "controlnet", None)
        self._made: dict[tuple[str, bool], Variant] = {}

    def get(self, mode: str, *, controlled: bool) -> Variant:
        """Return the pipeline for ``mode``, with the ControlNet where ``controlled``.

        Raises :class:`ConfigurationError` when the model's family has none, and what loading the
        ControlNet raises.
        """
        key = (AUTO_CLASSES[mode], controlled)
        if key not in self._made:
            self._made[key] = self._make(mode, controlled)
        return self._made[key]

    def _make(self, mode: str, controlled: bool) -> Variant:
        import diffusers  # noqa: PLC0415 (already loaded with the model)

        base = self.base.pipeline
        brings_one = getattr(base, "controlnet", None) is not None
        if mode == "text-to-image" and not controlled and not brings_one and self._needs_no_image():
            return self.base
        if controlled and self._controlnet is None:
            self._controlnet = self._load_controlnet()
        extra = {"controlnet": self._controlnet if controlled else None}
        auto: Any = getattr(diffusers, AUTO_CLASSES[mode])
        try:
            _require_own_weights(base, mode)
            return _variant(auto.from_pipe(base, **extra if controlled or brings_one else {}))
        except (ValueError, AttributeError, TypeError) as error:
            what = f"{mode} with a ControlNet" if controlled else mode
            raise ConfigurationError(
                f"A {type(base).__name__} model does no {what}.",
                hint="Use a model of a family that does: Stable Diffusion, SDXL, SD3, Flux.",
            ) from error

    def _needs_no_image(self) -> bool:
        """Whether the given pipeline draws from text alone: an image-to-image one may be given."""
        name = type(self.base.pipeline).__name__
        return "Img2Img" not in name and "Inpaint" not in name


def _require_own_weights(base: Any, mode: str) -> None:
    """Kandinsky 2 paints into pictures with a denoiser of nine channels only, and diffusers builds
    the pipeline around any."""
    channels = getattr(getattr(base, "unet", None), "config", {}).get("in_channels")
    name = type(base).__name__
    if AUTO_CLASSES[mode] == AUTO_CLASSES["inpainting"] and "Kandinsky" in name and channels != 9:
        raise ValueError("these weights were not trained to paint into pictures")


def _variant(pipeline: Any) -> Variant:
    pipeline.set_progress_bar_config(disable=True)
    keep_prompts_out_of_the_log(pipeline)
    parameters = inspect.signature(pipeline.__call__).parameters
    return Variant(pipeline, parameters, tuple(pipeline.components))


def keep_prompts_out_of_the_log(pipeline: Any) -> None:
    """Drop the libraries' warning that quotes the part of a prompt which was cut off; the record
    says that it was (``truncated``)."""
    for cls in type(pipeline).__mro__:
        if cls.__module__.startswith("diffusers."):
            logger = logging.getLogger(cls.__module__)
            if _quotes_no_prompt not in logger.filters:
                logger.addFilter(_quotes_no_prompt)


def _quotes_no_prompt(record: logging.LogRecord) -> bool:
    return "part of your input was truncated" not in str(record.msg)
