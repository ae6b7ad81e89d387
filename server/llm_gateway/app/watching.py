"""Tells when the files of the configuration have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from llm_gateway.config import Sources

SETTLE = 0.5
"""Seconds that files must stand still: who writes one anew empties it first, and a certificate is written before its key."""


class Watcher:
    """Looks at the files that were read last, in a thread of its own: a file system that hangs holds up neither calls nor the end.

    changed: called in that thread when the files have stood still and are not what was read; for one content once, until they are read again.
    interval: seconds between two looks; 0: none. May be set while it runs.
    """

    def __init__(self, sources: Sources, changed: Callable[[], None], interval: float) -> None:
        self._sources = sources
        self._changed = changed
        self._interval = interval
        self._told: tuple[int, dict[str, str | None]] | None = None
        self._wake = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    @property
    def interval(self) -> float:
        return self._interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        if seconds != self._interval:
            self._interval = seconds
            self._wake.set()

    def _run(self) -> None:
        while True:
            if self._wake.wait(self._interval or None):
                self._wake.clear()
            elif self.look(self._still):
                self._changed()

    def _still(self) -> None:
        self._wake.wait(SETTLE)

    def look(self, wait: Callable[[], None]) -> bool:
        """Whether to tell: the files hold something that nobody was told of, and hold it still after a wait."""
        now = self._sources.now()
        while now != self._sources.seen() and (self._sources.reading, now) != self._told:
            wait()
            before, now = now, self._sources.now()
            if now == before:
                self._told = self._sources.reading, now
                return True
        return False
