"""The tables, the same in SQLite and in PostgreSQL, and which migration made them last.

An entry is a row from the revision that set it to the one that replaced it, so that what held at any revision can be read. A key has one row,
which is gone with it: no revision brings it back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

HEAD: Final = "0001"
"""The newest migration; they are numbered, so that a newer schema is known to be one."""
VERSIONS: Final = "llm_schema"
"""Alembic's table."""


class Moment(sa.TypeDecorator[datetime]):
    """A time in UTC; SQLite keeps no zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata: Final = sa.MetaData()

version: Final = sa.Table(
    VERSIONS,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSIONS}_pkc"),
)
"""As Alembic makes it."""

revisions: Final = sa.Table(
    "llm_revisions",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", Moment, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("peer", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("before", sa.JSON(none_as_null=True)),
    sa.Column("after", sa.JSON(none_as_null=True)),
)

entries: Final = sa.Table(
    "llm_entries",
    metadata,
    sa.Column("section", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("until", sa.BigInteger, index=True),
    sa.Column("value", sa.JSON, nullable=False),
)

keys: Final = sa.Table(
    "llm_keys",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("until", Moment),
    sa.Column("master", sa.Text, nullable=False),
    sa.Column("data_key", sa.LargeBinary, nullable=False),
    sa.Column("nonce", sa.LargeBinary, nullable=False),
    sa.Column("text", sa.LargeBinary, nullable=False),
)

masters: Final = sa.Table(
    "llm_masters",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("since", Moment, nullable=False),
)
"""Ids of the master keys that have sealed, or are about to: a wrong one is noticed in an empty store too."""


def make(connection: sa.Connection) -> None:
    """Make in an empty database what the migrations would, of which Alembic's import alone takes 10 MB."""
    for tables in (version.metadata, metadata):
        tables.create_all(connection)
    connection.execute(sa.insert(version).values(version_num=HEAD))
