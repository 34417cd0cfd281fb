"""From files to a pipeline on a device, in one precision; errors as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from guardrail.backends.sources import Source
from guardrail.errors import BackendError, ConfigurationError


def load_pipeline(source: Source, dtype: torch.dtype, device: torch.device) -> Any:
    """Load the pipeline of a directory that was looked through. Raises :class:`BackendError`."""
    import diffusers  # noqa: PLC0415 (slow: only when a model is really loaded)

    load: Any = diffusers.DiffusionPipeline.from_pretrained
    return _loaded(load, source, dtype, device)


def load_controlnet(
    source: Source, class_name: str, dtype: torch.dtype, device: torch.device
) -> Any:
    """Load a ControlNet of a diffusers class. Raises :class:`BackendError`."""
    import diffusers  # noqa: PLC0415

    load: Any = getattr(diffusers, class_name).from_pretrained
    return _loaded(load, source, dtype, device).eval()


def device_named(name: str | None) -> torch.device:
    """Return the device to run on: the named one, or the first there is of cuda, mps and cpu.

    Raises :class:`ConfigurationError` when it is not there.
    """
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


def dtype_named(name: str | None, device: torch.device) -> torch.dtype:
    """Return the torch dtype: the named one, or float32 on a CPU, bfloat16 on a card that has it,
    else float16. Raises :class:`ConfigurationError` for a name that is none."""
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


def is_out_of_memory(error: Exception) -> bool:
    """Tell a shortage of memory, on an accelerator or not, from other failures."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _loaded(load: Any, source: Source, dtype: torch.dtype, device: torch.device) -> Any:
    try:
        # The dtype is never left to the libraries, which would mix precisions.
        with _without_bars():
            model = load(
                str(source.directory), dtype=dtype, local_files_only=True, use_safetensors=True
            )
        return model.to(device)
    except Exception as error:  # the libraries raise many kinds; each means: not loadable
        if is_out_of_memory(error):
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
