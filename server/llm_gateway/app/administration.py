"""The administration's port put together: its services, its links, and what they ask of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from llmgateway.admin.v1 import audit_pb2, config_pb2, key_pb2, provider_pb2, route_pb2

from llm_gateway import config
from llm_gateway.admin.audit import Audit
from llm_gateway.admin.audit_service import AuditService
from llm_gateway.admin.auth import AdminAuth
from llm_gateway.admin.config_service import ConfigService
from llm_gateway.admin.gateway import Administered, Reloaded
from llm_gateway.admin.key_service import ProviderKeyService
from llm_gateway.admin.passing import Ask, passing
from llm_gateway.admin.provider_service import ProviderService
from llm_gateway.admin.route_service import RouteService
from llm_gateway.admin.server import AdminServer
from llm_gateway.app.lifecycle import server_options
from llm_gateway.app.reloading import Reload
from llm_gateway.app.tls import ServerCertificate
from llm_gateway.routing.table import RoutingTable
from llm_gateway.rpc.errors import Errors
from llm_gateway.rpc.telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry import trace

    from llm_gateway.admin.registry import Registry
    from llm_gateway.app.gateway import Gateway

T = TypeVar("T")
MOST_BYTES = 1 << 20
"""Of a request."""


def servicers(gateway: Administered, registry: Registry | None = None) -> Mapping[str, object]:
    """By the full name of their service. registry: None where the configuration has no store."""
    return {
        audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name: AuditService(registry),
        config_pb2.DESCRIPTOR.services_by_name["ConfigService"].full_name: ConfigService(gateway, registry),
        key_pb2.DESCRIPTOR.services_by_name["ProviderKeyService"].full_name: ProviderKeyService(gateway, registry),
        provider_pb2.DESCRIPTOR.services_by_name["ProviderService"].full_name: ProviderService(gateway, registry),
        route_pb2.DESCRIPTOR.services_by_name["RouteService"].full_name: RouteService(gateway, registry),
    }


class Administration:
    """Serves a gateway's administration."""

    def __init__(
        self,
        settings: config.Config,
        gateway: Administered,
        registry: Registry | None = None,
        *,
        held: str | None = None,
        ask: Ask | None = None,
        tracer: trace.Tracer | None = None,
    ) -> None:
        """tracer: makes the spans of its calls. registry: None where the configuration has no store. held: the address to bind, whose port somebody holds for us. ask: has what only a worker knows answered by one."""
        self._settings = settings.admin or config.Admin()
        self._listen = held or self._settings.listen
        self.certificate: ServerCertificate | None = None
        """None where the port speaks without TLS, and before the start."""
        self._auth = AdminAuth(self._settings)
        options = dict(server_options(settings.server))
        options |= {"grpc.max_receive_message_length": MOST_BYTES, "grpc.so_reuseport": int(held is not None)}
        services = servicers(gateway, registry)
        self._telemetry = Telemetry(tracer)
        links = (Errors(), self._telemetry, Audit())
        self._server = AdminServer(
            services if ask is None else passing(services, ask), self._auth, links, list(options.items())
        )

    def start(self) -> int:
        """Bind and serve. Returns the port. Raises OSError when the address cannot be bound."""
        if self._settings.tls is not None:
            self.certificate = ServerCertificate(self._settings.tls)
        shown = self.certificate.credentials() if self.certificate is not None else None
        port = self._server.start(self._listen, shown)
        self._telemetry.serves_at(self._listen, port)
        return port

    async def stop(self) -> None:
        await self._server.stop()

    def prepared(self, settings: config.Admin | None) -> Callable[[], None]:
        """What has the keys and certificates of a new configuration known, and no others, and the server's own shown. Raises ConfigError or
        OSError."""
        settings = settings or config.Admin()
        renew = self.certificate.renewed(settings.tls) if self.certificate is not None else None

        def take() -> None:
            self._auth.take(settings)
            if renew is not None:
                renew()

        return take


class Asked:
    """The gateway, as the administration's threads see it. Made on the gateway's event loop."""

    def __init__(self, gateway: Gateway, reloading: Reload) -> None:
        self._gateway = gateway
        self._reloading = reloading
        self._loop = asyncio.get_running_loop()

    @property
    def settings(self) -> config.Config:
        return self._gateway.settings

    @property
    def loaded(self) -> datetime:
        return self._gateway.loaded

    @property
    def refusal(self) -> tuple[str, float] | None:
        return self._reloading.refusal

    async def learned(self, resolve: Callable[[RoutingTable, bool], T]) -> T:
        service = self._gateway.service
        return await there(self._loop, service.learned(lambda asked: resolve(service.snapshot.routing, asked)))

    async def reload(self, *, check_only: bool) -> Reloaded:
        previous = config.fingerprint(self.settings)
        settings, waiting = await there(self._loop, self._reloading.asked(check_only))
        return Reloaded(version=config.fingerprint(settings), previous=previous, restart=tuple(waiting))

    async def preview(self, layer: config.Layer) -> config.Config:
        return await there(self._loop, self._reloading.preview(layer))

    async def take(self, layer: config.Layer) -> None:
        await there(self._loop, self._reloading.take(layer))


async def there(loop: asyncio.AbstractEventLoop, asked: Awaitable[T]) -> T:
    """What is awaited on another thread's event loop; cancelled there when it is here."""

    async def run() -> T:
        return await asked

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), loop))
