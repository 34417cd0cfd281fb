"""The command tree: which command lives in which module, and the options all of them share."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from guardrail._version import __version__
from guardrail.cli.output import FORMATS, Output

COMMANDS = {
    "generate": "Generate pictures: decided, checked, signed and recorded.",
    "batch": "Generate a file of requests; resumable.",
    "check": "Ask the policy about prompts, without generating.",
    "verify": "Verify the Content Credentials of a picture.",
    "show": "Show the recipe, the decision and the signature of a picture.",
    "rerun": "Generate a recorded picture again and compare the pixels.",
    "policy": "Write, test, compare and roll out policy documents.",
    "people": "Look up and import people the checks know by name.",
    "models": "Look up under which terms models may be used; pin and verify weights.",
    "audit": "Query and verify the record.",
    "keys": "Make, show and check signing keys and certificates.",
    "trust": "List and update whose signatures are trusted.",
    "db": "Create and migrate the audit store.",
    "doctor": "Say what works here, what would fail and how to mend it.",
}
"""Every command lives in ``guardrail.cli.<name>`` under its own name."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"guardrail.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        _accept_shared_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _remember(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep a shared option wherever on the command line it was given."""
    output = ctx.ensure_object(Output)
    if value is not None and parameter.name is not None:
        output.override(parameter.name, value)


def _shared_options() -> list[click.Option]:
    """The options that work before and after the command's name."""
    plain: dict[str, Any] = {
        "expose_value": False,
        "callback": _remember,
        "is_eager": True,
        "allow_from_autoenv": False,  # the settings read the environment, and know the source
    }
    return [
        click.Option(
            ["--format"], type=click.Choice(FORMATS), help="How data is written. [human]", **plain
        ),
        click.Option(["--policy"], metavar="NAME|FILE", help="Policy to decide by.", **plain),
        click.Option(["--audit"], metavar="URL|FILE", help="Audit store.", **plain),
        click.Option(["--home"], metavar="DIR", help="Store, keys and caches.", **plain),
    ]


def _accept_shared_options(command: click.Command) -> None:
    """Let a command, or every command of a group, take the shared options too."""
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _accept_shared_options(child)
        return
    own = {option for parameter in command.params for option in parameter.opts}
    command.params += [o for o in _shared_options() if not own.intersection(o.opts)]


@click.group(
    cls=LazyGroup,
    params=_shared_options(),
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "GUARDRAIL",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, "--version", message="guardrail %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Generate images under governance: policy, provenance and a provable record.

    \b
    Exit codes: 0 ok, 1 unexpected, 2 usage or configuration, 3 blocked by policy,
    4 held for review, 5 verification failed, 6 a stage failed closed.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
