"""What the commands of ``guardrail audit`` share: the store, files, and options."""

from __future__ import annotations

from pathlib import Path

import click

from guardrail.audit import AuditLog
from guardrail.audit.notes import SignedCheckpoint, parse_checkpoint
from guardrail.cli.output import Output
from guardrail.errors import ConfigurationError
from guardrail.files import write_atomically

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
KEY = click.option(
    "--key", "keys", type=FILE, multiple=True, help="File with the log's public key."
)


def open_log(output: Output) -> AuditLog:
    """Open the store; it is never made by looking at it."""
    log = AuditLog.open(output.settings.audit_url, migrate=False)
    output.note(f"record store  {log.url_display}", dim=True)
    return log


def read_checkpoint(path: Path) -> SignedCheckpoint:
    """Read a checkpoint file. Raises :class:`ConfigurationError`."""
    return parse_checkpoint(read_text(path))


def read_text(path: Path) -> str:
    """Read a small text file. Raises :class:`ConfigurationError`."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as text.") from error


def write_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file in one step; a private one is readable by its owner only. Raises
    :class:`ConfigurationError`."""
    try:
        write_atomically(path, content, mode=0o600 if private else 0o644)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}).") from error
