"""``guardrail doctor``: what works here, what would fail, how to mend it."""

from __future__ import annotations

import click

from guardrail.cli.output import Output
from guardrail.doctor import Finding, Health, examine
from guardrail.errors import ExitCode

MARKS = {Health.OK: ("ok", "green"), Health.WARNING: ("--", "yellow"), Health.FAILED: ("!!", "red")}


@click.command()
@click.pass_obj
def doctor(output: Output, /) -> int:
    """Try every part that a generation needs, and say how to mend what would fail.

    Exit code 0 when a generation would work, 2 when not.
    """
    findings = []
    for finding in examine(output.settings):
        findings.append(finding)
        _tell(output, finding)
    works = not any(finding.health is Health.FAILED for finding in findings)
    output.data({"would_work": works, "parts": findings})
    output.line()
    output.line("A generation would work." if works else "A generation would fail.", bold=True)
    return ExitCode.OK if works else ExitCode.USAGE


def _tell(output: Output, finding: Finding) -> None:
    mark, colour = MARKS[finding.health]
    output.line(f"{mark}  {finding.part:<16} {finding.text}", fg=colour)
    if finding.hint:
        output.line(f"    {'':<16} {finding.hint}")
