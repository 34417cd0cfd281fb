"""The one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import sys
import traceback

import click

from guardrail.errors import ExitCode, GuardrailError, PolicyError


def run(command: click.Command, arguments: list[str]) -> int:
    """Run ``command`` and return the exit code of the process.

    Known errors print one sentence and a hint. Anything else prints where it happened, without
    its text (which may hold a prompt); ``GUARDRAIL_DEBUG=1`` shows the traceback.
    """
    try:
        outcome = command.main(arguments, prog_name="guardrail", standalone_mode=False)
        return outcome if isinstance(outcome, int) else ExitCode.OK
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        _say("aborted.")
        return ExitCode.UNEXPECTED
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except GuardrailError as error:
        _report(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader went away (`guardrail audit list | head`); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 (the last line of defence: no traceback, no prompt)
        _unexpected(error)
        return ExitCode.UNEXPECTED


def _report(error: GuardrailError) -> None:
    from guardrail.cli.output import printable  # noqa: PLC0415

    _say(printable(error.message))
    if isinstance(error, PolicyError):
        for problem in error.problems:
            click.echo("  " + printable(problem), err=True)
    if error.hint:
        click.echo(click.style(f"hint: {printable(error.hint)}", dim=True), err=True)
    if os.environ.get("GUARDRAIL_DEBUG"):
        traceback.print_exception(error)


def _unexpected(error: Exception) -> None:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _say(
        f"unexpected {type(error).__name__} in {os.path.basename(frame.filename)}"  # noqa: PTH119
        f":{frame.lineno}; nothing was released."
    )
    if os.environ.get("GUARDRAIL_DEBUG"):
        traceback.print_exception(error)
    else:
        click.echo("hint: set GUARDRAIL_DEBUG=1 to see the traceback.", err=True)


def _say(text: str) -> None:
    click.echo(click.style("error: ", fg="red", bold=True) + text, err=True)
