"""What the command line writes: data to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import click

from guardrail.contracts import as_json
from guardrail.settings import Settings, load_settings

FORMATS = ("human", "json", "jsonl")

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROL |= {code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, 0x2028, 0x2029)}
_CONTROL |= {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def printable(text: str) -> str:
    """Escape control characters, escape sequences and bidirectional overrides, so that a
    hostile string from a file or a record cannot drive the reader's terminal."""
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")


class Output:
    """Writes results in the chosen format and holds the settings the command runs under.

    Commands get it with ``@click.pass_obj``. In ``human`` format a command prints lines with
    :meth:`line`; in ``json`` and ``jsonl`` it hands over data with :meth:`data` or
    :meth:`rows`. :meth:`note` and :meth:`hint` go to standard error in every format.
    """

    def __init__(self) -> None:
        self.format = "human"
        self._overrides: dict[str, str | None] = {}

    def override(self, name: str, value: str) -> None:
        """Take a shared option from the command line: the format, or a setting's flag."""
        if name == "format":
            self.format = value
        else:
            self._overrides[name] = value

    @cached_property
    def settings(self) -> Settings:
        """The settings, read on first use so that ``--help`` needs none."""
        return load_settings(self._overrides)

    @property
    def human(self) -> bool:
        """True when a person reads standard output."""
        return self.format == "human"

    def line(self, text: str = "", **style: Any) -> None:
        """Write one line for a person to standard output (ignored in json and jsonl)."""
        if self.human:
            click.echo(click.style(printable(text), **style))

    def data(self, value: object) -> None:
        """Write one value: indented in json, one line in jsonl (ignored in human)."""
        if not self.human:
            indent = 2 if self.format == "json" else None
            click.echo(json.dumps(as_json(value), indent=indent, ensure_ascii=True))

    def rows(self, values: Iterable[object]) -> None:
        """Write many values: a list in json, a line each in jsonl (ignored in human)."""
        if self.format == "jsonl":
            for value in values:
                self.data(value)
        elif self.format == "json":
            self.data(list(values))

    def note(self, text: str, **style: Any) -> None:
        """Write one line to standard error."""
        click.echo(click.style(printable(text), **style), err=True)

    def hint(self, text: str) -> None:
        """Suggest what to do next, on standard error."""
        self.note(f"hint: {text}", dim=True)

    @property
    def interactive(self) -> bool:
        """True when standard error is a terminal: progress may be drawn there."""
        return sys.stderr.isatty()
