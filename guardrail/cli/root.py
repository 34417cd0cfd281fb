"""The command tree: which command lives in which module, and the options all of them share."""

from __future__ import annotations

import importlib
import os

import click

from guardrail._version import __version__
from guardrail.cli.output import FORMATS, Output

COMMANDS = {
    "generate": "guardrail.cli.generate:generate",
    "check": "guardrail.cli.check:check",
    "verify": "guardrail.cli.verify:verify",
    "show": "guardrail.cli.show:show",
    "rerun": "guardrail.cli.rerun:rerun",
    "policy": "guardrail.cli.policy:policy",
    "audit": "guardrail.cli.audit:audit",
    "keys": "guardrail.cli.keys:keys",
    "db": "guardrail.cli.db:db",
    "doctor": "guardrail.cli.doctor:doctor",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "GUARDRAIL",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, "--version", message="guardrail %(version)s")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="human",
    show_default=True,
    help="How data is written to standard output.",
)
@click.option("--policy", metavar="NAME|FILE", help="Bundled policy or policy document.")
@click.option("--audit", metavar="URL|FILE", help="Audit store.")
@click.option("--home", metavar="DIR", help="Folder for the store, development keys and caches.")
@click.pass_context
def cli(
    ctx: click.Context, format_: str, policy: str | None, audit: str | None, home: str | None
) -> None:
    """Generate images under governance: policy, provenance and a provable record.

    \b
    Exit codes: 0 ok · 1 unexpected · 2 usage or configuration · 3 blocked by policy ·
    4 held for review · 5 verification failed · 6 a stage failed closed
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.obj = Output(format_, overrides={"policy": policy, "audit": audit, "home": home})
