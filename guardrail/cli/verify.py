"""``guardrail verify``: what a picture's credentials say, whether they hold, and whether the
audit record agrees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.match import RecordMatch, compare, existing_store, trusted_here
from guardrail.cli.output import Output
from guardrail.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrail.provenance import RubricReport, Verification
    from guardrail.provenance.report import GuardrailClaim, Ingredient


_RUBRICS = ("conformance", "integrity", "signals")


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
)
@click.option("--rubric", is_flag=True, help="Also check the C2PA asset rubrics.")
@click.option(
    "--anchors",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Further trust anchors (PEM). May be given again.",
)
@click.pass_obj
def verify(
    output: Output, files: tuple[Path, ...], rubric: bool, anchors: tuple[Path, ...]
) -> None:
    """Verify the Content Credentials of FILES, ours or anybody's.

    Trusted are the C2PA trust lists, the development chain of this home, the anchors of the
    setting 'signer', the file named by the setting 'trust', and --anchors. Exit code 5 unless
    every file is trusted and agrees with its audit record.
    """
    from guardrail.provenance import verify as verify_file  # noqa: PLC0415

    settings = output.settings
    trusted = trusted_here(settings, anchors)
    rows, failed = [], 0
    with existing_store(settings.audit_url) as store:
        for path in files:
            found = verify_file(path, anchors=trusted)
            match = compare(found, store).match
            reports = [found.rubric(name) for name in _RUBRICS] if rubric else []
            good = found.trusted and not match.contradicts and _conforms(reports)
            failed += not good
            for line, style in _lines(path, found, match, reports):
                output.line(line, **style)
            rows.append(_as_data(path, found, match, reports))
    output.rows(rows)
    if failed:
        count = f"{failed} of {len(files)} files" if len(files) > 1 else str(files[0])
        verb = "do" if failed > 1 else "does"
        raise VerificationFailed(f"{count} {verb} not verify.")


def _conforms(reports: list[RubricReport]) -> bool:
    return all(report.passed for report in reports if report.name != "signals")


_Line = tuple[str, dict[str, Any]]
_STATE = {
    "trusted": "trusted",
    "valid_untrusted": "not trusted",
    "invalid": "INVALID",
    "none": "no credentials",
}
_COLOUR = {"trusted": "green", "valid_untrusted": "yellow", "invalid": "red", "none": "yellow"}


def _lines(
    path: Path, found: Verification, match: RecordMatch, reports: list[RubricReport]
) -> Iterator[_Line]:
    yield str(path), {"bold": True}
    yield _row(_STATE[found.state], found.sentence, fg=_COLOUR[found.state])
    yield from _signed(found)
    yield from _made(found)
    if found.guardrail:
        yield from _claimed(found.guardrail)
    if found.manifest_label:
        yield _row("record", match.sentence, fg="red" if match.contradicts else None)
    for failure in found.failures:
        where = f" (source: {failure.ingredient})" if failure.ingredient else ""
        yield _row("problem", f"{failure.sentence}{where} [{failure.code}]", fg="red")
    for ingredient in found.ingredients:
        yield from _source(ingredient, 0)
    for report in reports:
        yield from _rubric(report)


def _signed(found: Verification) -> Iterator[_Line]:
    if found.signature is None:
        return
    label = "  [development: for trying out only]" if found.development else ""
    yield _row("signed by", found.signature.subject + label)
    yield _row("issued by", found.signature.issuer)
    when = found.signature.time
    said = next((action.when for action in found.actions if action.when), None)
    if when:
        yield _row("signed at", f"{when} (time-stamped)")
    elif said:
        yield _row("signed at", f"{said} (the signer says so; not time-stamped)")


def _made(found: Verification) -> Iterator[_Line]:
    for action in found.actions:
        parts = (action.action.removeprefix("c2pa."), action.source_type, action.description)
        by = f"by {action.agent}" if action.agent else ""
        yield _row("done", "  ".join(part for part in (*parts, by) if part))
    if found.actions and not found.all_actions:
        yield _row("done", "perhaps more: the signer does not say that this is all")
    if found.ai_disclosure:
        told = found.ai_disclosure
        known = (told.model_name, told.model_type, told.human_oversight)
        yield _row("AI model", ", ".join(part for part in known if part))
    if found.training:
        pairs = (f"{use.removeprefix('cawg.')} {allowed}" for use, allowed in found.training)
        yield _row("training", ", ".join(pairs))


def _claimed(claim: GuardrailClaim) -> Iterator[_Line]:
    yield _row("guardrail", f"record {claim.record_id}, seed {claim.seed}")
    warned = f", warnings: {', '.join(claim.warnings)}" if claim.warnings else ""
    digest = (claim.policy_sha256 or "")[:12]
    yield _row(
        "policy", f"{claim.policy_id} {claim.policy_version} ({digest}): {claim.verdict}{warned}"
    )
    if claim.prompt is not None:
        yield _row("prompt", claim.prompt)
    elif claim.prompt_redacted:
        yield _row("prompt", "removed after signing, and the removal is signed")


def _source(ingredient: Ingredient, depth: int) -> Iterator[_Line]:
    about = (ingredient.title or "untitled", ingredient.relationship, ingredient.format)
    signer = f"signed by {ingredient.signer}" if ingredient.manifest_label else "no credentials"
    told = ", ".join(part for part in (*about, signer) if part)
    yield _row("source", "  " * depth + told)
    for failure in ingredient.failures:
        yield _row("", "  " * depth + f"{failure.sentence} [{failure.code}]", fg="red")
    for deeper in ingredient.ingredients:
        yield from _source(deeper, depth + 1)


def _rubric(report: RubricReport) -> Iterator[_Line]:
    if report.name == "signals":
        yield _row("signals", "; ".join(dict.fromkeys(report.present)) or "none")
        return
    passed = sum(check.passed for check in report.checks)
    colour = "green" if report.passed else "red"
    yield _row("rubric", f"{report.title}: {passed} of {len(report.checks)} pass", fg=colour)
    for check in report.checks:
        if not check.passed:
            yield _row("", f"{check.outcome} {check.id}: {check.report}", fg="red")


def _row(name: str, text: str, fg: str | None = None) -> _Line:
    return f"  {name:<16}{text}", {"fg": fg} if fg else {}


def _as_data(
    path: Path, found: Verification, match: RecordMatch, reports: list[RubricReport]
) -> dict[str, Any]:
    data = {"file": str(path), **found.as_data(), "record": match}
    if reports:
        data["rubrics"] = reports
    return data
