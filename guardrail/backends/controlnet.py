"""A ControlNet beside the model: found, digested and loaded when a request first needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrail.backends.sources import EMBEDDED, Source, locate, safe_weights
from guardrail.backends.weights import combined_digest, digest_files
from guardrail.errors import BackendError, ConfigurationError

CONFIG = "config.json"
FOLDER = "controlnet"
"""Where the embedded model keeps its own."""


@dataclass(frozen=True, slots=True)
class ControlNetFiles:
    """A ControlNet on this disk."""

    source: Source
    class_name: str
    """The diffusers class that reads it."""
    weights: Mapping[str, str]

    @property
    def facts(self) -> dict[str, Any]:
        """What the record says about it."""
        return {
            "id": self.source.name,
            "revision": self.source.revision,
            "weights_digest": combined_digest(self.weights),
        }


def find_controlnet(
    named: str | Path | None, model: Source | None, *, allow_download: bool, cache: Path | None
) -> ControlNetFiles:
    """Return the files of the ControlNet that was named, or that the embedded model brings.

    Raises :class:`ConfigurationError` when there is none, and :class:`BackendError` when it is
    not complete.
    """
    own = model.directory / FOLDER if model and model.name == EMBEDDED else None
    if named is not None:
        source = locate(named, allow_download=allow_download, index=CONFIG)
    elif own is not None and own.is_dir():
        source = Source(f"{EMBEDDED}/{FOLDER}", own, None)
    else:
        raise ConfigurationError(
            "A control picture needs a ControlNet, and none was loaded.",
            hint="Name one that fits the model: controlnet=... (CLI: --controlnet).",
        )
    weights = safe_weights(source.directory)
    if not weights:
        raise BackendError(
            f"The ControlNet {source.name!r} has no diffusion_pytorch_model.safetensors.",
            hint="Point at a directory saved with save_pretrained(safe_serialization=True).",
        )
    digests = digest_files(source.directory, weights, cache=cache)
    return ControlNetFiles(source, _class_name(source), digests)


def _class_name(source: Source) -> str:
    """The class its configuration names; only diffusers' ControlNets are let through."""
    import diffusers  # noqa: PLC0415 (already loaded with the model)

    try:
        config = json.loads((source.directory / CONFIG).read_text("utf-8"))
        name = str(config["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(f"The {CONFIG} of the ControlNet {source.name!r} is damaged.") from error
    if not name.endswith("ControlNetModel") or not hasattr(diffusers, name):
        raise BackendError(f"{source.name!r} is a {name}, not a ControlNet.")
    return name
