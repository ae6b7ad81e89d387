"""Folders for children, and the program that ends the children and removes the folders when the gateway is killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

PROGRAM = Path(__file__).with_name("watcher_child.py")
PREFIX = "llm-gateway-"
CLOSED = (OSError, RuntimeError)
"""What writing to a pipe raises once the other side has closed it; RuntimeError with uvloop."""


def locked_folder(temporary: str | None = None) -> tuple[str, int | None]:
    """A new folder for our user alone, and the descriptor that locks it while we live: without it, it is removed as `forgotten`. Raises OSError."""
    path, lock = tempfile.mkdtemp(prefix=PREFIX, dir=temporary), None
    with suppress(OSError):
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return path, lock


class Watcher:
    """Talks to the program, which learns of our end by the end of its standard input. A folder is reported before a process is started
    in it, so that a kill at any moment leaves nothing behind."""

    def __init__(self) -> None:
        self._process: asyncio.Task[asyncio.subprocess.Process] | None = None
        self._locks: dict[str, int] = {}

    async def folder(self) -> str:
        """A new folder, locked while we live. Raises OSError. If the program cannot be started, children run without it."""
        if self._process is None:
            self._process = asyncio.get_running_loop().create_task(
                asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", str(PROGRAM), tempfile.gettempdir()),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    start_new_session=True,
                )
            )
        with suppress(*CLOSED):
            await asyncio.shield(self._process)
        path, lock = locked_folder()
        if lock is not None:
            self._locks[path] = lock
        self._tell(f"+ 0 {path}")
        return path

    def runs(self, pid: int, folder: str) -> None:
        """A process that leads a group has been started in a folder."""
        self._tell(f"+ {pid} {folder}")

    async def remove(self, folder: str) -> None:
        """Remove a folder whose process has ended."""
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._tell(f"- {folder}")
        if folder in self._locks:
            os.close(self._locks.pop(folder))

    async def aclose(self) -> None:
        """Let the program end: of what has been removed nothing is left."""
        if self._process is not None:
            with suppress(*CLOSED):
                program = await self._process
                if program.stdin is not None:
                    program.stdin.close()
                await program.wait()

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.done() and self._process.exception() is None:
            pipe = self._process.result().stdin
            with suppress(*CLOSED):
                if pipe is not None:
                    pipe.write(f"{line}\n".encode())
