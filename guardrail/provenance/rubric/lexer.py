"""Tokens of a json-formula expression (the subset that the C2PA asset rubrics use)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


class FormulaError(ValueError):
    """An expression cannot be read, or cannot be evaluated on the data it was given."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token. ``kind`` is its symbol for operators, else the kind of thing it is."""

    kind: str
    value: Any
    at: int


_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<json>`(?:\\.|[^`\\])*`)
    | (?P<string>"(?:\\.|[^"\\])*")
    | (?P<quoted>'(?:\\.|[^'\\])*')
    | (?P<variable>\$[A-Za-z0-9_]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<symbol>\[\?|\[\]|\|\||&&|==|!=|>=|<=|[\[\](){}.,:|!<>@*])
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(expression: str) -> tuple[Token, ...]:
    """Return the tokens of ``expression``, closed by one of kind ``end``.

    Raises :class:`FormulaError` naming the position of the first character that is none.
    """
    tokens, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise FormulaError(f"unexpected {expression[at]!r} at {at}")
        kind, raw = str(match.lastgroup), match.group()
        if kind != "space":
            tokens.append(Token(raw if kind == "symbol" else kind, _value(kind, raw), at))
        at = match.end()
    return (*tokens, Token("end", None, at))


def _value(kind: str, raw: str) -> Any:
    try:
        if kind == "json":
            return json.loads(raw[1:-1].replace("\\`", "`"))
        if kind == "string":
            return json.loads(raw, strict=False)
    except ValueError as error:
        raise FormulaError(f"not a literal: {raw}") from error
    if kind == "number":
        return float(raw) if "." in raw else int(raw)
    if kind == "quoted":
        return re.sub(r"\\(.)", r"\1", raw[1:-1])
    return raw
