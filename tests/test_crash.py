"""Promise 1 under SIGKILL: a picture on disk has its released record and verifies, and whatever
was interrupted is visible as interrupted. Killed at every stage boundary and at 50 random moments.
"""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardrail import AuditLog, verify
from guardrail.audit import Filters, Record, State
from guardrail.provenance.trust import trust_anchors

STAGES = ("policy", "record", "generate", "check", "sign", "stage", "release", "publish")
RANDOM_KILLS = 50


def start(folder: Path, stage: str) -> subprocess.Popen[str]:
    """Start a child and wait until it generates."""
    command = [sys.executable, "-m", "tests.crash_child", str(folder), stage]
    root = Path(__file__).parent.parent
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def everything(log: AuditLog) -> list[Record]:
    """All records of the store."""
    found: list[Record] = []
    before: int | None = None
    while True:
        page = log.records(Filters(), limit=500, before=before)
        found += page.records
        before = page.next
        if before is None:
            return found


def check_promise(folder: Path, home: Path) -> dict[State, int]:
    """Assert the promise, sweep, assert that nothing is left over; return the states before."""
    anchors = trust_anchors(home)
    with AuditLog.open(home / "audit.db") as log:
        for picture in folder.glob("*.png"):
            content = picture.read_bytes()
            record = log.find_asset(hashlib.sha256(content).hexdigest())
            assert record is not None, f"{picture.name} has no record"
            assert record.state is State.RELEASED
            assert verify(content, anchors=anchors).trusted
        states: dict[State, int] = {}
        for record in everything(log):
            states[record.state] = states.get(record.state, 0) + 1
        assert State.IN_PROGRESS not in states
        log.sweep()
        assert list(folder.glob(".*")) == []  # no staged file is left, published or not
        for record in everything(log):
            if record.state is State.RELEASED:
                assert record.destination is not None
                content = Path(record.destination).read_bytes()
                assert hashlib.sha256(content).hexdigest() == record.sha256
        assert log.verify().ok
        assert log.sweep() == ()
    return states


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_stage_boundary(stage: str, tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    child = start(folder, stage)
    assert child.wait(30) == -signal.SIGKILL
    states = check_promise(folder, home)
    expected = {"policy": {}, "release": {State.RELEASED: 1}, "publish": {State.RELEASED: 1}}
    assert states == expected.get(stage, {State.INTERRUPTED: 1})


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = random.Random(1)
    for _ in range(RANDOM_KILLS):
        child = start(folder, "-")
        time.sleep(rng.uniform(0.0, 0.3))
        child.kill()
        child.wait(30)
    states = check_promise(folder, home)
    assert states[State.RELEASED] >= 5
    assert states[State.INTERRUPTED] >= 5
