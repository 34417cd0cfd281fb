"""Turns what pydantic says about a document into sentences with a place."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from guardrail.policy.source import Path, Problem


class Place(Protocol):
    """Makes a problem with the part at a path."""

    def __call__(self, path: Path, text: str, *, key: bool = False) -> Problem:
        """Return it; ``key`` points at the key of the part instead of its value."""
        ...


def problems_of(
    error: ValidationError, model: type[BaseModel], data: Any, place: Place
) -> Iterator[Problem]:
    """Yield one located problem for each fault that ``model`` found in ``data``."""
    for fault in error.errors(include_url=False):
        path = _without_unions(fault["loc"], data)
        unknown = fault["type"] == "extra_forbidden"
        yield place(path, _sentence(fault, model, path), key=unknown)


def _without_unions(location: tuple[int | str, ...], data: Any) -> Path:
    """Drop the parts of a pydantic location that name a branch of a union, not a place."""
    path: Path = ()
    for number, part in enumerate(location):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            if number + 1 < len(location):
                continue
        path = (*path, part)
    return path


def _sentence(fault: Any, model: type[BaseModel], path: Path) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), _allowed_keys(model, path[:-1]))
    if kind == "missing":
        return "is missing"
    if kind in ("enum", "literal_error"):
        text = f"must be one of {context['expected']}".replace("'", "").replace(" or ", ", ")
        return text + _nearest(
            str(fault["input"]), text.removeprefix("must be one of ").split(", ")
        )
    if kind == "string_type" and isinstance(fault["input"], int | float):
        return "must be text: put it in quotes"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    message: str = fault["msg"]
    return message[0].lower() + message[1:].removesuffix(".")


def unknown_key(key: str, allowed: list[str]) -> str:
    """Say that a key is not known, what it may have meant and what is allowed there."""
    listing = f"; allowed here: {', '.join(allowed)}" if allowed else ""
    return f"unknown key{_nearest(key, allowed)}{listing}"


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _allowed_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that ``model`` has at ``path``."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None)
        current = _model_in(field.annotation) if field else None
        if current is None:
            return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the first model inside a type such as ``tuple[Rule, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Literal, None):
        return None
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, dict, Mapping):
        arguments = reversed(get_args(annotation))
    else:
        arguments = iter(get_args(annotation)[:1])  # Annotated
    return next((found for found in map(_model_in, arguments) if found), None)
