"""A gateway as a process: from the configuration to the end of the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from llm_gateway import config
from llm_gateway.app import memory
from llm_gateway.app.gateway import RESTART, Gateway
from llm_gateway.telemetry import logs, tracing


async def run(
    settings: config.Config,
    *,
    ready: Callable[[int], None] | None = None,
    reload: Callable[[], config.Config] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready` is told the port; `reload` reads the configuration again on SIGHUP.

    Raises OSError when the address cannot be bound, TelemetryError when the OTEL_* variables cannot be followed.
    """
    spans = tracing.configure_tracing(settings.telemetry.service_name)
    gateway = Gateway(settings, tracer=tracing.tracer(spans) if spans is not None else None)
    prices = asyncio.create_task(gateway.load_prices())  # in a process that starts while we do
    try:
        port = await gateway.start(after=prices)
    except OSError:
        prices.cancel()
        raise
    if reload is not None:
        gateway.lifecycle.on_hangup(lambda: _reload(gateway, reload))
    memory.settle()
    logs.log().info("serving", listen=settings.server.listen, port=port, providers=sorted(settings.providers))
    if ready is not None:
        ready(port)
    beside = [prices, asyncio.create_task(memory.give_back())]
    await gateway.lifecycle.until_signal()
    for task in beside:
        task.cancel()
    await asyncio.gather(gateway.stop(), *beside, return_exceptions=True)
    if spans is not None:
        spans.shutdown()


async def _reload(gateway: Gateway, read: Callable[[], config.Config]) -> None:
    """Take the new configuration if it is right; else keep the old one and say so."""
    try:
        settings = await asyncio.to_thread(read)
        waiting = [name for name in RESTART if getattr(settings.server, name) != getattr(gateway.settings.server, name)]
        await gateway.reload(settings)
    except (config.ConfigError, OSError, ValueError) as error:
        logs.log().error("configuration not reloaded", problem=str(error))
    else:
        logs.log().info("configuration reloaded", version=config.fingerprint(settings))
        if waiting:
            logs.log().warning("settings need a restart", settings=[f"server.{name}" for name in waiting])
        await gateway.load_prices()
