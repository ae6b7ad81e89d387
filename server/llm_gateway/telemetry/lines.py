"""Writes lines to a file descriptor that may block: a pipe that nobody reads stops the thread that writes to it, and nobody else."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

MOST_BYTES = 1 << 20
"""Bytes of lines that may wait to be written; further lines are dropped."""
WHOLE = select.PIPE_BUF
"""Bytes that reach a pipe in one piece, whoever else writes to it (POSIX write(2)); longer lines are written on their own."""
GATHERING = 0.005
"""Seconds between writes, in which lines gather: waking the thread for each line would cost a call more than the line does."""


class Lines:
    """Takes lines from any thread at once, and writes them from its own, in order and whole.

    fd: the file descriptor. dropped: how many lines found no room, in all. told: once writing succeeds again, it is called with the number
    of dropped lines that it has not been told of; for a line that it writes itself there is always room. A line that cannot be written is lost.
    """

    def __init__(self, fd: int, told: Callable[[int], None], *, most: int = MOST_BYTES) -> None:
        self.dropped = 0
        self.fd = fd
        self._told = told
        self._most = most
        self._untold = 0
        self._held = 0
        self._lines: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None

    def put(self, line: bytes) -> None:
        """Have the line, which ends in a line feed, written soon; or drop it."""
        with self._lock:
            if self._held + len(line) > self._most and threading.current_thread() is not self._thread:
                self.dropped += 1
                self._untold += 1
                return
            self._held += len(line)
            self._lines.append(line)
            if not self._idle.is_set():
                return
            self._idle.clear()
            self._some.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def flush(self, seconds: float = 1.0) -> bool:
        """Wait until everything is written, at most so many seconds. Returns whether it is."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            while lines := self._next():
                with suppress(OSError):
                    self._write_all(lines)
                    self._tell()
                with self._lock:
                    self._held -= len(lines)
                    gather = self._held < WHOLE
                if gather:
                    time.sleep(GATHERING)

    def _next(self) -> bytes:
        """Whole lines, to be written at once; none when nothing waits, and then the thread is idle."""
        with self._lock:
            taken: list[bytes] = []
            size = 0
            while self._lines and (not taken or size + len(self._lines[0]) <= WHOLE):
                size += len(self._lines[0])
                taken.append(self._lines.popleft())
            if not taken:
                self._idle.set()
            return b"".join(taken)

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:  # whoever shares the file description made it so
                select.select((), (self.fd,), ())

    def _tell(self) -> None:
        with self._lock:
            count, self._untold = self._untold, 0
        if count:
            self._told(count)
