"""Alembic's entry point: runs the steps on the connection from `forefront.gateway.store.database`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
