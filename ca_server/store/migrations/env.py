"""Runs Alembic's migrations on the connection that `migrations.upgrade` hands over."""

from alembic import context

from ca_server.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
