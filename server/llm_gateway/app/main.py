"""A gateway as a process: from the configuration to the end of the drain."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from llm_gateway import config
from llm_gateway.app import memory, workers
from llm_gateway.app.gateway import Gateway
from llm_gateway.app.lifecycle import on_hangup
from llm_gateway.app.reloading import Reload
from llm_gateway.app.watching import LocalServers
from llm_gateway.telemetry import logs, tracing


async def run(
    settings: config.Config,
    *,
    ready: Callable[[int], None] | None = None,
    found: config.Layered | None = None,
    reload: Callable[[config.Sources], config.Layered] | None = None,
    sources: config.Sources | None = None,
    layer: config.Layer | None = None,
    local: LocalServers | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready` is told the port; `reload` reads the configuration again, on SIGHUP, when the files
    that it notes, at first `sources`, have changed, and when one of the `local` servers that it asks for has appeared. `found` is what `settings` were read from, `layer` what was set at run time above them.

    Raises OSError when the address cannot be bound, TelemetryError when the OTEL_* variables cannot be followed.
    """
    left: config.Left = {}
    if found is not None and layer is not None:
        settings, left = config.settled(found, layer)
    found = found or (lambda _: settings)
    spans = tracing.configure_tracing(settings.telemetry.service_name)
    gateway = Gateway(settings, tracer=tracing.tracer(spans) if spans is not None else None)
    prices = asyncio.create_task(gateway.load_prices())  # in a process that starts while we do
    read = reload or (lambda _: found)
    reloading = Reload(gateway, read, sources or config.Sources(), found, layer=layer, left=left, local=local)
    administration = link = None
    if socket := os.environ.get(workers.SOCKET):
        from llm_gateway.app.administration import Asked, servicers
        from llm_gateway.app.link import Link

        link = Link(socket, lambda: config.fingerprint(gateway.settings), servicers(Asked(gateway, reloading)))
    elif settings.admin is not None and not workers.is_worker():
        from llm_gateway.app.administration import Administration, Asked

        administration = Administration(settings, Asked(gateway, reloading))
        reloading.prepared = administration.prepared
    try:
        admin_port = administration.start() if administration is not None else 0
        port = await gateway.start(after=prices)
    except OSError:
        prices.cancel()
        if administration is not None:
            await administration.stop()
        raise
    if reload is not None:
        reloading.watch(on_hangup(reloading.hung_up))
    if link is not None:
        link.start()
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
    for one in (administration, link):
        if one is not None:
            await one.stop()
    if spans is not None:
        spans.shutdown()
