"""``guardrail audit search|stats|tail|export``: more ways to read the record."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from guardrail.audit import AuditLog, Filters
from guardrail.audit.export import csv_lines
from guardrail.cli.audit_options import open_log
from guardrail.cli.moment import Moment
from guardrail.cli.output import Output
from guardrail.errors import ConfigurationError

if TYPE_CHECKING:
    from guardrail.audit.statistics import Statistics

BAR = 32
_SINCE = click.option("--since", type=Moment(), help="From this time on, e.g. 2026-11-01 or 30d.")
_UNTIL = click.option("--until", type=Moment(), help="Before this time.")


@click.command()
@_SINCE
@_UNTIL
@click.pass_obj
def stats(output: Output, /, since: datetime | None, until: datetime | None) -> None:
    """Count what was asked for, how it ended, which rules found something, what it cost."""
    with open_log(output) as log:
        found = log.statistics(since=since, until=until)
    output.data(found)
    for line in _tables(found):
        output.line(line)


def _tables(found: Statistics) -> Iterator[str]:
    yield f"records   {found.records}"
    for title in ("days", "outcomes", "tenants", "models", "rules", "reasons"):
        yield from _bars(title, getattr(found, title))
    yield from _bars("policies", {digest[:12]: n for digest, n in found.policies.items()})
    if found.milliseconds:
        yield ""
        yield f"{'milliseconds':<28}{'p50':>9}{'p95':>9}{'p99':>9}"
    for stage, quantiles in found.milliseconds.items():
        yield f"  {stage:<26}" + "".join(f"{value:>9.1f}" for value in quantiles.values())


def _bars(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    """A table with bars; the longest stands for the largest count."""
    if not counts:
        return
    yield ""
    yield title
    largest = max(counts.values())
    for what, count in counts.items():
        bar = "█" * max(1, round(count / largest * BAR))
        yield f"  {what[:40]:<26}{count:>9}  {bar}"


@click.command()
@click.option("-n", "count", type=click.IntRange(0), default=10, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on as events come, until interrupted.")
@click.option("--interval", type=click.FloatRange(0.05), default=0.5, show_default=True)
@click.pass_obj
def tail(output: Output, /, count: int, follow: bool, interval: float) -> None:
    """Print the newest events, oldest first."""
    with open_log(output) as log:
        last = log.head() - 1 - count
        while True:
            for seq, text in log.events(after=last):
                last = seq
                _event(output, text)
            if not follow:
                return
            time.sleep(interval)


def _event(output: Output, text: str) -> None:
    body = json.loads(text)
    if not output.human:
        click.echo(text)
    told = (body.get(key) for key in ("verdict", "tenant", "model"))
    about = body.get("record", "")
    output.line(
        f"{body['seq']:>8}  {body['time'][:19]}Z  {body['type']:<24}{about}  "
        + " ".join(str(item) for item in told if item)
    )


@click.command()
@click.option(
    "--as",
    "kind",
    type=click.Choice(["events", "csv"]),
    default="events",
    show_default=True,
    help="events: the hashed bytes, one event a line. csv: a table of records.",
)
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="[stdout]"
)
@click.option("--after", type=int, default=-1, help="Events after this seq: go on where it ended.")
@_SINCE
@_UNTIL
@click.pass_obj
def export(
    output: Output,
    /,
    kind: str,
    target: Path | None,
    *,
    after: int,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Write the log out as it streams by.

    Events hold no personal texts, only commitments to them, and their lines are exactly what was
    hashed. The table of records holds the texts that have not been erased.
    """
    if kind == "events" and (since or until):
        raise ConfigurationError("Events are exported by --after; times choose records (csv).")
    with open_log(output) as log, _opened(target, appending=after >= 0) as stream:
        if kind == "csv":
            records = log.all_records(Filters(since=since, until=until))
            lines = sum(1 for line in csv_lines(records) if stream.write(f"{line}\r\n"))
            output.note(f"{lines - 1} records")
            return
        written = _write_events(log, stream, after)
    output.note(f"{written} events")


def _write_events(log: AuditLog, stream: TextIO, after: int) -> int:
    written = 0
    for _, text in log.events(after=after):
        stream.write(f"{text}\n")
        written += 1
    return written


@contextmanager
def _opened(target: Path | None, *, appending: bool) -> Iterator[TextIO]:
    if target is None:
        yield sys.stdout
        return
    try:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if appending else os.O_TRUNC)
        descriptor = os.open(target, flags, 0o600)  # it may hold personal texts
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written ({error.strerror}).") from error


def commands() -> Iterator[click.Command]:
    """Every command of this module."""
    yield from (stats, tail, export)
