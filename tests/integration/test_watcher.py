"""What a killed gateway leaves: the program that clears up, and the next one's cleaning, with real processes and folders."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from llm_gateway.upstream.processes.watcher import PROGRAM, Watcher

from tests.support.waiting import eventually


def watching(temporary: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", str(PROGRAM), str(temporary)], stdin=subprocess.PIPE, env={}, cwd="/"
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/cwd"), reason="finds processes by /proc")
def test_a_process_that_nobody_told_of_is_found_by_its_folder(tmp_path: Path) -> None:
    """The gateway was killed between starting it and saying so; what it started goes too, and so does a folder that is written to till then."""
    folder = tmp_path / "llm-gateway-one"
    (folder / "work").mkdir(parents=True)
    script = "trap '' TERM HUP; (while :; do mkdir -p x/y; rmdir x/y; sleep 0.01; done) & while :; do sleep 1; done"
    with subprocess.Popen(["/bin/sh", "-c", script], cwd=folder / "work", start_new_session=True) as process:
        try:
            watcher = watching(tmp_path)
            assert watcher.stdin is not None
            watcher.stdin.write(f"+ 0 {folder}\n".encode())
            watcher.stdin.close()
            assert watcher.wait(120) == 0
            assert process.wait(120) == -signal.SIGKILL
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert not folder.exists()


def test_what_is_gone_is_left_alone(tmp_path: Path) -> None:
    """A folder that was removed, and made again by somebody else, is theirs."""
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    watcher = watching(tmp_path)
    assert watcher.stdin is not None
    watcher.stdin.write(f"+ 0 {folder}\n+ 999999999 {folder}\n- {folder}\n".encode())
    watcher.stdin.close()
    assert watcher.wait(120) == 0
    assert folder.exists()


async def test_folders_of_gateways_that_are_dead_are_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that nobody holds a lock on; not a living gateway's, not one that is being made, not other people's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old = time.time() - 3600
    watcher = Watcher()
    living = Path(await watcher.folder())
    dead, others = tmp_path / "llm-gateway-dead", tmp_path / "other"
    for folder in (dead, others, living):
        (folder / "file").mkdir(parents=True)
        os.utime(folder, (old, old))
    new = tmp_path / "llm-gateway-new"
    new.mkdir()
    (tmp_path / "llm-gateway-link").symlink_to(others)
    second = Watcher()
    try:
        await second.folder()
        await eventually(lambda: not dead.exists(), "the dead gateway's folder is removed")
        await second.aclose()
        assert new.exists()
        assert all((folder / "file").exists() for folder in (living, others))
        await watcher.remove(str(living))
        assert not living.exists()
    finally:
        await watcher.aclose()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="finds descriptors by /proc")
async def test_a_lock_goes_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand calls leave no descriptor open."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    watcher = Watcher()
    folder = await watcher.folder()
    for _ in range(20):
        one = await watcher.folder()
        descriptor = os.open(one, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        await watcher.remove(one)
    assert open_below(tmp_path) == [folder]
    await watcher.remove(folder)
    assert open_below(tmp_path) == []
    await watcher.aclose()
    assert os.listdir(tmp_path) == []


def open_below(path: Path) -> list[str]:
    """Where this process's descriptors lead, of those below a folder; of the others some may go at any moment."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was the one that lists them
            found.append(os.readlink(each))
    return [one for one in found if one.startswith(str(path))]
