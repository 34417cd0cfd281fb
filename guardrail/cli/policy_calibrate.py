"""``guardrail policy calibrate``: a concept's threshold from labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.output import Output
from guardrail.errors import ConfigurationError
from guardrail.policy import load_policy

if TYPE_CHECKING:
    from guardrail.checks.concepts import Concepts

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
AT_ONCE = 16
"""Pictures that are looked at together."""


@click.command()
@click.argument("document", metavar="FILE|NAME")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rule", "rule_id", required=True, help="The rule of the kind 'concepts'.")
@click.option("--concept", help="The concept, where the rule has several.")
@click.option("--min-recall", type=click.FloatRange(0, 1),
              help="Find at least this share of what is shown. Default: the best F1.")  # fmt: skip
@click.pass_obj
def calibrate(
    output: Output,
    /,
    document: str,
    folder: Path,
    *,
    rule_id: str,
    concept: str | None,
    min_recall: float | None,
) -> None:
    """Find the threshold of a concept from the pictures in FOLDER/shown and FOLDER/not-shown.

    Prints precision and recall on these pictures; on others they will be lower. Changes nothing:
    write the threshold into the document yourself.
    """
    from guardrail.checks.calibration import calibrate as choose  # noqa: PLC0415
    from guardrail.checks.concepts import Concepts  # noqa: PLC0415 (open_clip comes with it)

    name, options = _concept(document, rule_id, concept)
    check = Concepts(options)
    shown, others = (_scores(check, name, folder / kind) for kind in ("shown", "not-shown"))
    found = choose(shown, others, min_recall=min_recall)
    output.data({"rule": rule_id, "concept": name, "calibration": found})
    output.line(f"{rule_id}  {name}")
    output.line(f"  threshold  {found.threshold}")
    output.line(f"  precision  {found.precision:.3f}")
    output.line(f"  recall     {found.recall:.3f}")
    output.line(f"  AUC        {found.auc:.3f}")
    output.note(f"{found.shown} pictures that show it, {found.not_shown} that do not")


def _concept(document: str, rule_id: str, concept: str | None) -> tuple[str, dict[str, Any]]:
    """The concept's name and the options of its rule, for that concept alone."""
    rules = load_policy(document).document.rules
    rule = next((r for r in rules if r.id == rule_id and r.check == "concepts"), None)
    if rule is None:
        concepts = [r.id for r in rules if r.check == "concepts"]
        raise ConfigurationError(
            f"The policy has no rule {rule_id!r} of the kind 'concepts'.",
            hint=f"It has: {', '.join(concepts) or 'none'}.",
        )
    known: dict[str, Any] = dict(rule.options["concepts"])
    name = concept or (next(iter(known)) if len(known) == 1 else None)
    if name not in known:
        raise ConfigurationError(
            "Name one of the rule's concepts.", hint=f"It has: {', '.join(known)}."
        )
    return name, dict(rule.options) | {"concepts": {name: known[name]}}


def _scores(check: Concepts, name: str, folder: Path) -> list[float]:
    from guardrail.inputs import InputRole  # noqa: PLC0415
    from guardrail.pictures import read_picture  # noqa: PLC0415

    files = sorted(p for p in folder.glob("**/*") if p.suffix.lower() in ENDINGS)
    scores: list[float] = []
    for start in range(0, len(files), AT_ONCE):
        some: Sequence[Path] = files[start : start + AT_ONCE]
        pictures = [read_picture(path, InputRole.IMAGE).image for path in some]
        scores += [seen.scores[name] for seen in check.observe(pictures)]
    return scores
