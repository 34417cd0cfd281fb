"""Turns what the caller named into a backend, without surprise downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guardrail.backends.downloads import OnDownload
from guardrail.backends.interface import Backend


def load_backend(
    model: Any,
    *,
    device: str | None = None,
    dtype: str | None = None,
    controlnet: str | Path | None = None,
    allow_download: bool = False,
    cache: Path | None = None,
    on_download: OnDownload | None = None,
) -> Backend:
    """Return the backend for ``model``.

    ``model`` is ``"embedded"``, a local directory, a hub id, an already built diffusers pipeline,
    or anything that has the :class:`Backend` methods. ``device`` is a torch device
    (default: cuda, mps or cpu, the first there is), ``dtype`` a torch dtype's name (default:
    float16 on an accelerator, float32 on the CPU). A hub id is read from the local cache; it is
    downloaded only with ``allow_download=True``. ``controlnet`` (a directory or hub id) is loaded
    when a request first has a control picture. ``cache`` remembers weight digests.
    ``on_download`` is told what a download will fetch, and how much.

    Raises :class:`~guardrail.errors.BackendError` or
    :class:`~guardrail.errors.ConfigurationError`.
    """
    if not isinstance(model, str | Path) and hasattr(model, "generate"):
        backend: Backend = model
        return backend
    # torch and diffusers are imported here and nowhere above: light commands stay light.
    from guardrail.backends.diffusers import DiffusersBackend  # noqa: PLC0415

    if isinstance(model, str | Path):
        return DiffusersBackend.from_pretrained(
            model,
            device=device,
            dtype=dtype,
            controlnet=controlnet,
            allow_download=allow_download,
            cache=cache,
            on_download=on_download,
        )
    return DiffusersBackend.from_pipeline(
        model, controlnet=controlnet, allow_download=allow_download, cache=cache
    )
