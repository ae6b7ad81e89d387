"""The configuration read again while it is served by: what a reload may change, and when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from time import time
from typing import Any, Protocol

from llm_gateway import config
from llm_gateway.app.watching import Files, LocalServers, Looking
from llm_gateway.telemetry import logs

RELOADED = frozenset({"api_keys", "max_in_flight", "overrides", "reload_interval", "send_timeout"})
RESTART = tuple(name for name in config.Server.__struct_fields__ if name not in RELOADED)
"""Settings of `server` that a reload does not change; of `tls` it changes the files, see ServerCertificate."""
ADMIN_RESTART = ("listen", "client_certificates", "tls")
"""The same of `admin`; taking the section out leaves the port open to nobody until then."""


def check(started: config.Config, settings: config.Config) -> None:
    """Raises ConfigError for a configuration that would open a server started by another one, where it listens now, to everyone."""
    listen = started.server.listen
    if not settings.server.api_keys and not config.is_private(listen):
        wrong = f"is gone, and the gateway listens on {listen} until it is started again"
        right = "keep a key, or restart"
        raise config.ConfigError([config.ConfigProblem(file="reload", key="server.api_keys", wrong=wrong, right=right)])


def waiting(old: config.Config, new: config.Config) -> list[str]:
    """The settings that are other than at the start, and that only a restart takes."""
    names = [f"server.{name}" for name in RESTART if _fixed(old.server, name) != _fixed(new.server, name)]
    if (old.admin is None) != (new.admin is None):
        names.append("admin")
    elif old.admin is not None and new.admin is not None:
        names += [f"admin.{name}" for name in ADMIN_RESTART if _fixed(old.admin, name) != _fixed(new.admin, name)]
    if old.store != new.store:
        names.append("store")
    if old.telemetry.service_name != new.telemetry.service_name:
        names.append("telemetry.service_name")
    return names


def _fixed(port: config.Server | config.Admin, name: str) -> object:
    """What a restart alone changes of a setting."""
    if name == "tls" and port.tls is not None:
        return port.tls.client_ca_file is not None
    return getattr(port, name)


class Serving(Protocol):
    """What serves by a configuration: a gateway, or the process that administers its workers."""

    settings: config.Config

    async def reload(self, settings: config.Config) -> None:
        """Serve by another one. Raises what `check` raises."""
        ...

    def refuse(self, problem: str, since: float) -> None:
        """What the files hold now, or a part of what was set at run time, is not in force, why, and since when (Unix time)."""
        ...

    def unread(self, problem: str) -> None:
        """What was set at run time is not known, and why; "" once it is."""
        ...

    async def load_prices(self, *, again: bool = True) -> None:
        """Read what the configuration needs besides; not again: only what it did not need before."""
        ...


LONGEST = 60.0
"""Seconds after which the end of a key is looked at again: the machine's time may be set."""


class Reload:
    """Has another configuration served by: read again on SIGHUP, when its files have changed and when the administration asks, or the same under what
    was set at run time since. One at a time.

    read: reads it, and notes the files in what it is given. sources: the files of the last reading that was to be served by. found: that reading.
    layer: what was set at run time; None where nothing can be. left: what of it is not in force. local: what the reading asks for local servers.
    """

    def __init__(
        self,
        gateway: Serving,
        read: Callable[[config.Sources], config.Layered],
        sources: config.Sources,
        found: config.Layered,
        *,
        layer: config.Layer | None = None,
        left: config.Left | None = None,
        local: LocalServers | None = None,
    ) -> None:
        self.prepared: Callable[[config.Admin | None], Callable[[], None]] | None = None
        """The administration's: see Administration.prepared."""
        self._gateway = gateway
        self._started = gateway.settings
        self._read = read
        self._sources = sources
        self._found = found
        self._layer = layer
        self._left: config.Left = {}
        self.refusal: tuple[str, float] | None = None
        """What is not in force, a problem a line, and since when; None where all is."""
        self._refused: tuple[str, float] | None = None  # what the files hold
        self._reading = asyncio.Lock()  # a file system that hangs holds up no change at run time
        self._one = asyncio.Lock()
        self._ending: asyncio.TimerHandle | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._local = local or LocalServers()
        self._files: Looking | None = None
        self._servers: Looking | None = None
        self._told: list[str] = []
        if layer is not None:
            self._took(found, layer, left or {})

    def watch(self, again: Callable[[], None]) -> None:
        """Have `again` called on this event loop when the files have changed, and when a local server has appeared."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(again)

        self._files = Looking(Files(self._sources).changed, changed, 0.0)
        self._servers = Looking(self._local.appeared, changed, 0.0)
        self._look(self._gateway.settings)

    def _look(self, settings: config.Config) -> None:
        if self._files is not None and self._servers is not None:
            self._files.interval = settings.server.reload_interval
            self._servers.interval = settings.discovery.local_interval if self._local.wanted else 0.0

    async def hung_up(self) -> None:
        """Take the new configuration if it is right; else keep the old one and say so."""
        with suppress(config.ConfigError, OSError, ValueError):
            await self._reload()
            await self._gateway.load_prices()

    async def asked(self, check_only: bool) -> tuple[config.Config, Sequence[str]]:
        """The configuration that is in force then, or that is only checked, and its changed settings that need a restart. Raises ConfigError, OSError
        and ValueError for a wrong one."""
        if check_only:
            async with self._reading:
                found, alone = await asyncio.to_thread(self._read_right, config.Sources())
                async with self._one:
                    settings, _ = await asyncio.to_thread(self._under, found, alone)
                    check(self._started, settings)
                    return settings, waiting(self._started, settings)
        done = await self._reload()
        self._start(self._gateway.load_prices())
        return done

    async def preview(self, layer: config.Layer) -> config.Config:
        """What the configuration in force would be under a layer. Raises ConfigError where something of it would be wrong that is not so already."""
        async with self._one:
            settings, _ = await asyncio.to_thread(self._judged, self._found, layer)
            return settings

    async def take(self, layer: config.Layer) -> None:
        """Serve new calls by the configuration in force under a layer. What is wrong with it by now is left out, one by one, and told."""
        async with self._one:
            await self._take(layer)
            self._gateway.unread("")
        self._start(self._gateway.load_prices(again=False))

    async def _take(self, layer: config.Layer) -> None:
        settings, left = await asyncio.to_thread(config.settled, self._found, layer)
        await self._gateway.reload(settings)
        self._took(self._found, layer, left)
        logs.log().info("changes at run time taken", revision=layer.revision, version=config.fingerprint(settings))

    async def _reload(self) -> tuple[config.Config, Sequence[str]]:
        async with self._reading:
            try:
                found, alone = await asyncio.to_thread(self._read_right, self._sources)
                async with self._one:
                    settings, left = await asyncio.to_thread(self._under, found, alone)
                    take = self.prepared(settings.admin) if self.prepared is not None else None
                    await self._gateway.reload(settings)
                    if take is not None:
                        take()
                    self._refused = None
                    self._took(found, self._layer, left)
            except (config.ConfigError, OSError, ValueError) as error:
                self._refused = str(error), time()
                self._tell()
                logs.log().error("configuration not reloaded", problem=str(error))
                raise
        logs.log().info("configuration reloaded", version=config.fingerprint(settings))
        self._look(settings)
        names = waiting(self._started, settings)
        if names and names != self._told:
            logs.log().warning("settings need a restart", settings=names)
        self._told = names
        return settings, names

    def _read_right(self, sources: config.Sources) -> tuple[config.Layered, config.Config]:
        """What the files hold, which must be right by itself: a gateway that starts without its store serves by it alone."""
        found = self._read(sources)
        return found, found(None)

    def _under(self, found: config.Layered, alone: config.Config) -> tuple[config.Config, config.Left]:
        return (alone, {}) if self._layer is None else self._judged(found, self._layer)

    def _judged(self, found: config.Layered, layer: config.Layer) -> tuple[config.Config, config.Left]:
        """As `settled`. Raises ConfigError for what would be left out and is not yet."""
        settings, left = config.settled(found, layer)
        before = self._layer or config.Layer()
        new = [entry for entry in left if entry not in self._left or layer.get(entry) != before.get(entry)]
        if new:
            raise config.ConfigError([problem for entry in new for problem in left[entry].errors])
        return settings, left

    def _took(self, found: config.Layered, layer: config.Layer | None, left: config.Left) -> None:
        for entry, error in left.items():
            if str(error) != str(self._left.get(entry)):
                logs.log().error("set at run time, but not in force", setting=".".join(entry), problem=str(error))
        self._found, self._layer, self._left = found, layer, left
        self._tell()
        self._await_end()

    def _tell(self) -> None:
        """Have Health say what is not in force."""
        problems = ([self._refused[0]] if self._refused else []) + [str(error) for error in self._left.values()]
        self.refusal = None
        if problems:
            self.refusal = "\n".join(problems), self._refused[1] if self._refused else time()
            self._gateway.refuse(*self.refusal)

    def _await_end(self) -> None:
        """Have the keys whose end comes next forgotten then."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        now = time()
        ends = self._layer.at(now).ends() if self._layer is not None else None
        if ends is not None:
            self._end_after(min(ends - now, LONGEST), ends)

    def _end_after(self, seconds: float, ends: float) -> None:
        self._ending = asyncio.get_running_loop().call_later(seconds, lambda: self._start(self._end(ends)))

    async def _end(self, ends: float) -> None:
        async with self._one:
            if self._layer is None or ends > time():
                self._await_end()
                return
            try:
                await self._take(self._layer)
            except (config.ConfigError, OSError, ValueError) as error:
                logs.log().error("a key whose time is over is still used", problem=str(error))
                self._end_after(LONGEST, ends)

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
