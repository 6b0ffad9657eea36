"""What Alembic runs: the steps, on the connection that `forefront.gateway.store.database` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
