"""``guardrail rerun``: does the record reproduce the picture?"""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from guardrail.cli.output import Output
from guardrail.cli.refusals import refusals_as_data
from guardrail.errors import ConfigurationError

if TYPE_CHECKING:
    from PIL.Image import Image

    from guardrail.audit import AuditLog, Record


@click.command()
@click.argument("record_or_file", metavar="RECORD|FILE")
@click.option("--model", metavar="MODEL", help="'embedded', a directory or a hub id.")
@click.pass_obj
def rerun(output: Output, /, record_or_file: str, model: str | None) -> None:
    """Generate the picture of RECORD, or the recorded picture FILE, again.

    Says whether the pixels are identical, else how far off they are and what differs in the
    environment. Exit code 5 unless identical. Nothing is written.
    """
    from guardrail.pipeline import Pipeline  # noqa: PLC0415 (heavy: torch comes with it)
    from guardrail.rerun import ReplayVerdict, require_bit_exact  # noqa: PLC0415
    from guardrail.rerun import rerun as compare  # noqa: PLC0415

    settings = output.settings
    pipe = Pipeline.from_pretrained(
        model or settings.model,
        policy=settings.policy,
        audit=settings.audit_url,
        signer=settings.signer,
        home=settings.home,
    )
    with closing(pipe), refusals_as_data(output):
        record, reference = find(pipe.audit, record_or_file)
        replay = compare(pipe, record, reference)
    output.data(replay)
    output.line(f"{replay.verdict}  record {replay.record_id}")
    if replay.largest_difference is not None:
        psnr = f", PSNR {replay.psnr} dB" if replay.psnr is not None else ""
        output.line(f"  largest difference {replay.largest_difference} of 255{psnr}")
    for reason in replay.reasons:
        output.line(f"  {reason}")
    if replay.verdict is ReplayVerdict.BIT_EXACT:
        output.line("  the pixels are identical to the recorded ones")
    require_bit_exact(replay)


def find(log: AuditLog, record_or_file: str) -> tuple[Record, Image | None]:
    """Return the record named by its id, by a picture's bytes or by its manifest, and the
    picture's pixels where there is a file. Raises :class:`ConfigurationError`."""
    path = Path(record_or_file)
    if not path.is_file():
        try:
            return log.record(UUID(record_or_file)), None
        except ValueError as error:
            raise ConfigurationError(
                f"{record_or_file} is neither a record's id nor a file.",
                hint="List records with: guardrail audit list",
            ) from error
    from PIL import Image  # noqa: PLC0415

    content = path.read_bytes()
    record = log.find_asset(hashlib.sha256(content).hexdigest())
    if record is None:
        record = log.record(_claimed_record(content, path))
    with Image.open(path) as picture:
        return record, picture.convert("RGB")


def _claimed_record(content: bytes, path: Path) -> UUID:
    """The record that a changed or re-saved file claims in its manifest."""
    from guardrail.provenance import verify  # noqa: PLC0415

    record_id = verify(content).record_id
    if record_id is None:
        raise ConfigurationError(
            f"{path} is in no record here, and carries no guardrail manifest.",
            hint="Name another store with --audit, or give the record's id.",
        )
    return record_id
