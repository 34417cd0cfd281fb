"""``guardrail batch``: a file of requests, resumable."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.output import Output
from guardrail.errors import ExitCode, PolicyBlocked, ReviewRequired

if TYPE_CHECKING:
    from guardrail.batch import Outcome
    from guardrail.contracts import GenerationRequest
    from guardrail.journal import Item, Journal


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", "folder", required=True, metavar="FOLDER",
              type=click.Path(file_okay=False, path_type=Path),
              help="Where the pictures and results.jsonl go.")  # fmt: skip
@click.option("--ending", type=click.Choice([".png", ".jpg", ".webp"]), default=".png",
              show_default=True, help="Format of the pictures.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1, 64), default=4, show_default=True,
              help="Pictures of equal shape to draw in one call.")  # fmt: skip
@click.option("--model", metavar="MODEL", help="'embedded', a directory or a hub id.")
@click.option("--signer", metavar="SIGNER", help="'development' or a signer file.")
@click.option("--controlnet", metavar="MODEL", help="A directory or a hub id.")
@click.option("--device", help="cpu, cuda, mps.")
@click.option("--dtype", help="float32, float16, bfloat16.")
@click.pass_obj
def batch(
    output: Output,
    /,
    file: Path,
    folder: Path,
    ending: str,
    batch_size: int,
    **loading: str | None,
) -> int:
    """Generate every request of FILE (JSON Lines, or CSV with a header).

    Fields are prompt, id and the arguments of a generation. A request that fails does not stop
    the others. Run again after a crash or with more requests: what was released, refused or held
    is not done again; what failed is. Exit code 6 if any failed, else 3 or 4 if any was refused or
    held, else 0.
    """
    from guardrail.journal import Journal, read_items  # noqa: PLC0415
    from guardrail.pipeline import Pipeline  # noqa: PLC0415 (heavy: torch comes with it)

    settings = output.settings
    items = read_items(file)
    with Journal(folder) as journal:
        pipe = Pipeline.from_pretrained(
            loading["model"] or settings.model,
            policy=settings.policy,
            audit=settings.audit_url,
            signer=loading["signer"] or settings.signer,
            device=loading["device"],
            dtype=loading["dtype"],
            controlnet=loading["controlnet"],
            home=settings.home,
        )
        with closing(pipe):
            pipe.audit.sweep()  # what a crash kept from being renamed is in place after this
            left = journal.remaining(items, pipe.audit)
            if len(left) < len(items):
                output.note(f"{len(items) - len(left)} of {len(items)} are done already")
            _run(output, pipe, journal, left, folder=folder, ending=ending, batch_size=batch_size)
        counts = journal.counts(items)
    output.data({"results": str(journal.path), "requests": len(items)} | counts)
    output.line(str(journal.path))
    for state, count in counts.items():
        output.line(f"  {state:<9} {count}")
    return _exit_code(counts)


def _run(
    output: Output,
    pipe: Any,
    journal: Journal,
    items: list[Item],
    *,
    folder: Path,
    ending: str,
    batch_size: int,
) -> None:
    def started(index: int, request: GenerationRequest) -> None:
        ids = [str(record_id) for record_id in request.record_ids]
        journal.write(items[index], "started", record_ids=ids)

    requests = (dict(i.request) | {"output": folder / f"{i.id}{ending}"} for i in items)
    begun = time.monotonic()
    for done, outcome in enumerate(
        pipe.generate_many(requests, batch_size=batch_size, on_start=started), 1
    ):
        state, facts = _told(outcome)
        journal.write(items[outcome.index], state, **facts)
        if output.interactive:
            _draw(done, len(items), time.monotonic() - begun)


def _told(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """The state of a request and what the journal says about it."""
    ids = [str(record_id) for record_id in outcome.record_ids]
    if outcome.result is not None:
        pictures = [
            {
                "record_id": str(image.record_id),
                "seed": str(image.seed),
                "file": image.path.name if image.path else None,
                "sha256": image.signed.sha256,
            }
            for image in outcome.result.images
        ]
        withheld = [str(held.record_id) for held in outcome.result.withheld]
        return "released", {"record_ids": ids, "pictures": pictures, "withheld": withheld}
    error = outcome.error
    facts: dict[str, Any] = {"record_ids": ids, "error": error.message if error else "unknown"}
    if isinstance(error, PolicyBlocked | ReviewRequired):
        facts["rules"] = [finding.rule_id for finding in error.decision.deciding]
        return "refused" if isinstance(error, PolicyBlocked) else "held", facts
    return "failed", facts


def _draw(done: int, total: int, seconds: float) -> None:
    rate = done / seconds if seconds else 0.0
    left = (total - done) / rate if rate else 0.0
    filled = 30 * done // total
    end = "\n" if done == total else ""
    bar = f"{'█' * filled}{'·' * (30 - filled)}"
    clock = f"{int(left // 60)}:{int(left % 60):02d}"
    sys.stderr.write(f"\r  {bar} {done}/{total}  {rate:.1f}/s, {clock} left {end}")
    sys.stderr.flush()


def _exit_code(counts: dict[str, int]) -> int:
    if counts.keys() & {"failed", "started"}:
        return ExitCode.STAGE_FAILED
    if "refused" in counts:
        return ExitCode.BLOCKED
    return ExitCode.REVIEW if "held" in counts else ExitCode.OK
