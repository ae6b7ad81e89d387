"""Start, drain, stop: binding, TLS, readiness, and a shutdown that no accepted call notices."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from llm_gateway import config
from llm_gateway.app.tls import ServerCertificate
from llm_gateway.app.workers import is_worker, when_orphaned
from llm_gateway.rpc.admission import Admission
from llm_gateway.rpc.health import MachineHealth
from llm_gateway.rpc.methods import GATEWAY, HEALTH
from llm_gateway.telemetry import logs

SILENCE, SILENCE_WITHIN = 0.1, 1.0
"""Seconds without a new call before gRPC is stopped, at first; they shrink to 0 within the second figure."""
READY_WITHIN = 3.0
"""Seconds within which health says SERVING, whatever it waits for; calls are served even before."""
CUT_GRACE = 1.0
"""Seconds in which the status of calls that are cut reaches their callers."""
SETTINGS_WITHIN = 10.0
"""Seconds in which a peer must acknowledge our SETTINGS: until then none of our limits binds it (RFC 9113 section 6.5.3)."""


def server_options(settings: config.Server) -> list[tuple[str, int]]:
    """gRPC core channel arguments. Admission sheds load, with a proper status: gRPC's own pending limits cancel calls at random.

    The core accepts messages twice as large as we do, so that we can refuse them by name and size; beyond that it refuses them tersely itself."""
    keepalive = settings.keepalive
    options = [
        ("grpc.max_receive_message_length", min(2 * settings.max_message_bytes, (1 << 31) - 1)),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.http2.settings_timeout", int(SETTINGS_WITHIN * 1000)),
        ("grpc.keepalive_time_ms", int(keepalive.time * 1000)),
        ("grpc.keepalive_timeout_ms", int(keepalive.timeout * 1000)),
        ("grpc.http2.ping_timeout_ms", int(keepalive.timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", int(keepalive.permit_without_calls)),
        ("grpc.http2.min_ping_interval_without_data_ms", int(keepalive.min_ping_interval * 1000)),
        ("grpc.http2.max_ping_strikes", 3),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_concurrent_streams", settings.max_streams),
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.so_reuseport", int(is_worker())),
    ]
    if settings.max_connection_age is not None:
        options.append(("grpc.max_connection_age_ms", int(settings.max_connection_age * 1000)))
        options.append(("grpc.max_connection_age_grace_ms", int(settings.max_connection_age_grace * 1000)))
    return options


def on_hangup(reload: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run `reload` on SIGHUP, and when what is returned is called, one at a time; once more when that came meanwhile, for the file may have
    changed since."""
    loop = asyncio.get_running_loop()
    due, reloading = False, None

    async def reload_all() -> None:
        nonlocal due
        while due:
            due = False
            await reload()

    def hangup() -> None:
        nonlocal due, reloading
        due = True
        if reloading is None or reloading.done():
            reloading = loop.create_task(reload_all())

    loop.add_signal_handler(signal.SIGHUP, hangup)
    return hangup


class Lifecycle:
    """One grpc.aio server from bind to close."""

    def __init__(
        self, server: grpc.aio.Server, health: MachineHealth, admission: Admission, settings: config.Server
    ) -> None:
        self._server = server
        self._health = health
        self._admission = admission
        self._settings = settings
        self.certificate: ServerCertificate | None = None
        """None where the server speaks without TLS."""
        self._signalled = asyncio.Event()
        self._hurry = asyncio.Event()
        self._readying: asyncio.Task[None] | None = None

    async def start(self, *, after: asyncio.Task[None] | None, known: asyncio.Event) -> int:
        """Bind, serve, say SERVING, once `after` is done or has taken READY_WITHIN, and `known` is set. Returns the port, which means nothing for a Unix
        socket. Raises OSError when the address cannot be bound, and for certificates that cannot be read."""
        settings = self._settings
        if settings.tls is not None and settings.tls.cert_file is not None:
            self.certificate = ServerCertificate(settings.tls)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.reflection:
            from llm_gateway.rpc import reflection

            reflection.add_to(self._server, (GATEWAY.full_name, HEALTH.full_name))
        try:
            if self.certificate is not None:
                port = self._server.add_secure_port(settings.listen, self.certificate.credentials())
            else:
                port = self._server.add_insecure_port(settings.listen)
        except RuntimeError:
            why = "is the port in use?" if settings.tls is None else "is the port in use, or server.tls no PEM?"
            raise OSError(f"cannot listen on {settings.listen}; {why}") from None
        self._health.ready(False)
        await self._server.start()
        if (after is None or after.done()) and known.is_set():
            self._health.ready(True)
        else:
            self._readying = asyncio.create_task(self._ready_after(after, known))
        return port

    async def _ready_after(self, one: asyncio.Task[None] | None, known: asyncio.Event) -> None:
        if one is not None:
            await asyncio.wait((one,), timeout=READY_WITHIN)
        await known.wait()
        if not self._admission.draining:
            self._health.ready(True)

    async def until_signal(self) -> None:
        """Wait for SIGTERM, SIGINT or the supervisor's end; a second one cuts the drain short."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        when_orphaned(loop, self._on_orphaned)
        await self._signalled.wait()

    def _on_orphaned(self) -> None:
        if not self._signalled.is_set():
            logs.log().warning("supervisor ended")
            self._signalled.set()

    def _on_signal(self) -> None:
        (self._hurry if self._signalled.is_set() else self._signalled).set()

    async def drain(self) -> None:
        """Lame duck (NOT_SERVING, calls still accepted), then GOAWAY on every connection while what is under way finishes, then close.

        gRPC's stop cancels calls that it has received and not yet begun; in a quiet moment behind a lame duck it holds none. It must
        begin before the calls under way are over: the GOAWAY is what sends a client with one connection to another replica. Health Watches
        and reflection would hold it, so they are ended.
        """
        settings, admission = self._settings, self._admission
        log = logs.log()
        admission.draining = True
        self._health.ready(False)
        log.info("draining", in_flight=admission.in_flight)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), settings.lame_duck)
        await self._quiet()
        stopping = asyncio.create_task(self._server.stop(settings.shutdown_grace + CUT_GRACE))
        await asyncio.sleep(0)  # the GOAWAYs first: what is ended now shall not come back
        admission.end_watches()
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((stopping, hurry), timeout=settings.shutdown_grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        cut = 0
        if not stopping.done():
            cut = admission.end_calls()
            await self._server.stop(CUT_GRACE)
        await stopping
        log.info("stopped", cut=cut)

    async def _quiet(self) -> None:
        """Wait until gRPC holds no call that it has not handed over. It hands them over one by one, slowly on a busy machine, so only
        silence tells. The silence needed shrinks as time goes by, since calls may never stop coming."""
        now = asyncio.get_running_loop().time
        begun = last = now()
        admitted = self._admission.admitted
        while now() - last < SILENCE * (1 - (now() - begun) / SILENCE_WITHIN):
            await asyncio.sleep(0.001)
            if self._admission.admitted != admitted:
                admitted, last = self._admission.admitted, now()
