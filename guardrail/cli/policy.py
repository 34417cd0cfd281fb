"""``guardrail policy``: the group, and validating, showing and testing documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from guardrail.activation import chosen_policy
from guardrail.cli.output import Output
from guardrail.cli.policy_calibrate import calibrate
from guardrail.cli.policy_reading import diff, explain, new, schema
from guardrail.cli.policy_rollout import activate, history, replay, shadow_report
from guardrail.clock import rfc3339, utc_now
from guardrail.contracts import as_json
from guardrail.errors import ExitCode, PolicyError, VerificationFailed
from guardrail.policy import Policy, load_policy
from guardrail.policy.cases import CaseReport, run_cases
from guardrail.policy.document import Citation, Rule
from guardrail.policy.files import bundled_names, find, read
from guardrail.policy.loader import compile_policy
from guardrail.policy.requirements import MEANING, Standing, standing
from guardrail.provided import PROVIDED

_STANDINGS = {
    Standing.ENFORCED: "by guardrail, for every picture",
    Standing.ASSURED: "by the operator, who says so in this policy",
    Standing.UNMET: "NOT implemented: a pipeline with this policy does not start",
}


@click.group()
def policy() -> None:
    """Write, test, compare and roll out policy documents."""


for command in (new, explain, diff, schema, activate, history, replay, shadow_report, calibrate):
    policy.add_command(command)


@policy.command()
@click.argument("documents", metavar="FILE|NAME...", nargs=-1, required=True)
@click.pass_obj
def validate(output: Output, /, documents: tuple[str, ...]) -> int:
    """Check documents: every fault with its line, its column and what is allowed there."""
    rows: list[dict[str, Any]] = []
    for name in documents:
        try:
            rows.append({"document": name, "valid": True, "policy": load_policy(name).ref})
            ref = rows[-1]["policy"]
            output.line(f"valid    {name}  {ref.id} {ref.version} {ref.digest}", fg="green")
        except PolicyError as error:
            problems = error.problems or (error.message,)
            rows.append({"document": name, "valid": False, "problems": list(problems)})
            output.line(f"invalid  {name}", fg="red")
            for problem in problems:
                output.line(f"  {problem}")
            if error.hint:
                output.hint(error.hint)
    output.rows(rows)
    return ExitCode.OK if all(row["valid"] for row in rows) else ExitCode.USAGE


@policy.command()
@click.argument("document", metavar="[FILE|NAME]", required=False)
@click.pass_obj
def show(output: Output, /, document: str | None) -> None:
    """Show what a policy says with everything it extends, at its effective values."""
    loaded = load_policy(document) if document else chosen_policy(output.settings)
    output.data({"policy": loaded.ref, "document": json.loads(loaded.text)})
    for line in _told(loaded):
        output.line(line)


def _told(loaded: Policy) -> Iterator[str]:
    document = loaded.document
    yield f"{document.id} {document.version}  {document.description}"
    yield f"digest  {loaded.ref.digest}"
    yield f"limits  at most {document.limits.max_prompt_characters} characters a prompt"
    prompt = "carries" if document.provenance.include_prompt else "does not carry"
    yield f"manifest  {prompt} the prompt"
    for requirement in document.requirements:
        how = standing(document, requirement, PROVIDED)
        yield f"requires  {requirement.id}: {MEANING[requirement.need]}"
        yield f"  met     {_STANDINGS[how]}"
        yield from _told_citations(requirement.citations)
    for rule in document.rules:
        yield ""
        yield from _told_rule(rule)


def _told_rule(rule: Rule) -> Iterator[str]:
    yield f"{rule.id}  {rule.stage} {rule.action}, {rule.mode}"
    yield f"  check   {rule.check} {_short(rule.options)}"
    for name in ("when", "unless", "reason", "remediation"):
        value = getattr(rule, name)
        if value:
            yield f"  {'change' if name == 'remediation' else name:<7} {value}"
    yield from _told_citations(rule.citations)


def _told_citations(citations: Sequence[Citation]) -> Iterator[str]:
    for citation in citations:
        article = f", {citation.article}" if citation.article else ""
        status = citation.status.replace("_", " ")
        if citation.status == "upcoming" and citation.date <= rfc3339(utc_now()):
            status = "upcoming when this was written, applies now"
        yield f"  cites   {citation.law}{article} ({status}, {citation.date})"


def _short(options: Any) -> str:
    """Options on one line; long lists by their length."""
    shown = {
        name: f"[{len(value)} entries]" if isinstance(value, list) and len(value) > 6 else value
        for name, value in as_json(options).items()
    }
    return ", ".join(f"{name}={value}" for name, value in shown.items())


@policy.command()
@click.argument("documents", metavar="[FILE|NAME]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Test every bundled policy.")
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    default=0.0,
    help="Least percentage of a document's rules that its cases reach.",
)
@click.pass_obj
def test(output: Output, /, documents: tuple[str, ...], every: bool, min_coverage: float) -> None:
    """Run the documents' own cases. Exit code 5 when one fails or coverage is too low."""
    names = documents or (bundled_names() if every else [output.settings.policy])
    reports: list[tuple[str, CaseReport]] = []
    for name in names:
        written = read(find(name))
        reports.append((name, run_cases(compile_policy(written), written.document)))
        for line, style in _told_cases(*reports[-1]):
            output.line(line, **style)
    output.rows(_as_data(name, report) for name, report in reports)
    failed = sum(len(report.failed) for _, report in reports)
    if failed:
        raise VerificationFailed(f"{failed} cases did not pass.")
    low = [name for name, report in reports if report.coverage < min_coverage]
    if low:
        raise VerificationFailed(
            f"The cases of {', '.join(low)} reach less than {min_coverage:g} % of its rules.",
            hint="Add a case for each rule shown as not reached.",
        )
    if not any(report.results for _, report in reports):
        raise VerificationFailed("There is no case to run.", hint="Write some under 'cases:'.")


def _told_cases(name: str, report: CaseReport) -> Iterator[tuple[str, dict[str, str]]]:
    for result in report.failed:
        yield f"failed   {name}: {result.case.name}", {"fg": "red"}
        for fault in result.faults:
            yield f"  {fault}", {}
    passed = len(report.results) - len(report.failed)
    reached = f"{len(report.covered)} of {len(report.covered) + len(report.uncovered)} rules"
    yield f"{name}: {passed} of {len(report.results)} cases passed, {reached} reached", {}
    for rule in report.uncovered:
        yield f"  not reached  {rule}", {"fg": "yellow"}


def _as_data(name: str, report: CaseReport) -> dict[str, Any]:
    return {
        "document": str(Path(name)),
        "passed": len(report.results) - len(report.failed),
        "failed": [
            {"case": r.case.name, "faults": list(r.faults), "decision": r.decision}
            for r in report.failed
        ],
        "covered": report.covered,
        "uncovered": report.uncovered,
        "coverage": round(report.coverage, 1),
    }
