"""Alembic environment: runs on the connection that guardrail hands over, never on its own."""

from alembic import context

from guardrail.audit.tables import VERSION_TABLE, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=True,
    compare_type=True,
)

with context.begin_transaction():
    context.run_migrations()
