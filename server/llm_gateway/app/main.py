"""A gateway as a process: from the configuration to the end of the drain."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_gateway import config
from llm_gateway.app import memory, workers
from llm_gateway.app.gateway import Gateway
from llm_gateway.app.lifecycle import on_hangup
from llm_gateway.app.reloading import Reload
from llm_gateway.app.watching import LocalServers
from llm_gateway.telemetry import logs, tracing

if TYPE_CHECKING:
    from opentelemetry import trace

    from llm_gateway.admin.registry import Registry
    from llm_gateway.app.administration import Administration
    from llm_gateway.app.link import Link

Reading = Callable[[config.Sources], config.Layered]
"""Reads the configuration again, and notes its files."""
TOLD_WITHIN = 5.0
"""Seconds for which a worker waits to be told what was set at run time before it serves without; it takes it when it is told."""


async def run(
    settings: config.Config,
    *,
    ready: Callable[[int], None] | None = None,
    found: config.Layered | None = None,
    reload: Reading | None = None,
    sources: config.Sources | None = None,
    local: LocalServers | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready` is told the port; `reload` reads the configuration again, on SIGHUP, when the files
    that it notes, at first `sources`, have changed, and when one of the `local` servers that it asks for has appeared. `found` is what `settings`
    were read from; what was set at run time comes above them.

    Raises OSError when the address cannot be bound, TelemetryError when the OTEL_* variables cannot be followed, ConfigError for a store that no
    waiting will open.
    """
    sources, found = sources or config.Sources(), found or (lambda _: settings)
    if socket := os.environ.get(workers.SOCKET):
        from llm_gateway.app.link import Link

        link = Link(socket)
        link.start()
        try:
            layer = await link.layer(TOLD_WITHIN) if settings.store is not None else None
            await _run(settings, found, reload, sources, ready=ready, local=local, link=link, layer=layer)
        finally:
            await link.stop()
        return
    if settings.store is None or workers.is_worker():
        await _run(settings, found, reload, sources, ready=ready, local=local)
        return
    from llm_gateway.app.storing import opened

    registry, layer = await opened(settings.store)
    try:
        await _run(settings, found, reload, sources, ready=ready, local=local, registry=registry, layer=layer)
    finally:
        await asyncio.to_thread(registry.close)


async def _run(
    settings: config.Config,
    found: config.Layered,
    reload: Reading | None,
    sources: config.Sources,
    *,
    ready: Callable[[int], None] | None,
    local: LocalServers | None,
    registry: Registry | None = None,
    link: Link | None = None,
    layer: config.Layer | None = None,
) -> None:
    left: config.Left = {}
    if layer is not None:
        settings, left = config.settled(found, layer)
    spans = tracing.configure_tracing(settings.telemetry.service_name)
    tracer = tracing.tracer(spans) if spans is not None else None
    gateway = Gateway(settings, tracer=tracer)
    prices = asyncio.create_task(gateway.load_prices())  # in a process that starts while we do
    if layer is None and settings.store is not None and (registry is not None or link is not None):
        gateway.unread(registry.problem if registry is not None else "was not read yet")
    again = reload or (lambda _: found)
    reloading = Reload(gateway, again, sources, found, layer=layer, left=left, local=local)
    administration = _administered(settings, gateway, reloading, registry, tracer)
    try:
        admin_port = administration.start() if administration is not None else 0
        port = await gateway.start(after=prices)
    except OSError:
        prices.cancel()
        if administration is not None:
            await administration.stop()
        raise
    if registry is not None:
        registry.start()
    if reload is not None:
        reloading.watch(on_hangup(reloading.hung_up))
    if link is not None:
        from llm_gateway.app.administration import Asked, servicers

        asked = Asked(gateway, reloading)
        link.serve(servicers(asked), asked.take)
    if settings.admin is not None and administration is not None:
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


def _administered(
    settings: config.Config,
    gateway: Gateway,
    reloading: Reload,
    registry: Registry | None,
    tracer: trace.Tracer | None,
) -> Administration | None:
    """The administration of a gateway that has one of its own."""
    if workers.is_worker() or (registry is None and settings.admin is None):
        return None
    from llm_gateway.app.administration import Administration, Asked

    asked = Asked(gateway, reloading)
    if registry is not None:
        registry.gateway = asked
    if settings.admin is None:
        return None
    administration = Administration(settings, asked, registry, tracer=tracer)
    reloading.prepared = administration.prepared
    return administration
