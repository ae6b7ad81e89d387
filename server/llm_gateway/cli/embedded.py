"""A gateway inside the command, for ``chat --embedded``."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import uvloop
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.cli import UsageError, env_file
from llm_gateway.cli.config_check import load
from llm_gateway.telemetry import logs


@contextmanager
def gateway(path: str | None) -> Iterator[tuple[str, str]]:
    """Run the configured gateway on an ephemeral loopback port; gives its address and the only key it takes. Raises UsageError."""
    settings = load(path, os.environ)
    if settings.stands_in:
        print(f"note: {env_file.NO_PROVIDER}", file=sys.stderr)
    key = secrets.token_urlsafe()  # other users of this machine can reach the port
    server = config.Server(
        listen="127.0.0.1:0",
        api_keys=(config.ApiKey(key=config.Secret(key), name="embedded"),),
        lame_duck=0.0,
        shutdown_grace=0.0,
    )
    logs.configure_logging("error", human=True)
    listening: Future[int] = Future()
    loop = uvloop.new_event_loop()
    leave = asyncio.Event()

    async def serve() -> None:
        try:
            asked = config.Discovery(interval=0.0, local_interval=0.0)  # one call does not need what others might
            running = Gateway(replace(settings, server=server, discovery=asked))
            listening.set_result(await running.start())
        except Exception as error:
            listening.set_exception(error)
            return
        prices = asyncio.create_task(running.load_prices())
        await leave.wait()
        prices.cancel()
        await asyncio.gather(running.stop(), prices, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="gateway", daemon=True)
    thread.start()
    try:
        try:
            port = listening.result()
        except OSError as error:  # a certificate that cannot be read, say
            raise UsageError(str(error)) from None
        yield f"127.0.0.1:{port}", key
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join()
        loop.close()
