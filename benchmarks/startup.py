"""How light the light commands are: process start to exit, against importing click and
sqlalchemy alone, alternating in one run.

    python -m benchmarks.startup [--count 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASELINE = (sys.executable, "-c", "import click, sqlalchemy")
COMMANDS = {
    "audit list": (sys.executable, "-m", "guardrail", "audit", "list"),
    "check": (sys.executable, "-m", "guardrail", "check", "a red boat on a lake"),
    "--help": (sys.executable, "-m", "guardrail", "--help"),
}
TARGET = 2.5


def once(command: tuple[str, ...], environment: dict[str, str]) -> float:
    """Milliseconds of one process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=15)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as text:
        environment = os.environ | {"GUARDRAIL_HOME": str(Path(text) / "home")}
        create = (sys.executable, "-m", "guardrail", "db", "upgrade")
        once(create, environment)
        times: dict[str, list[float]] = {"baseline": []}
        for command in COMMANDS.values():
            once(command, environment)  # compile and cache
        for _ in range(count):
            times["baseline"].append(once(BASELINE, environment))
            for name, command in COMMANDS.items():
                times.setdefault(name, []).append(once(command, environment))
    base = statistics.median(times["baseline"])
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:<12} {median:7.1f} ms   {median / base:4.2f} x   (target {TARGET} x)")


if __name__ == "__main__":
    main()
