"""``guardrail generate``: the whole flow, told stage by stage."""

from __future__ import annotations

import json
import secrets
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.output import Output
from guardrail.cli.refusals import refusals_as_data
from guardrail.contracts import Decision, SignedImage

if TYPE_CHECKING:
    from guardrail.backends import Download, Progress
    from guardrail.result import ReleasedImage, Result
    from guardrail.run import StageEvent

LOADING = ("model", "signer", "device", "dtype", "controlnet")
"""Options of loading; the others are those of the generation."""


@click.command()
@click.argument("prompt")
@click.option("-o", "--output", metavar="FILE", help="Picture to write (.png, .jpg, .webp).")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@click.option("-n", "--negative-prompt", metavar="TEXT", help="What the picture should not show.")
@click.option("--seed", type=int, help="0 to 2^64 - 1. Default: drawn, and recorded.")
@click.option("--width", type=int, metavar="PIXELS")
@click.option("--height", type=int, metavar="PIXELS")
@click.option("--steps", type=int, help="Denoising steps.")
@click.option("--guidance-scale", type=float)
@click.option("--scheduler", metavar="NAME", help="ddim, dpmpp-2m, euler, euler-a, unipc, ...")
@click.option("--image", metavar="FILE", help="A picture to change.")
@click.option("--mask", metavar="FILE", help="Where to change it: white is drawn anew.")
@click.option("--strength", type=float, help="How much of the picture is redrawn: above 0, to 1.")
@click.option(
    "--outpaint", metavar="LEFT,TOP,RIGHT,BOTTOM", help="Pixels to add around the picture."
)
@click.option(
    "--keep-outside/--redraw-outside",
    default=True,
    help="Keep what the mask leaves out as it was, to the byte (default), or not.",
)
@click.option("--control", metavar="FILE", help="A picture whose edges guide the drawing.")
@click.option(
    "--control-kind",
    type=click.Choice(["edges", "map"]),
    default="edges",
    show_default=True,
    help="Find the edges of the control picture, or use it as it is.",
)
@click.option("--control-scale", type=float, help="Weight of the control picture, 0 to 2.")
@click.option("--aspect-ratio", metavar="RATIO", help="square, portrait, wide, ..., or W:H.")
@click.option("--style", metavar="NAME", help="watercolor, photograph, line-art, ...")
@click.option("--count", type=int, default=1, show_default=True, help="Pictures to make.")
@click.option("--actor", help="Who asks, for the record.")
@click.option("--tenant")
@click.option("--purpose")
@click.option("--metadata", metavar="JSON", help="Own data to keep with the record.")
@click.option("--model", metavar="MODEL", help="'embedded', a directory or a hub id.")
@click.option("--signer", metavar="SIGNER", help="'development' or a signer file.")
@click.option("--controlnet", metavar="MODEL", help="A directory or a hub id.")
@click.option("--device", help="cpu, cuda, mps.")
@click.option("--dtype", help="float32, float16, bfloat16.")
@click.option("--allow-download", is_flag=True, help="Let a hub id be downloaded.")
@click.pass_obj
def generate(output: Output, /, prompt: str, **options: Any) -> None:
    """Generate a picture of PROMPT.

    Every stage says what it decided; the picture is written only after its record.
    """
    from guardrail.pipeline import Pipeline  # noqa: PLC0415 (heavy: torch comes with it)

    loading = {name: options.pop(name) for name in LOADING}
    allow_download = options.pop("allow_download")
    options["metadata"] = _metadata(options.pop("metadata"))
    options["outpaint"] = _borders(options.pop("outpaint"))
    if options["output"] is None:
        options["output"] = f"guardrail-{secrets.token_hex(4)}.png"
    settings = output.settings
    pipe = Pipeline.from_pretrained(
        loading["model"] or settings.model,
        policy=settings.policy,
        audit=settings.audit_url,
        signer=loading["signer"] or settings.signer,
        device=loading["device"],
        dtype=loading["dtype"],
        controlnet=loading["controlnet"],
        allow_download=allow_download,
        on_download=lambda download: output.note(_told_download(download)),
        home=settings.home,
    )
    teller = _Teller(output)
    with closing(pipe), refusals_as_data(output):
        output.note(f"record store  {pipe.audit.url_display}", dim=True)
        result = pipe.generate(
            prompt, on_progress=_progress(output), on_stage=teller.tell, **options
        )
        _report(output, result)


def _told_download(download: Download) -> str:
    size = download.size / 1e9
    told = f"{size:.1f} GB" if size >= 0.1 else f"{download.size / 1e6:.1f} MB"
    where = f"{download.repository} at {download.revision[:12]}"
    return f"downloading {told} in {download.files} files: {where}"


def _borders(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        sides = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter("four whole numbers", param_hint="--outpaint") from error
    if len(sides) != 4:
        raise click.BadParameter("four whole numbers", param_hint="--outpaint")
    return sides


def _metadata(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--metadata") from error
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--metadata")
    return value


def _progress(output: Output) -> Progress | None:
    """Draw a bar on a terminal, and nothing anywhere else."""
    if not output.interactive:
        return None

    def draw(done: int, total: int) -> None:
        filled = 30 * done // total
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r  denoising {'█' * filled}{'·' * (30 - filled)} {done}/{total}{end}")
        sys.stderr.flush()

    return draw


class _Teller:
    """Says on standard error what each stage did."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def tell(self, event: StageEvent) -> None:
        """Write one line for the stage that is done."""
        tell = _TOLD.get(event.stage)
        if tell and (text := tell(event)):
            self._output.note(f"{event.stage:<9} {text}")


def _told_policy(event: StageEvent) -> str:
    decision = event.outcome
    if not isinstance(decision, Decision):
        return ""
    ref = decision.policy
    ran = f"{len(decision.rules)} rules in {decision.milliseconds:.1f} ms"
    return f"{decision.verdict} by {ref.id} {ref.version} ({ref.digest[:12]}): {ran}"


def _told_record(event: StageEvent) -> str:
    return "request committed: " + ", ".join(str(r) for r in event.request.record_ids)


def _told_generate(event: StageEvent) -> str:
    request = event.request
    seeds = ", ".join(str(seed) for seed in request.seeds)
    told = f"{request.mode}, {request.width}x{request.height}, {request.steps} steps, seed {seeds}"
    images: Any = event.outcome
    facts: Any = images[0].reproduction if images else {}
    canvas = facts.get("parameters", {}).get("canvas")
    if canvas:
        told += f" (drawn at {canvas[0]}x{canvas[1]} and cut: the model takes no other sizes)"
    for name in ("ignored", "truncated"):
        if facts.get(name):
            told += f"; {name}: {', '.join(facts[name])}"
    return told


def _told_check(event: StageEvent) -> str:
    reports: Any = event.outcome
    rules = len(reports[0].rules) if reports else 0
    found = sum(len(report.findings) for report in reports)
    return f"{rules} image checks, {found or 'no'} finding{'s' if found != 1 else ''}"


def _told_sign(event: StageEvent) -> str:
    signed = event.outcome
    if not isinstance(signed, SignedImage):
        return ""
    note = " [development certificate: only for trying out]" if signed.signer.development else ""
    return f"{signed.signer.algorithm} by {signed.signer.subject}, verified{note}"


def _told_release(_event: StageEvent) -> str:
    return "release committed with the SHA-256 of the signed file"


_TOLD = {
    "policy": _told_policy,
    "record": _told_record,
    "generate": _told_generate,
    "check": _told_check,
    "sign": _told_sign,
    "release": _told_release,
}


def _report(output: Output, result: Result) -> None:
    for image in result.images:
        output.line(str(image.path))
        output.note(f"done      record {image.record_id}")
    for held in result.withheld:
        output.note(f"withheld  record {held.record_id}: {held.decision.verdict}", fg="yellow")
    output.data(
        {
            "request_id": result.request_id,
            "decision": result.decision,
            "images": [_as_data(image) for image in result.images],
            "withheld": result.withheld,
        }
    )
    if output.human:
        output.hint(f"guardrail verify {Path(str(result.images[0].path)).name}")


def _as_data(image: ReleasedImage) -> dict[str, Any]:
    signed = image.signed
    return {
        "record_id": image.record_id,
        "path": str(image.path),
        "seed": str(image.seed),
        "sha256": signed.sha256,
        "pixels_sha256": signed.pixels_sha256,
        "media_type": signed.format,
        "manifest_label": signed.manifest_label,
        "signer": signed.signer,
        "report": image.report,
        "milliseconds": dict(image.times.entries),
    }
