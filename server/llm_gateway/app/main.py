"""A gateway as a process: from the configuration to the end of the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from llm_gateway import config
from llm_gateway.app import memory
from llm_gateway.app.gateway import Gateway
from llm_gateway.app.watching import Watcher
from llm_gateway.telemetry import logs, tracing

if TYPE_CHECKING:
    from llm_gateway.app.administration import Administration


async def run(
    settings: config.Config,
    *,
    ready: Callable[[int], None] | None = None,
    reload: Callable[[config.Sources], config.Config] | None = None,
    sources: config.Sources | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready` is told the port; `reload` reads the configuration again, on SIGHUP and when the files
    that it notes, at first `sources`, have changed.

    Raises OSError when the address cannot be bound, TelemetryError when the OTEL_* variables cannot be followed.
    """
    spans = tracing.configure_tracing(settings.telemetry.service_name)
    gateway = Gateway(settings, tracer=tracing.tracer(spans) if spans is not None else None)
    prices = asyncio.create_task(gateway.load_prices())  # in a process that starts while we do
    reloading = Reload(gateway, reload or (lambda _: settings), sources or config.Sources())
    if settings.admin is not None:
        from llm_gateway.app.administration import Administration

        reloading.administration = Administration(settings.admin, gateway, reloading.asked)
    administration = reloading.administration
    try:
        admin_port = administration.start() if administration is not None else 0
        port = await gateway.start(after=prices)
    except OSError:
        prices.cancel()
        if administration is not None:
            await administration.stop()
        raise
    if reload is not None:
        reloading.watch(gateway.lifecycle.on_hangup(reloading.hung_up))
    if settings.admin is not None:
        logs.log().info("administration", listen=settings.admin.listen, port=admin_port)
    memory.settle()
    logs.log().info("serving", listen=settings.server.listen, port=port, providers=sorted(settings.providers))
    if ready is not None:
        ready(port)
    beside = [prices, asyncio.create_task(memory.give_back())]
    shown = (gateway.lifecycle.certificate, administration.certificate if administration is not None else None)
    beside += [asyncio.create_task(certificate.remind()) for certificate in shown if certificate is not None]
    await gateway.lifecycle.until_signal()
    for task in beside:
        task.cancel()
    await asyncio.gather(gateway.stop(), *beside, return_exceptions=True)
    if administration is not None:
        await administration.stop()
    if spans is not None:
        spans.shutdown()


class Reload:
    """Reads the configuration again and serves by it, on SIGHUP, when its files have changed and when the administration asks; one at a time.

    read: reads it, and notes the files in what it is given. sources: the files of the last reading that was to be served by.
    """

    def __init__(
        self, gateway: Gateway, read: Callable[[config.Sources], config.Config], sources: config.Sources
    ) -> None:
        self.administration: Administration | None = None
        self._gateway = gateway
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
                self._gateway.check(settings)
                return settings, self._gateway.waiting(settings)
        done = await self._reload()
        self._pricing = asyncio.create_task(self._gateway.load_prices())
        return done

    async def _reload(self) -> tuple[config.Config, Sequence[str]]:
        async with self._one:
            try:
                settings = await asyncio.to_thread(self._read, self._sources)
                take = self.administration.prepared(settings.admin) if self.administration is not None else None
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
        waiting = self._gateway.waiting(settings)
        if waiting and waiting != self._told:
            logs.log().warning("settings need a restart", settings=waiting)
        self._told = waiting
        return settings, waiting
