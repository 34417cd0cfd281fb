"""``guardrail check``: what the policy says about prompts, without a model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import click

from guardrail.activation import chosen_policy
from guardrail.cli.output import Output
from guardrail.cli.refusals import explain
from guardrail.contracts import Action, Decision, Mode, Verdict
from guardrail.errors import ConfigurationError, ExitCode
from guardrail.policy import Policy
from guardrail.policy.probe import probe

_TEXT = (str, type(None))
KINDS: Mapping[str, tuple[type, ...]] = {
    "id": (str, int, type(None)),
    "prompt": (str,),
    "negative_prompt": _TEXT,
    "actor": _TEXT,
    "tenant": _TEXT,
    "purpose": _TEXT,
    "metadata": (dict, type(None)),
}
"""Keys of a JSONL line and their types; ``id`` comes back with the decision."""

EXIT_CODES = {
    Verdict.ALLOW: ExitCode.OK,
    Verdict.REVIEW: ExitCode.REVIEW,
    Verdict.BLOCK: ExitCode.BLOCKED,
    Verdict.ERROR: ExitCode.STAGE_FAILED,
}
_COLOURS = {Verdict.ALLOW: "green", Verdict.REVIEW: "yellow"}


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "-f", "--file", "file", type=click.File("r", "utf-8"), help="Prompts, one a line; - for stdin."
)
@click.option("--jsonl", is_flag=True, help="Each line of FILE is a JSON object with a prompt.")
@click.option("-n", "--negative-prompt", metavar="TEXT", help="What it should not show.")
@click.option("--actor", help="Who asks.")
@click.option("--tenant")
@click.option("--purpose")
@click.pass_obj
def check(
    output: Output, /, prompt: str | None, file: TextIO | None, jsonl: bool, **fields: Any
) -> int:
    """Ask the policy about PROMPT, or about every prompt of a file.

    Nothing is generated and nothing is recorded. The exit code tells one prompt's verdict: 0
    allow, 3 block, 4 review, 6 error. For a file it is 0, or 6 if a rule could not be evaluated.
    """
    if prompt is not None and file is None:
        return _check_one(output, chosen_policy(output.settings), prompt, fields)
    if file is not None and prompt is None:
        return _check_file(output, chosen_policy(output.settings), _read(file, jsonl), fields)
    raise click.UsageError("Give one PROMPT, or --file FILE (- for standard input).")


def _check_one(output: Output, policy: Policy, prompt: str, fields: Mapping[str, Any]) -> int:
    decision = policy.decide(probe(prompt, **fields))
    output.data(decision)
    for line in _told(decision):
        output.line(line, fg=_COLOURS.get(decision.verdict, "red"))
    return EXIT_CODES[decision.verdict]


def _check_file(
    output: Output,
    policy: Policy,
    lines: Iterable[tuple[int, dict[str, Any]]],
    fields: Mapping[str, Any],
) -> int:
    tally: Counter[Verdict] = Counter()
    answers = _answers(policy, lines, fields, tally)
    if output.human:
        for answer in answers:
            output.line(_row(answer), fg=_COLOURS.get(answer.decision.verdict, "red"))
    else:
        output.rows(answers)
    output.note(", ".join(f"{tally[v]} {v}" for v in Verdict if tally[v]) or "no prompts")
    return ExitCode.STAGE_FAILED if tally[Verdict.ERROR] else ExitCode.OK


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision about one line of a file."""

    line: int
    """Counts from 1."""
    decision: Decision
    id: str | int | None = None
    """What a JSONL line called itself."""


def _answers(
    policy: Policy,
    lines: Iterable[tuple[int, dict[str, Any]]],
    common: Mapping[str, Any],
    tally: Counter[Verdict],
) -> Iterator[Answer]:
    """Decide each line and count the verdicts. A line's own fields win over the options."""
    for number, fields in lines:
        name = fields.pop("id", None)
        decision = policy.decide(probe(**{**common, **fields}))
        tally[decision.verdict] += 1
        yield Answer(number, decision, name)


def _read(file: TextIO, jsonl: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the fields of every line that is not empty."""
    for number, line in enumerate(file, 1):
        text = line.rstrip("\r\n")
        if text.strip():
            yield number, _fields(number, text) if jsonl else {"prompt": text}


def _fields(number: int, line: str) -> dict[str, Any]:
    """Return the fields of one JSONL line. Errors name the line, and never quote it."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"Line {number} is not JSON.") from error
    if not isinstance(data, dict) or not isinstance(data.get("prompt"), str):
        raise ConfigurationError(f"Line {number} is no JSON object with a text 'prompt'.")
    for name, value in data.items():
        kinds = KINDS.get(name)
        if kinds is None:
            listing = ", ".join(KINDS)
            raise ConfigurationError(
                f"Line {number} has an unknown key.", hint=f"Keys a line can have: {listing}."
            )
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ConfigurationError(f"Line {number}: {name} has the wrong type.")
    return data


def _row(answer: Answer) -> str:
    decision = answer.decision
    rules = dict.fromkeys(f"{f.rule_id} {f.reason_code}" for f in decision.deciding)
    name = f"  {answer.id}" if answer.id is not None else ""
    return f"{decision.verdict:<6}  {answer.line}{name}  {', '.join(rules)}".rstrip()


def _told(decision: Decision) -> Iterator[str]:
    if not decision.allowed:
        yield from explain(decision)
        return
    yield f"allow  {len(decision.rules)} rules in {decision.milliseconds:.1f} ms"
    for finding in decision.findings:
        yield f"  {finding.mode} {finding.action}  {finding.rule_id}  {finding.reason}"
    if any(f.action is Action.REDACT and f.mode is Mode.ENFORCE for f in decision.findings):
        yield f"prompt  {decision.effective_prompt}"
    ref = decision.policy
    yield f"policy  {ref.id} {ref.version} {ref.digest}"
