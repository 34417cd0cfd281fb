"""``guardrail audit bundle|verify-bundle``: evidence for a third party."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from guardrail.audit.keys import LogKey, LogVerifier, key_file
from guardrail.cli.audit_options import FILE, KEY, open_log, read_checkpoint, read_text, write_file
from guardrail.cli.output import Output
from guardrail.errors import ConfigurationError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrail.audit.bundle_check import BundleVerification


@click.command()
@click.argument("record", metavar="RECORD", type=click.UUID)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The archive to write, e.g. evidence.zip.",
)
@click.option(
    "--withhold", multiple=True, metavar="FIELD", help="Leave a personal text out, e.g. prompt."
)
@click.option("--asset", type=FILE, help="Add the picture that was released.")
@click.option("--checkpoint", "against", type=FILE, help="Prove against this one. [newest stored]")
@click.pass_obj
def bundle(
    output: Output,
    /,
    record: UUID,
    *,
    target: Path,
    withhold: tuple[str, ...],
    asset: Path | None,
    against: Path | None,
) -> None:
    """Write everything that proves RECORD into one archive, for somebody without this store."""
    file = key_file(output.settings.home_dir)
    if not file.exists():
        raise ConfigurationError(
            "This log has signed no checkpoint yet.", hint="Make one: guardrail audit checkpoint"
        )
    with open_log(output) as log:
        content = log.proofs().bundle(
            record,
            LogKey.load(file).verifier,
            withheld=withhold,
            against=read_checkpoint(against) if against else None,
            asset=asset,
        )
    write_file(target, content, private=True)  # it may hold personal texts
    output.data({"record": record, "file": str(target), "bytes": len(content)})
    output.line(f"wrote {target}, {len(content)} bytes")
    output.hint(f"guardrail audit verify-bundle {target}")


@click.command("verify-bundle")
@click.argument("file", type=FILE)
@KEY
@click.option(
    "--checkpoint", "external", type=FILE, multiple=True, help="One you have from elsewhere."
)
@click.pass_obj
def verify_bundle(
    output: Output, /, file: Path, keys: tuple[Path, ...], external: tuple[Path, ...]
) -> None:
    """Verify an archive of evidence. Needs no store. Exit code 5 when it does not hold."""
    from guardrail.audit.bundle_check import verify_bundle as check  # noqa: PLC0415

    found = check(
        file.read_bytes(),
        [LogVerifier.parse(read_text(path)) for path in keys],
        [read_checkpoint(path) for path in external],
    )
    output.data(found)
    for line in _told(found):
        output.line(line)
    for problem in found.problems:
        output.line(f"  {problem}", fg="red")
    if not found.ok:
        raise VerificationFailed("The evidence does not hold.")
    output.line(f"holds: {found.assurance}", fg="green")
    if not keys:
        output.hint("compare the key with one you have from elsewhere: --key FILE")


def _told(found: BundleVerification) -> Iterator[str]:
    yield f"record    {found.record}"
    yield f"events    {', '.join(found.events)}"
    yield f"log       {found.size} events are covered by the checkpoint"
    yield f"key       {found.key}"
    for name in ("shown", "withheld", "erased"):
        fields = getattr(found, name)
        if fields:
            yield f"{name:<9} {', '.join(fields)}"
    yield f"picture   {'SHA-256 ' + found.asset if found.asset else 'not in the bundle'}"


def commands() -> Iterator[click.Command]:
    """Every command of this module."""
    yield from (bundle, verify_bundle)
