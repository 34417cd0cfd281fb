"""``guardrail models``: under which terms a model may be used, and whether its weights are the
pinned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.output import Output

if TYPE_CHECKING:
    from guardrail.models import Registration


@click.group()
def models() -> None:
    """Look up under which terms models may be used; pin and verify weights.

    The register is a starting point with its sources, not advice. Licences change: check the
    licensor's current terms.
    """


@models.command("list")
@click.option("--commercial", type=click.Choice(["yes", "no", "conditional", "unknown"]),
              help="Only models whose commercial use is so.")  # fmt: skip
@click.option("--family", metavar="TEXT", help="Only families with TEXT in their name.")
@click.pass_obj
def list_models(output: Output, commercial: str | None, family: str | None) -> None:
    """List the registered models with licence and commercial use."""
    from guardrail.models import CAUTION, load_register  # noqa: PLC0415

    found = [
        model
        for model in load_register(output.settings.home_dir).models.values()
        if commercial in (None, model.commercial)
        and (family is None or family.lower() in model.family.lower())
    ]
    output.rows([_as_data(model) for model in found])
    for model in found:
        gate = "  gated" if model.gated else ""
        output.line(f"{model.commercial:<11} {model.id}")
        output.line(f"            {model.licence}{gate}")
    output.note(f"{len(found)} models. {CAUTION}")


@models.command()
@click.argument("model")
@click.pass_obj
def show(output: Output, model: str) -> None:
    """Show everything the register says about MODEL, and what that rests on."""
    from guardrail.models import CAUTION, load_register  # noqa: PLC0415

    register = load_register(output.settings.home_dir)
    found = register.find(model)
    output.data(_as_data(found) | {"pinned": register.pins.get(found.id)})
    output.line(found.id)
    for name, value in (
        ("family", found.family),
        ("licence", found.licence),
        ("commercial", found.commercial),
        ("limits", found.limits),
        ("trained on", found.training_data),
        ("gated", "yes" if found.gated else "no"),
        ("pinned", f"{len(register.pins[found.id])} files" if found.id in register.pins else "no"),
    ):
        output.line(f"  {name:<11} {value}")
    for source in found.sources:
        output.line(f"  read        {source.read}: {', '.join(source.covers)}")
        output.line(f"              {source.url}")
    if found.unread:
        output.line(f"  not read    {', '.join(found.unread)}: from general knowledge")
    output.note(CAUTION)


@models.command()
@click.argument("model")
@click.option("--pin", "keep", is_flag=True, help="Keep the digests of the weights found here.")
@click.pass_obj
def verify(output: Output, model: str, keep: bool) -> None:
    """Compare the weights of MODEL on this disk with the pinned ones.

    MODEL is 'embedded', a directory or a hub id (from the local cache). Exit code 5 when a file
    differs, and when none were pinned.
    """
    from guardrail.backends.sources import locate, require_complete, weight_files  # noqa: PLC0415
    from guardrail.backends.weights import combined_digest, digest_files  # noqa: PLC0415
    from guardrail.models import load_register, pin, require_pinned  # noqa: PLC0415

    home = output.settings.home_dir
    source = locate(model, allow_download=False)
    require_complete(source)
    cache = home / "cache" / "weights.json"
    weights = digest_files(source.directory, weight_files(source.directory), cache=cache)
    output.data({"model": source.name, "revision": source.revision, "weights": weights,
                 "weights_digest": combined_digest(weights)})  # fmt: skip
    output.line(f"{source.name}  {combined_digest(weights)}")
    for name, digest in sorted(weights.items()):
        output.line(f"  {digest}  {name}")
    if keep:
        output.note(f"pinned in {pin(home, source.name, weights)}")
        return
    require_pinned(load_register(home), source.name, weights)
    output.line("  as pinned")


def _as_data(model: Registration) -> dict[str, Any]:
    return {
        "id": model.id,
        "family": model.family,
        "licence": model.licence,
        "commercial": model.commercial,
        "limits": model.limits,
        "training_data": model.training_data,
        "gated": model.gated,
        "sources": [source.model_dump(mode="json") for source in model.sources],
        "unread": list(model.unread),
    }
