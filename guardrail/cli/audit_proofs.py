"""``guardrail audit checkpoint|key|proof|consistency|verify``: what can be proved, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from guardrail.audit import AuditLog, Evidence, LogVerification
from guardrail.audit.keys import LogKey, LogVerifier, key_file
from guardrail.audit.notes import SignedCheckpoint, write_consistency
from guardrail.cli.audit_options import FILE, KEY, open_log, read_checkpoint, read_text, write_file
from guardrail.cli.moment import Age
from guardrail.cli.output import Output
from guardrail.errors import ConfigurationError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from guardrail.audit.proofs import LogProofs


def proofs_of(output: Output, log: AuditLog) -> LogProofs:
    """What proves, with the newest checkpoint kept in the home folder."""
    return log.proofs(key_file(output.settings.home_dir).parent / "kept")


@click.command()
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Also write it.")
@click.option("--max-age", type=Age(), help="Only if the newest one is older, e.g. 1h.")
@click.pass_obj
def checkpoint(output: Output, /, target: Path | None, max_age: timedelta | None) -> None:
    """Sign the log as it is now, and print the checkpoint.

    Give it to somebody who does not run this log, or keep it where its administrators cannot
    write. The signing key is made on first use, in the home folder.
    """
    with open_log(output) as log:
        key = LogKey.load_or_create(key_file(output.settings.home_dir))
        signed = proofs_of(output, log).checkpoint(key, max_age=max_age)
    if target is not None:
        write_file(target, signed.note.encode())
    line = key.verifier.line(signed.checkpoint.origin)
    output.data(_as_data(signed) | {"key": line})
    for part in signed.note.splitlines():
        output.line(part)
    output.note(f"public key  {line}", dim=True)
    output.hint("keep a copy elsewhere: guardrail audit verify --checkpoint COPY")


@click.command("key")
@click.pass_obj
def public_key(output: Output, /) -> None:
    """Print the public key of the log's checkpoints, for those who verify them."""
    with open_log(output) as log:
        known = log.proofs().stored()
    file = key_file(output.settings.home_dir)
    if not known or not file.exists():
        raise ConfigurationError(
            "This log has signed no checkpoint yet.", hint="Make one: guardrail audit checkpoint"
        )
    line = LogKey.load(file).verifier.line(known[-1].checkpoint.origin)
    output.data({"key": line})
    output.line(line)


@click.command()
@click.argument("record", metavar="RECORD", type=click.UUID)
@click.option("--checkpoint", "against", type=FILE, help="Prove against this one. [newest stored]")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each event and its .tlog-proof into this folder.",
)
@click.pass_obj
def proof(output: Output, /, record: UUID, against: Path | None, folder: Path | None) -> None:
    """Prove that the log holds every event of RECORD, against a signed checkpoint."""
    signed = read_checkpoint(against) if against else None
    with open_log(output) as log:
        proved = log.proofs().inclusion(record, signed)
    rows = []
    for event in proved:
        if folder is not None:
            write_file(folder / f"{event.seq}.json", event.body.encode())
            write_file(folder / f"{event.seq}.tlog-proof", event.proof.text.encode())
        output.line(f"event {event.seq:>6}  {event.type}  {len(event.proof.path)} hashes")
        rows.append(
            {
                "seq": event.seq,
                "type": event.type,
                "body": event.body,
                "proof": event.proof.text,
            }
        )
    output.rows(rows)
    size = proved[0].proof.signed.checkpoint.size
    output.note(f"proved against the checkpoint of {size} events", dim=True)


@click.command()
@click.argument("old")
@click.argument("new")
@KEY
@click.pass_obj
def consistency(output: Output, /, old: str, new: str, keys: tuple[Path, ...]) -> None:
    """Prove that the log of checkpoint NEW continues that of checkpoint OLD.

    Each is a file, or the size of a stored checkpoint. Exit code 5 when it does not.
    """
    trusted = verifiers(output, keys)
    with open_log(output) as log:
        stored = {str(item.checkpoint.size): item for item in log.proofs().stored()}
        first, second = (_choose(text, stored) for text in (old, new))
        found = log.proofs().consistency(first, second)
    unsigned = [s for s in (first, second) if not any(key.signed(s) for key in trusted)]
    ok = found.holds and not unsigned
    output.data(write_consistency(first, found.path, second) | {"ok": ok})
    sizes = f"{first.checkpoint.size} -> {second.checkpoint.size}"
    if unsigned:
        size = unsigned[0].checkpoint.size
        raise VerificationFailed(f"The checkpoint of {size} events is not signed by the log's key.")
    if not found.holds:
        raise VerificationFailed(f"The log forked or was changed: {sizes} is not one history.")
    output.line(f"{sizes}: one history, {len(found.path)} hashes", fg="green")


@click.command()
@click.option("--full", is_flag=True, help="Also the form of every event and every record's story.")
@click.option(
    "--checkpoint",
    "external",
    type=FILE,
    multiple=True,
    help="A checkpoint that was kept elsewhere. May be given again.",
)
@KEY
@click.pass_obj
def verify(
    output: Output, /, full: bool, external: tuple[Path, ...], keys: tuple[Path, ...]
) -> None:
    """Recompute the whole log from its stored bytes, and say how much that proves.

    Without a checkpoint that was kept elsewhere, somebody who can rewrite the whole database can
    make a false log agree with itself. Exit code 5 when it is not intact.
    """
    given = tuple(read_checkpoint(path) for path in external)
    trusted = verifiers(output, keys)
    if given and not trusted:
        raise ConfigurationError(
            "The log's public key is not here, so nothing can be held against a checkpoint.",
            hint="Give the key: guardrail audit verify --checkpoint COPY --key FILE",
        )
    with open_log(output) as log:
        proofs, stored = proofs_of(output, log), log.proofs().stored()
        kept = proofs.kept(stored[-1].checkpoint.origin) if stored else []
        evidence = Evidence(external=given, kept=tuple(kept), verifiers=trusted)
        outcome = log.verify(evidence, full=full)
    output.data(_outcome(outcome))
    output.line(outcome.summary, fg="green" if outcome.ok else "red")
    output.line(f"root {outcome.root}")
    for problem in outcome.problems:
        output.line(f"  {problem}")
    if not outcome.ok:
        raise VerificationFailed("The log is not intact.")
    if not given:
        output.hint("to rule out a rewritten database: guardrail audit verify --checkpoint COPY")


def verifiers(output: Output, keys: tuple[Path, ...]) -> tuple[LogVerifier, ...]:
    """The keys that count as the log's: those given, or else the home folder's."""
    if keys:
        return tuple(LogVerifier.parse(read_text(path)) for path in keys)
    file = key_file(output.settings.home_dir)
    return (LogKey.load(file).verifier,) if file.exists() else ()


def _choose(text: str, stored: dict[str, SignedCheckpoint]) -> SignedCheckpoint:
    if text in stored:
        return stored[text]
    if not Path(text).is_file():
        raise ConfigurationError(
            f"There is no checkpoint {text}, neither a file nor a stored one of that size.",
            hint=f"Stored are: {', '.join(stored) or 'none'}",
        )
    return read_checkpoint(Path(text))


def _as_data(signed: SignedCheckpoint) -> dict[str, Any]:
    found = signed.checkpoint
    return {
        "origin": found.origin,
        "size": found.size,
        "root": found.root.hex(),
        "note": signed.note,
    }


def _outcome(outcome: LogVerification) -> dict[str, Any]:
    return {
        "ok": outcome.ok,
        "size": outcome.size,
        "root": outcome.root,
        "assurance": outcome.assurance,
        "covered": outcome.covered,
        "erased": outcome.erased,
        "problems": outcome.problems,
    }


def commands() -> Iterator[click.Command]:
    """Every command of this module."""
    yield from (checkpoint, public_key, proof, consistency, verify)
