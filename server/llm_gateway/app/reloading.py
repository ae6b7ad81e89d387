"""The configuration read again while it is served by: what a reload may change, and when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from llm_gateway import config
from llm_gateway.app.watching import Watcher
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

    def refuse(self, problem: str) -> None:
        """What the files hold now is not in force, and why."""
        ...

    async def load_prices(self) -> None:
        """Read what the configuration needs besides."""
        ...


class Reload:
    """Reads the configuration again and serves by it, on SIGHUP, when its files have changed and when the administration asks; one at a time.

    read: reads it, and notes the files in what it is given. sources: the files of the last reading that was to be served by.
    """

    def __init__(
        self, gateway: Serving, read: Callable[[config.Sources], config.Config], sources: config.Sources
    ) -> None:
        self.prepared: Callable[[config.Admin | None], Callable[[], None]] | None = None
        """The administration's: see Administration.prepared."""
        self._gateway = gateway
        self._started = gateway.settings
        self._read = read
        self._sources = sources
        self._one = asyncio.Lock()
        self._pricing: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None
        self._told: list[str] = []

    def watch(self, again: Callable[[], None]) -> None:
        """Have `again` called on this event loop when the files have changed."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(again)

        self._watcher = Watcher(self._sources, changed, self._gateway.settings.server.reload_interval)
        self._watcher.start()

    async def hung_up(self) -> None:
        """Take the new configuration if it is right; else keep the old one and say so."""
        with suppress(config.ConfigError, OSError, ValueError):
            await self._reload()
            await self._gateway.load_prices()

    async def asked(self, check_only: bool) -> tuple[config.Config, Sequence[str]]:
        """The configuration that is in force then, or that is only checked, and its changed settings that need a restart. Raises ConfigError, OSError
        and ValueError for a wrong one."""
        if check_only:
            async with self._one:
                settings = await asyncio.to_thread(self._read, config.Sources())
                check(self._started, settings)
                return settings, waiting(self._started, settings)
        done = await self._reload()
        self._pricing = asyncio.create_task(self._gateway.load_prices())
        return done

    async def _reload(self) -> tuple[config.Config, Sequence[str]]:
        async with self._one:
            try:
                settings = await asyncio.to_thread(self._read, self._sources)
                take = self.prepared(settings.admin) if self.prepared is not None else None
                await self._gateway.reload(settings)
            except (config.ConfigError, OSError, ValueError) as error:
                self._gateway.refuse(str(error))
                logs.log().error("configuration not reloaded", problem=str(error))
                raise
            if take is not None:
                take()
        logs.log().info("configuration reloaded", version=config.fingerprint(settings))
        if self._watcher is not None:
            self._watcher.interval = settings.server.reload_interval
        names = waiting(self._started, settings)
        if names and names != self._told:
            logs.log().warning("settings need a restart", settings=names)
        self._told = names
        return settings, names
