"""The diffusers backend: any ``DiffusionPipeline``, the embedded model included.

One pipeline object serves all threads, one call at a time: schedulers keep state between steps.
Noise is drawn on the CPU from one generator an image, so that an image does not depend on the
accelerator's random numbers or on its neighbours in the batch.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch

from guardrail.backends.call import build_call
from guardrail.backends.defaults import EMBEDDED_DEFAULTS, pipeline_defaults
from guardrail.backends.interface import Defaults, Progress
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
        defaults: Defaults,
        *,
        mark: int | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._identity = identity
        self._defaults = defaults
        self._mark = mark
        self._names = tuple(pipeline.components)
        self._placement = None if mark is not None else self._look_up_placement()
        self._parameters = inspect.signature(pipeline.__call__).parameters
        self._lock = _locks.setdefault(pipeline, threading.Lock())
        pipeline.set_progress_bar_config(disable=True)
        _keep_prompts_out_of_the_log(pipeline)

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
        allow_download: bool = False,
        cache: Path | None = None,
    ) -> Self:
        """Load a model by name, directory or hub id: safetensors only, no remote code.

        Raises :class:`BackendError` naming the file that is missing or unfit, and
        :class:`ConfigurationError` for a device or dtype that does not exist.
        """
        place = _device(device)
        precise = _dtype(dtype, place)
        source = locate(model, allow_download=allow_download)
        require_complete(source)
        weights = digest_files(source.directory, weight_files(source.directory), cache=cache)
        pipeline = _load(source, precise, place)
        identity = ModelIdentity(
            id=source.name,
            revision=source.revision,
            weights_digest=combined_digest(weights),
            weights=weights,
            pipeline_class=type(pipeline).__name__,
        )
        overrides = EMBEDDED_DEFAULTS if source.name == EMBEDDED else {}
        return cls(pipeline, identity, pipeline_defaults(pipeline, overrides))

    @classmethod
    def from_pipeline(cls, pipeline: Any) -> Self:
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
        mark = state_mark(pipeline.components)
        return cls(pipeline, identity, pipeline_defaults(pipeline, {}), mark=mark)

    def generate(
        self, request: GenerationRequest, *, on_progress: Progress | None = None
    ) -> tuple[GeneratedImage, ...]:
        """Make one image for each seed. See :class:`guardrail.backends.Backend`."""
        self._require_size(request)
        with self._lock, self._scheduler(request.scheduler) as scheduler:
            self._require_unchanged()
            call = build_call(request, self._pipeline, self._parameters)
            if on_progress and "callback_on_step_end" in self._parameters:
                watch = _progress_callback(on_progress, request.steps)
                call.arguments["callback_on_step_end"] = watch
            started = time.perf_counter()
            output = self._run(call.arguments)
            elapsed = (time.perf_counter() - started) * 1000 / request.count
            facts = self._facts(request, scheduler, call.ignored)
        pictures = as_pictures(output.images, (request.width, request.height))
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * request.count
        batch = {"size": request.count, "seeds": [str(seed) for seed in request.seeds]}
        try:
            rows = enumerate(zip(pictures, request.seeds, flagged, strict=True))
            return tuple(
                GeneratedImage(
                    image=picture,
                    seed=seed,
                    index=index,
                    reproduction=facts | {"batch": batch | {"index": index}},
                    milliseconds=elapsed,
                    flagged_by_model=bool(flag),
                )
                for index, (picture, seed, flag) in rows
            )
        except ValueError as error:
            raise BackendError("The model returned another number of pictures.") from error

    def _run(self, arguments: dict[str, Any]) -> Any:
        try:
            with torch.inference_mode():
                return self._pipeline(**arguments)
        except (GuardrailError, KeyboardInterrupt):
            raise
        except Exception as error:  # whatever the model raises, nothing may leave
            if _is_out_of_memory(error):
                torch.cuda.empty_cache()  # does nothing without an accelerator
                raise BackendError(
                    "The memory ran out while generating.",
                    hint="Ask for a smaller size or fewer images at a time.",
                ) from error
            raise BackendError(
                f"The model failed while generating ({type(error).__name__})."
            ) from error

    @contextmanager
    def _scheduler(self, name: str | None) -> Iterator[Any]:
        """Use another scheduler for one call, and put the model's own back afterwards."""
        own = getattr(self._pipeline, "scheduler", None)
        if name is None:
            yield own
            return
        self._pipeline.scheduler = make_scheduler(name, own)
        try:
            yield self._pipeline.scheduler
        finally:
            self._pipeline.scheduler = own

    def _facts(
        self, request: GenerationRequest, scheduler: Any, ignored: tuple[str, ...]
    ) -> dict[str, Any]:
        return {
            "pipeline_class": self._identity.pipeline_class,
            "scheduler": scheduler_facts(scheduler),
            "parameters": {
                "width": request.width,
                "height": request.height,
                "num_inference_steps": request.steps,
                "guidance_scale": request.guidance_scale,
                "scheduler": request.scheduler,
            },
            "ignored": list(ignored),
            "truncated": self._truncated(request),
            "generator_device": "cpu",
            "environment": environment(),
        } | (self._placement or self._look_up_placement())

    @property
    def _components(self) -> dict[str, Any]:
        """The parts as they are now (``pipeline.components`` costs milliseconds)."""
        return {name: getattr(self._pipeline, name, None) for name in self._names}

    def _look_up_placement(self) -> dict[str, Any]:
        """Precision and device: constant for a model loaded here, the caller's for one given."""
        return {"dtype": precision(self._components), "device": str(self._pipeline.device)}

    def _truncated(self, request: GenerationRequest) -> list[str]:
        """Return which texts are longer than every one of the model's tokenizers takes."""
        tokenizers = [
            (tokenizer, limit)
            for name, tokenizer in self._components.items()
            if name.startswith("tokenizer")
            and (limit := getattr(tokenizer, "model_max_length", None))
        ]
        texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        return [
            name
            for name, text in texts.items()
            if text and tokenizers and all(_is_longer(text, *pair) for pair in tokenizers)
        ]

    def _require_size(self, request: GenerationRequest) -> None:
        step = self._defaults.multiple
        for name, pixels in (("width", request.width), ("height", request.height)):
            if pixels < step or pixels % step:
                near = max(step, round(pixels / step) * step)
                raise ConfigurationError(
                    f"This model needs a {name} that is a multiple of {step} pixels, not {pixels}.",
                    hint=f"Use {near}.",
                )

    def _require_unchanged(self) -> None:
        if self._mark is not None and state_mark(self._components) != self._mark:
            raise BackendError(
                "The pipeline's weights were changed after it was handed over, so the record "
                "would name the wrong ones.",
                hint="Finish loading (LoRA included) first, then hand the pipeline over.",
            )


def _load(source: Source, dtype: torch.dtype, device: torch.device) -> Any:
    import diffusers  # noqa: PLC0415 (slow: only when a model is really loaded)

    load: Any = diffusers.DiffusionPipeline.from_pretrained
    try:
        # The dtype is never left to the libraries, which would mix precisions.
        with _without_bars():
            pipeline = load(
                str(source.directory), dtype=dtype, local_files_only=True, use_safetensors=True
            )
        return pipeline.to(device)
    except Exception as error:  # the libraries raise many kinds; each means: not loadable
        if _is_out_of_memory(error):
            raise BackendError(
                f"The model {source.name!r} does not fit into the memory of {device}.",
                hint="Load it with dtype bfloat16 or float16, or on another device.",
            ) from error
        raise BackendError(
            f"The model {source.name!r} cannot be loaded ({type(error).__name__}).",
            hint="Check that it is a complete diffusers directory with safetensors weights.",
        ) from error


@contextmanager
def _without_bars() -> Iterator[None]:
    """Silence the libraries' loading bars: what the caller sees is the caller's choice."""
    from diffusers.utils import logging as first  # noqa: PLC0415
    from transformers.utils import logging as second  # noqa: PLC0415

    drawn = [library for library in (first, second) if library.is_progress_bar_enabled()]
    for library in drawn:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in drawn:
            library.enable_progress_bar()


def _keep_prompts_out_of_the_log(pipeline: Any) -> None:
    """Drop the libraries' warning that quotes the part of a prompt which was cut off; the record
    says that it was (``truncated``)."""
    for cls in type(pipeline).__mro__:
        if cls.__module__.startswith("diffusers."):
            logger = logging.getLogger(cls.__module__)
            if _quotes_no_prompt not in logger.filters:
                logger.addFilter(_quotes_no_prompt)


def _quotes_no_prompt(record: logging.LogRecord) -> bool:
    return "part of your input was truncated" not in str(record.msg)


def _is_longer(text: str, tokenizer: Any, limit: int) -> bool:
    # A token holds at least one byte: the usual short prompt needs no second tokenisation.
    return len(text.encode("utf-8", "replace")) + 2 > limit and (
        len(tokenizer(text, verbose=False).input_ids) > limit
    )


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _device(name: str | None) -> torch.device:
    """Return the device to run on: the named one, or the first there is."""
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigurationError(
            f"The device {name!r} is not there, or this torch build cannot use it.",
            hint="Use cpu, cuda, cuda:1 or mps.",
        ) from error
    return device


def _dtype(name: str | None, device: torch.device) -> torch.dtype:
    """Return the torch dtype: float32 on a CPU, bfloat16 on a card that has it, else float16."""
    if name is None:
        if device.type == "cpu":
            return torch.float32
        wide = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if wide else torch.float16
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ConfigurationError(
            f"{name!r} is not a torch dtype.", hint="Use float32, float16 or bfloat16."
        )
    return dtype


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
