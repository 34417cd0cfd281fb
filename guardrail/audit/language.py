"""A small language for picking records, the same on the command line and in Python.

    tenant:acme verdict:block since:7d rule:real-people "red boat" lake

Each part must hold. ``name:value`` is a filter by the names of
:class:`~guardrail.audit.records.Filters`; anything else is a word of the prompt. Quotes keep spaces
together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from guardrail.audit.records import Filters, State
from guardrail.clock import parse_moment
from guardrail.errors import ConfigurationError

_PART = re.compile(
    r"\s*(?![a-z_]+:(?:\s|$))"  # a name without a value
    r'(?:(?P<name>[a-z_]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))(?=\s|$)'
)
_VERDICTS = ("allow", "review", "error", "block")
_TEXTS = (
    "actor",
    "asset",
    "model",
    "policy",
    "purpose",
    "reason",
    "rule",
    "seed",
    "tenant",
    "text",
)


def parse_query(text: str, now: datetime) -> Filters:
    """Return the filters that ``text`` means; ages are before ``now``.

    Raises :class:`ConfigurationError` naming the part that is not understood.
    """
    found: dict[str, Any] = {}
    words: list[str] = []
    at = 0
    while text[at:].strip():
        part = _PART.match(text, at)
        if part is None:
            raise ConfigurationError(
                f"The query cannot be read from character {at + 1} on: {text[at:].strip()[:40]!r}.",
                hint=_HINT,
            )
        at = part.end()
        name, value = part["name"], part["quoted"] if part["plain"] is None else part["plain"]
        if name is None:
            words.append(value)
        elif name in found:
            raise ConfigurationError(f"The query says {name} twice.", hint=_HINT)
        else:
            found[name] = _read(name, value, now)
    return Filters(**found, words=tuple(words) or None)


def _read(name: str, value: str, now: datetime) -> Any:
    if name in _TEXTS:
        return value
    if name not in _READERS:
        raise ConfigurationError(f"The query knows no {name!r}.", hint=_HINT)
    try:
        return _READERS[name](value, now)
    except ValueError as error:
        raise ConfigurationError(f"The query says {name}:{value}: {error}.") from error


def _verdict(value: str, _now: datetime) -> str:
    if value not in _VERDICTS:
        raise ValueError(f"write one of {', '.join(_VERDICTS)}")
    return value


def _state(value: str, _now: datetime) -> State:
    known = {str(state).replace(" ", "-"): state for state in State}
    if value not in known:
        raise ValueError(f"write one of {', '.join(known)}")
    return known[value]


def _moment(value: str, now: datetime) -> datetime:
    return parse_moment(value, now)


_READERS: Mapping[str, Callable[[str, datetime], Any]] = {
    "since": _moment,
    "state": _state,
    "until": _moment,
    "verdict": _verdict,
}
_HINT = (
    f"Write name:value, or words of the prompt. Names: {', '.join(sorted((*_TEXTS, *_READERS)))}."
)
