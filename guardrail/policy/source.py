"""Reads a YAML text into plain data, and remembers where every part of it stands.

Stricter than YAML: one document, no anchors, aliases, tags or duplicate keys, text keys only, and
scalars by the YAML 1.2 core schema (``off`` and ``2026-08-02`` are text, not a boolean and a date).
Built on the parser's events, so that nothing is expanded before it was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 24
MAX_PROBLEMS = 50

Path = tuple[str | int, ...]
"""Keys and indices from the root, e.g. ``("rules", 2, "action")``."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of a document."""

    file: str
    position: Position
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.position.line}:{self.position.column}: {self.text}"


@dataclass(slots=True)
class Source:
    """What a file says, where it says it, and what is wrong with its YAML."""

    name: str
    """The file as shown in problems."""
    data: Any = None
    keys: dict[Path, Position] = field(default_factory=dict)
    """Where the key (or list item) at a path begins."""
    values: dict[Path, Position] = field(default_factory=dict)
    """Where the value at a path begins."""
    problems: list[Problem] = field(default_factory=list)

    def at(self, path: Path, *, key: bool = False) -> Position:
        """Return where ``path`` stands, or the nearest part above it that the file has."""
        places = self.keys if key else self.values
        for length in range(len(path), -1, -1):
            if path[:length] in places:
                return places[path[:length]]
        return Position(1, 1)

    def problem(self, path: Path, text: str, *, key: bool = False) -> Problem:
        """Return a problem at ``path``."""
        where = shown_path(path)
        return Problem(self.name, self.at(path, key=key), f"{where}: {text}" if where else text)


def shown_path(path: Path) -> str:
    """Return ``rules[2].action`` for ``("rules", 2, "action")``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_source(text: str, name: str) -> Source:
    """Read a document. Never raises for what the text holds: see ``problems``."""
    source = Source(name)
    if len(text) > MAX_CHARACTERS:
        _fault(source, None, f"longer than {MAX_CHARACTERS} characters")
        return source
    try:
        _Reader(source, yaml.parse(text, Loader=_LOADER)).read()
    except yaml.MarkedYAMLError as error:
        _fault(source, error.problem_mark or error.context_mark, f"not YAML: {error.problem}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, max(0, error.position)) + 1
        problem = f"not YAML: {error.reason}"
        source.problems.append(Problem(name, Position(line, 1), problem))
    return source


def _fault(source: Source, mark: Any, text: str) -> None:
    position = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    if len(source.problems) < MAX_PROBLEMS:
        source.problems.append(Problem(source.name, position, text))


class _Reader:
    """Builds plain data from the parser's events."""

    def __init__(self, source: Source, events: Iterator[Any]) -> None:
        self._source = source
        self._events = events

    def read(self) -> None:
        """Read the one document of the stream."""
        event = self._next(yaml.StreamStartEvent)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            _fault(self._source, event.start_mark, "the file is empty")
            return
        self._source.data = self._value((), next(self._events))
        self._next(yaml.DocumentEndEvent)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            _fault(self._source, event.start_mark, "a second document: write one a file")

    def _next(self, kind: type[Any]) -> Any:
        event = next(self._events)
        if not isinstance(event, kind):  # the parser's grammar rules this out
            raise AssertionError(f"expected {kind.__name__}, not {type(event).__name__}")
        return event

    def _value(self, path: Path, event: Any) -> Any:
        mark = event.start_mark
        self._source.values[path] = Position(mark.line + 1, mark.column + 1)
        self._refuse_references(event)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.AliasEvent):
            return None
        if len(path) >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            items.append(self._value(here, event))
            self._source.keys[here] = self._source.values[here]
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            value_event = next(self._events)
            mark = event.start_mark
            if key in items:
                first = self._source.keys[*path, key]
                _fault(self._source, mark, f"duplicate key {key!r} (first in line {first.line})")
                self._value(("", *path), value_event)  # read past it; the first one stands
                continue
            self._source.keys[*path, key] = Position(mark.line + 1, mark.column + 1)
            items[key] = self._value((*path, key), value_event)
        return items

    def _key(self, event: Any) -> str:
        self._refuse_references(event)
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        raise yaml.MarkedYAMLError(
            problem="a key must be plain text", problem_mark=event.start_mark
        )

    def _refuse_references(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            text = "anchors and aliases are not allowed: write it out"
            _fault(self._source, event.start_mark, text)
        if getattr(event, "tag", None) is not None:
            _fault(self._source, event.start_mark, f"the tag {event.tag!r} is not allowed")


def _scalar(event: Any) -> Any:
    text: str = event.value
    if not event.implicit[0]:  # quoted or a block: text, whatever it looks like
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.upper(), text.title()):
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
