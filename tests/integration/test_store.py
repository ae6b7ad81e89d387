"""The store, on SQLite and on a real PostgreSQL: what is acknowledged is kept, nothing is half kept, and it heals by itself."""

from __future__ import annotations

import json
import queue
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from llm_gateway import config
from llm_gateway.cli import main
from llm_gateway.cli.db import place
from llm_gateway.config import Secret
from llm_gateway.store import engines, migrations, schema
from llm_gateway.store import store as store_module
from llm_gateway.store.records import Change, Entries, KeyRecord, State
from llm_gateway.store.store import BackupError, Stale, Store, StoreUnavailable, WrongSchema
from llm_gateway.store.vault import Sealed
from msgspec.structs import replace

from tests.support.postgres import Postgres
from tests.support.waiting import PATIENCE, eventually_blocking

CHANGE = Change(principal="ops", peer="ipv4:127.0.0.1:1", method="CreateProvider", resource="providers/edge")
SEALED = Sealed(master="m1", data_key=b"\0wrapped", nonce=b"nonce", text=b"\xffsealed")
MADE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def key(alias: str = "main", provider: str = "edge") -> KeyRecord:
    return KeyRecord(provider=provider, alias=alias, fingerprint="f00d", created=MADE, sealed=SEALED)


def provider(endpoint: str = "http://127.0.0.1:8000/v1") -> dict[str, object]:
    return {"kind": "openai_compatible", "endpoint": endpoint, "models": ["m", "ünïcode"], "timeouts": {"idle": "3s"}}


def with_provider(state: State, name: str, endpoint: str = "http://127.0.0.1:8000/v1") -> State:
    providers = {**state.entries.providers, name: provider(endpoint)}
    return replace(state, entries=replace(state.entries, providers=providers))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a store the time that it takes on a slow machine."""
    for limit in ("CONNECT", "STATEMENT"):
        monkeypatch.setattr(engines, limit, int(PATIENCE))


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, patient: None) -> config.Store:
    """A place where nothing is kept yet."""
    if request.param == "sqlite":
        return config.Store(directory=str(tmp_path / "da ta%?#"))
    server: Postgres = request.getfixturevalue("postgres")
    return config.Store(url=Secret(server.database()))


@pytest.fixture
def opened(settings: config.Store) -> Iterator[Callable[[], Store]]:
    """Opens the place, each time as another replica would."""
    with closing(Store(settings)) as first:
        first.upgrade() if settings.url is not None else None
    stores: list[Store] = []

    def another() -> Store:
        stores.append(Store.open(settings))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


# --- what is kept


def test_what_is_committed_is_read_again(opened: Callable[[], Store]) -> None:
    """Entries, keys and times come back as they were, also in another process's store."""
    first, other = opened(), opened()
    base = first.state()
    assert base == State()
    entries = Entries(
        providers={"edge": provider()},
        routes={"smart": {"targets": ["edge/m"], "retry": {"max_attempts": 2}}},
        enabled={"anthropic": False},
        default_provider="edge",
    )
    until = replace(key("old"), until=MADE)
    kept = first.commit(base, State(entries=entries, keys=(key(), until)), CHANGE)
    assert kept.revision == 1
    assert other.state() == kept


def test_only_what_differs_is_written_and_every_revision_can_be_read(opened: Callable[[], Store]) -> None:
    """What held at a revision is read from one row an entry and change; keys are not part of it."""
    store = opened()
    one = store.commit(store.state(), with_provider(State(keys=(key(),)), "edge"), CHANGE)
    two = store.commit(one, with_provider(one, "other"), CHANGE)
    three = store.commit(two, replace(with_provider(two, "edge", "http://h/v1"), keys=()), CHANGE)
    assert [store.entries_at(number) for number in range(4)] == [Entries(), one.entries, two.entries, three.entries]
    assert store.state() == three
    with store._reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.entries)).scalar() == 3
    for number in (-1, 4):
        with pytest.raises(LookupError):
            store.entries_at(number)


def test_revisions_are_listed_from_the_newest(opened: Callable[[], Store]) -> None:
    """Page by page, with who did what, and what was before and after."""
    store = opened()
    state, began = store.state(), datetime.now(UTC)
    for number in range(5):
        change = replace(CHANGE, resource=f"providers/p{number}", before=None, after={"n": number})
        state = store.commit(state, with_provider(state, f"p{number}"), change)
    page = store.revisions(limit=3)
    assert [revision.number for revision in page] == [5, 4, 3]
    assert page[0].change == replace(CHANGE, resource="providers/p4", after={"n": 4})
    assert began <= page[0].time <= datetime.now(UTC)
    assert [revision.number for revision in store.revisions(before=3)] == [2, 1]


def test_of_two_who_start_from_the_same_revision_the_second_is_stale(opened: Callable[[], Store]) -> None:
    """Its change is nowhere: neither entries nor audit."""
    first, second = opened(), opened()
    base = first.state()
    kept = first.commit(base, with_provider(base, "edge"), CHANGE)
    with pytest.raises(Stale):
        second.commit(base, with_provider(replace(base, keys=(key(),)), "other"), CHANGE)
    assert second.state() == kept
    assert len(second.revisions()) == 1


def test_replicas_that_commit_at_once_lose_nothing(opened: Callable[[], Store]) -> None:
    """Whoever is stale reads again and goes on; in the end every change is there, and revisions have no gaps."""
    stores, changes = [opened() for _ in range(3)], 5
    failed: list[BaseException] = []

    def work(which: int) -> None:
        try:
            for number in range(changes):
                while True:
                    base = stores[which].state()
                    try:
                        stores[which].commit(base, with_provider(base, f"p{which}-{number}"), CHANGE)
                        break
                    except Stale:
                        continue
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failed
    assert len(stores[0].state().entries.providers) == 3 * changes
    assert [revision.number for revision in stores[0].revisions()] == list(range(3 * changes, 0, -1))


def test_the_ids_of_master_keys_are_kept(opened: Callable[[], Store]) -> None:
    """Exactly those that were given last."""
    store = opened()
    assert store.masters() == set()
    store.keep_masters({"one", "two"})
    store.keep_masters({"two", "three"})
    assert opened().masters() == {"two", "three"}


def test_another_replicas_change_is_told(opened: Callable[[], Store]) -> None:
    """First the revision that is there, then each that comes."""
    first, second = opened(), opened()
    told: queue.Queue[int] = queue.Queue()
    second.follow(told.put)
    assert told.get(timeout=PATIENCE) == 0
    state = first.commit(first.state(), with_provider(State(), "edge"), CHANGE)
    assert told.get(timeout=PATIENCE) == 1
    first.commit(state, with_provider(state, "other"), CHANGE)
    assert told.get(timeout=PATIENCE) == 2


def test_postgres_tells_of_a_change_before_anybody_looks(
    postgres: Postgres, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so long between looks that only the notification can be what tells."""
    monkeypatch.setattr(store_module, "POLL", 10 * PATIENCE)
    settings = config.Store(url=Secret(postgres.database()))
    with closing(Store(settings)) as first, closing(Store(settings)) as second:
        first.upgrade()
        told: queue.Queue[int] = queue.Queue()
        second.follow(told.put)
        assert told.get(timeout=PATIENCE) == 0
        state = first.commit(first.state(), with_provider(State(), "edge"), CHANGE)
        assert told.get(timeout=PATIENCE) == 1
        first.commit(state, with_provider(state, "other"), CHANGE)
        assert told.get(timeout=PATIENCE) == 2


def test_a_change_that_was_not_taken_is_told_again(opened: Callable[[], Store]) -> None:
    """What the follower raises does not end following."""
    store = opened()
    told: queue.Queue[int] = queue.Queue()

    def refuse_once(number: int) -> None:
        told.put(number)
        if told.qsize() == 1:
            raise ValueError("not now")

    store.follow(refuse_once)
    eventually_blocking(lambda: told.qsize() >= 2, "it is told again")
    assert [told.get(), told.get()] == [0, 0]


# --- the schema


def made(connection: sa.Connection) -> dict[str, Any]:
    """What a database says of its tables: their columns, keys, constraints and indexes, and the newest migration."""
    found = sa.inspect(connection)
    tables = {
        name: (
            [{**column, "type": repr(column["type"])} for column in found.get_columns(name)],
            found.get_pk_constraint(name),
            found.get_indexes(name),
            found.get_unique_constraints(name),
            found.get_foreign_keys(name),
            found.get_check_constraints(name),
        )
        for name in sorted(found.get_table_names())
    }
    return {**tables, "newest": connection.execute(sa.select(schema.version.c.version_num)).scalars().all()}


def test_an_empty_store_gets_the_tables_that_the_history_makes(settings: config.Store) -> None:
    """One line of migrations, whose last is HEAD, and what they make is, column by column and index by index, what an empty store gets without them,
    and what is read and written."""
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [schema.HEAD]
    history = [script.revision for script in scripts.walk_revisions()]
    assert history == sorted(history, reverse=True)
    with closing(Store(settings)) as store:
        assert store.upgrade() == ("", schema.HEAD)
        with store._transaction(writes=True) as connection:
            at_once = made(connection)
            for tables in (schema.metadata, schema.version.metadata):
                tables.drop_all(connection)
            assert sa.inspect(connection).get_table_names() == []
            migrations.upgrade(connection)
            assert made(connection) == at_once
            context = MigrationContext.configure(
                connection, opts={"version_table": schema.VERSIONS, "compare_type": True}
            )
            assert compare_metadata(context, schema.metadata) == []
        assert store.state() == State()


def test_a_first_start_does_not_import_the_migrations_library(tmp_path: Path) -> None:
    """It takes memory that a gateway would hold for as long as it runs."""
    code = (
        "import sys; from llm_gateway import config; from llm_gateway.store.store import Store\n"
        "Store.open(config.Store(directory=sys.argv[1])).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_schema_of_a_newer_gateway_is_refused(opened: Callable[[], Store]) -> None:
    """Nothing is written to it, and the message says so."""
    with opened()._transaction(writes=True) as connection:
        connection.execute(sa.update(schema.version).values(version_num="9000"))
    with pytest.raises(WrongSchema, match="was migrated to 9000 by a newer gateway"):
        opened()


def test_an_empty_postgres_waits_for_the_operator(postgres: Postgres) -> None:
    """The gateway does not make tables in a database that is shared; it names the command, which may run twice."""
    settings = config.Store(url=Secret(postgres.database()))
    with pytest.raises(WrongSchema, match="run `llm-gateway db upgrade`"):
        Store.open(settings)
    with closing(Store(settings)) as store:
        assert store.upgrade() == ("", schema.HEAD)
        assert store.upgrade() == (schema.HEAD, schema.HEAD)
        assert store.state() == State()


# --- when it is gone


def test_sqlites_files_are_their_owners_alone(tmp_path: Path) -> None:
    """The directory too, where the gateway makes it; one that is there keeps its mode."""
    folder = tmp_path / "a" / "data"
    with closing(Store.open(config.Store(directory=str(folder)))) as store:
        store.commit(State(), with_provider(State(), "edge"), CHANGE)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"data": 0o700, engines.FILE: 0o600}
    with closing(sqlite3.connect(folder / engines.FILE)) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_taken_away_is_missed_and_not_made_anew(tmp_path: Path) -> None:
    """An empty store in its place would forget everything; when it is back, so is the store."""
    store = Store.open(config.Store(directory=str(tmp_path)))
    kept = store.commit(State(), with_provider(State(), "edge"), CHANGE)
    (tmp_path / engines.FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="the store is gone"):
        store.commit(kept, with_provider(kept, "other"), CHANGE)
    assert not (tmp_path / engines.FILE).exists()
    (tmp_path / "elsewhere").rename(tmp_path / engines.FILE)
    assert store.state() == kept


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(b"no database" * 1000), "is no database of SQLite"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be opened: Is a directory"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, spoil: Callable[[Path], object], told: str) -> None:
    """The gateway starts all the same, and every question is answered with the reason."""
    path = tmp_path / engines.FILE
    path.touch()
    spoil(path)
    store = Store.open(config.Store(directory=str(tmp_path)))
    with pytest.raises(StoreUnavailable) as caught:
        store.state()
    assert caught.value.reason == told


def test_a_store_without_its_server_heals_by_itself(postgres: Postgres, patient: None) -> None:
    """It opens without one, answers with a reason that has no secret in it, and works as soon as the server does; also after a crash."""
    settings = config.Store(url=Secret(postgres.database()))
    with closing(Store(settings)) as first:
        first.upgrade()
    postgres.stop()
    try:
        store = Store.open(settings)
        told: queue.Queue[int] = queue.Queue()
        store.follow(told.put)
        with pytest.raises(StoreUnavailable) as caught:
            store.state()
        assert caught.value.reason == "cannot be reached: the connection was refused"
        assert caught.value.__cause__ is None
    finally:
        postgres.start()
    assert told.get(timeout=PATIENCE) == 0
    kept = store.commit(State(), with_provider(State(), "edge"), CHANGE)
    assert told.get(timeout=PATIENCE) == 1
    postgres.stop(signal.SIGQUIT)
    try:
        with pytest.raises(StoreUnavailable):
            store.commit(kept, with_provider(kept, "other"), CHANGE)
    finally:
        postgres.start()
    assert store.state() == kept
    state = store.commit(kept, with_provider(kept, "other"), CHANGE)
    assert told.get(timeout=PATIENCE) == state.revision
    store.close()


def test_a_server_that_does_not_answer_hangs_nobody(postgres: Postgres) -> None:
    """A lock that somebody holds ends the change in seconds, without SQL in the reason."""
    url = postgres.database()
    with closing(Store(config.Store(url=Secret(url)))) as store:
        store.upgrade()
        holder = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
        with holder.begin() as connection:
            connection.execute(sa.text("LOCK TABLE llm_revisions"))
            with pytest.raises(StoreUnavailable) as caught:
                store.commit(State(), with_provider(State(), "edge"), CHANGE)
        assert caught.value.reason == "did not answer in time"
        assert store.state() == State()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "secret2"}, "refuses the user or the password of store.url"),
        ({"username": "nobody"}, "refuses the user or the password of store.url"),
        ({"database": "nowhere"}, "has no database of the name in store.url"),
        ({"host": "no.such.host.invalid"}, "cannot be reached: the host of store.url is unknown"),
        ({"query": {"sslmode": "require"}}, "cannot be reached: TLS failed"),
        (
            {"query": {"no_such": "option"}},
            "cannot be reached: store.url has an option that PostgreSQL's driver does not know",
        ),
    ],
)
def test_a_url_that_leads_nowhere_says_why_and_nothing_of_itself(
    postgres: Postgres, change: dict[str, Any], told: str
) -> None:
    """Neither the password nor the user, the host or the SQL."""
    url = sa.make_url(postgres.url()).set(**change).render_as_string(hide_password=False)
    store = Store.open(config.Store(url=Secret(url)))
    with pytest.raises(StoreUnavailable) as caught:
        store.state()
    assert caught.value.reason == told


def test_nothing_of_a_key_stands_in_a_message(opened: Callable[[], Store]) -> None:
    """Not when the statement that holds it fails either."""
    store = opened()
    with store._transaction(writes=True) as connection:
        schema.keys.drop(connection)
    with pytest.raises(StoreUnavailable) as caught:
        store.commit(State(), State(keys=(key(),)), CHANGE)
    assert caught.value.__cause__ is None
    assert "sealed" not in str(caught.value)
    assert "INSERT" not in str(caught.value)
    assert store.revisions() == []


COMMITS = """
import sys
from msgspec.structs import replace
from llm_gateway import config
from llm_gateway.store.store import Store
from tests.integration.test_store import CHANGE, key, with_provider

store = Store.open(config.Store(directory=sys.argv[1]))
state = store.state()
while True:
    number = state.revision + 1
    keys = (*state.keys, key(f"k{number}"))
    state = store.commit(state, with_provider(replace(state, keys=keys), f"p{number}"), replace(CHANGE, after={"n": number}))
    print(number, flush=True)
"""


def test_a_process_killed_while_it_commits_leaves_the_whole_change_or_none(tmp_path: Path) -> None:
    """SIGKILL at some moments of a stream of changes: what was acknowledged is there, and entries, keys and audit agree."""
    folder = str(tmp_path / "data")
    for wanted in (1, 3, 4):
        with subprocess.Popen([sys.executable, "-c", COMMITS, folder], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(wanted)]
            child.kill()
            acknowledged += [int(line) for line in child.stdout.read().splitlines()]
        with closing(Store.open(config.Store(directory=folder))) as store:
            state = store.state()
            assert state.revision >= acknowledged[-1] >= wanted
            names = {f"p{number}" for number in range(1, state.revision + 1)}
            assert set(state.entries.providers) == names
            assert len(state.keys) == state.revision == len(store.revisions(limit=10**6))


# --- llm-gateway db


@pytest.fixture
def command(
    settings: config.Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `llm-gateway db`: the exit code, and what stands on standard error."""
    path = tmp_path / "gateway.json"
    store = {"directory": settings.directory} if settings.url is None else {"url": settings.url.reveal()}
    admin = {"keys": [{"name": "ops", "role": "admin", "hash": f"sha256:{'0' * 64}"}]}
    path.write_text(json.dumps({"providers": {"echo": {}}, "admin": admin, "store": store}))

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["db", *arguments, "--config", str(path)])
        return status, capfd.readouterr().err

    return run


Command = Callable[..., tuple[int, str]]


def test_a_backup_restores_the_same_store_in_either_database(
    settings: config.Store, command: Command, tmp_path: Path
) -> None:
    """Every table, every revision and what it was; the file is its owner's alone, and has no key in the clear."""
    file = str(tmp_path / "backup")
    assert command("upgrade")[0] == 0
    assert "as it was" in command("upgrade")[1]
    with closing(Store.open(settings)) as store:
        state = store.commit(
            store.state(), with_provider(State(keys=(key(),)), "edge"), replace(CHANGE, after={"a": [1]})
        )
        state = store.commit(state, with_provider(state, "edge", "http://h/v1"), CHANGE)
        seen = (store.state(), store.revisions(), store.entries_at(1))
        assert command("backup", file) == (0, f"5 rows of {place(settings)} are in {file}\n")
        assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
        assert command("backup", file) == (2, f"error: {file} is there already; name a new file\n")
        changed = store.commit(state, State(), CHANGE)
        status, told = command("restore", file)
        assert (status, "restore into an empty one" in told) == (2, True)
        assert store.state() == changed
        assert command("restore", "--replace", file)[0] == 0
        assert (store.state(), store.revisions(), store.entries_at(1)) == seen
    with closing(Store.open(config.Store(directory=str(tmp_path / "other")))) as other, open(file, "rb") as lines:
        assert other.restore(lines) == 2
        assert (other.state(), other.revisions(), other.entries_at(1)) == seen


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: [], "is no backup of a store"),
        (lambda lines: [b"secret2"], "is no backup of a store"),
        (lambda lines: lines[:-1], "is cut off after line 3"),
        (lambda lines: [*lines[:2], *lines[3:]], "is damaged: it has 1 rows, and should have 2"),
        (lambda lines: [lines[0], lines[1][:9], *lines[2:]], "is damaged: line 2 is no row of a store"),
        (lambda lines: [lines[0], lines[1].replace(b"llm_", b"pg_"), *lines[2:]], "is damaged: line 2 is no row"),
        (
            lambda lines: [lines[0].replace(b'"0001"', b'"0002"'), *lines[1:]],
            "is of another release: format 1, migration 0002",
        ),
        (lambda lines: [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]], "is of another release: format 2"),
        (lambda lines: [*lines[:2], *lines[1:]], "is damaged: line 3 stands there twice"),
    ],
)
def test_what_is_no_whole_backup_restores_nothing(
    opened: Callable[[], Store], spoil: Callable[[list[bytes]], list[bytes]], told: str
) -> None:
    """What the store held is still there, and the message quotes nothing."""
    store = opened()
    kept = store.commit(State(), with_provider(State(), "edge"), CHANGE)
    lines = list(store.backup())
    with pytest.raises(BackupError) as caught:
        store.restore(spoil(lines), replace=True)
    assert str(caught.value).startswith(told)
    assert "secret2" not in str(caught.value)
    assert store.state() == kept


def test_a_store_that_is_not_there_is_not_backed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped directory makes no empty store, and no file."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "providers: {echo: {}}\nstore: {directory: data}\n"
        f"admin: {{keys: [{{name: ops, role: admin, hash: 'sha256:{'0' * 64}'}}]}}"
    )
    assert main(["db", "backup", str(tmp_path / "backup"), "--config", str(path)]) == 2
    assert "is not there, so there is nothing to back up" in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["gateway.yaml"]


def test_a_command_whose_database_is_gone_fails_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With nothing of the URL."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "providers: {echo: {}}\nstore: {url: 'postgresql://me:secret2@127.0.0.1:1/llm'}\n"
        f"admin: {{keys: [{{name: ops, role: admin, hash: 'sha256:{'0' * 64}'}}]}}"
    )
    assert main(["db", "upgrade", "--config", str(path)]) == 1
    told = capsys.readouterr().err
    assert told == "error: the PostgreSQL of store.url: the store cannot be reached: the connection was refused\n"


def test_the_database_commands_need_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one they say how to add it."""
    path = tmp_path / "gateway.yaml"
    path.write_text("providers: {echo: {}}")
    assert main(["db", "upgrade", "--config", str(path)]) == 2
    assert "add `store: {directory: data}`" in capsys.readouterr().err
