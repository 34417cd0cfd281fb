"""The ``guardrail`` command. One file per command group; each is imported when it is called,
so that light commands stay light (promise 6)."""

from __future__ import annotations

import sys

from guardrail.cli.root import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    from guardrail.cli.errors import run  # noqa: PLC0415 (keeps `import guardrail.cli` cheap)

    sys.exit(run(cli, sys.argv[1:]))
