"""Run migrations on the connection that :func:`fraktal_kernel.core.migrations.upgrade` opened."""

from alembic import context

from fraktal_kernel.core.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
