"""What reproduces a picture: the parameters, precision, devices and versions that really ran."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

LIBRARIES = ("torch", "diffusers", "transformers", "safetensors", "accelerate", "numpy", "pillow")


def environment() -> dict[str, Any]:
    """Return the library versions and numeric settings that decide the last bit of a pixel."""
    import torch  # noqa: PLC0415 (only called with a loaded model)

    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }
    if torch.cuda.is_available():
        facts["cuda"] = {
            "version": torch.version.cuda,
            "cudnn": _cudnn_version(),
            "device": torch.cuda.get_device_name(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        }
    return facts


def scheduler_facts(scheduler: Any) -> dict[str, Any]:
    """Return the scheduler's class and its whole configuration, JSON-safe."""
    config = {
        key: value for key, value in sorted(scheduler.config.items()) if _is_plain_json(value)
    }
    return {"class": type(scheduler).__name__, "config": config}


def precision(components: dict[str, Any]) -> dict[str, str]:
    """Return the dtype of each torch module, e.g. ``{"unet": "float32"}``."""
    return {
        name: str(component.dtype).removeprefix("torch.")
        for name, component in sorted(components.items())
        if hasattr(component, "state_dict") and hasattr(component, "dtype")
    }


def _cudnn_version() -> int | None:
    import torch  # noqa: PLC0415

    version: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return version


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_plain_json(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain_json(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
