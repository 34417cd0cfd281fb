"""One open_clip model on this disk, loaded without network, pickles or random weights.

open_clip by itself fetches a named model, unpickles what it finds, and falls back to random weights
with a logged warning when a directory has none. A check built on that passes everything.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrail import resources
from guardrail.errors import CheckError

if TYPE_CHECKING:
    from PIL.Image import Image

EMBEDDED = "embedded"
CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
)
"""In the order in which open_clip prefers them."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk, and the open_clip arguments that load it."""

    weights: Path
    tokenizer: str
    """What names the tokenizer to open_clip."""
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Encoder:
    """A loaded open_clip model, in evaluation mode. Thread-safe."""

    def __init__(self, files: ModelFiles) -> None:
        # Heavy: only when a policy has a rule that looks with open_clip.
        import open_clip  # noqa: PLC0415
        import torch  # noqa: PLC0415

        self._torch = torch
        model, _, self._transform = open_clip.create_model_and_transforms(
            **files.arguments, require_pretrained=True, weights_only=True
        )
        self._model = model.eval()  # BatchNorm towers give other embeddings in training mode
        self._tokenizer = open_clip.get_tokenizer(files.tokenizer)
        self._tokenizing = threading.Lock()  # Rust tokenizers refuse to be borrowed twice
        self.scale = float(model.logit_scale.detach().exp())
        with files.weights.open("rb") as stream:
            self.weights_digest = hashlib.file_digest(stream, "sha256").hexdigest()

    def encode_texts(self, texts: Sequence[str]) -> Any:
        """Return unit embeddings, shape (texts, width)."""
        with self._tokenizing:
            tokens = self._tokenizer(list(texts))
        with self._torch.inference_mode():
            return self._model.encode_text(tokens, normalize=True)

    def encode_images(self, images: Sequence[Image]) -> Any:
        """Return unit embeddings, shape (images, width)."""
        batch = self._torch.stack([self._transform(image.convert("RGB")) for image in images])
        with self._torch.inference_mode():
            return self._model.encode_image(batch, normalize=True)


_encoders: dict[tuple[str, str | None], Encoder] = {}
_loading = threading.Lock()


def load_encoder(name: str, pretrained: str | None) -> Encoder:
    """Load an open_clip model once a process.

    ``name``: ``embedded``, ``local-dir:PATH``, ``hf-hub:OWNER/NAME`` (from the local cache), or an
    open_clip architecture with the weights tag ``pretrained`` (from the local cache). Raises
    :class:`CheckError` with the sentence that mends it.
    """
    with _loading:
        if (name, pretrained) not in _encoders:
            files = find_files(name, pretrained)
            try:
                _encoders[name, pretrained] = Encoder(files)
            except Exception as error:  # open_clip raises many kinds; each means: cannot look
                raise CheckError(
                    f"The open_clip model {name!r} cannot be loaded ({type(error).__name__}).",
                    hint=f"Check that its {CONFIG}, weights and tokenizer belong together.",
                ) from error
        return _encoders[name, pretrained]


def find_files(name: str, pretrained: str | None) -> ModelFiles:
    """Return the files of a model, which must be on this disk. Raises :class:`CheckError`."""
    if name == EMBEDDED:
        return _in_directory(resources.embedded_model_dir() / "open_clip", name)
    scheme, _, rest = name.partition(":")
    if scheme == "local-dir":
        return _in_directory(Path(rest).expanduser(), name)
    if scheme == "hf-hub":
        return _in_directory(_cached(rest, (CONFIG,), name).parent, name)
    return _built_in(name, pretrained)


def _in_directory(folder: Path, name: str) -> ModelFiles:
    weights = next((folder / w for w in WEIGHTS if (folder / w).is_file()), None)
    if weights is None or not (folder / CONFIG).is_file():
        missing = CONFIG if weights else WEIGHTS[0]
        raise CheckError(
            f"The open_clip model {name!r} has no {missing}.",
            hint="Name 'embedded', or a directory that holds the configuration, the tokenizer and "
            "safetensors weights.",
        )
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        _require_no_download(config["model_cfg"]["text_cfg"], name, "hf_model_name")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckError(f"The {CONFIG} of the open_clip model {name!r} is damaged.") from error
    source = f"local-dir:{folder}"
    return ModelFiles(weights, source, {"model_name": source})


def _built_in(name: str, pretrained: str | None) -> ModelFiles:
    """A model that open_clip knows by architecture and weights tag."""
    import open_clip  # noqa: PLC0415

    config = open_clip.get_model_config(name)
    tag = open_clip.get_pretrained_cfg(name, pretrained) if config and pretrained else None
    if not tag or not tag.get("hf_hub"):
        raise CheckError(
            f"open_clip knows no model {name!r} with safetensors weights {pretrained!r}.",
            hint="Set both 'model' and 'pretrained' to a pair that open_clip lists, or name "
            "'embedded', 'local-dir:PATH' or 'hf-hub:OWNER/NAME'.",
        )
    _require_no_download(config["text_cfg"], name, "hf_model_name", "hf_tokenizer_name")
    repository, _, filename = tag["hf_hub"].rpartition("/")
    stem = filename.rpartition(".")[0]
    weights = _cached(repository, (f"{stem}.safetensors",) if stem else WEIGHTS, name)
    arguments = {
        "model_name": name,
        "pretrained": str(weights),
        "force_quick_gelu": bool(tag.get("quick_gelu")),
        "image_mean": tag.get("mean"),
        "image_std": tag.get("std"),
        "image_interpolation": tag.get("interpolation"),
        "image_resize_mode": tag.get("resize_mode"),
    }
    return ModelFiles(weights, name, arguments)


def _require_no_download(text_config: Mapping[str, Any], name: str, *keys: str) -> None:
    if any(text_config.get(key) for key in keys):
        raise CheckError(
            f"The open_clip model {name!r} would fetch its text model from the network.",
            hint="Save it with its tokenizer as a directory and name it 'local-dir:PATH'.",
        )


def _cached(repository: str, filenames: Sequence[str], name: str) -> Path:
    """The first of ``filenames`` that is in the hub's cache; nothing is fetched."""
    from huggingface_hub import constants, try_to_load_from_cache  # noqa: PLC0415

    for filename in filenames:
        path = try_to_load_from_cache(repository, filename, cache_dir=constants.HF_HUB_CACHE)
        if isinstance(path, str):
            return Path(path)
    raise CheckError(
        f"The open_clip model {name!r} is not in the local cache ({filenames[0]} was not found).",
        hint=f"Fetch it once: hf download {repository}",
    )
