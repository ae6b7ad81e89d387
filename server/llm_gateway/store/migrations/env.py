"""How Alembic runs the migrations: in the transaction of the connection that it is given."""

from alembic import context

from llm_gateway.store.schema import VERSIONS, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS,
    transactional_ddl=True,
)
context.run_migrations()
