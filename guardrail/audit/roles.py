"""Least privilege on PostgreSQL: who may do what, as a script for the owner of the database.

The application appends and reads. It cannot change, delete or truncate anything, nor take a
trigger away; the triggers stand behind that a second time. Erasing personal texts is another
role's work, and auditors only read.
"""

from __future__ import annotations

import re

from guardrail.audit.tables import VERSION_TABLE, Base, Personal
from guardrail.errors import ConfigurationError

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
WRITER, ERASER, AUDITOR = "guardrail_writer", "guardrail_eraser", "guardrail_auditor"


def role_script(
    writer: str = WRITER, eraser: str = ERASER, auditor: str = AUDITOR, *, schema: str = "public"
) -> str:
    """Return the SQL that makes three roles, without login, and grants each what it needs; run
    it as the owner after every ``guardrail db upgrade``.

    Raises :class:`ConfigurationError` for a name that is not a plain lower-case identifier.
    """
    for name in (writer, eraser, auditor, schema):
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} is not a plain lower-case PostgreSQL name.")
    tables = ", ".join(f"{schema}.{table.name}" for table in Base.metadata.sorted_tables)
    everyone = f"{writer}, {eraser}, {auditor}"
    lines = [
        *(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            for role in (writer, eraser, auditor)
        ),
        f"REVOKE ALL ON {tables}, {schema}.{VERSION_TABLE} FROM PUBLIC, {everyone};",
        f"GRANT USAGE ON SCHEMA {schema} TO {everyone};",
        f"GRANT SELECT ON {tables}, {schema}.{VERSION_TABLE} TO {everyone};",
        f"GRANT INSERT ON {tables} TO {writer}, {eraser};",
        f"GRANT DELETE ON {schema}.{Personal.__tablename__} TO {eraser};",
        f"-- Then, for each person or service:  GRANT {writer} TO my_application;",
    ]
    return "\n".join(lines) + "\n"
