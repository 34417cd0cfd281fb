"""The database behind the log: connections, transactions, migrations, failures as sentences.

SQLite runs in WAL mode with ``synchronous=FULL``, and this module owns BEGIN: a writer takes the
lock first (``BEGIN IMMEDIATE``), because a transaction that reads the head and then writes fails
or forks otherwise. PostgreSQL writers queue on an advisory lock, which needs no privilege.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    column,
    create_engine,
    event,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from guardrail import resources
from guardrail.audit.tables import SCHEMA_REVISION, VERSION_TABLE
from guardrail.errors import AuditError, ConfigurationError

WRITER_LOCK = 0x6775617264  # "guard"
BUSY_SECONDS = 30
_SAFE_SQLITE_WORDS = (
    "database is locked",
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
    "file is not a database",
    "database disk image is malformed",
    "is append-only",
)


class Store:
    """Connections to one audit store. Thread-safe; a forked child gets its own engine."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self._engines: dict[int, Engine] = {}

    @property
    def display(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.url.get_backend_name()

    @property
    def file(self) -> Path | None:
        """The SQLite file, if it is one."""
        name = self.url.database
        return Path(name) if self.dialect == "sqlite" and name and name != ":memory:" else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction."""
        with self.errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction that has the only writer's lock; durable when it returns."""
        with self.errors(), self._engine.connect() as plain:
            connection = plain.execution_options(guardrail_write=True)
            with connection.begin():
                if self.dialect == "postgresql":
                    lock = text("SELECT pg_advisory_xact_lock(:key)")
                    connection.execute(lock, {"key": WRITER_LOCK})
                yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the database's errors into a sentence that holds neither texts nor passwords."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise AuditError(
                f"The audit store {self.display} failed: {_reason(error)}.",
                hint="Nothing was released. See what is wrong with: guardrail doctor",
            ) from error

    def revision(self) -> str | None:
        """Return the store's Alembic revision; None for a store without tables."""
        with self.read() as connection:
            if not inspect(connection).has_table(VERSION_TABLE):
                return None
            found = connection.scalar(
                select(column("version_num")).select_from(table(VERSION_TABLE))
            )
            return str(found) if found is not None else None

    def create_file(self) -> None:
        """Make the SQLite file, readable by its owner only, and its folder."""
        if self.file is not None and not self.file.exists():
            with self.errors():
                self.file.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))

    def upgrade(self) -> None:
        """Run the migrations in one transaction; a second caller waits and finds them done."""
        from alembic import command  # noqa: PLC0415 (slow to import, seldom needed)

        with self.write() as connection:
            command.upgrade(self.alembic(connection), "head")

    def alembic(self, connection: Connection | None = None) -> Any:
        """Return Alembic's configuration for the bundled migrations."""
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(resources.migrations_dir()))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        return config

    def require_current(self) -> None:
        """Raise :class:`AuditError` unless the store has the revision this code works with."""
        found = self.revision()
        if found == SCHEMA_REVISION:
            return
        if found is None:
            raise AuditError(
                f"The audit store {self.display} has no tables yet.",
                hint="Create them with: guardrail db upgrade",
            )
        known = {path.name.split("_")[0] for path in _versions()}
        if found in known:
            raise AuditError(
                f"The audit store {self.display} is at revision {found}; this version of "
                f"guardrail needs {SCHEMA_REVISION}.",
                hint="Back it up, then run: guardrail db upgrade",
            )
        raise AuditError(
            f"The audit store {self.display} is at revision {found}, which is newer than this "
            "version of guardrail.",
            hint="Upgrade guardrail; an older one must not write to it.",
        )

    def close(self) -> None:
        """Close this process's connections."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    @property
    def _engine(self) -> Engine:
        pid = os.getpid()
        if pid not in self._engines:
            self._engines[pid] = _make_engine(self.url)
        return self._engines[pid]


def _versions() -> list[Path]:
    return sorted((resources.migrations_dir() / "versions").glob("[0-9]*.py"))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "The audit store's URL cannot be read.",
            hint="Use a file path, sqlite:///FILE or postgresql://USER@HOST/NAME.",
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"Audit stores are SQLite or PostgreSQL, not {parsed.get_backend_name()}."
        )
    return parsed


def _make_engine(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(
            url,
            connect_args={"timeout": BUSY_SECONDS} if sqlite else {"connect_timeout": 10},
            pool_pre_ping=not sqlite,
            hide_parameters=True,  # parameters hold prompts
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        from guardrail.errors import MissingExtra  # noqa: PLC0415

        raise MissingExtra("A PostgreSQL audit store", "postgres") from error
    if sqlite:
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: see _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "recursive_triggers=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("guardrail_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _reason(error: Exception) -> str:
    """Say what happened without quoting the database, which may quote a prompt."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    original = str(getattr(error, "orig", "") or "")
    for words in _SAFE_SQLITE_WORDS:
        if words in original:
            return words
    if isinstance(error, DBAPIError) and error.orig is not None:
        if error.connection_invalidated or type(error.orig).__name__ == "OperationalError":
            return "it cannot be reached"
        return type(error.orig).__name__
    return type(error).__name__
