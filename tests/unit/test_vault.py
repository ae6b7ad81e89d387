"""Secrets at rest: what a vault seals, what it refuses to open, and where master keys come from."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import secrets
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.cli import main
from llm_gateway.config import ConfigError
from llm_gateway.store import master
from llm_gateway.store.master import MasterKey
from llm_gateway.store.vault import Sealed, Vault, VaultError

RECORD = "providers/edge/keys/main"
TEXT = "canary-of-the-vault"


def key() -> MasterKey:
    return MasterKey(secrets.token_bytes(32))


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens(record: str, text: str) -> None:
    """Any text under any name comes back."""
    record = record.encode("utf-8", "replace").decode()
    vault = Vault(key())
    assert vault.open(record, vault.seal(record, text)) == text


def test_no_two_writes_share_anything() -> None:
    """Data key and nonces are new with each write, so equal texts look different."""
    vault = Vault(key())
    sealed = [vault.seal(RECORD, TEXT) for _ in range(100)]
    parts = [(one.nonce, one.text, one.data_key[:12], one.data_key[12:]) for one in sealed]
    assert all(len(set(column)) == 100 for column in zip(*parts, strict=True))
    assert not any(TEXT.encode() in msgspec.msgpack.encode(one) for one in sealed)


@pytest.mark.parametrize("field", ["data_key", "nonce", "text"])
def test_any_changed_byte_is_noticed(field: str) -> None:
    """Each byte of a record is authenticated, and so is its length."""
    vault = Vault(key())
    sealed = vault.seal(RECORD, TEXT)
    good: bytes = getattr(sealed, field)
    changed = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    for wrong in (*changed, good[:-1], good + b"\0", b"", b"\0" * len(good)):
        with pytest.raises(VaultError, match=r"providers/edge/keys/main: is not what this gateway has written"):
            vault.open(RECORD, msgspec.structs.replace(sealed, **{field: wrong}))


def test_a_record_opens_under_its_own_name_only() -> None:
    """Whoever writes to the store cannot put one provider's key, or a part of it, in the place of another's."""
    vault = Vault(key())
    one, other = vault.seal(RECORD, TEXT), vault.seal("providers/other/keys/main", "x")
    with pytest.raises(VaultError, match="put in the place of another"):
        vault.open("providers/other/keys/main", one)
    with pytest.raises(VaultError):
        vault.open(RECORD, msgspec.structs.replace(one, data_key=other.data_key))
    swapped = Sealed(master=one.master, data_key=one.data_key, nonce=other.nonce, text=other.text)
    with pytest.raises(VaultError):
        vault.open(RECORD, swapped)


def test_a_master_key_that_is_not_given_is_named() -> None:
    """The error names the record and the key by its id, and says where the key goes."""
    old, new = key(), key()
    sealed = Vault(old).seal(RECORD, TEXT)
    with pytest.raises(VaultError, match=rf"^{RECORD}: is sealed by the master key {old.id}, .*old_master_keys"):
        Vault(new).open(RECORD, sealed)
    relabelled = msgspec.structs.replace(sealed, master=new.id)
    with pytest.raises(VaultError, match="is not what this gateway has written"):
        Vault(new).open(RECORD, relabelled)


def test_a_new_master_key_takes_over() -> None:
    """What the old key sealed is opened, wrapped anew, and then opens without the old one; the text is sealed as before."""
    old, new = key(), key()
    sealed = Vault(old).seal(RECORD, TEXT)
    both = Vault(new, [old])
    assert both.open(RECORD, sealed) == TEXT
    wrapped = both.rewrap(RECORD, sealed)
    assert wrapped.master == new.id
    assert (wrapped.nonce, wrapped.text) == (sealed.nonce, sealed.text)
    assert Vault(new).open(RECORD, wrapped) == TEXT
    assert both.seal(RECORD, TEXT).master == new.id
    damaged = msgspec.structs.replace(sealed, text=b"x" + sealed.text[1:])
    with pytest.raises(VaultError):
        both.rewrap(RECORD, damaged)


def test_fingerprints_tell_equal_keys_and_nothing_else() -> None:
    """Equal texts share one; another master key gives others, so a guess cannot be tried without it."""
    vault = Vault(first := key())
    assert vault.fingerprint(TEXT) == Vault(first, [key()]).fingerprint(TEXT)
    assert len({vault.fingerprint(f"{TEXT}{number}") for number in range(1000)}) == 1000
    assert Vault(key()).fingerprint(TEXT) != vault.fingerprint(TEXT)
    assert len(vault.fingerprint(TEXT)) == 12


def test_purposes_have_keys_of_their_own() -> None:
    """The id and the fingerprints say nothing of the key that wraps."""
    one = key()
    derived = [one.derive(purpose) for purpose in ("id", "wrapping", "fingerprints")]
    assert len(set(derived)) == 3
    assert one.id == derived[0][:8].hex()
    assert key().id != one.id


def test_nothing_shows_a_master_key() -> None:
    """Neither repr nor pickle nor a traceback with the values of its frames."""
    raw = secrets.token_bytes(32)
    one = MasterKey(raw)
    vault = Vault(one)
    shown = [repr(one), str(one), f"{one}", repr(vault)]
    for refused in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="is not pickled"):
            refused(one)
    try:
        vault.open("another", vault.seal(RECORD, TEXT))
    except VaultError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [
            str(frame.locals)
            for frame in told.stack
            if frame.filename.endswith("vault.py") and "test_" not in frame.filename
        ]
        assert ours
        shown += [repr(error), *ours]
    for text in shown:
        assert raw.hex() not in text
        assert repr(raw)[2:-1] not in text


# ---------------------------------------------------------------- where master keys come from
RAW = bytes(range(32))
TEXTS = {
    "base64url": base64.urlsafe_b64encode(RAW).decode(),
    "without padding": base64.urlsafe_b64encode(RAW).decode().rstrip("="),
    "base64": base64.b64encode(RAW).decode(),
    "hexadecimal": RAW.hex(),
    "capitals": RAW.hex().upper(),
    "a line": RAW.hex() + "\n",
    "a line of Windows": "\ufeff" + RAW.hex() + "\r\n",
}
WRONG = {
    "nothing": "",
    "blank": " \n",
    "too short": RAW[:31].hex(),
    "too long": RAW.hex() + "00",
    "two lines": f"{RAW.hex()}\n{RAW.hex()}",
    "a password": "correct horse battery staple, and so on till 43",
    "zeros": "0" * 64,
    "an endless file": RAW.hex() * 1000,
    "not text": "\udcff" * 43,
}


def _file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "master"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(mode)
    return str(path)


def _of_file(folder: Path, text: str) -> MasterKey:
    return master.from_file(_file(folder, text), "store.master_key.file")


def _of_variable(folder: Path, text: str) -> MasterKey:
    return master.from_variable("MASTER", {"MASTER": text}, "store.master_key.env")


def _of_command(folder: Path, text: str) -> MasterKey:
    return master.from_command(["cat", _file(folder, text)], "store.master_key.command")


WAYS = [_of_file, _of_variable, _of_command]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_way_takes_every_notation(way: Callable[[Path, str], MasterKey], text: str, tmp_path: Path) -> None:
    """Base64 in both alphabets and hexadecimal digits are the same key."""
    assert way(tmp_path, text).id == MasterKey(RAW).id


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_text_is_refused_unseen(way: Callable[[Path, str], MasterKey], text: str, tmp_path: Path) -> None:
    """One line that names the setting and the command that makes a key; nothing of what was found."""
    with pytest.raises(ConfigError) as refused:
        way(tmp_path, text)
    said = str(refused.value)
    assert said.startswith("store.master_key.")
    assert "llm-gateway master-key new" in said
    assert "\n" not in said
    assert not text.strip() or text.strip()[:12] not in said


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o602, 0o777])
def test_a_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    """Group and others have no business with the master key; the error says what to type."""
    path = _file(tmp_path, RAW.hex(), mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:04o}\); chmod 600 {path}"):
        master.from_file(path, "store.master_key.file")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_is_read(mode: int, tmp_path: Path) -> None:
    """Also one that nobody may write."""
    assert master.from_file(_file(tmp_path, RAW.hex(), mode), "at").id == MasterKey(RAW).id


def test_the_group_may_read_a_file_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Kubernetes mounts a Secret for a container that does not run as root: mode 0440, by fsGroup. Others still may not."""
    if os.geteuid() != 0:
        pytest.skip("needs a file of root's")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert master.from_file(_file(tmp_path, RAW.hex(), 0o440), "at").id == MasterKey(RAW).id
    for mode in (0o444, 0o460):
        with pytest.raises(ConfigError, match="may be read or written by others"):
            master.from_file(_file(tmp_path, RAW.hex(), mode), "at")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """A path that is missing, a folder, a pipe's name that would block is told, with the path."""
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigError, match=str(path)):
            master.from_file(str(path), "store.master_key.file")
    os.mkfifo(pipe := tmp_path / "pipe")
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(ConfigError, match=f"{path} is not a file"):
            master.from_file(str(path), "store.master_key.file")


def test_a_variable_that_is_not_set_is_named() -> None:
    """By its name."""
    with pytest.raises(ConfigError, match=r"store\.master_key\.env: the variable MASTER is not set"):
        master.from_variable("MASTER", {}, "store.master_key.env")


def test_a_command_that_fails_is_told_without_its_words() -> None:
    """Program and exit code or signal are named; its standard error is not shown, nor its arguments."""
    secret = "canary-in-an-argument"
    for script, told in (("exit 3", "exited with code 3"), ("kill -9 $$", "was ended by SIGKILL")):
        with pytest.raises(ConfigError, match=rf"at: sh {told}; try it by hand") as refused:
            master.from_command(["sh", "-c", f"echo {secret} >&2; echo {secret}; {script}"], "at")
        assert secret not in str(refused.value)
    with pytest.raises(ConfigError, match="at: no-such-program cannot be run: No such file"):
        master.from_command(["no-such-program"], "at")


def test_no_shell_reads_a_command() -> None:
    """An argument is an argument."""
    with pytest.raises(ConfigError, match="is no master key"):
        master.from_command(["echo", "$(cat /etc/passwd)"], "at")


def test_a_command_gets_no_input() -> None:
    """One that would ask for a password ends instead of waiting for somebody."""
    with pytest.raises(ConfigError, match="is no master key"):
        master.from_command(["cat"], "at")


@pytest.mark.parametrize("script", ["sleep 600", "exec >&-; sleep 600", "sleep 600 & sleep 600"])
def test_a_command_that_does_not_end_is_ended(script: str) -> None:
    """With all that it started, also where it has closed its output."""
    with pytest.raises(ConfigError, match=r"at: sh has not ended within 0\.5s"):
        master.from_command(["sh", "-c", script], "at", timeout=0.5)


def test_a_command_that_prints_without_end_is_ended() -> None:
    """After a few kilobytes."""
    with pytest.raises(ConfigError, match="is no master key"):
        master.from_command(["yes"], "at", timeout=60)


def test_a_new_key_is_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, never over another; it reads as a key, and no two are alike."""
    path = tmp_path / "master"
    before = os.umask(0)
    try:
        written = master.write(str(path), text := master.new())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert written.id == master.from_file(str(path), "at").id == master.from_variable("M", {"M": text}, "at").id
    with pytest.raises(FileExistsError):
        master.write(str(path), master.new())
    assert path.read_text() == f"{text}\n"
    assert master.new() != master.new()


def test_the_command_makes_a_key_and_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints can be put into the file as it is, and does not hold the key; a second time it is refused, and the key stays."""
    path = tmp_path / "a: master"
    assert main(["master-key", "new", str(path)]) == 0
    said = capsys.readouterr().out
    text = path.read_text().strip()
    assert text not in said
    lines = said[said.index("\nstore:") :]
    assert yaml.safe_load(lines) == {"store": {"master_key": {"file": str(path)}}}
    assert master.from_file(str(path), "at").id in said
    assert main(["master-key", "new", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text().strip() == text
    assert main(["master-key", "new", str(tmp_path / "no" / "folder")]) == 2
    assert "cannot be written: No such file" in capsys.readouterr().err
    assert main(["master-key", "new", str(tmp_path / "second"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"file": str(tmp_path / "second"), "id": master.from_file(str(tmp_path / "second"), "at").id}
