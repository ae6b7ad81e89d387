"""Tells when what the configuration was made of has changed: its files, and the servers that run on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

from llm_gateway.config import Sources, local_servers
from llm_gateway.config.discovery import Probe, answers
from llm_gateway.telemetry import logs

SETTLE = 0.5
"""Seconds that files must stand still: who writes one anew empties it first, and a certificate is written before its key."""


class Looking:
    """Looks at something again and again, in a thread of its own: what hangs there holds up neither calls nor the end. The thread starts with the
    first interval that is not 0.

    look: whether there is something to tell; it is given how to wait a little. changed: told in that thread. interval: seconds between two looks; 0:
    none. May be set at any time.
    """

    def __init__(
        self, look: Callable[[Callable[[], None]], bool], changed: Callable[[], None], interval: float
    ) -> None:
        self._look = look
        self._changed = changed
        self._interval = 0.0
        self._started = False
        self._wake = threading.Event()
        self.interval = interval

    @property
    def interval(self) -> float:
        return self._interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        if seconds != self._interval:
            self._interval = seconds
            self._wake.set()
        if seconds and not self._started:
            self._started = True
            self._wake.clear()
            threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def _run(self) -> None:
        while True:
            if self._wake.wait(self._interval or None):
                self._wake.clear()
            elif self._look(self._still):
                self._changed()

    def _still(self) -> None:
        self._wake.wait(SETTLE)


class Files:
    """The files that were read last. `changed` tells when they have stood still and are not what was read; of one content once, until they are read
    again."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._told: tuple[int, dict[str, str | None]] | None = None

    def changed(self, wait: Callable[[], None]) -> bool:
        """Whether to tell: the files hold something that nobody was told of, and hold it still after a wait."""
        now = self._sources.now()
        while now != self._sources.seen() and (self._sources.reading, now) != self._told:
            wait()
            before, now = now, self._sources.now()
            if now == before:
                self._told = self._sources.reading, now
                return True
        return False


class LocalServers:
    """The kinds whose server answers on this machine at its usual address, or has since the start: one that stops stays a provider, whose callers are
    told. `local` of ``config.read``."""

    def __init__(self, probe: Probe = answers) -> None:
        self._probe = probe
        self._found: tuple[str, ...] = ()
        self._telling = False
        self.wanted = False
        """Whether the last reading asked, for the environment's providers."""

    def begin(self) -> None:
        """The configuration is read anew."""
        self.wanted = False

    def tell(self) -> None:
        """There is a log by now: tell it what was found, and from now on whatever is."""
        self._telling = True
        self._log(self._found)

    def __call__(self) -> tuple[str, ...]:
        self.wanted = True
        self._look()
        return self._found

    def appeared(self, wait: Callable[[], None]) -> bool:
        """Whether one answers that none of the readings knew."""
        return self.wanted and self._look()

    def _look(self) -> bool:
        found = local_servers(self._probe, but=self._found)
        self._found += found
        self._log(found)
        return bool(found)

    def _log(self, found: tuple[str, ...]) -> None:
        if found and self._telling:
            logs.log().info("local servers found", kinds=found)
