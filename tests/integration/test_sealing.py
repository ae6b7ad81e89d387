"""Keys in a real store: which master key opens them, what refuses the start, and how one master key follows another."""

from __future__ import annotations

import json
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from llm_gateway import config
from llm_gateway.cli import main
from llm_gateway.store import master, sealing
from llm_gateway.store.master import MasterKey
from llm_gateway.store.records import Change, Entries, KeyRecord, State, name_of
from llm_gateway.store.store import Store
from llm_gateway.store.vault import Vault, VaultError
from msgspec.structs import replace

from tests.integration.test_administration import key_line, key_of, started
from tests.support import gateway as gateways
from tests.support.postgres import Postgres
from tests.support.waiting import PATIENCE, eventually_blocking

CHANGE = Change(principal="ops", peer="", method="AddProviderKey", resource="providers/edge/keys/main")
CANARY = "canary-in-the-store"
OPEN = threading.Event()
"""Never set."""


def key() -> MasterKey:
    return MasterKey(secrets.token_bytes(32))


@pytest.fixture
def folder(tmp_path: Path) -> config.Store:
    return config.Store(directory=str(tmp_path))


@pytest.fixture
def kept(folder: config.Store) -> Iterator[Store]:
    """In a folder, whose files the test looks at."""
    with closing(Store.open(folder)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """On each database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("kept")
        return
    server: Postgres = request.getfixturevalue("postgres")
    settings = config.Store(url=config.Secret(server.database()))
    with closing(Store(settings)) as made:
        made.upgrade()
    with closing(Store.open(settings)) as opened:
        yield opened


def sealed(vault: Vault, alias: str, text: str) -> KeyRecord:
    name = name_of("edge", alias)
    return KeyRecord(
        provider="edge",
        alias=alias,
        fingerprint=vault.fingerprint(text),
        created=datetime.now(UTC),
        sealed=vault.seal(name, text),
    )


def opened(state: State, vault: Vault) -> dict[str, str]:
    """The texts by the names of the keys."""
    return {key.name: vault.open(key.name, key.sealed) for key in state.keys}


def fill(store: Store, vault: Vault, count: int) -> State:
    keys = tuple(sealed(vault, f"k{number}", f"{CANARY}-{number}") for number in range(count))
    state = store.state()
    return store.commit(state, replace(state, keys=(*state.keys, *keys)), CHANGE)


def test_keys_come_back_as_they_were(store: Store) -> None:
    """From the store, by their names."""
    vault = Vault(key())
    fill(store, vault, 3)
    state = sealing.admit(store, vault)
    assert opened(state, vault) == {f"providers/edge/keys/k{n}": f"{CANARY}-{n}" for n in range(3)}
    assert CANARY not in repr(state)


def test_the_files_hold_no_key(kept: Store, folder: config.Store) -> None:
    """Neither the database nor its log, nor what is left of a key that was removed."""
    vault, directory = Vault(key()), Path(str(folder.directory))
    with closing(sqlite3.connect(directory / "llm-gateway.db")) as reader:  # while somebody reads, the log stays
        reader.execute("SELECT * FROM llm_keys")
        state = fill(kept, vault, 5)
        text = state.keys[-1].sealed.text
        assert any(text in file.read_bytes() for file in directory.iterdir())
        kept.commit(state, replace(state, keys=state.keys[:1]), CHANGE)
        files = list(directory.iterdir())
        assert len(files) >= 2
        assert not [file for file in files if CANARY.encode() in file.read_bytes()]
    kept.state()
    assert not [file for file in directory.iterdir() if text in file.read_bytes()]


def test_a_wrong_master_key_refuses_an_empty_store_too(store: Store) -> None:
    """The store remembers which one is its own, before anything was sealed by it."""
    first, other = Vault(key()), Vault(key())
    sealing.admit(store, first)
    with pytest.raises(VaultError, match=rf"store.master_key: is the master key {other.current}, .*{first.current}"):
        sealing.admit(store, other)
    assert sealing.admit(store, first).revision == 0


def test_a_change_of_the_master_key_takes_over_no_store_of_another(store: Store) -> None:
    """It may be the first to see a store that comes back, while nothing is in it; the store stays that of its own master key."""
    first, other = Vault(key()), Vault(key())
    sealing.admit(store, first)
    assert not sealing.rewrap(store, other, OPEN)
    assert store.masters() == {first.current}
    assert sealing.rewrap(store, first, OPEN)


def test_a_missing_master_key_is_told_by_the_record(store: Store) -> None:
    """Where there are keys; a store without any needs no master key."""
    assert sealing.admit(store, None) == State()
    fill(store, Vault(key()), 1)
    with pytest.raises(VaultError, match=r"providers/edge/keys/k0: is sealed .* give it as store\.master_key"):
        sealing.admit(store, None)


@pytest.mark.parametrize("column", ["data_key", "nonce", "text", "master", "alias", "provider"])
def test_a_record_that_was_tampered_with_is_named(column: str, kept: Store, folder: config.Store) -> None:
    """Whatever was changed in the file: the ciphertext, or whose it is."""
    vault = Vault(key())
    sealing.admit(kept, vault)
    fill(kept, vault, 1)
    with closing(sqlite3.connect(Path(str(folder.directory)) / "llm-gateway.db")) as raw, raw:
        value = f"'{'0' * 16}'" if column in ("master", "alias", "provider") else f"zeroblob(length({column}))"
        raw.execute(f"UPDATE llm_keys SET {column} = {value}")
    with pytest.raises(VaultError) as refused:
        sealing.admit(kept, vault)
    assert str(refused.value).startswith("providers/")
    assert "\n" not in str(refused.value)
    assert CANARY not in str(refused.value)


def test_a_master_key_follows_another(store: Store) -> None:
    """With both given everything opens; then all is sealed by the new one alone, in small transactions, and the old one is not the store's any more."""
    old, new = key(), key()
    fill(store, Vault(old), 450)
    both = Vault(new, [old])
    before = opened(sealing.admit(store, both), both)
    assert store.masters() == {new.id}
    assert sealing.rewrap(store, both, OPEN)
    state = store.state()
    assert {one.sealed.master for one in state.keys} == {new.id}
    assert state.revision == 1 + 3
    assert [revision.change.method for revision in store.revisions(limit=3)] == ["RewrapKeys"] * 3
    assert opened(state, Vault(new)) == before
    assert state.keys[0].fingerprint == Vault(new).fingerprint(f"{CANARY}-0")
    with pytest.raises(VaultError):
        sealing.admit(store, Vault(old))


def test_a_change_beside_the_rotation_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others change meanwhile is neither lost nor brought back."""
    old, new = key(), key()
    fill(store, Vault(old), 3)
    both, commit = Vault(new, [old]), store.commit
    others = iter([True])

    def slow(base: State, to: State, change: Change) -> State:
        if next(others, False):
            commit(base, replace(base, keys=base.keys[:1], entries=Entries(enabled={"edge": True})), CHANGE)
        return commit(base, to, change)

    monkeypatch.setattr(store, "commit", slow)
    assert sealing.rewrap(store, both, OPEN)
    state = store.state()
    assert [one.alias for one in state.keys] == ["k0"]
    assert state.keys[0].sealed.master == new.id
    assert state.entries.enabled == {"edge": True}


def test_a_damaged_key_stays_and_keeps_the_old_master_key(kept: Store, folder: config.Store) -> None:
    """Nothing of it is overwritten, and nobody is told that the old master key may go."""
    old, new = key(), key()
    fill(kept, Vault(old), 2)
    sealing.admit(kept, both := Vault(new, [old]))
    with closing(sqlite3.connect(Path(str(folder.directory)) / "llm-gateway.db")) as raw, raw:
        raw.execute("UPDATE llm_keys SET text = x'00' WHERE alias = 'k1'")
    damaged = kept.state().keys[1]
    assert not sealing.rewrap(kept, both, OPEN)
    assert kept.state().keys[1] == damaged


CHILD = """
import sys, threading
from llm_gateway import config
from llm_gateway.store import sealing
from llm_gateway.store.master import MasterKey
from llm_gateway.store.store import Store
from llm_gateway.store.vault import Vault
sealing.AT_ONCE = 1
old, new, directory, most = sys.argv[1:]
store = Store.open(config.Store(directory=directory))
commit = store.commit
def commit_some(base, to, change):
    if sum(key.sealed.master != MasterKey(bytes.fromhex(old)).id for key in base.keys) >= int(most):
        threading.Event().wait()
    return commit(base, to, change)
store.commit = commit_some
print("begun", flush=True)
sealing.rewrap(store, Vault(MasterKey(bytes.fromhex(new)), [MasterKey(bytes.fromhex(old))]), threading.Event())
"""


def test_a_rotation_that_was_killed_goes_on(kept: Store, folder: config.Store) -> None:
    """At whatever moment: each key opens by one of the two, and the next start wraps what is left. Who is not killed in time waits for it."""
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    count = 60
    fill(kept, Vault(MasterKey(old)), count)
    both = Vault(MasterKey(new), [MasterKey(old)])
    texts = opened(kept.state(), both)

    def done(state: State) -> int:
        return sum(one.sealed.master == both.current for one in state.keys)

    for wanted, most in ((1, 15), (20, 35), (40, 55)):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, old.hex(), new.hex(), str(folder.directory), str(most)],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == b"begun\n"
            eventually_blocking(lambda w=wanted: done(kept.state()) >= w, "some are wrapped anew")  # type: ignore[misc]
        child.send_signal(signal.SIGKILL)
        child.wait(PATIENCE)
        state = sealing.admit(kept, both)
        assert opened(state, both) == texts
        assert wanted <= done(state) <= most
    assert sealing.rewrap(kept, both, OPEN)
    assert opened(kept.state(), Vault(MasterKey(new))) == texts


def test_what_a_lost_master_key_has_sealed_can_be_forgotten(store: Store) -> None:
    """Only that, and it is told; then the store has the new master key."""
    lost, new = Vault(key()), Vault(key())
    sealing.admit(store, lost)
    fill(store, lost, 2)
    with pytest.raises(VaultError, match="master-key forget"):
        sealing.admit(store, new)
    assert sealing.forget(store, new) == ["providers/edge/keys/k0", "providers/edge/keys/k1"]
    assert sealing.admit(store, new).keys == ()
    state = store.state()
    store.commit(state, replace(state, keys=(sealed(new, "main", "x"),)), CHANGE)
    assert sealing.forget(store, new) == []
    assert len(store.state().keys) == 1


def test_the_command_forgets_what_no_master_key_opens(
    kept: Store, folder: config.Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """First it only says what; with --yes it does. A wrong master key is told in a line."""
    made = master.write(str(tmp_path / "master"), master.new())
    lost, given = Vault(key()), Vault(made)
    sealing.admit(kept, lost)
    fill(kept, lost, 1)
    state = kept.state()
    kept.commit(state, replace(state, keys=(*state.keys, sealed(given, "main", CANARY))), CHANGE)
    settings = {
        "admin": {"keys": [{"name": "ops", "role": "admin", "hash": f"sha256:{'0' * 64}"}]},
        "store": {"directory": str(folder.directory), "master_key": {"file": str(tmp_path / "master")}},
        "providers": {"echo": {}},
    }
    (tmp_path / "gateway.yaml").write_text(json.dumps(settings))
    command = ["master-key", "forget", "--config", str(tmp_path / "gateway.yaml")]
    assert main(command) == 1
    assert "providers/edge/keys/k0" in capsys.readouterr().out
    assert len(kept.state().keys) == 2
    assert main([*command, "--yes"]) == 0
    assert capsys.readouterr().out == "removed: providers/edge/keys/k0\n"
    assert opened(sealing.admit(kept, given), given) == {"providers/edge/keys/main": CANARY}
    assert main(command) == 0
    (tmp_path / "master").chmod(0o644)
    assert main(command) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_a_running_gateway_says_when_the_old_master_key_may_go(
    kept: Store, folder: config.Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its log and in `status`; from then on it starts without it, and the keys are those that they were."""
    old = master.write(str(tmp_path / "old"), master.new())
    master.write(str(tmp_path / "new"), master.new())
    sealing.admit(kept, Vault(old))
    fill(kept, Vault(old), 3)
    place = {"directory": str(folder.directory), "master_key": {"file": str(tmp_path / "new")}}
    settings = {
        "admin": {"listen": "127.0.0.1:0", "keys": [key_line("ops", "admin")]},
        "store": {**place, "old_master_keys": [{"file": str(tmp_path / "old")}]},
        "providers": {"edge": gateways.provider("http://127.0.0.1:9")},
    }
    with started(tmp_path, settings) as running:
        [line] = running.wait_for("master key changed", 1)
        assert line["unneeded"] == "store.old_master_keys"
        with running.admin("ops") as admin:
            eventually_blocking(
                lambda: admin.get_effective_config().unneeded_settings, "the old master key is unneeded"
            )
        (tmp_path / "key").write_text(key_of("ops"))
        assert main(["status", "--address", running.address, "--admin-key-file", str(tmp_path / "key")]) == 0
        assert "note: store.old_master_keys can be taken out" in capsys.readouterr().out
    with started(tmp_path, {**settings, "store": place}) as running, running.admin("ops") as admin:
        assert len(admin.list_provider_keys("edge")) == 3
        assert not admin.get_effective_config().unneeded_settings
