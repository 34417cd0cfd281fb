"""A file of requests, and the journal beside its pictures that makes a batch resumable.

Before anything about a request is recorded, its record ids are in the journal and on the disk.
After a crash the log says what became of them: what was released, refused or held is taken over,
and only what was not finished is done again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from guardrail.audit import AuditLog, Record, State
from guardrail.audit.records import RecordNotFound
from guardrail.errors import ConfigurationError
from guardrail.request import Options

JOURNAL = "results.jsonl"
STARTED, RELEASED, REFUSED, HELD, FAILED = "started", "released", "refused", "held", "failed"
FINAL = frozenset({RELEASED, REFUSED, HELD})
"""What is not tried again when the batch is run again."""
_ENDS = {State.RELEASED: RELEASED, State.REFUSED: REFUSED, State.HELD: HELD}
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_NOT_TAKEN = {"output", "overwrite"}
_FIELDS = frozenset({"id", "prompt", *Options.__annotations__}) - _NOT_TAKEN
_FILES = ("image", "mask", "control")
_WHOLE = {"seed", "width", "height", "steps", "count"}
_NUMBERS = {"guidance_scale", "strength", "control_scale"}


@dataclass(frozen=True, slots=True)
class Item:
    """One request of the file."""

    id: str
    request: Mapping[str, Any]
    digest: str
    """SHA-256 of the request, so that a changed one is noticed."""


def read_items(path: Path) -> list[Item]:
    """Read a file of requests: JSON Lines, or CSV with a header.

    Each has a ``prompt``, optionally an ``id`` (letters, digits, ``.``, ``-``, ``_``; default: its
    number) and the arguments of a generation. Pictures are named relative to the file. Raises
    :class:`ConfigurationError` with the line of the first fault.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as UTF-8 text.") from error
    rows = _csv_rows(text) if path.suffix.lower() == ".csv" else _json_rows(text)
    items: list[Item] = []
    seen: set[str] = set()
    for line, row in rows:
        try:
            item = _item(row, f"{len(items) + 1:05d}", path.parent)
        except ValueError as error:
            raise ConfigurationError(f"{path}:{line}: {error}.") from error
        if item.id in seen:
            raise ConfigurationError(f"{path}:{line}: the id {item.id!r} is used twice.")
        seen.add(item.id)
        items.append(item)
    if not items:
        raise ConfigurationError(f"{path} holds no requests.")
    return items


class Journal:
    """The results of a batch, one JSON object a line, appended and flushed to the disk.

    A context manager; only one process at a time may have it. Raises
    :class:`ConfigurationError` when another one does.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / JOURNAL
        self._stream = self.path.open("a+b")
        try:
            _lock(self._stream, self.path)
            self._latest = self._read()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def write(self, item: Item, status: str, **facts: Any) -> None:
        """Append what became of a request, and flush it."""
        entry = {"id": item.id, "status": status, "request": item.digest} | facts
        self._stream.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._latest[item.id] = entry

    def remaining(self, items: list[Item], log: AuditLog) -> list[Item]:
        """Return the requests that are still to be done, taking over from the log what a crash
        kept out of the journal. Raises :class:`ConfigurationError` for a request that was changed
        since it was done."""
        left: list[Item] = []
        for item in items:
            entry = self._latest.get(item.id)
            if entry is None:
                left.append(item)
                continue
            if entry["request"] != item.digest:
                raise ConfigurationError(
                    f"The request {item.id!r} is not the one that was done under this id.",
                    hint="Give it another id, or write to another folder.",
                )
            if entry["status"] == STARTED:
                self._take_over(item, entry, log)
            if self._latest[item.id]["status"] not in FINAL:
                left.append(item)
        return left

    def counts(self, items: list[Item]) -> dict[str, int]:
        """Return how many of the requests are in which state."""
        states = [self._latest.get(item.id, {}).get("status", STARTED) for item in items]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    def _take_over(self, item: Item, entry: Mapping[str, Any], log: AuditLog) -> None:
        records = [_record(log, UUID(text)) for text in entry["record_ids"]]
        found = [record for record in records if record is not None]
        ends = {_ENDS.get(record.state) for record in found}
        if found and len(ends) == 1 and (end := ends.pop()):
            pictures = [_picture(record) for record in found if record.sha256]
            self.write(item, end, record_ids=entry["record_ids"], pictures=pictures)

    def _read(self) -> dict[str, dict[str, Any]]:
        """Read what is there; a last line that a crash tore is cut off."""
        self._stream.seek(0)
        content = self._stream.read()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            self._stream.truncate(whole)
        latest: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                entry = json.loads(line)
                latest[entry["id"]] = entry
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigurationError(
                    f"{self.path}:{number} is no line of a journal."
                ) from error
        return latest


def _lock(stream: Any, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 (not on Windows, where nothing stops a second process)
    except ImportError:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigurationError(
            f"Another process is writing {path}.", hint="Wait for it, or use another folder."
        ) from error


def _record(log: AuditLog, record_id: UUID) -> Record | None:
    try:
        return log.record(record_id)
    except RecordNotFound:
        return None


def _picture(record: Record) -> dict[str, Any]:
    return {
        "record_id": str(record.record_id),
        "seed": record.seed,
        "file": Path(record.destination).name if record.destination else None,
        "sha256": record.sha256,
    }


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield number, row if isinstance(row, dict) else {"": None}


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if value != ""}


def _item(row: Mapping[Any, Any], number: str, folder: Path) -> Item:
    if "" in row:
        raise ValueError("not a JSON object")
    unknown = sorted(str(name) for name in row if name not in _FIELDS)
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    if not isinstance(row.get("prompt"), str):
        raise ValueError("the prompt is missing")
    name = str(row.get("id", number))
    if not _ID.fullmatch(name):
        raise ValueError(f"{name!r} cannot be an id: use letters, digits, '.', '-' and '_'")
    request = {key: _typed(key, value) for key, value in row.items() if key != "id"}
    for key in _FILES:
        if key in request:
            request[key] = str(folder / str(request[key]))
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    return Item(name, request, digest)


def _typed(name: str, value: Any) -> Any:
    """A CSV cell as what the field holds; other values are left to the request's own checks."""
    if not isinstance(value, str):
        return value
    try:
        if name in _WHOLE:
            return int(value)
        if name in _NUMBERS:
            return float(value)
        if name == "outpaint":
            return [int(part) for part in value.split(",")]
        if name == "metadata":
            return json.loads(value)
    except ValueError as error:
        raise ValueError(f"{name} cannot be {value!r}") from error
    if name == "keep_outside":
        return value.lower() in {"1", "true", "yes"}
    return value
