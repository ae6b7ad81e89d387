"""The control process: it serves the administration beside several workers, and none of their calls.

It reads the configuration and its changes for itself. What only a worker knows, it asks one of them; a reload, all of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import TypeVar

from llmgateway.admin.v1 import config_pb2

from llm_gateway import config
from llm_gateway.admin.gateway import Reloaded
from llm_gateway.app import memory, workers
from llm_gateway.app.administration import Administration, there
from llm_gateway.app.connected import Connected
from llm_gateway.app.lifecycle import on_hangup
from llm_gateway.app.reloading import Reload, check
from llm_gateway.app.watching import LocalServers
from llm_gateway.routing.table import RoutingTable
from llm_gateway.rpc.chain import Rpc
from llm_gateway.rpc.errors import Passed
from llm_gateway.telemetry import logs, tracing

T = TypeVar("T")
RELOADED_WITHIN = 10.0
"""Seconds in which a worker must have read its configuration again."""
RELOAD = "/llmgateway.admin.v1.ConfigService/ReloadConfig"


async def run(
    settings: config.Config,
    *,
    found: config.Layered,
    reload: Callable[[config.Sources], config.Layered],
    sources: config.Sources,
    local: LocalServers,
) -> None:
    """Keep what is set at run time, and serve the administration, until SIGTERM, SIGINT or the supervisor's end. As `main.run` otherwise.

    Raises what `main.run` does.
    """
    socket, loop = os.environ[workers.SOCKET], asyncio.get_running_loop()
    connected, registry = Connected(), None
    left: config.Left = {}
    if settings.store is not None:
        from llm_gateway.app.storing import opened

        registry, connected.layer = await opened(settings.store)
    if connected.layer is not None:
        settings, left = config.settled(found, connected.layer)
    held = Held(settings)
    reloading = Reload(held, reload, sources, found, layer=connected.layer, left=left, local=local)
    asked = Asked(held, reloading, connected)

    async def ask(rpc: Rpc, request: bytes) -> bytes:
        return await there(loop, connected.ask(rpc.path, request, rpc.request_id))

    spans = tracing.configure_tracing(settings.telemetry.service_name)
    async with AsyncExitStack() as ended:
        if spans is not None:
            ended.callback(spans.shutdown)
        if registry is not None:
            registry.gateway = asked
            ended.push_async_callback(asyncio.to_thread, registry.close)
        if settings.admin is not None:
            at, tracer = os.environ.get(workers.ADMIN_LISTEN), tracing.tracer(spans) if spans is not None else None
            administration = Administration(settings, asked, registry, held=at, ask=ask, tracer=tracer)
            reloading.prepared = administration.prepared
            ended.push_async_callback(administration.stop)
            logs.log().info("administration", listen=settings.admin.listen, port=administration.start())
            if administration.certificate is not None:
                ended.callback(asyncio.create_task(administration.certificate.remind()).cancel)
        with suppress(FileNotFoundError):
            os.unlink(socket)  # of one that was killed
        server = await asyncio.start_unix_server(connected.take, socket)
        if registry is not None:
            registry.start()
        reloading.watch(on_hangup(reloading.hung_up))
        memory.settle()
        await _until_signal()
        server.close()
    await connected.close()


async def _until_signal() -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    workers.when_orphaned(loop, ended.set)
    await ended.wait()


class Held:
    """The configuration in force."""

    def __init__(self, settings: config.Config) -> None:
        self.settings = settings
        self.loaded = datetime.now(UTC)
        self._started = settings

    async def reload(self, settings: config.Config) -> None:
        check(self._started, settings)
        self.settings = settings
        self.loaded = datetime.now(UTC)

    def refuse(self, problem: str, since: float) -> None:
        """Each worker says so in its Health."""

    def unread(self, problem: str) -> None:
        """Each worker says so to its callers."""

    async def load_prices(self, *, again: bool = True) -> None:
        """Each worker reads its own."""


class Asked:
    """What the administration's threads ask of the control process. Made on its event loop."""

    def __init__(self, held: Held, reloading: Reload, connected: Connected) -> None:
        self._held = held
        self._reloading = reloading
        self._connected = connected
        self._loop = asyncio.get_running_loop()

    @property
    def settings(self) -> config.Config:
        return self._held.settings

    @property
    def loaded(self) -> datetime:
        return self._held.loaded

    @property
    def refusal(self) -> tuple[str, float] | None:
        return self._reloading.refusal

    async def learned(self, resolve: Callable[[RoutingTable, bool], T]) -> T:
        raise NotImplementedError("a worker knows; see passing.LIVE")

    async def reload(self, *, check_only: bool) -> Reloaded:
        return await there(self._loop, self._reload_all(check_only))

    async def preview(self, layer: config.Layer) -> config.Config:
        return await there(self._loop, self._reloading.preview(layer))

    async def take(self, layer: config.Layer) -> None:
        await there(self._loop, self._take_all(layer))

    async def _take_all(self, layer: config.Layer) -> None:
        await self._reloading.take(layer)
        await self._connected.put(layer)

    async def _reload_all(self, check_only: bool) -> Reloaded:
        previous = config.fingerprint(self.settings)
        settings, waiting = await self._reloading.asked(check_only)
        request = config_pb2.ReloadConfigRequest(validate_only=check_only)
        failed = await self._connected.ask_all(RELOAD, request.SerializeToString(), RELOADED_WITHIN)
        for number, error in failed.items():
            if isinstance(error, Passed):
                error.status.message = f"Worker {number}: {error.status.message}"
            raise error
        return Reloaded(version=config.fingerprint(settings), previous=previous, restart=tuple(waiting))
