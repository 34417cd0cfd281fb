"""A rubric as the C2PA Conformance Task Force publishes it: variables, expressions, checks.

The three bundled documents are theirs, unchanged (CC BY 4.0, see ``../rubrics/LICENSE``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from guardrail.errors import ConfigurationError
from guardrail.provenance.rubric.functions import FUNCTIONS
from guardrail.provenance.rubric.lexer import FormulaError
from guardrail.provenance.rubric.nodes import Node, Scope
from guardrail.provenance.rubric.parser import parse

_FOLDER = Path(__file__).resolve().parent.parent / "rubrics"
_FILES = {
    "conformance": "asset-rubric-conformance0.2-spec2.4.yml",
    "integrity": "asset-rubric-integrity.yml",
    "signals": "asset-rubric-signals-local.yml",
}
NAMES = tuple(_FILES)
_EXPECTED_SPEC = "2.4"


@dataclass(frozen=True, slots=True)
class Statement:
    """One check of a rubric."""

    id: str
    description: str
    expression: Node
    matches: str
    """What a non-empty list means: ``fail``, ``warn``, or ``true``."""
    texts: Mapping[str, str]
    """What to report, by outcome: ``true``, ``false``, perhaps ``warn``."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """A whole rubric, ready to evaluate."""

    name: str
    title: str
    version: str
    per_manifest: bool
    """Whether each manifest is looked at by itself (the signals rubric) or the whole file."""
    statements: tuple[Statement, ...]
    scope: Scope


@lru_cache(maxsize=8)
def load_rubric(name: str) -> Rubric:
    """Return a bundled rubric: ``conformance``, ``integrity`` or ``signals``.

    Raises :class:`ConfigurationError` for another name.
    """
    if name not in _FILES:
        raise ConfigurationError(
            f"There is no rubric {name!r}.", hint=f"Known: {', '.join(NAMES)}."
        )
    head, *rest = yaml.safe_load_all((_FOLDER / _FILES[name]).read_text("utf-8"))
    return make_rubric(name, head, [item for part in rest for item in part])


def make_rubric(name: str, head: Mapping[str, Any], checks: list[dict[str, Any]]) -> Rubric:
    """Return a rubric from its two documents. Raises :class:`FormulaError`."""
    variables = {**(head.get("variables") or {}), "$expected_spec_version": _EXPECTED_SPEC}
    named = {key: parse(str(text)) for key, text in (head.get("expressions") or {}).items()}
    about = head["rubric_metadata"]
    return Rubric(
        name=name,
        title=about["name"],
        version=str(about["version"]),
        per_manifest=name == "signals",
        statements=tuple(_statement(check) for check in checks),
        scope=Scope(variables, FUNCTIONS, named),
    )


def _statement(check: Mapping[str, Any]) -> Statement:
    try:
        expression = parse(str(check["expression"]).strip())
    except FormulaError as error:
        raise FormulaError(f"{check['id']}: {error}") from error
    matches = "true"
    if check.get("failIfMatched"):
        matches = "fail"
    elif check.get("warnIfMatched"):
        matches = "warn"
    texts = {str(key): value["en"] for key, value in (check.get("reportText") or {}).items()}
    return Statement(check["id"], check.get("description", ""), expression, matches, texts)
