"""The store: what was set at run time, in SQLite or PostgreSQL. Synchronous and thread-safe: the administration has threads, and no call waits
for it.

Every change is one transaction that makes the next revision, whose number is unique: of two who start from the same one, the second is Stale.
A store that is gone heals by itself: no transaction goes by a connection that is dead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import structs

from llm_gateway import config
from llm_gateway.store import backup, engines, migrations, problems, schema
from llm_gateway.store.backup import BackupError
from llm_gateway.store.problems import Stale, StoreUnavailable, WrongSchema
from llm_gateway.store.records import Change, Entries, KeyRecord, Revision, State
from llm_gateway.store.vault import Sealed
from llm_gateway.telemetry import logs

POLL: Final = 1.0
"""Seconds between looks for what others have changed."""
_SLICE: Final = 0.2
"""Seconds of waiting for a notification; `close` waits for one."""
_DEFAULTS: Final = "default"
"""Section of the entries that are one value: default_provider."""
_SECTIONS: Final = ("providers", "routes", "enabled")

__all__ = ["BackupError", "Stale", "Store", "StoreUnavailable", "WrongSchema"]


class Store:
    """One store. Make it by `open`."""

    def __init__(self, settings: config.Store) -> None:
        self._file = engines.file_of(settings)
        self._engine = engines.engine_of(settings)
        self.problem = ""
        """Why it could not be reached when it was last tried; empty where it was."""
        self._ready = False
        self._readying = threading.Lock()
        self._closed = threading.Event()
        self._follower: threading.Thread | None = None

    @classmethod
    def open(cls, settings: config.Store) -> Store:
        """SQLite is made and migrated. A store that cannot be reached is opened all the same: it answers StoreUnavailable until it can.

        Raises WrongSchema for a PostgreSQL that `llm-gateway db upgrade` has not seen, and for what a newer gateway has migrated.
        """
        store = cls(settings)
        try:
            with store._reading():
                pass
        except WrongSchema:
            store.close()
            raise
        except StoreUnavailable as error:
            logs.log().error("store unavailable", reason=error.reason)
        return store

    # --- what it is asked

    def state(self) -> State:
        """Everything in force. Raises StoreUnavailable."""
        with self._reading() as connection:
            return State(
                revision=_newest(connection),
                entries=_entries(connection, schema.entries.c.until.is_(None)),
                keys=_keys(connection),
            )

    def commit(self, base: State, new: State, change: Change) -> State:
        """Keep what is other in `new` than in `base`, which was read before, as the next revision. Raises Stale and StoreUnavailable; then
        nothing is kept, unless the reason says that it may be."""
        number = base.revision + 1
        revision = Revision(number=number, time=datetime.now(UTC), change=change)
        with self._writing() as connection:
            if _newest(connection) != base.revision:
                raise Stale
            connection.execute(sa.insert(schema.revisions), _row(revision))
            _keep_entries(connection, base.entries, new.entries, number)
            _keep_keys(connection, base.keys, new.keys)
            self._tell(connection, number)
        return structs.replace(new, revision=number)

    def revisions(self, *, before: int | None = None, limit: int = 100, resource: str | None = None) -> list[Revision]:
        """The newest first, below a number; of one resource and what belongs to it, or of all. Raises StoreUnavailable."""
        query = sa.select(schema.revisions).order_by(schema.revisions.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(schema.revisions.c.number < before)
        if resource is not None:
            c = schema.revisions.c.resource
            query = query.where((c == resource) | c.startswith(f"{resource}/", autoescape=True))
        with self._reading() as connection:
            return [_revision(row) for row in connection.execute(query).mappings()]

    def since(self) -> dict[tuple[str, str], tuple[int, datetime]]:
        """By section and name of each entry in force, the revision that set it, and when. Raises StoreUnavailable."""
        c, r = schema.entries.c, schema.revisions.c
        query = sa.select(c.section, c.name, r.number, r.time).join(schema.revisions, r.number == c.since)
        with self._reading() as connection:
            rows = connection.execute(query.where(c.until.is_(None)))
            return {(section, name): (number, time) for section, name, number, time in rows}

    def entries_at(self, revision: int) -> Entries:
        """What was set after so many revisions, besides keys. Raises LookupError where there is no such revision, and StoreUnavailable."""
        c = schema.entries.c
        with self._reading() as connection:
            if not 0 <= revision <= _newest(connection):
                raise LookupError(revision)
            return _entries(connection, (c.since <= revision) & (c.until.is_(None) | (c.until > revision)))

    def masters(self) -> set[str]:
        """The ids of its master keys; empty before the first. Raises StoreUnavailable."""
        with self._reading() as connection:
            return set(connection.execute(sa.select(schema.masters.c.id)).scalars())

    def keep_masters(self, ids: Collection[str]) -> None:
        """These are its master keys, and no others. Raises StoreUnavailable."""
        with self._writing() as connection:
            known = set(connection.execute(sa.select(schema.masters.c.id)).scalars())
            if gone := known - {*ids}:
                connection.execute(sa.delete(schema.masters).where(schema.masters.c.id.in_(gone)))
            if new := {*ids} - known:
                connection.execute(sa.insert(schema.masters), [{"id": one, "since": datetime.now(UTC)} for one in new])

    def upgrade(self) -> tuple[str, str]:
        """Bring the schema up to date: the migration before and after, "" for an empty store. Raises StoreUnavailable."""
        if self._file:
            self._make_file()
        with self._transaction(writes=True) as connection:
            if not self._file:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x6C6C6D)))  # replicas may start at once
            before = _version(connection)
            if before > schema.HEAD:
                raise _wrong(before)
            if not before:
                schema.make(connection)
            elif before < schema.HEAD:
                migrations.upgrade(connection)
        return before, schema.HEAD

    def backup(self) -> Iterator[bytes]:
        """The whole store at one moment, line by line. Raises StoreUnavailable."""
        with self._reading() as connection:
            yield from backup.lines(connection, _newest(connection))

    def restore(self, lines: Iterable[bytes], *, replace: bool = False) -> int:
        """Put a backup into an empty store, or with `replace` into any: all of it or nothing. Gives its revision. Raises BackupError and
        StoreUnavailable."""
        with self._writing() as connection:
            if not replace and (_newest(connection) or _keys(connection)):
                raise BackupError("would replace what the store holds: restore into an empty one, or say --replace")
            revision = backup.restore(connection, lines).revision
            self._tell(connection, revision)
        return revision

    def follow(self, changed: Callable[[int], None]) -> None:
        """Have `changed` called with the newest revision, on a thread of the store: once it can be read, and whenever it is another one, own
        changes too. PostgreSQL tells; every POLL seconds it is looked at all the same. What `changed` raises has it called again."""
        self._follower = threading.Thread(target=self._follow, args=(changed,), name="store", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """End following; may wait a moment."""
        self._closed.set()
        if self._follower is not None and self._follower is not threading.current_thread():
            self._follower.join(engines.CONNECT + engines.STATEMENT)
        self._engine.dispose()

    # --- transactions

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._told():
            self._make_ready()
            with self._transaction(writes=False) as connection:
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._told():
            self._make_ready()
            with self._transaction(writes=True) as connection:
                yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Keeps `problem` as it is now."""
        try:
            yield
        except StoreUnavailable as error:
            self.problem = error.reason
            raise
        self.problem = ""

    def _make_ready(self) -> None:
        """The schema is looked at once, and again when the file is gone, which another may replace."""
        with self._readying:
            if self._ready and not (self._file and not os.path.exists(self._file)):
                return
            if self._file:
                if self._ready:
                    raise StoreUnavailable("is gone: its file was taken away; restore it, or restart for an empty one")
                self._make_file()
            with self._transaction(writes=False) as connection:
                version = _version(connection)
            if self._file and version < schema.HEAD:
                self.upgrade()
            elif version != schema.HEAD:
                raise _wrong(version)
            self._ready = True

    def _make_file(self) -> None:
        try:
            engines.make_file(self._file)
        except OSError as error:
            raise StoreUnavailable(problems.reason(error)) from None

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        committing = False
        try:
            with self._engine.connect().execution_options(writes=writes) as connection, connection.begin() as begun:
                yield connection
                committing = writes
                begun.commit()
        except sa.exc.IntegrityError:
            raise Stale from None
        except sa.exc.DBAPIError as error:
            if (
                getattr(error.orig, "sqlstate", None) == "40001"
            ):  # serialization_failure: somebody else wrote the same row
                raise Stale from None
            told = problems.reason(error.orig)
            if committing and not self._file:
                told += "; whether the change was kept will show when it is back"
            raise StoreUnavailable(told) from None

    # --- following

    def _tell(self, connection: sa.Connection, number: int) -> None:
        """Have the other replicas look, once this transaction is committed."""
        if not self._file:
            connection.execute(sa.select(sa.func.pg_notify(engines.CHANNEL, str(number))))

    def _follow(self, changed: Callable[[int], None]) -> None:
        known: int | None = None
        lost = False
        while not self._closed.is_set():
            try:
                for number in self._looks():
                    if lost:
                        logs.log().info("store back", revision=number)
                        lost = False
                    if number != known:
                        changed(number)
                        known = number
                    if self._closed.is_set():
                        return
            except StoreUnavailable as error:
                if not lost:
                    logs.log().error("store unavailable", reason=error.reason)
                    lost = True
            except Exception as error:
                logs.log().error("change of another replica not taken", problem=type(error).__name__)
            self._closed.wait(POLL)

    def _looks(self) -> Iterator[int]:
        """The newest revision, again and again."""
        if self._file:
            seen: object = None
            while True:
                if (now := self._written()) != seen or now is None:
                    with self._reading() as connection:
                        yield _newest(connection)
                    seen = now
                if self._closed.wait(POLL):
                    return
        self._make_ready()
        with self._listening() as wait:
            while True:
                with self._reading() as connection:
                    yield _newest(connection)
                wait()

    def _written(self) -> object:
        """What is other when somebody has written to SQLite's files."""
        found = []
        for path in (self._file, f"{self._file}-wal"):
            with suppress(OSError):
                at = os.stat(path)
                found.append((at.st_ino, at.st_size, at.st_mtime_ns))
        return found or None

    @contextmanager
    def _listening(self) -> Iterator[Callable[[], None]]:
        """A connection that is told of changes; gives what waits for one, POLL seconds at most."""
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT", writes=True) as connection:
                driver: Any = connection.connection.driver_connection
                connection.exec_driver_sql(f"LISTEN {engines.CHANNEL}")

                def wait() -> None:
                    for _ in range(round(POLL / _SLICE)):
                        if self._closed.is_set() or any(driver.notifies(timeout=_SLICE, stop_after=1)):
                            return

                try:
                    yield wait
                finally:
                    connection.invalidate()  # nobody else should get what it is told
        except (sa.exc.DBAPIError, self._engine.dialect.loaded_dbapi.Error) as error:
            raise StoreUnavailable(problems.reason(getattr(error, "orig", error))) from None


def _wrong(version: str) -> WrongSchema:
    if version > schema.HEAD:
        return WrongSchema(
            f"was migrated to {version} by a newer gateway; this one knows {schema.HEAD}: run the newer one"
        )
    found = f"is at migration {version}, and this gateway needs {schema.HEAD}" if version else "is empty"
    return WrongSchema(f"{found}: run `llm-gateway db upgrade`")


def _version(connection: sa.Connection) -> str:
    """The migration that made the schema; "" for an empty store."""
    if not sa.inspect(connection).has_table(schema.VERSIONS):
        return ""
    return connection.execute(sa.select(schema.version.c.version_num)).scalar() or ""


def _newest(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.max(schema.revisions.c.number))).scalar() or 0


def _items(entries: Entries) -> dict[tuple[str, str], Any]:
    """Entries by section and name."""
    found = {(section, name): value for section in _SECTIONS for name, value in getattr(entries, section).items()}
    if entries.default_provider is not None:
        found[_DEFAULTS, "provider"] = entries.default_provider
    return found


def _entries(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Entries:
    found: dict[str, dict[str, Any]] = {section: {} for section in (*_SECTIONS, _DEFAULTS)}
    c = schema.entries.c
    for section, name, value in connection.execute(
        sa.select(c.section, c.name, c.value).where(which).order_by(c.since, c.name)
    ):
        found[section][name] = value
    default = found.pop(_DEFAULTS).get("provider")
    return Entries(default_provider=default, **found)


def _keep_entries(connection: sa.Connection, base: Entries, new: Entries, number: int) -> None:
    old, now, c = _items(base), _items(new), schema.entries.c
    for (section, name), value in old.items():
        if now.get((section, name)) != value:
            gone = (c.section == section) & (c.name == name) & c.until.is_(None)
            connection.execute(sa.update(schema.entries).where(gone).values(until=number))
    rows = [
        {"section": section, "name": name, "since": number, "until": None, "value": value}
        for (section, name), value in now.items()
        if old.get((section, name)) != value
    ]
    if rows:
        connection.execute(sa.insert(schema.entries), rows)


def _keys(connection: sa.Connection) -> tuple[KeyRecord, ...]:
    c = schema.keys.c
    rows = connection.execute(sa.select(schema.keys).order_by(c.provider, c.created, c.alias)).mappings()
    return tuple(_key(row) for row in rows)


def _key(row: Mapping[Any, Any]) -> KeyRecord:
    sealed = Sealed(**{name: row[name] for name in Sealed.__struct_fields__})
    own = (name for name in KeyRecord.__struct_fields__ if name != "sealed")
    return KeyRecord(**{name: row[name] for name in own}, sealed=sealed)


def _keep_keys(connection: sa.Connection, base: tuple[KeyRecord, ...], new: tuple[KeyRecord, ...]) -> None:
    old, now, c = (
        {(key.provider, key.alias): key for key in base},
        {(key.provider, key.alias): key for key in new},
        schema.keys.c,
    )
    for place, key in old.items():
        if now.get(place) != key:
            connection.execute(sa.delete(schema.keys).where((c.provider == key.provider) & (c.alias == key.alias)))
    rows = []
    for place, key in now.items():
        if old.get(place) != key:
            row = structs.asdict(key)
            rows.append({**row, **structs.asdict(row.pop("sealed"))})
    if rows:
        connection.execute(
            sa.insert(schema.keys), [{name: value for name, value in row.items() if name != "sealed"} for row in rows]
        )


def _row(revision: Revision) -> dict[str, Any]:
    return {"number": revision.number, "time": revision.time, **structs.asdict(revision.change)}


def _revision(row: Mapping[Any, Any]) -> Revision:
    change = Change(**{name: row[name] for name in Change.__struct_fields__})
    return Revision(number=row["number"], time=row["time"], change=change)
