"""``guardrail db``: making, migrating and judging a store, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrail.audit.tables import SCHEMA_REVISION
from guardrail.cli import cli
from guardrail.cli.errors import run
from tests.audit.conftest import PARAMS, empty_database, postgres
from tests.audit.samples import Behind

__all__ = ["empty_database", "postgres"]  # fixtures
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=PARAMS)
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A store without tables, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'blank.db'}"
    return request.getfixturevalue("empty_database")


@pytest.fixture
def db(capsys: pytest.CaptureFixture[str], blank: str) -> Command:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(cli, ["db", *arguments, "--audit", blank])
        out = capsys.readouterr()
        return int(code), out.out, out.err

    return call


def test_from_nothing_to_a_store_that_fits(db: Command, blank: str) -> None:
    assert db("current")[:2] == (
        0,
        f"no tables (this version of guardrail needs {SCHEMA_REVISION})\n",
    )
    code, _, err = db("check")
    assert code == 6
    assert "guardrail db upgrade" in err
    if blank.startswith("sqlite"):
        assert not Path(blank.removeprefix("sqlite:///")).exists()

    code, out, _ = db("upgrade")
    assert (code, out) == (0, f"The store went from empty, at revision {SCHEMA_REVISION}.\n")
    assert db("upgrade")[1] == f"The store is up to date, at revision {SCHEMA_REVISION}.\n"
    assert db("check")[:2] == (0, "The store fits.\n")
    assert db("current")[1].startswith(f"{SCHEMA_REVISION} (")


def test_programs_get_data(db: Command) -> None:
    upgraded = json.loads(db("upgrade", "--format", "json")[1])
    assert upgraded == {"before": None, "after": SCHEMA_REVISION}
    current = json.loads(db("current", "--format", "json")[1])
    assert current == {"revision": SCHEMA_REVISION, "needed": SCHEMA_REVISION}
    assert json.loads(db("check", "--format", "json")[1])["ok"] is True


def test_history_starts_at_the_beginning(db: Command) -> None:
    code, out, _ = db("history", "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert rows[0]["revision"] == "0001"
    assert rows[-1]["revision"] == SCHEMA_REVISION
    assert all(row["text"] for row in rows)
    assert db("history")[1].splitlines()[0] == f"0001  {rows[0]['text']}"


def test_a_newer_store_is_never_touched(db: Command, blank: str) -> None:
    db("upgrade")
    behind = Behind(blank)
    behind.run("UPDATE guardrail_alembic_version SET version_num = '9999'")
    for command in ("upgrade", "check"):
        code, _, err = db(command)
        assert code == 6
        assert "9999, which is newer than this version of guardrail" in err
    assert db("current")[:2] == (0, f"9999 (this version of guardrail needs {SCHEMA_REVISION})\n")
    behind.close()


def test_a_store_without_its_triggers_does_not_fit(db: Command, blank: str) -> None:
    db("upgrade")
    behind = Behind(blank)
    on = " ON audit_event" if behind.dialect == "postgresql" else ""
    behind.run(f"DROP TRIGGER audit_event_in_order{on}")
    behind.close()
    code, _, err = db("check")
    assert code == 6
    assert "the trigger audit_event_in_order is missing" in err


def test_roles_print_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["db", "roles", "--writer", "my_app"]) == 0
    out = capsys.readouterr().out
    assert "CREATE ROLE my_app NOLOGIN" in out
    assert "GRANT DELETE ON public.personal TO guardrail_eraser;" in out
    assert "UPDATE" not in out
    assert run(cli, ["db", "roles", "--writer", "x; DROP"]) == 2
