"""The database behind the log: connections, transactions, migrations, failures as sentences.

SQLite runs in WAL mode with ``synchronous=FULL``, and this module owns BEGIN: a writer takes the
lock first (``BEGIN IMMEDIATE``), because a transaction that reads the head and then writes fails
or forks otherwise. PostgreSQL writers queue on an advisory lock, which needs no privilege; they
commit without waiting for the disk and then wait for it without the lock, so that the flush of one
serves many. Nothing is acknowledged before it is durable, on either.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

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

_LOCK = text("SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(:key)")
_FLUSH = text("SELECT pg_logical_emit_message(true, 'guardrail', '')")
"""Writes a record that nobody reads, and commits it: whatever was committed before it is on the
disk then (and on synchronous standbys)."""
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
_POSTGRESQL_WORDS = {
    "DiskFull": "the disk is full",
    "InsufficientPrivilege": "this user may not do that",
    "LockNotAvailable": "another writer holds the lock",
    "OperationalError": "it cannot be reached",
    "ReadOnlySqlTransaction": "it is read-only",
    "UndefinedTable": "a table is missing",
}
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_URLS = "Use a file path, sqlite:///FILE or postgresql://USER@HOST/NAME."


class Store:
    """Connections to one audit store. Thread-safe; a forked child gets its own engine."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self._engines: dict[int, Engine] = {}
        self._lock = threading.Lock()

    @property
    def display(self) -> str:
        """The file, or the URL without its password."""
        return str(self.file or self.url.render_as_string(hide_password=True))

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.url.get_backend_name()

    @property
    def file(self) -> Path | None:
        """The SQLite file, if it is one."""
        name = self.url.database
        return Path(name) if self.dialect == "sqlite" and name else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: all its statements see the same state of the store."""
        with self.errors(), self._engine.connect() as connection:
            if self.dialect == "postgresql":
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @contextmanager
    def write(self, *, locked: bool = True) -> Iterator[Connection]:
        """A write transaction that has the only writer's lock; durable when it returns. Unless
        ``locked``, :meth:`lock` must be called before the head is read."""
        with self.errors(), self._engine.connect() as plain:
            connection = plain.execution_options(guardrail_write=True)
            with connection.begin():
                if locked:
                    self.lock(connection)
                yield connection
            if self.dialect == "postgresql":
                with connection.begin():
                    connection.execute(_FLUSH)

    def lock(self, connection: Connection) -> None:
        """Wait for the only writer's lock, and hold it until the transaction ends. (On SQLite
        every write transaction begins with it.)"""
        if self.dialect == "postgresql":
            connection.execute(_LOCK, {"key": WRITER_LOCK})

    @contextmanager
    def unmanaged(self) -> Iterator[Connection]:
        """A connection without a transaction, for what the database runs outside of one."""
        with self.errors(), self._engine.connect() as connection:
            connection.execution_options(guardrail_unmanaged=True)
            if self.dialect == "postgresql":
                connection.execution_options(isolation_level="AUTOCOMMIT")
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

    def is_missing(self) -> bool:
        """True for a SQLite file that does not exist."""
        with self.errors():
            return self.file is not None and not self.file.exists()

    def is_blank(self) -> bool:
        """True for a SQLite file that does not exist or holds nothing: a store yet to be made,
        or one whose making was interrupted or is under way in another process."""
        if self.file is None:
            return False
        if self.is_missing():
            return True
        with self.read() as connection:
            return not inspect(connection).get_table_names()

    def create_file(self) -> None:
        """Make the SQLite file, readable by its owner only, and its folder."""
        if self.file is not None and not self.file.exists():
            with self.errors():
                self.file.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))

    def upgrade(self) -> None:
        """Run the migrations in one transaction; a second caller waits and finds them done.

        Raises :class:`AuditError` for a store that is newer than this code.
        """
        from alembic import command  # noqa: PLC0415 (slow to import, seldom needed)
        from alembic.util import CommandError  # noqa: PLC0415

        self._refuse_newer(self.revision())
        try:
            with self.write() as connection:
                command.upgrade(self.alembic(connection), "head")
        except CommandError as error:
            raise AuditError(
                f"The audit store {self.display} could not be migrated.",
                hint="Nothing was changed. See: guardrail db current",
            ) from error

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
        self._refuse_newer(found)
        raise AuditError(
            f"The audit store {self.display} is at revision {found}; this version of "
            f"guardrail needs {SCHEMA_REVISION}.",
            hint="Back it up, then run: guardrail db upgrade",
        )

    def _refuse_newer(self, found: str | None) -> None:
        known = {path.name.split("_")[0] for path in _versions()}
        if found is not None and found not in known:
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
        with self._lock:
            if os.getpid() not in self._engines:
                self._engines[os.getpid()] = _make_engine(self.url)
            return self._engines[os.getpid()]


def _versions() -> list[Path]:
    return sorted((resources.migrations_dir() / "versions").glob("[0-9]*.py"))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("The audit store's URL cannot be read.", hint=_URLS) from error
    if parsed.drivername not in _DRIVERS:
        raise ConfigurationError(
            f"Audit stores are SQLite or PostgreSQL, not {parsed.drivername}.", hint=_URLS
        )
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("An audit store in memory would keep nothing.", hint=_URLS)
    return parsed


def _make_engine(url: URL) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and _is_on_read_only_media(Path(url.database or "")):
        name = f"file:{quote(url.database or '')}"
        url = url.set(database=name, query={"immutable": "1", "mode": "ro", "uri": "true"})
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    if not sqlite:
        options = {
            "connect_args": {"connect_timeout": 10},
            # The head must be read after the lock is held, not as of an earlier snapshot.
            "isolation_level": "READ COMMITTED",
            "pool_pre_ping": True,
        }
    try:
        engine = create_engine(url, hide_parameters=True, **options)  # parameters hold prompts
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        from guardrail.errors import MissingExtra  # noqa: PLC0415

        raise MissingExtra("A PostgreSQL audit store", "postgres") from error
    event.listen(engine, "connect", _configure_sqlite if sqlite else _configure_postgresql)
    if sqlite:
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _is_on_read_only_media(file: Path) -> bool:
    """Whether a whole SQLite file lies where nobody can write, so that it may be read as it is.
    (With a write-ahead log beside it, reading it as it is would miss the newest commits.)"""
    log = Path(f"{file}-wal")
    writable = os.access(file.parent, os.W_OK)
    return file.is_file() and not writable and not (log.exists() and log.stat().st_size)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    _use_wal(cursor)
    for pragma in ("synchronous=FULL", "secure_delete=ON", "recursive_triggers=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    # SQLite's own lower() knows ASCII only, and texts are searched whatever their case.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _use_wal(cursor: Any) -> None:
    """Switch to WAL, once in the life of a file. SQLite does not wait for the lock here."""
    import sqlite3  # noqa: PLC0415

    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "readonly" in str(error):
                return  # it can be read all the same
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _configure_postgresql(connection: Any, _record: Any) -> None:
    """Never acknowledge before durable, never wait for a lock for ever."""
    connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("guardrail_unmanaged"):
        return
    writing = options.get("guardrail_write", False)
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
        if error.connection_invalidated:
            return "the connection was lost"
        name = type(error.orig).__name__
        return _POSTGRESQL_WORDS.get(name, name)
    return type(error).__name__


@contextmanager
def bad_text_tolerated(connection: Connection) -> Iterator[None]:
    """Read SQLite text that is not UTF-8 with replacement characters instead of failing: for
    verification, which says where it is."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = connection.connection.dbapi_connection
    raw.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        yield
    finally:
        raw.text_factory = str
