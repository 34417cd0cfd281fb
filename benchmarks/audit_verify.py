"""How long verification takes, and what proofs and pages cost, in a log of a million events.

    python -m benchmarks.audit_verify [EVENTS] [FILE]

The store is kept in FILE between runs. Everything runs on one core.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.audit_store import large_store
from guardrail.audit import AuditLog, Filters
from guardrail.audit.keys import LogKey


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    default = Path(tempfile.gettempdir()) / f"guardrail-benchmark-{events}.db"
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    with large_store(file, events) as log:
        print(f"{log.head()} events, {file.stat().st_size / 1e6:.0f} MB")
        for full in (False, True):
            wall, cpu = time.perf_counter(), time.process_time()
            outcome = log.verify(full=full)
            assert outcome.ok, outcome.problems
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            name = "verify --full" if full else "verify"
            rate = outcome.size / cpu
            print(f"{name:<44}{wall:8.1f} s  {cpu:8.1f} s of CPU  {rate:8.0f} events/s")
        print(f"largest memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        quick(log, file)


def quick(log: AuditLog, file: Path) -> None:
    """Time what people wait for."""
    key = LogKey.load_or_create(file.with_suffix(".key"))
    signed = log.proofs().checkpoint(key)
    some = log.records(limit=1000, before=log.head() // 2).records
    choice = random.Random(7).choice
    work: dict[str, Callable[[], Any]] = {
        "checkpoint": lambda: log.proofs().checkpoint(key),
        "inclusion proof of one record": lambda: log.proofs().inclusion(choice(some).record_id),
        "consistency of half and whole": lambda: log.proofs().consistency(half, signed),
        "one record": lambda: log.record(choice(some).record_id),
        "record of an asset": lambda: log.find_asset(choice(some).sha256 or ""),
        "page of 50": lambda: log.records(limit=50),
        "page of 50, deep": lambda: log.records(limit=50, before=log.head() // 3),
        "page of 50 of a tenant": lambda: log.records(Filters(tenant="tenant7")),
        "page of 50 by a rule": lambda: log.records(Filters(rule="real-people")),
        "page of 50 by an actor": lambda: log.records(Filters(actor="person7@example.org")),
        "page of 50 by a verdict": lambda: log.records(Filters(verdict="block")),
        "page of 50 by a word": lambda: log.records(Filters(words=("777",))),
    }
    half = key.sign(type(signed.checkpoint)(signed.checkpoint.origin, log.head() // 2, bytes(32)))
    for name, run in work.items():
        took = sorted(timed(run) for _ in range(9))
        print(f"{name:<44}{took[4] * 1000:8.1f} ms  (worst of 9: {took[-1] * 1000:.1f} ms)")


def timed(run: Callable[[], Any]) -> float:
    """Return the seconds one call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
