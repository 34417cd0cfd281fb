"""``guardrail rerun``: does the record reproduce the picture?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from guardrail.cli.output import Output
from guardrail.cli.refusals import refusals_as_data
from guardrail.errors import ConfigurationError

if TYPE_CHECKING:
    from PIL.Image import Image

    from guardrail.audit import AuditLog, Record
    from guardrail.inputs import InputPicture
    from guardrail.rerun import Replay


@click.command()
@click.argument("record_or_file", metavar="RECORD|FILE")
@click.option("--image", metavar="FILE", help="The image it was made from.")
@click.option("--mask", metavar="FILE", help="The mask it was made with.")
@click.option("--control", metavar="FILE", help="The control picture it was made with.")
@click.option("--model", metavar="MODEL", help="'embedded', a directory or a hub id.")
@click.option("--controlnet", metavar="MODEL", help="A directory or a hub id.")
@click.option("--device", help="cpu, cuda, mps. Default: as recorded.")
@click.option("--dtype", help="float32, float16, bfloat16. Default: as recorded.")
@click.pass_obj
def rerun(
    output: Output,
    /,
    record_or_file: str,
    image: str | None,
    mask: str | None,
    control: str | None,
    **loading: str | None,
) -> None:
    """Generate the picture of RECORD, or the recorded picture FILE, again.

    Says whether the pixels are identical, else how far off they are and what differs in the
    environment. Exit code 5 unless identical. Nothing is written but the log's note of it.
    """
    from guardrail.audit import AuditLog  # noqa: PLC0415
    from guardrail.pipeline import Pipeline  # noqa: PLC0415 (heavy: torch comes with it)
    from guardrail.rerun import require_bit_exact  # noqa: PLC0415
    from guardrail.rerun import rerun as compare  # noqa: PLC0415

    settings = output.settings
    with closing(AuditLog.open(settings.audit_url, migrate=False)) as log:
        record, reference = find(log, record_or_file)
        inputs = given_inputs(record, {"image": image, "mask": mask, "control": control})
        recorded = as_recorded(record)
        chosen = {name: value or recorded.get(name) for name, value in loading.items()}
        pipe = Pipeline.from_pretrained(
            chosen["model"] or settings.model,
            policy=settings.policy,
            audit=log,
            signer=settings.signer,
            device=chosen["device"],
            dtype=chosen["dtype"],
            controlnet=chosen["controlnet"],
            home=settings.home,
        )
        with refusals_as_data(output):
            replay = compare(pipe, record, reference, inputs)
    output.data(replay)
    _tell(output, replay)
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
    content = path.read_bytes()
    record = log.find_asset(hashlib.sha256(content).hexdigest())
    if record is None:
        record = log.record(_claimed_record(content, path))
    return record, _pixels(path)


def given_inputs(record: Record, files: Mapping[str, str | None]) -> list[InputPicture]:
    """Read the pictures that the record's request brought along. Raises
    :class:`ConfigurationError` for a file that is no picture."""
    from guardrail.inputs import InputRole  # noqa: PLC0415
    from guardrail.pictures import read_picture  # noqa: PLC0415

    recorded = {needed["role"] for needed in (record.reproduction or {}).get("inputs", ())}
    maps = InputRole.CONTROL_MAP in recorded
    roles = {
        "image": InputRole.IMAGE,
        "mask": InputRole.MASK,
        "control": InputRole.CONTROL_MAP if maps else InputRole.CONTROL_EDGES,
    }
    return [read_picture(path, roles[name]) for name, path in files.items() if path]


def as_recorded(record: Record) -> dict[str, str | None]:
    """Return what to load so that the rerun is like the recorded run, as far as the record says:
    ``model``, ``device`` and ``dtype``. A directory's place is not recorded, only its name."""
    facts: Any = record.reproduction or {}
    dtypes = set(facts.get("dtype", {}).values())
    device = str(facts.get("device", "")).partition(":")[0]
    known = record.model is not None and (record.model.id == "embedded" or record.model.revision)
    name = record.model.id if record.model and known else None
    if name and record.model and record.model.revision:
        name = f"{name}@{record.model.revision}"
    return {
        "model": name,
        "device": device if _is_there(device) else None,
        "dtype": dtypes.pop() if len(dtypes) == 1 else None,
    }


def _is_there(device: str) -> bool:
    """Without the recorded device the rerun goes on, and says that the environment differs."""
    import torch  # noqa: PLC0415 (heavy)

    found = {"cpu": True, "cuda": torch.cuda.is_available()}
    return found.get(device, device == "mps" and torch.backends.mps.is_available())


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


def _pixels(path: Path) -> Image:
    """The recorded picture as it left: guardrail writes RGB and RGBA, upright."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    try:
        with Image.open(path) as picture:
            return picture.convert("RGB") if picture.mode not in ("RGB", "RGBA") else picture.copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ConfigurationError(f"{path} cannot be read as a picture.") from error


def _tell(output: Output, replay: Replay) -> None:
    output.line(f"{replay.verdict}  record {replay.record_id}")
    if replay.verdict == "bit_exact":
        output.line("  the pixels are identical to the recorded ones")
    if replay.largest_difference is not None:
        psnr = f", PSNR {replay.psnr} dB" if replay.psnr is not None else ""
        output.line(f"  largest difference {replay.largest_difference} of 255{psnr}")
    for reason in replay.reasons:
        output.line(f"  {reason}")
