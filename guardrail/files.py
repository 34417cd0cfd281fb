"""Files that are either whole or absent: atomic writes, staging and publication."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID


def staged_path(destination: Path, record_id: UUID) -> Path:
    """Return where the signed bytes of a record wait until its release is committed: a hidden
    file beside the destination, so that publishing is a rename within one file system."""
    return destination.parent / f".{destination.name}.{record_id}.guardrail"


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write ``content`` to a new file and flush it to the disk. A partial file is removed when
    writing fails (a full disk, for one). Raises ``OSError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def publish(staged: Path, destination: Path) -> None:
    """Rename a staged file into place and flush the directory. Raises ``OSError``."""
    staged.replace(destination)
    _flush_directory(destination.parent)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` with ``content`` in one step: readers see the old file or the new one,
    never a part. Makes the folder. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.tmp"
    write_durably(temporary, content, mode=mode)
    try:
        publish(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Read a cache file that may be missing or damaged; either way it is only a cache."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _flush_directory(folder: Path) -> None:
    if os.name != "posix":  # Windows has no handle to a directory that can be flushed
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
