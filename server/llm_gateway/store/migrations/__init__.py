"""The one history of the schema; Alembic is imported only when a store that is not empty is migrated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa


def upgrade(connection: sa.Connection) -> None:
    """Bring the schema up to date in the connection's transaction; an empty store's too, as schema.make does."""
    from alembic import command
    from alembic.config import Config

    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", os.path.dirname(__file__).replace("%", "%%"))
    command.upgrade(settings, "head")
