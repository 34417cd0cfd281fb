"""``guardrail db``: create and migrate the audit store."""

from __future__ import annotations

import click

from guardrail.audit import triggers
from guardrail.audit.roles import AUDITOR, ERASER, WRITER, role_script
from guardrail.audit.store import Store
from guardrail.audit.tables import SCHEMA_REVISION
from guardrail.cli.output import Output
from guardrail.errors import AuditError


@click.group()
def db() -> None:
    """Create and migrate the audit store."""


def _store(output: Output) -> Store:
    store = Store(output.settings.audit_url)
    output.note(f"record store  {store.display}", dim=True)
    return store


@db.command()
@click.pass_obj
def upgrade(output: Output, /) -> None:
    """Create the tables, or bring them to this version's revision. Back up first."""
    store = _store(output)
    store.create_file()
    before = store.revision()
    store.upgrade()
    after = store.revision()
    output.data({"before": before, "after": after})
    done = "is up to date" if before == after else f"went from {before or 'empty'}"
    output.line(f"The store {done}, at revision {after}.")


@db.command()
@click.pass_obj
def current(output: Output, /) -> None:
    """Print the store's revision."""
    store = _store(output)
    found = None if store.is_missing() else store.revision()
    output.data({"revision": found, "needed": SCHEMA_REVISION})
    output.line(f"{found or 'no tables'} (this version of guardrail needs {SCHEMA_REVISION})")


@db.command()
@click.pass_obj
def check(output: Output, /) -> None:
    """Say whether the store fits this version of guardrail. Exit code 6 when not."""
    store = _store(output)
    if store.is_missing():
        raise AuditError(
            f"There is no audit store at {store.display} yet.", hint="Run: guardrail db upgrade"
        )
    store.require_current()
    with store.read() as connection:
        faults = triggers.faults(connection)
    if faults:
        raise AuditError(
            f"The audit store does not protect its evidence: {faults[0]}.",
            hint="See whether anything was changed: guardrail audit verify",
        )
    output.data({"ok": True, "revision": SCHEMA_REVISION})
    output.line("The store fits.")


@db.command()
@click.pass_obj
def history(output: Output, /) -> None:
    """List the revisions, oldest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 (slow to import)

    scripts = ScriptDirectory.from_config(_store(output).alembic())
    revisions = [(item.revision, item.doc) for item in scripts.walk_revisions()][::-1]
    output.rows({"revision": revision, "text": text} for revision, text in revisions)
    for revision, text in revisions:
        output.line(f"{revision}  {text}")


@db.command()
@click.option("--writer", default=WRITER, show_default=True, help="The application's role.")
@click.option("--eraser", default=ERASER, show_default=True, help="May erase personal texts.")
@click.option("--auditor", default=AUDITOR, show_default=True, help="Only reads.")
@click.option("--schema", default="public", show_default=True)
@click.pass_obj
def roles(output: Output, /, writer: str, eraser: str, auditor: str, schema: str) -> None:
    """Print the SQL for PostgreSQL roles that cannot change or delete evidence."""
    script = role_script(writer, eraser, auditor, schema=schema)
    output.data({"sql": script})
    for line in script.splitlines():
        output.line(line)
