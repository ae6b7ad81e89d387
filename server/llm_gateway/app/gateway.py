"""The gateway: start, stop, reload."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import time

import grpc
from llmgateway.v1 import gateway_pb2_grpc
from opentelemetry import trace

from llm_gateway import config
from llm_gateway.app.build import Builder, Built
from llm_gateway.app.chains import provider_chain, rpc_chain
from llm_gateway.app.lifecycle import Lifecycle, server_options
from llm_gateway.app.reloading import check
from llm_gateway.catalogue.pricing.source import PriceListUnavailable
from llm_gateway.catalogue.pricing.source import load as load_pricelist
from llm_gateway.rpc.admission import Admission
from llm_gateway.rpc.auth import Auth
from llm_gateway.rpc.health import MachineHealth
from llm_gateway.rpc.service import Service
from llm_gateway.rpc.telemetry import Telemetry
from llm_gateway.telemetry import logs
from llm_gateway.upstream.http import SHARED, Following, Resolver

NAMES_WITHIN = 5.0
"""Seconds."""


class Gateway:
    """A gateway that can be started, reloaded and drained.

    tracer: makes the spans; without one there are none. resolver: looks up names whose addresses are endpoints of their own.
    """

    def __init__(
        self, settings: config.Config, *, tracer: trace.Tracer | None = None, resolver: Resolver = SHARED
    ) -> None:
        self.settings = settings
        self.loaded = datetime.now(UTC)
        self._started = settings
        self.admission = Admission(settings.server.max_in_flight)
        self.health = MachineHealth()
        self._auth = Auth(settings.server.api_keys)
        self._telemetry = Telemetry(tracer)
        self._names = Following(resolver, self._build_again)
        self._builder = Builder(provider_chain(tracer), self.admission, self._names.addresses)
        self._built = self._builder.build(settings, self._route_anew)
        self._retiring: dict[asyncio.Task[None], Built] = {}
        self._loading = asyncio.Lock()
        self._priced: frozenset[str] = frozenset()
        self.service = Service(self._built.snapshot)
        self.service.bare = settings.stands_in
        self._known = asyncio.Event()
        self._known.set()
        self.port = 0

    async def start(self, *, after: asyncio.Task[None] | None = None) -> int:
        """Bind and serve. Returns the port. after: what SERVING waits for. Raises OSError when the address cannot be bound."""
        settings = self.settings.server
        chain = rpc_chain(self._telemetry, self._auth, self.admission, most=settings.max_message_bytes)
        server = grpc.aio.server(interceptors=(chain,), options=server_options(settings))
        gateway_pb2_grpc.add_LLMGatewayServicer_to_server(self.service, server)  # type: ignore[arg-type]  # takes Rpcs
        self.lifecycle = Lifecycle(server, self.health, self.admission, settings)
        self.port = await self.lifecycle.start(after=after, known=self._known)
        self._telemetry.serves_at(settings.listen, self.port)
        self._built.catalogue.start()
        self._names.follow(self._built.names())
        return self.port

    async def stop(self) -> None:
        """Drain, then close: see Lifecycle.drain."""
        await self.lifecycle.drain()
        await self._names.aclose()
        left = [self._built, *self._retiring.values()]
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*(built.aclose() for built in left))

    async def load_prices(self, *, again: bool = True) -> None:
        """Read the price lists that the configuration needs; not again: only if there is another one among them. Usage is priced from then on; without a
        list it is not, and a log line says so."""
        async with self._loading:
            wanted = self._built.prices.lists()
            if not wanted or (wanted <= self._priced and not again):
                return
            self._priced = wanted
            try:
                self._builder.pricelist = await load_pricelist(wanted)
            except PriceListUnavailable as error:
                logs.log().warning("no price list", problem=str(error))
                return
            self._built.prices.pricelist = self._builder.pricelist
            self._built.catalogue.refresh()

    async def reload(self, settings: config.Config) -> None:
        """Serve new calls by another configuration. Calls under way keep theirs, to their last retry, unless their key is none any more;
        endpoints that stay keep their health and connections. Of `server`, what RESTART names stays as it was. Raises what `check` raises."""
        check(self._started, settings)
        certificate = self.lifecycle.certificate
        renew = certificate.renewed(settings.server.tls) if certificate is not None else None
        self._serve_by(self._builder.build(settings, self._route_anew))
        if renew is not None:
            renew()
        self.settings = settings
        self.service.bare = settings.stands_in
        self.loaded = datetime.now(UTC)
        self._names.follow(self._built.names())
        self._auth.take(settings.server.api_keys)
        self.admission.end_unless(self._auth.admit)
        self.admission.limit = settings.server.max_in_flight

    async def look_up(self) -> None:
        """Find the addresses that are endpoints of their own, without serving, for NAMES_WITHIN at most."""
        self._names.follow(self._built.names())
        await self._names.settled(NAMES_WITHIN)

    def _build_again(self) -> None:
        """New calls go to the addresses that names have now."""
        self._serve_by(self._builder.build(self.settings, self._route_anew, again=True))

    def _serve_by(self, built: Built) -> None:
        """New calls are served by another snapshot, calls under way by theirs."""
        old, self._built = self._built, built
        built.catalogue.inherit(old.catalogue)
        built.catalogue.start()
        self._route_anew()
        task = asyncio.create_task(old.retire())
        self._retiring[task] = old
        task.add_done_callback(self._retiring.pop)

    def unread(self, problem: str) -> None:
        """What was set at run time is not known, and why; "" once it is. Names that it may have are UNAVAILABLE meanwhile."""
        self.service.unread = problem
        if problem and self.service.bare:
            self._known.clear()  # there is nothing to serve yet
        else:
            self._known.set()
        if problem:
            self.refuse(f"the store {problem}; what was set at run time is not served", time())

    def refuse(self, problem: str, since: float) -> None:
        """Have Health say that what the files hold now, or a part of what was set at run time, is not in force, why, and since when (Unix time), until
        another configuration is."""
        self._builder.refused = (problem, since)

    def _route_anew(self) -> None:
        """New calls are routed by what is known of the models now."""
        self.service.snapshot = self._built.rerouted()
