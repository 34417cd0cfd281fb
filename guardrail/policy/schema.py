"""The JSON Schema of policy documents, for editors.

Generated from the models that validate, so that an editor and the loader cannot disagree;
``policies/schema.json`` is this output, and a test compares them. Kept to JSON Schema draft 7,
which is what editors' YAML servers read.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from guardrail.contracts import Stage
from guardrail.policy.document import PolicyDocument
from guardrail.policy.interface import PromptCheck
from guardrail.policy.registry import IMAGE_OPTIONS, options_model

Checks = Mapping[str, type[PromptCheck]]


def schema_text(checks: Checks) -> str:
    """Return the schema as the text of ``policies/schema.json``."""
    return json.dumps(schema(checks), indent=2, ensure_ascii=True) + "\n"


def schema(checks: Checks) -> dict[str, Any]:
    """Return the JSON Schema of a policy document whose rules can name ``checks``."""
    made = _of_model(PolicyDocument)
    definitions = made["definitions"]
    conditions = []
    for name, model in _options(checks):
        options = _of_model(model)
        definitions |= options.pop("definitions", {})
        title = f"with.{name}"
        definitions[title] = options | {"title": title}
        conditions.append(
            {
                "if": {"properties": {"check": {"const": name}}, "required": ["check"]},
                "then": {"properties": {"with": {"$ref": f"#/definitions/{title}"}}},
            }
        )
    definitions["Rule"]["allOf"] = conditions
    names = [name for name, _ in _options(checks)]
    definitions["Rule"]["properties"]["check"]["examples"] = names
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "guardrail policy document",
    }
    return head | {key: value for key, value in made.items() if key != "title"}


def _options(checks: Checks) -> Iterator[tuple[str, type[BaseModel]]]:
    for name in sorted(checks):
        model = options_model(name, Stage.PROMPT, checks)
        if model is not None:
            yield name, model
    yield from sorted(IMAGE_OPTIONS.items())


def _of_model(model: type[BaseModel]) -> dict[str, Any]:
    made: dict[str, Any] = _draft_7(model.model_json_schema(by_alias=True, mode="validation"))
    parts = {model.__name__: made} | made.get("definitions", {})
    for kind in _models_in(model):
        _describe(parts.get(kind.__name__, {}), kind)
    return made


def _draft_7(value: Any) -> Any:
    """Rename what draft 7 calls otherwise, and drop titles that only repeat the key."""
    if isinstance(value, list):
        return [_draft_7(item) for item in value]
    if not isinstance(value, dict):
        return value.replace("#/$defs/", "#/definitions/") if isinstance(value, str) else value
    titled = isinstance(value.get("title"), str) and "properties" not in value
    return {
        "definitions" if key == "$defs" else key: _draft_7(item)
        for key, item in value.items()
        if not (key == "title" and titled)
    }


def _models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and every model its fields hold."""
    yield model
    for field in model.model_fields.values():
        for inner in _classes(field.annotation):
            yield from _models_in(inner)


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _classes(argument)


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    """Give each property the docstring that stands under its field."""
    properties = part.get("properties", {})
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            for name, text in _field_docstrings(base).items():
                field = model.model_fields.get(name)
                shown = properties.get(field.alias or name) if field else None
                if shown is not None and "$ref" not in shown:
                    shown["description"] = text


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    found: dict[str, str] = {}
    statements = getattr(body, "body", [])
    for field, following in itertools.pairwise(statements):
        is_field = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if is_field and isinstance(following, ast.Expr):
            text = getattr(following.value, "value", None)
            if isinstance(text, str):
                found[field.target.id] = " ".join(text.replace("``", "`").split())
    return found
