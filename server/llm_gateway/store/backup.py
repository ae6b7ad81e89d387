"""The whole store as lines of JSON, which either database takes: a head, a line a row, and an end that says how many. Keys stand in it as they
are sealed, so that it is worth nothing without the master key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from llm_gateway.store import schema

FORMAT: Final = 1


class BackupError(Exception):
    """What was given is no backup that could be restored here; the text says why, and quotes nothing of it."""


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """format: of the lines. version: the migration of the tables. revision: the newest in it."""

    format: int
    version: str
    revision: int
    time: datetime


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    table: str
    row: msgspec.Raw


class _End(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rows: int


def _shape(table: sa.Table) -> type[Struct]:
    def kind(column: sa.Column[Any]) -> Any:
        if isinstance(column.type, sa.JSON):
            return Any
        found = datetime if isinstance(column.type, schema.Moment) else column.type.python_type
        return found | None if column.nullable else found

    fields = [(str(column.name), kind(column)) for column in table.columns]
    return msgspec.defstruct(table.name, fields, forbid_unknown_fields=True)


_SHAPES: Final = {table.name: msgspec.json.Decoder(_shape(table)) for table in schema.metadata.sorted_tables}


def lines(connection: sa.Connection, revision: int) -> Iterator[bytes]:
    """The backup, as the connection's transaction sees the store."""
    head = Head(format=FORMAT, version=schema.HEAD, revision=revision, time=datetime.now(UTC))
    yield msgspec.json.encode(head) + b"\n"
    rows = 0
    for table in schema.metadata.sorted_tables:
        for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings():
            plain = {str(column): value for column, value in row.items()}  # its names are a class of SQLAlchemy's
            yield msgspec.json.encode({"table": str(table.name), "row": plain}) + b"\n"
            rows += 1
    yield msgspec.json.encode(_End(rows=rows)) + b"\n"


def restore(connection: sa.Connection, given: Iterable[bytes]) -> Head:
    """Put a backup in the place of what is there, in the connection's transaction. Raises BackupError."""
    found = iter(given)
    try:
        head = msgspec.json.decode(next(found, b""), type=Head)
    except msgspec.DecodeError:
        raise BackupError("is no backup of a store: its first line is not the head of one") from None
    if (head.format, head.version) != (FORMAT, schema.HEAD):
        theirs, ours = f"format {head.format}, migration {head.version}", f"format {FORMAT}, migration {schema.HEAD}"
        raise BackupError(f"is of another release: {theirs}, and this gateway reads {ours}")
    for table in schema.metadata.sorted_tables:
        connection.execute(sa.delete(table))
    rows = 0
    for number, line in enumerate(found, 2):
        try:
            read = _read(line)
        except (msgspec.DecodeError, KeyError):
            raise BackupError(f"is damaged: line {number} is no row of a store") from None
        if isinstance(read, int):
            if read != rows:
                raise BackupError(f"is damaged: it has {rows} rows, and should have {read}")
            return head
        table, row = read
        try:
            connection.execute(sa.insert(table), row)
        except sa.exc.IntegrityError:
            raise BackupError(f"is damaged: line {number} stands there twice") from None
        rows += 1
    raise BackupError(f"is cut off after line {rows + 1}")


def _read(line: bytes) -> int | tuple[sa.Table, dict[str, Any]]:
    """A row and its table, or how many there should have been."""
    try:
        return msgspec.json.decode(line, type=_End).rows
    except msgspec.ValidationError:
        one = msgspec.json.decode(line, type=_Row)
        return schema.metadata.tables[one.table], msgspec.structs.asdict(_SHAPES[one.table].decode(one.row))
