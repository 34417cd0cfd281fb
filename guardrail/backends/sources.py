"""Where a model comes from: the embedded one, a directory, or a snapshot in the hub's cache.

Whatever the place, loading happens from a directory that was looked through first: every file
that its index asks for is there, its weights are safetensors (a pickle is a program), and none of
its components names code outside diffusers and transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrail import resources
from guardrail.backends.downloads import TEXTS, OnDownload, fetch
from guardrail.errors import BackendError

EMBEDDED = "embedded"
INDEX = "model_index.json"
_HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_PLAIN_WEIGHTS = re.compile(r"[^.]+\.safetensors")
"""Not ``model.fp16.safetensors``: variants are other weights, and are not loaded."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model on this disk."""

    name: str
    """What the record calls it: ``embedded``, the hub id, or the directory's name."""
    directory: Path
    revision: str | None
    """The commit of a hub snapshot; None for a directory of the caller's own."""


def locate(
    model: str | Path,
    *,
    allow_download: bool,
    index: str = INDEX,
    on_download: OnDownload | None = None,
) -> Source:
    """Return where ``model`` lies: ``embedded``, a directory, or ``owner/name[@revision]``.

    ``index`` is the file that every model of its kind has. ``on_download`` is told what a
    download will fetch.

    Raises :class:`BackendError` naming what is missing and how to get it.
    """
    if model == EMBEDDED:
        return Source(EMBEDDED, resources.embedded_model_dir(), None)
    path = Path(model).expanduser()
    if path.is_dir():
        return Source(path.resolve().name, path, None)
    hub_id = _HUB_ID.fullmatch(str(model))
    if isinstance(model, Path) or str(model).startswith((".", "/", "~")) or hub_id is None:
        raise BackendError(
            f"There is no model directory at {model}.",
            hint="Use 'embedded', a directory saved with save_pretrained(), or a hub id.",
        )
    repository, revision = hub_id["repository"], hub_id["revision"]
    snapshot = (
        fetch(repository, revision, index, _wanted(index), on_download)
        if allow_download
        else _cached(repository, revision, index)
    )
    return Source(repository, snapshot, snapshot.name)


def components(directory: Path) -> Mapping[str, tuple[str, str]]:
    """Return the components of a pipeline directory: name to (library, class name).

    Raises :class:`BackendError` when the index is missing, damaged, or names foreign code.
    """
    try:
        index = json.loads((directory / INDEX).read_text("utf-8"))
        parts = {n: e for n, e in index.items() if isinstance(e, list) and n[0] != "_"}
        chosen = {name: (entry[0], entry[1]) for name, entry in parts.items()}
    except FileNotFoundError as error:
        raise BackendError(
            f"The model directory {directory.name!r} has no {INDEX}.",
            hint="Point at a directory saved with save_pretrained().",
        ) from error
    except (OSError, ValueError, AttributeError, IndexError) as error:
        raise BackendError(
            f"The model {directory.name!r} cannot be loaded: its {INDEX} is damaged.",
            hint="Get the model again, or save it with save_pretrained().",
        ) from error
    present = {n: e for n, e in chosen.items() if all(isinstance(part, str) for part in e)}
    _refuse_foreign_code(directory, index.get("_class_name"), present)
    return present


def require_complete(source: Source) -> None:
    """Raise :class:`BackendError` naming the first file that the model needs and lacks."""
    for name in components(source.directory):
        missing = _missing_file(source.directory / name)
        if missing is None:
            continue
        pickled = sorted((source.directory / name).glob("*.bin"))
        if pickled:
            raise BackendError(
                f"The model {source.name!r} cannot be loaded: {name}/{pickled[0].name} is a "
                "pickle, which can run code; only safetensors are loaded.",
                hint="Convert it once: load it yourself, then save_pretrained(safe_serialization).",
            )
        raise BackendError(
            f"The model {source.name!r} cannot be loaded: {name}/{missing} is missing.",
            hint="Allow the download with allow_download=True (CLI: --allow-download)."
            if source.revision
            else "Copy the whole directory, or save it again with save_pretrained().",
        )


def weight_files(directory: Path) -> Iterator[Path]:
    """Yield the weight files that loading ``directory`` reads, in order of component and name."""
    for name in sorted(components(directory)):
        yield from safe_weights(directory / name)


def safe_weights(folder: Path) -> list[Path]:
    """Return the safetensors files of a component's folder that loading it reads."""
    return sorted(p for p in folder.glob("*.safetensors") if _PLAIN_WEIGHTS.fullmatch(p.name))


def _missing_file(folder: Path) -> str | None:
    """The first file a component's folder lacks: its configuration, its weights, or a shard."""
    if not any(folder.glob("*.json")):
        return "config.json"
    if not (folder / "config.json").is_file():
        return None  # a tokenizer, a scheduler or a processor: no weights
    for index in folder.glob("*.safetensors.index.json"):
        shards = json.loads(index.read_text("utf-8")).get("weight_map", {}).values()
        return next((s for s in sorted(set(shards)) if not (folder / s).is_file()), None)
    if safe_weights(folder):
        return None
    written_by_diffusers = "_diffusers_version" in (folder / "config.json").read_text("utf-8")
    return f"{'diffusion_pytorch_model' if written_by_diffusers else 'model'}.safetensors"


def _refuse_foreign_code(
    directory: Path, pipeline_class: Any, parts: Mapping[str, tuple[str, str]]
) -> None:
    """A component's library is imported, and a module in its folder executed: only the two
    libraries and diffusers' own pipeline modules are let through."""
    from diffusers import pipelines  # noqa: PLC0415 (slow: only when a model is really loaded)

    known = {"diffusers", "transformers"}
    foreign = next(
        (e for e in parts.values() if not (e[0] in known or hasattr(pipelines, e[0]))), None
    )
    shipped = next((n for n, e in parts.items() if (directory / n / f"{e[0]}.py").exists()), None)
    if not isinstance(pipeline_class, str) or foreign or shipped:
        raise BackendError(
            f"The model {directory.name!r} brings code of its own, which is not run.",
            hint="Load it yourself after reading the code, and pass the pipeline object instead.",
        )


def _cached(repository: str, revision: str | None, index: str) -> Path:
    """The snapshot folder in the hub's cache; its name is the commit."""
    from huggingface_hub import constants, try_to_load_from_cache  # noqa: PLC0415

    found = try_to_load_from_cache(
        repository, index, cache_dir=constants.HF_HUB_CACHE, revision=revision
    )
    if not isinstance(found, str):
        raise BackendError(
            f"The model {repository!r} is not in the local cache ({index} was not found), "
            "and downloads are off.",
            hint="Allow it once with allow_download=True (CLI: --allow-download), "
            "or give a directory. HF_HOME names the cache.",
        )
    return Path(found).parent


def _wanted(index: str) -> Callable[[Path, str], bool]:
    """Tell which files of a repository loading reads. For a pipeline, those in the folders of its
    components, which are looked at before a byte of weights is fetched."""

    def of_a_pipeline(folder: Path, name: str) -> bool:
        part, _, file = name.partition("/")
        return part in components(folder) and _is_read(file)

    return of_a_pipeline if index == INDEX else lambda _folder, name: _is_read(name)


def _is_read(file: str) -> bool:
    return "/" not in file and (file.endswith(TEXTS) or bool(_PLAIN_WEIGHTS.fullmatch(file)))
