"""Which weights really run: SHA-256 of files on disk, or of the tensors in memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrail.errors import BackendError
from guardrail.files import read_json, write_atomically

if TYPE_CHECKING:
    from torch import Tensor


def digest_files(
    model: Path, files: Iterable[Path], *, cache: Path | None = None
) -> dict[str, str]:
    """Return the SHA-256 of each weight file, by its path relative to ``model``.

    ``cache`` is a JSON file that remembers digests by (path, size, times of modification and
    change, inode), so that a ten-gigabyte model is hashed once; a cache that cannot be written is
    done without. Raises :class:`BackendError` when there are no files.
    """
    known = read_json(cache) if cache else {}
    digests, fresh = {}, {}
    for path in files:
        key = _identity_on_disk(path)
        fresh[key] = digests[path.relative_to(model).as_posix()] = known.get(key) or digest_file(
            path
        )
    if not digests:
        raise BackendError(
            f"No weight files were found in the model directory {model.name!r}.",
            hint="Point at a directory saved with save_pretrained().",
        )
    if cache and not fresh.keys() <= known.keys():
        with contextlib.suppress(OSError):
            write_atomically(cache, json.dumps(known | fresh, indent=1).encode())
    return digests


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_modules(components: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each torch module's state in memory, by component name.

    Used for a pipeline that the caller built: what is on disk need not be what runs. Covers
    parameter names, dtypes, shapes and bytes. Raises :class:`BackendError` when the weights are
    not in memory (offloaded to disk, or quantised by a library that hides them).
    """
    modules = {
        name: component
        for name, component in sorted(components.items())
        if callable(getattr(component, "state_dict", None))
    }
    if not modules:
        raise BackendError("The pipeline has no torch modules, so its weights cannot be named.")
    try:
        return {name: _digest_state(module.state_dict()) for name, module in modules.items()}
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise BackendError(
            f"The pipeline's weights cannot be read ({type(error).__name__}).",
            hint="Give the pipeline before offloading or compiling it.",
        ) from error


def state_mark(components: Mapping[str, Any]) -> int:
    """Return a number that changes when parts are swapped and tensors added or written to.

    Cheap (no bytes are read), so it can be taken before every generation; it cannot see writes
    that bypass autograd's version counters, such as ``parameter.data.add_(...)``.
    """
    marks: list[tuple[Any, ...]] = []
    for name, component in sorted(components.items()):
        if callable(getattr(component, "named_parameters", None)):
            marks.append((name, id(component)))
            marks += [(name, key, _version(p)) for key, p in component.named_parameters()]
            marks += [(name, key, tuple(b.shape)) for key, b in component.named_buffers()]
    return hash(tuple(marks))


def combined_digest(weights: Mapping[str, str]) -> str:
    """Return one SHA-256 over the sorted lines ``sha256  path`` of all weight files."""
    lines = "".join(f"{weights[name]}  {name}\n" for name in sorted(weights))
    return hashlib.sha256(lines.encode()).hexdigest()


def _identity_on_disk(path: Path) -> str:
    stat = path.stat()
    times = f"{stat.st_mtime_ns}|{stat.st_ctime_ns}"
    return f"{path.resolve()}|{stat.st_size}|{times}|{stat.st_ino}"


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _digest_state(state: Mapping[str, Tensor]) -> str:
    import torch  # noqa: PLC0415 (only called with a loaded model)

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().contiguous().cpu()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
