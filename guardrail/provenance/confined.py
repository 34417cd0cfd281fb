"""Parsing files that somebody else made in a process of its own, with limits on memory and time.

The native parser has had bugs by which a crafted file takes tens of gigabytes (c2pa-rs issue
1885), and it runs in the process that calls it. Here it runs in a child that may neither grow
without end, nor run on, nor write a file; what it sends back is read as JSON and believed as
little as the file itself. Children are kept for the next file: starting one costs 0.2 s.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from guardrail.provenance.native import Reading, Unreadable
from guardrail.provenance.untrusted import table, text
from guardrail.provenance.worker import LENGTH, Parsed

_IDLE = 2
_MAX_REPLY = 64 * 1024 * 1024
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from guardrail.provenance.worker import serve; serve()"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What parsing one file may take."""

    memory: int = 1024 * 1024 * 1024
    """Bytes of address space beyond what the idle child has. Enforced where the system can
    (Linux); elsewhere only the time is limited."""
    seconds: float = 30.0
    """Of wall-clock time, and of processor time."""


def parse_confined(
    content: bytes, media_type: str | None, anchors: str | None, limits: Limits
) -> Parsed:
    """Parse a file in a child process. A file that needs more than ``limits`` allow, or stops
    the child, is ``Unreadable`` (``Limits`` or ``Crashed``)."""
    child = _take()
    try:
        reply = child.ask(content, media_type, anchors, limits)
    except BaseException:
        child.end()
        raise
    if isinstance(reply, Unreadable):
        child.end()
        return Parsed(reply)
    _put_back(child)
    return _read(reply)


def _read(reply: bytes) -> Parsed:
    try:
        data = table(json.loads(reply))
        pixels = text(data.get("pixels_sha256"))
        if "unreadable" in data:
            return Parsed(Unreadable(str(data["unreadable"])), pixels)
        if "state" not in data:
            return Parsed(None, pixels)
        store = json.loads(data["store"])
        return Parsed(Reading(str(data["state"]), store, str(data["crjson"])), pixels)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Parsed(Unreadable("Manifest"))


class _Child:
    """One child process. Serves one caller at a time."""

    def __init__(self) -> None:
        package = str(Path(__file__).resolve().parent.parent.parent)
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (as long as it)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, package],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(
        self, content: bytes, media_type: str | None, anchors: str | None, limits: Limits
    ) -> bytes | Unreadable:
        """Return the child's reply, or why there is none."""
        head = {"media_type": media_type, "anchors": anchors, **asdict(limits)}
        late = threading.Event()
        timer = threading.Timer(limits.seconds, self._too_late, (late,))
        timer.daemon = True
        timer.start()
        try:
            for part in (json.dumps(head).encode(), content):
                self._send(part)
            reply = self._receive()
        except (OSError, EOFError, struct.error):
            return Unreadable("Limits" if late.is_set() or self._out_of_bounds() else "Crashed")
        finally:
            timer.cancel()
        return reply

    def end(self) -> None:
        """Stop the child, whatever it does."""
        self._process.kill()
        with contextlib.suppress(OSError):
            self._process.communicate()
        self._complaints.close()

    def _too_late(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _send(self, part: bytes) -> None:
        stream: Any = self._process.stdin
        stream.write(LENGTH.pack(len(part)))
        stream.write(part)
        stream.flush()

    def _receive(self) -> bytes:
        stream: Any = self._process.stdout
        (length,) = LENGTH.unpack(stream.read(LENGTH.size))
        if length > _MAX_REPLY:
            raise EOFError
        reply: bytes = stream.read(length)
        if len(reply) < length:
            raise EOFError
        return reply

    def _out_of_bounds(self) -> bool:
        """Say whether the child ended because of a limit: processor time by its signal, memory
        by what the allocator wrote."""
        import signal  # noqa: PLC0415

        ended = self._process.wait()
        self._complaints.seek(0)
        told = self._complaints.read(65536)
        timed = getattr(signal, "SIGXCPU", None)
        return (timed is not None and ended == -timed) or b"memory" in told.lower()


_idle: dict[int, list[_Child]] = {}
"""Children that wait, by the process they belong to: a forked child starts its own. No lock:
taking from and putting onto a list are atomic, and a lock does not survive a fork."""


def _take() -> _Child:
    waiting = _idle.setdefault(os.getpid(), [])
    while waiting:
        with contextlib.suppress(IndexError):
            child = waiting.pop()
            if child.alive:
                return child
            child.end()
    return _Child()


def _put_back(child: _Child) -> None:
    waiting = _idle.setdefault(os.getpid(), [])
    if len(waiting) < _IDLE:
        waiting.append(child)
    else:
        child.end()


@atexit.register
def _end_all() -> None:
    for child in _idle.pop(os.getpid(), []):
        child.end()
