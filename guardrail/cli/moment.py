"""Times on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from guardrail.clock import parse_age, parse_moment, utc_now


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
            return parse_moment(value, utc_now())
        except ValueError as error:
            self.fail(f"{error}")


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
            return parse_age(value)
        except ValueError as error:
            self.fail(f"{error}")
