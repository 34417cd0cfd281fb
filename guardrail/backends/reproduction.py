"""What reproduces a picture: the parameters, precision, devices and versions that really ran."""

from __future__ import annotations

import functools
import importlib.metadata
import math
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LIBRARIES = ("torch", "diffusers", "transformers", "safetensors", "accelerate", "numpy", "pillow")


def environment() -> dict[str, Any]:
    """Return the library versions and numeric settings that decide the last bit of a pixel.

    What cannot change while the process runs is looked up once.
    """
    import torch  # noqa: PLC0415 (only called with a loaded model)

    facts: dict[str, Any] = dict(_constant_environment())
    facts |= {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
    }
    if torch.cuda.is_available():
        facts["cuda"] = dict(_constant_cuda()) | {
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
            "attention": [name for name, used in _attention_kernels().items() if used],
        }
    return facts


def scheduler_facts(scheduler: Any) -> dict[str, Any]:
    """Return the scheduler's class and its whole configuration, JSON-safe: infinities and
    not-a-number as text, and none of diffusers' own bookkeeping, whose order varies by process."""
    if scheduler is None:
        return {}
    config = {
        key: _plain(value)
        for key, value in sorted(scheduler.config.items())
        if not key.startswith("_")
    }
    return {"class": type(scheduler).__name__, "config": config}


def precision(components: Mapping[str, Any]) -> dict[str, str]:
    """Return the dtype of each torch module, e.g. ``{"unet": "float32"}``."""
    return {
        name: str(component.dtype).removeprefix("torch.")
        for name, component in sorted(components.items())
        if hasattr(component, "state_dict") and hasattr(component, "dtype")
    }


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with ``count`` threads for a while (None: leave it): the thread count decides the
    order of sums, and so the last bit. The setting is the whole process's."""
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@functools.cache
def _constant_environment() -> Mapping[str, Any]:
    import torch  # noqa: PLC0415

    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


@functools.cache
def _constant_cuda() -> Mapping[str, Any]:
    import torch  # noqa: PLC0415

    cudnn: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return {
        "version": torch.version.cuda,
        "cudnn": cudnn,
        "device": torch.cuda.get_device_name(),
    }


def _attention_kernels() -> dict[str, bool]:
    """The attention kernels that torch may choose from; the choice decides the last bit."""
    from torch.backends import cuda  # noqa: PLC0415

    kernels: Any = cuda
    return {
        "cudnn": kernels.cudnn_sdp_enabled(),
        "flash": kernels.flash_sdp_enabled(),
        "math": kernels.math_sdp_enabled(),
        "memory_efficient": kernels.mem_efficient_sdp_enabled(),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON data; what JSON cannot say is said as text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return f"{type(value).__name__}: {value}" if hasattr(value, "dtype") else type(value).__name__
