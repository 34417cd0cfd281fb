"""Fetching a model from the hub: only when asked, announced with its size, and only what loading
reads: configuration, tokenizers and safetensors; no code, no pickles, no variants."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrail.errors import BackendError, GuardrailError

TEXTS = (".json", ".txt", ".model")
"""Endings of configurations and tokenizers."""


@dataclass(frozen=True, slots=True)
class Download:
    """What is about to be fetched."""

    repository: str
    revision: str
    """The commit that the asked-for revision is now."""
    files: int
    size: int
    """Bytes."""


OnDownload = Callable[[Download], None]
"""Called before anything large is fetched. Raising stops the download."""


def fetch(
    repository: str,
    revision: str | None,
    index: str,
    wanted: Callable[[Path, str], bool],
    announce: OnDownload | None,
) -> Path:
    """Fetch a model and return its snapshot folder, which is named by its commit.

    ``index`` is fetched first. ``wanted`` is then asked about every other file, by the folder and
    the file's path in it; it raises for a model that is not to be had at all.

    Raises :class:`BackendError`.
    """
    from huggingface_hub import hf_hub_download, snapshot_download  # noqa: PLC0415

    look: Any = snapshot_download
    try:
        with _bars_on_a_terminal_only():
            folder = Path(hf_hub_download(repository, index, revision=revision)).parent
            commit = folder.name
            listed = look(repository, revision=commit, dry_run=True)
            chosen = [file for file in listed if wanted(folder, file.filename)]
            missing = [file for file in chosen if file.will_download]
            if missing and announce:
                size = sum(file.file_size for file in missing)
                announce(Download(repository, commit, len(missing), size))
            if missing:
                names = [glob.escape(file.filename) for file in chosen]
                snapshot_download(repository, revision=commit, allow_patterns=names)
    except GuardrailError:
        raise
    except Exception as error:  # the hub's client raises many kinds; each means: not here
        raise _not_fetched(repository, error) from error
    return folder


def _not_fetched(repository: str, error: Exception) -> BackendError:
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    return BackendError(
        f"The model {repository!r} cannot be downloaded ({type(error).__name__}).",
        hint="HF_HUB_OFFLINE is set, which forbids it: unset it."
        if offline
        else "Check the name, the network, and for a gated model your hub token.",
    )


@contextmanager
def _bars_on_a_terminal_only() -> Iterator[None]:
    import huggingface_hub.utils  # noqa: PLC0415

    utils: Any = huggingface_hub.utils
    if sys.stderr.isatty() or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()
