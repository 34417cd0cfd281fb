"""The diffusers backend: any ``DiffusionPipeline``, the embedded model included.

One pipeline object serves all threads, one call at a time: schedulers keep state between steps.
Noise is drawn on the CPU from one generator an image, so that an image does not depend on the
accelerator's random numbers or on its neighbours in the batch.
"""

from __future__ import annotations

import inspect
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image

from guardrail import resources
from guardrail.backends.interface import Defaults, Progress
from guardrail.backends.reproduction import environment, precision, scheduler_facts
from guardrail.backends.schedulers import make_scheduler
from guardrail.backends.weights import combined_digest, digest_directory, digest_modules
from guardrail.contracts import GeneratedImage, GenerationRequest, ModelIdentity
from guardrail.errors import BackendError, ConfigurationError, GenerationCancelled, GuardrailError

EMBEDDED = "embedded"
EMBEDDED_DEFAULTS = {"steps": 20, "guidance_scale": 3.0}


class DiffusersBackend:
    """Runs a loaded ``DiffusionPipeline``. Make one with :meth:`from_pretrained` or
    :meth:`from_pipeline`."""

    def __init__(self, pipeline: Any, identity: ModelIdentity, defaults: Defaults) -> None:
        self._pipeline = pipeline
        self._identity = identity
        self._defaults = defaults
        self._parameters = inspect.signature(pipeline.__call__).parameters
        self._lock = threading.Lock()
        pipeline.set_progress_bar_config(disable=True)

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
        """Load a model by name, directory or hub id: safetensors only, no remote code."""
        import diffusers  # noqa: PLC0415 (slow: only when a model is really loaded)

        directory, name = _locate(model)
        device = device or _best_device()
        source = str(directory or model)
        try:
            load: Any = diffusers.DiffusionPipeline.from_pretrained
            pipeline = load(
                source,
                dtype=_dtype(dtype, device),
                local_files_only=directory is not None or not allow_download,
                use_safetensors=True,
            )
            snapshot = directory or _snapshot(source)
        except GuardrailError:
            raise
        except Exception as error:  # diffusers raises many kinds; each means: not loadable
            raise _not_loadable(name, directory, error, allow_download) from error
        weights = digest_directory(snapshot, cache=cache)
        identity = ModelIdentity(
            id=name,
            revision=None if directory else snapshot.name,
            weights_digest=combined_digest(weights),
            weights=weights,
            pipeline_class=type(pipeline).__name__,
        )
        overrides = EMBEDDED_DEFAULTS if name == EMBEDDED else {}
        return cls(pipeline.to(device), identity, _defaults(pipeline, overrides))

    @classmethod
    def from_pipeline(cls, pipeline: Any) -> Self:
        """Wrap a diffusers pipeline that the caller built; its weights are hashed in memory."""
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
        return cls(pipeline, identity, _defaults(pipeline, {}))

    def generate(
        self, request: GenerationRequest, *, on_progress: Progress | None = None
    ) -> tuple[GeneratedImage, ...]:
        """Make one image for each seed. See :class:`guardrail.backends.Backend`."""
        self._check_size(request)
        with self._lock, self._scheduler(request.scheduler) as scheduler:
            arguments, ignored = self._arguments(request)
            if on_progress and "callback_on_step_end" in self._parameters:
                arguments["callback_on_step_end"] = _progress_callback(on_progress, request.steps)
            started = time.perf_counter()
            output = self._run(arguments)
            elapsed = (time.perf_counter() - started) * 1000 / request.count
            facts = self._facts(request, scheduler, ignored)
        batch = {"size": request.count, "seeds": [str(seed) for seed in request.seeds]}
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * request.count
        return tuple(
            GeneratedImage(
                image=image.convert("RGB") if image.mode not in ("RGB", "RGBA", "L") else image,
                seed=seed,
                index=index,
                reproduction=facts | {"batch": batch | {"index": index}},
                milliseconds=elapsed,
                flagged_by_model=bool(flag),
            )
            for index, (image, seed, flag) in enumerate(
                zip(output.images, request.seeds, flagged, strict=True)
            )
        )

    def _run(self, arguments: dict[str, Any]) -> Any:
        try:
            with torch.inference_mode():
                output = self._pipeline(**arguments)
        except (GuardrailError, KeyboardInterrupt):
            raise
        except torch.OutOfMemoryError as error:
            raise BackendError(
                "The accelerator ran out of memory.", hint="Ask for a smaller size or fewer images."
            ) from error
        except Exception as error:  # whatever the model raises, nothing may leave
            raise BackendError(
                f"The model failed while generating ({type(error).__name__})."
            ) from (error)
        if not all(isinstance(image, Image.Image) for image in output.images):
            raise BackendError("The model did not return pictures.")
        return output

    def _arguments(self, request: GenerationRequest) -> tuple[dict[str, Any], list[str]]:
        """Return the call's arguments, and the names of those that this pipeline ignores."""
        count = request.count
        wanted: dict[str, Any] = {
            "prompt": [request.prompt] * count,
            "negative_prompt": [request.negative_prompt] * count
            if request.negative_prompt is not None
            else None,
            "width": request.width,
            "height": request.height,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance_scale,
            "generator": [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds],
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        ignored = sorted(set(given) - set(self._parameters))
        return {name: value for name, value in given.items() if name not in ignored}, ignored

    @contextmanager
    def _scheduler(self, name: str | None) -> Iterator[Any]:
        """Use another scheduler for one call, and put the model's own back afterwards."""
        own = self._pipeline.scheduler
        chosen = make_scheduler(name, own) if name else own
        self._pipeline.scheduler = chosen
        try:
            yield chosen
        finally:
            self._pipeline.scheduler = own

    def _facts(
        self, request: GenerationRequest, scheduler: Any, ignored: list[str]
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
            "ignored": ignored,
            "truncated": self._truncated(request),
            "dtype": precision(self._pipeline.components),
            "device": str(self._pipeline.device),
            "generator_device": "cpu",
            "environment": environment(),
        }

    def _truncated(self, request: GenerationRequest) -> list[str]:
        """Return which texts are longer than the model's tokenizer takes."""
        tokenizer = getattr(self._pipeline, "tokenizer", None)
        limit = getattr(tokenizer, "model_max_length", None)
        if tokenizer is None or limit is None:
            return []
        texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        return [
            name
            for name, text in texts.items()
            if text and len(tokenizer(text, verbose=False).input_ids) > limit
        ]

    def _check_size(self, request: GenerationRequest) -> None:
        step = self._defaults.multiple
        for name, pixels in (("width", request.width), ("height", request.height)):
            if pixels < step or pixels % step:
                near = max(step, round(pixels / step) * step)
                raise ConfigurationError(
                    f"This model needs a {name} that is a multiple of {step} pixels, not {pixels}.",
                    hint=f"Use {near}.",
                )


def _locate(model: str | Path) -> tuple[Path | None, str]:
    """Return the local directory (None for a hub id) and the name to record."""
    if model == EMBEDDED:
        return resources.embedded_model_dir(), EMBEDDED
    path = Path(model).expanduser()
    if path.is_dir():
        return path, path.resolve().name
    looks_like_path = isinstance(model, Path) or str(model).startswith((".", "/", "~"))
    if looks_like_path or str(model).count("/") != 1:
        raise BackendError(
            f"There is no model directory at {model}.",
            hint="Use 'embedded', a directory saved with save_pretrained(), or a hub id.",
        )
    return None, str(model)


def _snapshot(repository: str) -> Path:
    """Return the downloaded snapshot of a hub id; its folder is named by the commit."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    return Path(snapshot_download(repository, local_files_only=True))


def _not_loadable(
    name: str, directory: Path | None, error: Exception, allow_download: bool
) -> BackendError:
    if directory is not None or allow_download:
        return BackendError(
            f"The model {name!r} cannot be loaded ({type(error).__name__}).",
            hint="Check that it is a complete diffusers directory with safetensors weights.",
        )
    return BackendError(
        f"The model {name!r} is not in the local cache, and downloads are off.",
        hint="Allow it once with allow_download=True (CLI: --allow-download), or give a directory.",
    )


def _defaults(pipeline: Any, overrides: dict[str, Any]) -> Defaults:
    parameters = inspect.signature(pipeline.__call__).parameters
    factor = getattr(pipeline, "vae_scale_factor", 8)
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    sample = getattr(getattr(denoiser, "config", None), "sample_size", None)
    native = getattr(pipeline, "default_sample_size", None) or sample
    size = math.prod((native, factor)) if isinstance(native, int) else 1024
    base = Defaults(
        width=size,
        height=size,
        steps=_default(parameters, "num_inference_steps", 50),
        guidance_scale=float(_default(parameters, "guidance_scale", 7.5)),
        multiple=factor,
    )
    return replace(base, **overrides)


def _default(parameters: Any, name: str, otherwise: Any) -> Any:
    value = parameters[name].default if name in parameters else None
    return otherwise if value in (None, inspect.Parameter.empty) else value


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(name: str | None, device: str) -> torch.dtype:
    """Return the torch dtype. Never left to the library: it would mix precisions."""
    if name is None:
        return torch.float32 if device == "cpu" else torch.float16
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ConfigurationError(
            f"{name!r} is not a torch dtype.", hint="Use float32, float16 or bfloat16."
        )
    return dtype


def _progress_callback(on_progress: Progress, steps: int) -> Any:
    def on_step_end(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> Any:
        try:
            on_progress(step + 1, steps)
        except (GenerationCancelled, KeyboardInterrupt):
            raise
        except Exception as error:  # a caller's callback must not look like a model failure
            raise GenerationCancelled("The progress callback raised an error.") from error
        return tensors

    return on_step_end
