"""``guardrail audit about|erase|retain|hold|unhold``: the personal texts in the record."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from guardrail.cli.audit_options import open_log
from guardrail.cli.moment import Age
from guardrail.cli.output import Output
from guardrail.clock import utc_now
from guardrail.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guardrail.audit.erasure import Erasure, SubjectReport

_RECORD = click.argument("record", metavar="RECORD", type=click.UUID)
_BY = click.option("--by", required=True, help="Who orders it.")
_REASON = click.option("--reason", required=True, help="Why.")


def _subject(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be about an actor or about records."""
    by_actor = click.option("--actor", help="All records of this actor.")
    by_record = click.option(
        "--record", "records", type=click.UUID, multiple=True, help="May be given again."
    )
    return by_record(by_actor(command))


@click.command()
@_subject
@click.pass_obj
def about(output: Output, /, actor: str | None, records: tuple[UUID, ...]) -> None:
    """Print all that is held about an actor, or in some records."""
    _require_subject(actor, records)
    with open_log(output) as log:
        report = log.personal.about(actor=actor, records=records)
    output.data(report)
    for line in _told(report, texts=True):
        output.line(line)


@click.command()
@_subject
@_REASON
@_BY
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(
    output: Output,
    /,
    actor: str | None,
    records: tuple[UUID, ...],
    reason: str,
    *,
    by: str,
    yes: bool,
) -> None:
    """Erase prompts and other personal texts; the log keeps its proofs.

    What the text and its salt were committed to says nothing any more. Files and their manifests
    lie outside the store: those that may carry the data are listed.
    """
    _require_subject(actor, records)
    with open_log(output) as log:
        report = log.personal.about(actor=actor, records=records)
        for line in _told(report, texts=False):
            output.note(line)
        if not yes:
            _ask(f"Erase {len(report.texts)} texts of {len(report.records)} records for good?")
        outcome = log.personal.erase(actor=actor, records=records, reason=reason, by=by)
    _report(output, outcome, "erased")


@click.command()
@click.option("--older-than", "age", type=Age(), required=True, help="E.g. 180d.")
@click.option("--field", "fields", multiple=True, help="Only this field. May be given again.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@_BY
@click.pass_obj
def retain(
    output: Output, /, age: timedelta, fields: tuple[str, ...], dry_run: bool, by: str
) -> None:
    """Erase the personal texts of finished records older than an age; not those on hold."""
    with open_log(output) as log:
        outcome = log.personal.expire(before=utc_now() - age, fields=fields, by=by, dry_run=dry_run)
    _report(output, outcome, "would be erased" if dry_run else "erased")


@click.command()
@_RECORD
@_REASON
@_BY
@click.pass_obj
def hold(output: Output, /, record: UUID, reason: str, by: str) -> None:
    """Put RECORD on legal hold: nothing of it is erased until the hold is lifted."""
    with open_log(output) as log:
        log.personal.hold(record, reason=reason, by=by)
    output.data({"record": record, "on_hold": True})
    output.line(f"{record} is on hold")


@click.command()
@_RECORD
@_REASON
@_BY
@click.pass_obj
def unhold(output: Output, /, record: UUID, reason: str, by: str) -> None:
    """Lift the legal hold on RECORD."""
    with open_log(output) as log:
        log.personal.unhold(record, reason=reason, by=by)
    output.data({"record": record, "on_hold": False})
    output.line(f"{record} is not on hold")


def _require_subject(actor: str | None, records: tuple[UUID, ...]) -> None:
    if bool(actor) == bool(records):
        raise ConfigurationError("Say whom or what it is about: either --actor or --record.")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("Nobody is there to ask.", hint="Add --yes if you are sure.")
    click.confirm(question, abort=True, err=True)


def _told(report: SubjectReport, *, texts: bool) -> Iterator[str]:
    fields = sorted({text.field for text in report.texts})
    yield f"records   {len(report.records)}"
    yield f"texts     {len(report.texts)} ({', '.join(fields) or 'none'})"
    if texts:
        yield from (f"  {text.record_id}  {text.field}: {text.text}" for text in report.texts)
    yield f"pictures  {len(report.pictures)}, outside the store"
    for picture in report.pictures:
        yield f"  {picture.record_id}  {picture.destination or 'where is unknown'}"
        yield f"    SHA-256 {picture.sha256}"
    for record_id in report.on_hold:
        yield f"on hold   {record_id}"


def _report(output: Output, outcome: Erasure, done: str) -> None:
    report = outcome.report
    output.data(
        {
            "records": report.records,
            "texts": [{"record_id": t.record_id, "field": t.field} for t in report.texts],
            "pictures": report.pictures,
            "on_hold": report.on_hold,
            "thorough": outcome.thorough,
        }
    )
    output.line(f"{len(report.texts)} texts of {len(report.records)} records {done}")
    for record_id in report.on_hold:
        output.note(f"kept, on hold: {record_id}")
    if not outcome.thorough:
        output.note("the database may still hold residue: run it again when nobody reads")


def commands() -> Iterator[click.Command]:
    """Every command of this module."""
    yield from (about, erase, retain, hold, unhold)
