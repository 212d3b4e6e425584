"""Alembic's entry point: runs the migrations on the connection that `nightcast.store.migrate` opened."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="alembic_version",
    version_table_schema="internal",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
