"""Access to JSON that somebody else wrote: every value may be of any type, or missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(value: Any) -> str | None:
    """Return ``value`` if it is text that says something."""
    return value if isinstance(value, str) and value else None


def table(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object; an empty one otherwise."""
    return value if isinstance(value, Mapping) else {}


def rows(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a list; none if it is not one."""
    return tuple(item for item in value if isinstance(item, Mapping)) if _is_list(value) else ()


def texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list; none if it is not one."""
    return tuple(item for item in value if isinstance(item, str)) if _is_list(value) else ()


def name(value: Any) -> str | None:
    """Return text, or the ``name`` of an object (an agent may be either)."""
    return text(value) or text(table(value).get("name"))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
