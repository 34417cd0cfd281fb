"""``guardrail trust``: whose signatures are trusted here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.output import Output
from guardrail.clock import utc_now

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@click.group()
def trust() -> None:
    """List and update whose signatures are trusted."""


@trust.command("list")
@click.pass_obj
def list_trusted(output: Output) -> None:
    """List what is trusted here: the trust lists, the development root, the setting 'trust'."""
    from guardrail.provenance.signers import development_root  # noqa: PLC0415
    from guardrail.provenance.trust import read_certificates, trust_lists  # noqa: PLC0415

    settings = output.settings
    rows = [
        _row(e.name, e.certificates(), "bundled" if e.bundled else str(e.path), e.since)
        for e in trust_lists(settings.home_dir)
    ]
    if development_root(settings.home_dir):
        root = settings.home_dir / "development" / "root.pem"
        rows.append(_row("development", read_certificates(root), str(root), None))
    if settings.trust:
        rows.append(_row("setting trust", read_certificates(Path(settings.trust)), settings.trust,
                         None))  # fmt: skip
    output.rows(rows)
    for row in rows:
        since = f"  since {row['since']}" if row["since"] else ""
        ended = f", {row['expired']} expired" if row["expired"] else ""
        output.line(f"{row['name']:<22} {row['certificates']:>3} certificates{ended}{since}")
        output.line(f"    {row['source']}")


@trust.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Name of the list. Default: the file's name.")
@click.pass_obj
def update(output: Output, file: Path, name: str | None) -> None:
    """Put the certificates in FILE (PEM) in force, instead of the list of that name.

    The C2PA lists are called c2pa-trust-list and c2pa-tsa-trust-list. Copies before this one are
    kept, with their dates.
    """
    from guardrail.provenance.trust import install_list  # noqa: PLC0415

    done = install_list(output.settings.home_dir, file, name=name)
    count = len(done.list.certificates())
    output.data(
        {
            "name": done.list.name,
            "path": str(done.list.path),
            "certificates": count,
            "added": done.added,
            "removed": done.removed,
        }
    )
    output.line(f"{done.list.name}: {count} certificates")
    for subject in done.added:
        output.line(f"  new      {subject}")
    for subject in done.removed:
        output.line(f"  dropped  {subject}")
    output.note(f"written to {done.list.path}", dim=True)


def _row(
    name: str, certificates: list[Certificate], source: str, since: datetime | None
) -> dict[str, Any]:
    now = utc_now()
    return {
        "name": name,
        "certificates": len(certificates),
        "expired": sum(c.not_valid_after_utc < now for c in certificates),
        "source": source,
        "since": since.date().isoformat() if since else None,
    }
