"""The json-formula functions that the rubrics call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from guardrail.provenance.rubric.lexer import FormulaError
from guardrail.provenance.rubric.nodes import same


def contains(subject: Any, search: Any) -> bool:
    """Say whether a list has an element, or text a part."""
    if isinstance(subject, list):
        return any(same(item, search) for item in subject)
    if subject is not None and not isinstance(subject, str):
        raise FormulaError("contains() looks into text and lists only")
    return isinstance(search, str) and search in (subject or "")


def starts_with(subject: Any, prefix: Any) -> bool:
    """Say whether text begins with ``prefix``."""
    return _text(subject).startswith(_text(prefix))


def ends_with(subject: Any, suffix: Any) -> bool:
    """Say whether text ends with ``suffix``."""
    return _text(subject).endswith(_text(suffix))


def length(subject: Any) -> int:
    """Count elements, members or characters; nothing has none."""
    if isinstance(subject, list | dict):
        return len(subject)
    return len(_text(subject))


def keys(subject: Any) -> list[str]:
    """Return the names of an object's members."""
    return list(_object("keys", subject))


def values(subject: Any) -> list[Any]:
    """Return the values of an object's members."""
    return list(_object("values", subject).values())


def split(subject: Any, separator: Any) -> list[str]:
    """Return the parts of a text between separators."""
    text, mark = _text(subject), _text(separator)
    return text.split(mark) if mark else list(text)


def not_null(*candidates: Any) -> Any:
    """Return the first that is not null."""
    return next((value for value in candidates if value is not None), None)


def type_name(value: Any) -> str:
    """Return the name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = ((str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "number")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise FormulaError("a list or an object is not text")


def _object(function: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormulaError(f"{function}() takes an object")
    return value


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "contains": contains,
    "endsWith": ends_with,
    "keys": keys,
    "length": length,
    "notNull": not_null,
    "split": split,
    "startsWith": starts_with,
    "type": type_name,
    "values": values,
}
