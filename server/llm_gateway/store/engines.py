"""How each database is reached. SQLite's file is opened anew for every transaction, so that one that was replaced is noticed; to PostgreSQL one
connection is kept, and asked whether it still lives before it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from llm_gateway.config import Secret, Store

FILE: Final = "llm-gateway.db"
CONNECT: Final = 5
"""Seconds that a connection may take."""
STATEMENT: Final = 5
"""Seconds that a statement may take, or wait for a lock."""
CHANNEL: Final = "llm_gateway"
"""Of PostgreSQL's LISTEN and NOTIFY."""


def engine_of(settings: Store) -> sa.Engine:
    """No connection is made yet."""
    common: dict[str, Any] = {
        "json_serializer": lambda value: msgspec.json.encode(value).decode(),
        "json_deserializer": msgspec.json.decode,
        "hide_parameters": True,
    }
    if settings.url is not None:
        engine = sa.create_engine(
            _url(settings.url),
            isolation_level="REPEATABLE READ",
            pool_size=2,  # one listens
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT,
                "tcp_user_timeout": STATEMENT * 1000,
                "application_name": "llm-gateway",
                "prepare_threshold": None,  # a pooler between us and the server would not know them
            },
            **common,
        )
        sa.event.listen(engine, "begin", _limited)
    else:
        path = file_of(settings).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        url = sa.URL.create("sqlite", database=f"file:{path}", query={"uri": "true", "mode": "rw"})
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": STATEMENT}, **common)
        sa.event.listen(engine, "connect", _prepared)
        sa.event.listen(engine, "begin", _begun)
    return engine


def _url(url: Secret) -> sa.URL:
    return sa.make_url(url.reveal()).set(drivername="postgresql+psycopg")


def file_of(settings: Store) -> str:
    """Path of SQLite's file; "" where the store is a PostgreSQL."""
    return os.path.join(os.path.abspath(settings.directory), FILE) if settings.directory is not None else ""


def make_file(path: str) -> None:
    """An empty database that only its owner may read, in a directory of theirs, unless there is one. Raises OSError."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    os.chmod(path, 0o600)  # what SQLite puts beside it has the same mode
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)  # else the first changes could go with the file's name when the power does
    finally:
        os.close(directory)


def _prepared(connection: Any, _: object) -> None:
    connection.isolation_level = None  # `_begun` begins: the driver would begin with the first write, and read without
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begun(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _limited(connection: sa.Connection) -> None:
    """For this transaction alone, which a pooler between us and the server allows."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT}s'")
    if not _writes(connection):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _writes(connection: sa.Connection) -> bool:
    options: Mapping[str, Any] = connection.get_execution_options()
    return bool(options.get("writes"))
