"""``guardrail show``: the recipe, the decision and the signature of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from guardrail.cli.match import Comparison, compare, existing_store, trusted_here
from guardrail.cli.output import Output
from guardrail.errors import ConfigurationError

if TYPE_CHECKING:
    from guardrail.audit import Record
    from guardrail.provenance import Verification
    from guardrail.provenance.report import GuardrailClaim


@dataclass(frozen=True, slots=True)
class Recipe:
    """What made a picture, as far as it is known here."""

    source: str
    """``record`` (the audit store) or ``credentials`` (the picture itself)."""
    prompt: str | None
    negative_prompt: str | None
    model: str | None
    weights_sha256: str | None
    seed: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    verdict: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)


@click.command()
@click.argument("record_or_file", metavar="RECORD|FILE")
@click.pass_context
def show(ctx: click.Context, /, record_or_file: str) -> None:
    """Show the recipe, the decision and the signature of the picture FILE, or tell the story
    of RECORD.

    The recipe is the record's where the store holds it, else what the credentials say. Shows,
    and judges nothing: `guardrail verify` has the exit code.
    """
    path = Path(record_or_file)
    if path.is_file():
        _show_file(ctx.obj, path)
        return
    try:
        record = UUID(record_or_file)
    except ValueError as error:
        raise ConfigurationError(
            f"{record_or_file} is neither a record's id nor a file.",
            hint="List records with: guardrail audit list",
        ) from error
    from guardrail.cli.audit import show as show_record  # noqa: PLC0415 (the store comes with it)

    ctx.invoke(show_record, record=record)


def _show_file(output: Output, path: Path) -> None:
    from guardrail.provenance import verify  # noqa: PLC0415

    settings = output.settings
    found = verify(path, anchors=trusted_here(settings))
    with existing_store(settings.audit_url) as store:
        compared = compare(found, store)
    recipe = _recipe(found, compared.record)
    output.data(
        {
            "file": str(path),
            "record_id": compared.record.record_id if compared.record else found.record_id,
            "record": compared.match,
            "recipe": recipe,
            "signature": _signature(found),
        }
    )
    for line in _lines(path, found, compared, recipe):
        output.line(line)
    if compared.record or found.record_id:
        output.hint(f"guardrail rerun {path}")


def _recipe(found: Verification, record: Record | None) -> Recipe | None:
    if record is not None:
        return Recipe(
            source="record",
            prompt=record.prompt,
            negative_prompt=record.negative_prompt,
            model=record.model.id if record.model else None,
            weights_sha256=record.model.weights_digest if record.model else None,
            seed=record.seed,
            parameters=(record.reproduction or {}).get("parameters") or record.parameters,
            verdict=record.verdict,
            policy=record.decision.get("policy", {}),
        )
    return _claimed(found.guardrail) if found.guardrail else None


def _claimed(claim: GuardrailClaim) -> Recipe:
    return Recipe(
        source="credentials",
        prompt=claim.prompt,
        negative_prompt=None,
        model=claim.model_id,
        weights_sha256=claim.weights_sha256,
        seed=claim.seed,
        parameters=claim.parameters,
        verdict=claim.verdict,
        policy={
            "id": claim.policy_id,
            "version": claim.policy_version,
            "digest": claim.policy_sha256,
        },
    )


def _signature(found: Verification) -> dict[str, Any]:
    return {
        "state": found.state,
        "sentence": found.sentence,
        "signer": found.signature,
        "development": found.development,
    }


def _lines(
    path: Path, found: Verification, compared: Comparison, recipe: Recipe | None
) -> Iterator[str]:
    yield str(path)
    yield from _cooked(recipe) if recipe else _told(found)
    yield f"  signature  {found.state}: {found.sentence}"
    record = compared.record.record_id if compared.record else found.record_id
    if record is not None:
        yield f"  record     {record}"
        yield f"             {compared.match.sentence}"


def _cooked(recipe: Recipe) -> Iterator[str]:
    absent = "(erased)" if recipe.source == "record" else "(not in the credentials)"
    yield f"  prompt     {recipe.prompt if recipe.prompt is not None else absent}"
    if recipe.negative_prompt:
        yield f"    without  {recipe.negative_prompt}"
    yield f"  model      {recipe.model} ({str(recipe.weights_sha256)[:12]}), seed {recipe.seed}"
    given = (f"{name} {value}" for name, value in recipe.parameters.items() if value is not None)
    yield f"             {', '.join(given)}"
    policy = recipe.policy
    digest = str(policy.get("digest"))[:12]
    yield f"  decision   {recipe.verdict} by {policy.get('id')} {policy.get('version')} ({digest})"
    yield f"  source     the {recipe.source}"


def _told(found: Verification) -> Iterator[str]:
    """What a picture that guardrail did not make says about itself."""
    for action in found.actions:
        parts = (action.action.removeprefix("c2pa."), action.source_type, action.agent)
        yield "  done       " + ", ".join(part for part in parts if part)
    if found.ai_disclosure and found.ai_disclosure.model_name:
        yield f"  model      {found.ai_disclosure.model_name}"
    if not found.actions:
        yield "  recipe     unknown: it names no record and carries none"
