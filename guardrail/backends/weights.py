"""Which weights really run: SHA-256 of files on disk, or of the tensors in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrail.errors import BackendError
from guardrail.files import read_json, write_atomically

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx"})


def digest_directory(model: Path, *, cache: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of every weight file under ``model``, by relative path.

    ``cache`` is a JSON file that remembers digests by (path, size, modification time, inode), so
    that a ten-gigabyte model is hashed once. Raises :class:`BackendError` when there are none.
    """
    files = sorted(p for p in model.rglob("*") if p.suffix in WEIGHT_SUFFIXES and p.is_file())
    if not files:
        raise BackendError(
            f"No weight files were found in the model directory {model.name!r}.",
            hint="Point at a directory saved with save_pretrained().",
        )
    known = read_json(cache) if cache else {}
    digests, fresh = {}, {}
    for path in files:
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
        digest = known.get(key) or digest_file(path)
        fresh[key] = digest
        digests[path.relative_to(model).as_posix()] = digest
    if cache and not fresh.keys() <= known.keys():
        write_atomically(cache, json.dumps(known | fresh, indent=1).encode())
    return digests


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_modules(components: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each torch module's state in memory, by component name.

    Used for a pipeline that the caller built: what is on disk need not be what runs. Covers
    parameter names, dtypes, shapes and bytes.
    """
    return {
        name: _digest_state(component.state_dict())
        for name, component in sorted(components.items())
        if callable(getattr(component, "state_dict", None))
    }


def _digest_state(state: Mapping[str, Tensor]) -> str:
    import torch  # noqa: PLC0415 (only called with a loaded model)

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().contiguous().cpu()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def combined_digest(weights: Mapping[str, str]) -> str:
    """Return one SHA-256 over the sorted lines ``sha256  path`` of all weight files."""
    lines = "".join(f"{weights[name]}  {name}\n" for name in sorted(weights))
    return hashlib.sha256(lines.encode()).hexdigest()
