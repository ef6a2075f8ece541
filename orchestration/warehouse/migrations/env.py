"""Alembic's environment: runs inside the connection that `orchestration.warehouse.schema` hands over, as the tables' owner."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="schema_version", version_table_schema="kho")
with context.begin_transaction():
    connection.execute(text("set local role kho_owner"))
    context.run_migrations()
