"""The diffusers backend: any ``DiffusionPipeline``, the embedded model included.

One pipeline object serves all threads, one call at a time: schedulers keep state between steps.
Noise is drawn on the CPU from one generator an image, so that an image does not depend on the
accelerator's random numbers or on its neighbours in the batch.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch

from guardrail.backends.call import Call, build_call, shape_of
from guardrail.backends.canvas import Canvas, canvas_for
from guardrail.backends.controlnet import ControlNetFiles, find_controlnet
from guardrail.backends.defaults import EMBEDDED_DEFAULTS, pipeline_defaults
from guardrail.backends.downloads import OnDownload
from guardrail.backends.interface import Defaults, Progress
from guardrail.backends.loading import (
    device_named,
    dtype_named,
    is_out_of_memory,
    load_controlnet,
    load_pipeline,
)
from guardrail.backends.modes import Variant, Variants
from guardrail.backends.pictures import as_pictures
from guardrail.backends.reproduction import environment, precision, scheduler_facts
from guardrail.backends.schedulers import make_scheduler
from guardrail.backends.sources import EMBEDDED, Source, locate, require_complete, weight_files
from guardrail.backends.weights import combined_digest, digest_files, digest_modules, state_mark
from guardrail.contracts import GeneratedImage, GenerationRequest, ModelIdentity
from guardrail.errors import BackendError, ConfigurationError, GenerationCancelled, GuardrailError

_locks: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
"""One lock a pipeline object, also when it was wrapped twice."""


class DiffusersBackend:
    """Runs a loaded ``DiffusionPipeline``. Make one with :meth:`from_pretrained` or
    :meth:`from_pipeline`."""

    def __init__(
        self,
        pipeline: Any,
        identity: ModelIdentity,
        *,
        source: Source | None = None,
        controlnet: str | Path | None = None,
        allow_download: bool = False,
        cache: Path | None = None,
    ) -> None:
        overrides = EMBEDDED_DEFAULTS if identity.id == EMBEDDED else {}
        self._pipeline = pipeline
        self._identity = identity
        self._defaults = pipeline_defaults(pipeline, overrides)
        self._lock = _locks.setdefault(pipeline, threading.Lock())
        self._variants = Variants(pipeline, self._load_controlnet)
        self._control: ControlNetFiles | None = None
        self._placements: dict[tuple[str, ...], dict[str, Any]] = {}
        self._where_control_is = (controlnet, source, allow_download, cache)
        self._mark = None if source else state_mark(pipeline.components)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    @property
    def defaults(self) -> Defaults:
        """The model's native size, steps and guidance."""
        return self._defaults

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        controlnet: str | Path | None = None,
        allow_download: bool = False,
        cache: Path | None = None,
        on_download: OnDownload | None = None,
    ) -> Self:
        """Load a model by name, directory or hub id: safetensors only, no remote code.

        Raises :class:`BackendError` naming the file that is missing or unfit, and
        :class:`ConfigurationError` for a device or dtype that does not exist.
        """
        place = device_named(device)
        precise = dtype_named(dtype, place)
        source = locate(model, allow_download=allow_download, on_download=on_download)
        require_complete(source)
        weights = digest_files(source.directory, weight_files(source.directory), cache=cache)
        pipeline = load_pipeline(source, precise, place)
        identity = ModelIdentity(
            id=source.name,
            revision=source.revision,
            weights_digest=combined_digest(weights),
            weights=weights,
            pipeline_class=type(pipeline).__name__,
        )
        return cls(
            pipeline,
            identity,
            source=source,
            controlnet=controlnet,
            allow_download=allow_download,
            cache=cache,
        )

    @classmethod
    def from_pipeline(
        cls,
        pipeline: Any,
        *,
        controlnet: str | Path | None = None,
        allow_download: bool = False,
        cache: Path | None = None,
    ) -> Self:
        """Wrap a diffusers pipeline that the caller built; its weights are hashed in memory.

        The pipeline may not be changed afterwards: a generation with other weights than the
        hashed ones is refused. Raises :class:`ConfigurationError` for anything else.
        """
        if not callable(pipeline) or not hasattr(pipeline, "components"):
            raise ConfigurationError(
                f"{type(pipeline).__name__} is neither a model name nor a diffusers pipeline."
            )
        weights = digest_modules(pipeline.components)
        identity = ModelIdentity(
            id=Path(str(getattr(pipeline, "name_or_path", "") or "in-memory")).name,
            revision=None,
            weights_digest=combined_digest(weights),
            weights=weights,
            pipeline_class=type(pipeline).__name__,
        )
        return cls(
            pipeline,
            identity,
            controlnet=controlnet,
            allow_download=allow_download,
            cache=cache,
        )

    def generate(
        self, request: GenerationRequest, *, on_progress: Progress | None = None
    ) -> tuple[GeneratedImage, ...]:
        """Make one image for each seed. See :class:`guardrail.backends.Backend`."""
        return self.generate_batch([request], on_progress=on_progress)[0]

    def generate_batch(
        self, requests: Sequence[GenerationRequest], *, on_progress: Progress | None = None
    ) -> tuple[tuple[GeneratedImage, ...], ...]:
        """Draw several requests in one call, and return the images of each.

        All must have the same :func:`guardrail.backends.call.shape_of`. Raises as ``generate``.
        """
        if len({shape_of(request) for request in requests}) != 1:
            raise ConfigurationError("Only requests of one shape can be drawn together.")
        first = requests[0]
        canvas = canvas_for(first, self._defaults.multiple)
        with self._lock:
            self._require_unchanged()
            variant = self._variants.get(first.mode, controlled=canvas.control is not None)
            call = build_call(requests, canvas, variant)
            with _scheduler(variant.pipeline, first.scheduler) as scheduler:
                if on_progress and "callback_on_step_end" in variant.parameters:
                    watch = _progress_callback(on_progress, first.steps)
                    call.arguments["callback_on_step_end"] = watch
                started = time.perf_counter()
                output = _run(variant.pipeline, call.arguments)
                elapsed = (time.perf_counter() - started) * 1000
                facts = [self._facts(each, variant, call, scheduler) for each in requests]
        return _images(requests, canvas, output, facts, elapsed)

    def _facts(
        self, request: GenerationRequest, variant: Variant, call: Call, scheduler: Any
    ) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "mode": request.mode,
            "pipeline_class": type(variant.pipeline).__name__,
            "scheduler": scheduler_facts(scheduler),
            "parameters": {
                "width": request.width,
                "height": request.height,
                "num_inference_steps": request.steps,
                "guidance_scale": request.guidance_scale,
                "scheduler": request.scheduler,
                **call.guidance,
            },
            "ignored": list(call.ignored),
            "truncated": self._truncated(request),
            "generator_device": "cpu",
            "environment": environment(),
            **self._placement(variant),
        }
        if request.inputs:
            facts["inputs"] = [
                {"role": str(p.role), "sha256": p.sha256, "pixels_sha256": p.pixels_sha256}
                for p in request.inputs
            ]
        if self._control and "controlnet" in variant.names:
            facts["controlnet"] = self._control.facts
        return facts

    def _placement(self, variant: Variant) -> dict[str, Any]:
        """Precision and device: looked up once for a model loaded here (it takes milliseconds),
        each time for one that the caller may move."""
        known = self._placements.get(variant.names)
        if known is None or self._mark is not None:
            known = {
                "dtype": precision(self._components(variant)),
                "device": str(self._pipeline.device),
            }
            self._placements[variant.names] = known
        return known

    def _load_controlnet(self) -> Any:
        named, source, allow_download, cache = self._where_control_is
        files = find_controlnet(named, source, allow_download=allow_download, cache=cache)
        denoiser = getattr(self._pipeline, "unet", None) or self._pipeline.transformer
        loaded = load_controlnet(files.source, files.class_name, denoiser.dtype, denoiser.device)
        self._control = files
        return loaded

    def _components(self, variant: Variant) -> dict[str, Any]:
        """The parts as they are now (``pipeline.components`` costs milliseconds)."""
        return {name: getattr(variant.pipeline, name, None) for name in variant.names}

    def _truncated(self, request: GenerationRequest) -> list[str]:
        """Return which texts are longer than every one of the model's tokenizers takes."""
        tokenizers = [
            (tokenizer, limit)
            for name, tokenizer in self._components(self._variants.base).items()
            if name.startswith("tokenizer")
            and (limit := getattr(tokenizer, "model_max_length", None))
        ]
        texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        return [
            name
            for name, text in texts.items()
            if text and tokenizers and all(_is_longer(text, *pair) for pair in tokenizers)
        ]

    def _require_unchanged(self) -> None:
        if self._mark is None:
            return
        if state_mark(self._components(self._variants.base)) != self._mark:
            raise BackendError(
                "The pipeline's weights were changed after it was handed over, so the record "
                "would name the wrong ones.",
                hint="Finish loading (LoRA included) first, then hand the pipeline over.",
            )


def _run(pipeline: Any, arguments: dict[str, Any]) -> Any:
    try:
        with torch.inference_mode():
            return pipeline(**arguments)
    except (GuardrailError, KeyboardInterrupt):
        raise
    except Exception as error:  # whatever the model raises, nothing may leave
        if is_out_of_memory(error):
            torch.cuda.empty_cache()  # does nothing without an accelerator
            raise BackendError(
                "The memory ran out while generating.",
                hint="Ask for a smaller size or fewer images at a time.",
            ) from error
        raise BackendError(
            f"The model failed while generating ({type(error).__name__})."
        ) from error


def _images(
    requests: Sequence[GenerationRequest],
    canvas: Canvas,
    output: Any,
    facts: Sequence[dict[str, Any]],
    elapsed: float,
) -> tuple[tuple[GeneratedImage, ...], ...]:
    pictures = as_pictures(output.images, canvas.size)
    flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(pictures)
    seeds = [str(seed) for each in requests for seed in each.seeds]
    if not len(pictures) == len(flagged) == len(seeds):
        raise BackendError("The model returned another number of pictures.")
    batch: dict[str, Any] = {"size": len(seeds), "seeds": seeds}
    if len(requests) > 1:  # their neighbours' words are in their neighbours' records
        batch["records"] = [str(i) for each in requests for i in each.record_ids]
    drawn = enumerate(zip(pictures, flagged, strict=True))
    return tuple(
        tuple(
            GeneratedImage(
                image=canvas.result(picture),
                seed=seed,
                index=index,
                reproduction=own | {"batch": batch | {"index": position}},
                milliseconds=elapsed / len(seeds),
                flagged_by_model=bool(flag),
            )
            for index, (seed, (position, (picture, flag))) in enumerate(
                zip(each.seeds, drawn, strict=False)
            )
        )
        for each, own in zip(requests, facts, strict=True)
    )


@contextmanager
def _scheduler(pipeline: Any, name: str | None) -> Iterator[Any]:
    """Use another scheduler for one call, and put the model's own back afterwards."""
    own = getattr(pipeline, "scheduler", None)
    if name is None:
        yield own
        return
    pipeline.scheduler = make_scheduler(name, own)
    try:
        yield pipeline.scheduler
    finally:
        pipeline.scheduler = own


def _is_longer(text: str, tokenizer: Any, limit: int) -> bool:
    # A token holds at least one byte: the usual short prompt needs no second tokenisation.
    return len(text.encode("utf-8", "replace")) + 2 > limit and (
        len(tokenizer(text, verbose=False).input_ids) > limit
    )


def _progress_callback(on_progress: Progress, steps: int) -> Any:
    def on_step_end(pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> Any:
        # Second-order schedulers call the model more often than the steps that were asked for.
        total = getattr(pipeline, "_num_timesteps", None) or steps
        try:
            on_progress(step + 1, total)
        except (GuardrailError, KeyboardInterrupt):
            raise
        except Exception as error:  # a caller's callback must not look like a model failure
            raise GenerationCancelled("The progress callback raised an error.") from error
        return tensors

    return on_step_end
