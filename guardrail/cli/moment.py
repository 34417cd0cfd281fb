"""Times on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from guardrail.clock import parse_rfc3339, utc_now

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Moment(click.ParamType[datetime]):
    """RFC 3339, a date, or a time ago such as 30d, 12h, 90m."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return an aware ``datetime``."""
        if isinstance(value, datetime):
            return value
        try:
            stretch = _stretch(value)
            if stretch is not None:
                return utc_now() - stretch
            return parse_rfc3339(f"{value}T00:00:00Z" if len(value) == 10 else value)
        except (OverflowError, ValueError):
            self.fail(f"{value!r} is no time: write 2026-11-23, 2026-11-23T20:16:35Z or 30d")


class Age(click.ParamType[timedelta]):
    """A stretch of time such as 30d, 12h, 90m."""

    name = "AGE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return a ``timedelta``."""
        if isinstance(value, timedelta):
            return value
        try:
            found = _stretch(value)
        except (OverflowError, ValueError):
            found = None
        return found if found is not None else self.fail(f"{value!r} is no age: write 30d or 12h")


def _stretch(value: str) -> timedelta | None:
    """Read 30d; None for what has not that form. Raises ``OverflowError`` and ``ValueError``."""
    if value[:-1].isdecimal() and value[-1:] in _UNITS:
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    return None
