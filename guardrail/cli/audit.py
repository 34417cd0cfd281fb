"""``guardrail audit``: query and verify the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import click

from guardrail.audit import Filters, Record, RecordNotFound, State
from guardrail.cli import audit_bundle, audit_personal, audit_proofs, audit_query
from guardrail.cli.audit_options import open_log
from guardrail.cli.moment import Moment
from guardrail.cli.output import Output
from guardrail.clock import utc_now

_COLOURS = {
    State.RELEASED: "green",
    State.REFUSED: "red",
    State.HELD: "yellow",
    State.FAILED: "red",
    State.INTERRUPTED: "yellow",
}


@click.group()
def audit() -> None:
    """Query and verify the record."""


@audit.command("list")
@click.option("--since", type=Moment(), help="From this time on, e.g. 2026-11-01 or 30d.")
@click.option("--until", type=Moment(), help="Before this time.")
@click.option("--verdict", type=click.Choice(["allow", "review", "error", "block"]))
@click.option("--state", type=click.Choice([str(state) for state in State]))
@click.option("--actor", help="Who asked, exactly.")
@click.option("--tenant")
@click.option("--model", help="Model id, exactly.")
@click.option("--policy-digest", "policy", help="Digest of the policy, or its start.")
@click.option("--rule", help="Id of a rule that found something.")
@click.option("--reason", help="Reason code of a finding.")
@click.option("--purpose")
@click.option("--seed")
@click.option("--asset", help="SHA-256 of a released file, or its start.")
@click.option("--text", help="Part of the prompt.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", type=int, metavar="SEQ", help="Go on from here (see the hint).")
@click.pass_obj
def list_records(
    output: Output, /, limit: int, before: int | None, state: str | None, **filters: Any
) -> None:
    """List records, newest first."""
    chosen = Filters(state=State(state) if state else None, **filters)
    _list(output, chosen, limit, before, "guardrail audit list")


@audit.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", type=int, metavar="SEQ", help="Go on from here (see the hint).")
@click.pass_obj
def search(output: Output, /, query: tuple[str, ...], limit: int, before: int | None) -> None:
    """List records by a QUERY: name:value parts and words of the prompt, newest first.

    For example: tenant:acme verdict:block since:7d lake
    """
    from guardrail.audit.language import parse_query  # noqa: PLC0415

    text = query[0] if len(query) == 1 else " ".join(_quoted(part) for part in query)
    filters = parse_query(text, utc_now())
    _list(output, filters, limit, before, "guardrail audit search ...")


def _quoted(part: str) -> str:
    """Keep together what the shell kept together."""
    name, colon, value = part.partition(":")
    if " " not in part or '"' in part:
        return part
    return f'{name}:"{value}"' if colon and name.isidentifier() else f'"{part}"'


def _list(output: Output, filters: Filters, limit: int, before: int | None, command: str) -> None:
    with open_log(output) as log:
        page = log.records(filters, limit=limit, before=before)
    output.rows(summary(record) for record in page.records)
    if not page.records:
        output.note("no records")
    for record in page.records:
        output.line(_row(record), fg=_COLOURS.get(record.state))
    if page.next is not None:
        output.hint(f"older records: {command} --before {page.next}")


def summary(record: Record) -> dict[str, Any]:
    """The stable JSON of one record in a list."""
    policy = record.decision.get("policy", {})
    return {
        "record_id": record.record_id,
        "request_id": record.request_id,
        "seq": record.seq,
        "time": record.time,
        "state": record.state,
        "verdict": record.verdict,
        "actor": record.actor,
        "tenant": record.tenant,
        "purpose": record.purpose,
        "model": record.model.id if record.model else None,
        "policy": {name: policy.get(name) for name in ("id", "version", "digest")},
        "rules": sorted({f["rule_id"] for f in _findings(record)}),
        "seed": record.seed,
        "prompt": record.prompt,
        "sha256": record.sha256,
    }


def _row(record: Record) -> str:
    what = record.prompt if record.prompt is not None else "(erased)"
    short = what if len(what) <= 28 else what[:27] + "…"
    return f"{record.record_id}  {record.time[:19]}Z  {record.state:<11} {short}"


def _findings(record: Record) -> Iterator[dict[str, Any]]:
    yield from record.decision.get("findings", [])
    yield from (record.report or {}).get("findings", [])


@audit.command()
@click.argument("record", metavar="RECORD", type=click.UUID)
@click.pass_obj
def show(output: Output, /, record: UUID) -> None:
    """Tell the story of one record."""
    with open_log(output) as log:
        found = log.record(record)
    output.data(_whole(found))
    for line in story(found):
        output.line(line)
    if found.state is State.RELEASED:
        output.hint(f"guardrail rerun {record}")


def _whole(record: Record) -> dict[str, Any]:
    return summary(record) | {
        "negative_prompt": record.negative_prompt,
        "metadata": record.metadata,
        "erased": record.erased,
        "decision": record.decision,
        "output_decision": record.output_decision,
        "model": record.model,
        "parameters": record.parameters,
        "reproduction": record.reproduction,
        "pixels_sha256": record.pixels_sha256,
        "media_type": record.media_type,
        "manifest_label": record.manifest_label,
        "signer": record.signer,
        "report": record.report,
        "milliseconds": record.milliseconds,
        "failure": record.failure,
        "events": [{"seq": e.seq, "type": e.type, "time": e.time} for e in record.events],
    }


def story(record: Record) -> Iterator[str]:
    """One line a stage: asked, decided, generated, checked, signed, and what followed."""
    yield f"record    {record.record_id}  {record.state}"
    prompt = record.prompt if record.prompt is not None else "(erased)"
    yield f"asked     {prompt}"
    if record.negative_prompt:
        yield f"  without {record.negative_prompt}"
    people = {"by": record.actor, "tenant": record.tenant, "purpose": record.purpose}
    yield "          " + ", ".join(
        [f"{k} {v}" for k, v in people.items() if v] or ["by nobody named"]
    )
    yield from _decided(record)
    if record.reproduction and record.model:
        scheduler = record.reproduction["scheduler"]["class"]
        took = record.milliseconds.get("generate", 0.0)
        digest = record.model.weights_digest[:12]
        yield f"generated {record.model.id} ({digest}), seed {record.seed}"
        yield f"          {record.reproduction['parameters']}"
        yield f"          {scheduler}, {took:.0f} ms"
    if record.report:
        yield f"checked   {len(record.report.get('rules', []))} image rules"
    if record.signer:
        note = " [development]" if record.signer.get("development") else ""
        yield f"signed    {record.signer['subject']}, {record.signer['algorithm']}{note}"
        yield f"          {record.manifest_label}"
        yield f"file      {record.media_type}, SHA-256 {record.sha256}"
    if record.failure:
        yield f"failed    in {record.failure['stage']}: {record.failure['error']}"
    for event in record.events:
        yield f"event {event.seq:>6}  {event.time}  {event.type}"


def _decided(record: Record) -> Iterator[str]:
    policy = record.decision.get("policy", {})
    yield (
        f"decided   {record.verdict} by {policy.get('id')} {policy.get('version')} "
        f"({str(policy.get('digest'))[:12]})"
    )
    for finding in _findings(record):
        yield f"          {finding['rule_id']} {finding['reason_code']}: {finding['reason']}"


@audit.command()
@click.pass_obj
def sweep(output: Output, /) -> None:
    """Mark interrupted work as such, and finish or remove the files it left behind."""
    with open_log(output) as log:
        swept = log.sweep()
    output.rows(swept)
    for item in swept:
        output.line(f"{item.record_id}  {item.event}  staged file {item.staged_file}")
    output.note(f"{len(swept)} records settled")


@audit.command("policy")
@click.argument("digest")
@click.pass_obj
def policy_text(output: Output, /, digest: str) -> None:
    """Print the stored text of the policy version with this DIGEST."""
    with open_log(output) as log:
        try:
            text = log.policy_text(digest)
        except RecordNotFound as error:
            error.hint = "Digests stand in: guardrail audit show RECORD --format json"
            raise
    output.data({"digest": digest, "text": text})
    output.line(text)


for _module in (audit_query, audit_proofs, audit_bundle, audit_personal):
    for _command in _module.commands():
        audit.add_command(_command)
