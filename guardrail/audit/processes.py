"""Is the process that began a record still at work?"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from guardrail.clock import Clock, parse_rfc3339

LEASE = timedelta(hours=1)
"""A request of another host that has shown no end for this long counts as interrupted."""

SAME_START = 2.0
"""Seconds. The start time is derived from the system's clock, which may be set meanwhile."""


def this_process() -> dict[str, Any]:
    """Return what identifies this process: host, pid, and start time in seconds since 1970."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def may_be_alive(opening: Mapping[str, Any], clock: Clock) -> bool:
    """Return whether the process named by an opening event may still finish its record."""
    process = opening.get("data", {}).get("process", {})
    if process.get("host") != socket.gethostname():
        return clock() - parse_rfc3339(opening["time"]) < LEASE
    try:
        apart = abs(_start_of(int(process["pid"])) - float(process["started"]))
    except (KeyError, TypeError, ValueError):
        return False
    return apart < SAME_START


@cache
def _started(pid: int) -> float:
    return _start_of(pid)


def _start_of(pid: int) -> float:
    """Return a process's start time; raises ``ValueError`` when there is no such process."""
    import psutil  # noqa: PLC0415 (only needed where a record has no end)

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise ValueError("no such process")
        return float(round(process.create_time(), 2))
    except psutil.Error as error:
        raise ValueError("no such process") from error
