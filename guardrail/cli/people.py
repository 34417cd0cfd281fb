"""``guardrail people``: who the checks know by name."""

from __future__ import annotations

from pathlib import Path

import click

from guardrail.cli.output import Output


@click.group()
def people() -> None:
    """Look up and import people the checks know by name."""


@people.command("find")
@click.argument("text")
@click.pass_obj
def find(output: Output, text: str) -> None:
    """Say which public figures TEXT speaks of, by which form, and where."""
    from guardrail.policy.interface import Text  # noqa: PLC0415
    from guardrail.policy.rules.mentions import mentions  # noqa: PLC0415

    found = mentions(Text("prompt", text)).found
    output.rows(
        {
            "name": mention.hit.person.name,
            "category": mention.hit.person.category,
            "living": mention.hit.person.living,
            "died": mention.hit.person.died,
            "form": str(mention.hit.form),
            "matched": mention.hit.matched,
            "view": mention.hit.view,
            "usage": str(mention.usage),
            "start": mention.hit.start,
            "end": mention.hit.end,
        }
        for mention in found
    )
    for mention in found:
        hit = mention.hit
        life = "living" if hit.person.living else f"died {hit.person.died or 'at an unknown date'}"
        output.line(f"{hit.person.name} ({hit.person.category}, {life})")
        output.line(f"    {hit.form} {hit.matched!r} at {hit.start}..{hit.end}, {hit.view} view")
    if not found:
        output.note("nobody of the register")


@people.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--as",
    "kind",
    type=click.Choice(["csv", "wikidata", "opensanctions"]),
    required=True,
    help="What SOURCE is: a table with a column 'name'; a SPARQL result or dump lines; "
    "FollowTheMoney lines.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: people/NAME.names in the home folder.",
)
@click.option("--category", default="politics", show_default=True, help="Where none is given.")
@click.pass_obj
def import_people(
    output: Output, source: Path, kind: str, target: Path | None, category: str
) -> None:
    """Compile the people of SOURCE into a register that a policy can name.

    Check that the licence of the source allows your use: OpenSanctions asks businesses for one.
    """
    from guardrail.files import write_atomically  # noqa: PLC0415
    from guardrail.people.compile import compile_names  # noqa: PLC0415
    from guardrail.people.compiled import Compiled  # noqa: PLC0415
    from guardrail.people.sources import Source, read_people  # noqa: PLC0415

    path = target or output.settings.home_dir / "people" / f"{source.stem}.names"
    data = compile_names(read_people(source, Source(kind), category=category))
    compiled = Compiled(memoryview(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    output.data({"path": str(path), "people": len(compiled), "digest": compiled.digest})
    output.line(f"{len(compiled)} people in {path}")
    output.line("Name it in a real_person rule of a policy:")
    output.line("  with:")
    output.line("    registers:")
    output.line(f"      - path: {path}")
    output.line(f"        digest: {compiled.digest}")
