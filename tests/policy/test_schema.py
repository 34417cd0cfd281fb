"""The schema for editors says what the loader enforces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from guardrail import resources
from guardrail.policy.files import bundled_names
from guardrail.policy.registry import IMAGE_OPTIONS
from guardrail.policy.rules import CHECKS
from guardrail.policy.schema import schema, schema_text

BUNDLED = resources.policies_dir() / "schema.json"


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from parts(item)


def test_the_bundled_schema_is_that_of_the_code() -> None:
    assert BUNDLED.read_text("utf-8") == schema_text(CHECKS), (
        "run: guardrail policy schema > policies/schema.json"
    )


def test_every_reference_leads_somewhere_and_draft_7_is_kept_to() -> None:
    made = schema(CHECKS)
    for part in parts(made):
        target = part.get("$ref")
        if target is not None:
            assert target.removeprefix("#/definitions/") in made["definitions"]
        assert not {"$defs", "prefixItems", "dependentRequired"} & part.keys()


def test_every_check_has_its_options_and_every_key_its_words() -> None:
    made = schema(CHECKS)
    conditions = made["definitions"]["Rule"]["allOf"]
    names = [condition["if"]["properties"]["check"]["const"] for condition in conditions]
    assert names == [*sorted(CHECKS), *sorted(IMAGE_OPTIONS)]
    phrases = made["definitions"]["with.phrases"]["properties"]["phrases"]
    assert "whole words" in phrases["description"]
    assert "CEL" in made["definitions"]["Rule"]["properties"]["unless"]["description"]


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_documents_use_only_what_the_schema_knows(name: str) -> None:
    made = schema(CHECKS)
    path: Path = resources.policies_dir() / f"{name}.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    assert set(document) <= set(made["properties"])
    assert set(made["required"]) <= set(document)
    for rule in document.get("rules", []):
        assert set(rule) <= set(made["definitions"]["Rule"]["properties"])
        options = made["definitions"][f"with.{rule['check']}"]["properties"]
        assert set(rule.get("with", {})) <= set(options)
    for case in document.get("cases", []):
        assert set(case) <= set(made["definitions"]["Case"]["properties"])


def test_it_is_json() -> None:
    assert json.loads(BUNDLED.read_text("utf-8"))["$schema"].startswith("http://json-schema.org")
