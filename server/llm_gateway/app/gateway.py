"""The composition root: the only module that names concrete classes. Both chains read as lists, outermost first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import grpc
from llmgateway.v1 import gateway_pb2_grpc
from opentelemetry import trace

from llm_gateway import config
from llm_gateway.app import memory
from llm_gateway.app.lifecycle import Lifecycle, server_options
from llm_gateway.calls.blocked import Blocked
from llm_gateway.calls.call import Call, Handler, call_endpoint
from llm_gateway.calls.chain import Chain
from llm_gateway.calls.deadline import Deadline
from llm_gateway.calls.fallback import Fallback
from llm_gateway.calls.limit import Limit
from llm_gateway.calls.load_balance import LoadBalance
from llm_gateway.calls.retry import Retry
from llm_gateway.calls.trace import Trace, TraceAttempt
from llm_gateway.catalogue.catalogue import Catalogue
from llm_gateway.catalogue.pricing.pricelist import PriceList
from llm_gateway.catalogue.pricing.prices import Prices
from llm_gateway.catalogue.pricing.source import PriceListUnavailable
from llm_gateway.catalogue.pricing.source import load as load_pricelist
from llm_gateway.errors import OverrideNotAllowed
from llm_gateway.providers.plugins import row
from llm_gateway.routing.outlier import Breaker, Cooldown
from llm_gateway.routing.state import EndpointState, Permits
from llm_gateway.routing.table import RoutingTable
from llm_gateway.routing.targets import Arm, Endpoint, Experiment, Group, Provider, Route, Target, Upstream
from llm_gateway.rpc.admission import Admission
from llm_gateway.rpc.auth import Auth
from llm_gateway.rpc.chain import RpcChain
from llm_gateway.rpc.errors import Errors
from llm_gateway.rpc.health import HealthView, MachineHealth
from llm_gateway.rpc.service import Service, Snapshot
from llm_gateway.rpc.sizes import Sizes
from llm_gateway.rpc.telemetry import Telemetry
from llm_gateway.telemetry import logs, redaction, tracing
from llm_gateway.upstream.build import address_of, described_models, secrets, upstream, usual_model
from llm_gateway.upstream.echo import MODELS as ECHO_MODELS

T = TypeVar("T")
RELOADED = frozenset({"api_keys", "max_in_flight", "overrides", "send_timeout"})
RESTART = tuple(name for name in config.Server.__struct_fields__ if name not in RELOADED)
"""Settings of `server` that a reload does not change."""


def provider_chain(tracer: trace.Tracer | None = None) -> Handler[Call]:
    """What happens to a Send or StreamSend between the servicer and the provider. tracer: makes the spans, if any are wanted."""
    return (
        Chain(Trace(), Deadline(), Blocked())
        .then(Fallback())
        .then(Retry())
        .then(LoadBalance())
        .then(Limit())
        .then(TraceAttempt(tracer))
        .to(call_endpoint)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A configuration, built: what serves it, and what must be closed, and its secrets forgotten, when it is replaced."""

    secrets: tuple[str, ...]
    snapshot: Snapshot
    upstreams: tuple[Upstream, ...]
    prices: Prices
    catalogue: Catalogue


class Gateway:
    """A gateway that can be started, reloaded and drained.

    tracer: makes the spans; without one there are none.
    """

    def __init__(self, settings: config.Config, *, tracer: trace.Tracer | None = None) -> None:
        self.settings = settings
        self._listen = settings.server.listen
        self._started = monotonic()
        self._states: dict[Hashable, Any] = {}
        self._retiring: dict[asyncio.Task[None], Built] = {}
        self._pricelist: PriceList | None = None
        self._loading = asyncio.Lock()
        self._chain = provider_chain(tracer)
        self.admission = Admission(settings.server.max_in_flight)
        self.health = MachineHealth()
        self._built = self._build(settings)
        self.service = Service(self._built.snapshot)
        self._telemetry = Telemetry(tracer)
        self._auth = Auth(settings.server.api_keys)
        self._rpc_chain = RpcChain(
            Errors(),
            self._telemetry,
            self._auth,
            self.admission,
            Sizes(),
            most=settings.server.max_message_bytes,
        )
        self.port = 0

    async def start(self, *, after: asyncio.Task[None] | None = None) -> int:
        """Bind and serve. Returns the port. after: what SERVING waits for. Raises OSError when the address cannot be bound."""
        server = grpc.aio.server(interceptors=(self._rpc_chain,), options=server_options(self.settings.server))
        gateway_pb2_grpc.add_LLMGatewayServicer_to_server(self.service, server)
        self.lifecycle = Lifecycle(server, self.health, self.admission, self.settings.server)
        self.port = await self.lifecycle.start(after=after)
        self._telemetry.serves_at(self.settings.server.listen, self.port)
        return self.port

    async def stop(self) -> None:
        """Drain, then close: see Lifecycle.drain."""
        await self.lifecycle.drain()
        left = [self._built, *self._retiring.values()]
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*(one.aclose() for built in left for one in built.upstreams))

    async def load_prices(self) -> None:
        """Read the price lists that the configuration needs. Usage is priced from then on; without a list it is not, and a log line says so."""
        async with self._loading:
            wanted = self._built.prices.lists()
            if not wanted:
                return
            try:
                self._pricelist = await load_pricelist(wanted)
            except PriceListUnavailable as error:
                logs.log().warning("no price list", problem=str(error))
                return
            self._built.prices.pricelist = self._pricelist
            self._built.catalogue.refresh()

    async def reload(self, settings: config.Config) -> None:
        """Serve new calls by another configuration. Calls under way keep theirs, to their last retry, unless their key is none any more;
        endpoints that stay keep their health. Of `server`, what RESTART names stays as it was. Raises ConfigError where everyone could call then."""
        if not settings.server.api_keys and not config.is_private(self._listen):
            wrong = f"is gone, and the gateway listens on {self._listen} until it is started again"
            right = "keep a key, or restart"
            raise config.ConfigError(
                [config.ConfigProblem(file="reload", key="server.api_keys", wrong=wrong, right=right)]
            )
        old, self._built = self._built, self._build(settings)
        self._built.catalogue.inherit(old.catalogue)
        self.settings = settings
        self.service.snapshot = self._built.snapshot
        self._auth.take(settings.server.api_keys)
        self.admission.end_unless(self._auth.admit)
        self.admission.limit = settings.server.max_in_flight
        task = asyncio.create_task(self._retire(old))
        self._retiring[task] = old
        task.add_done_callback(self._retiring.pop)

    async def _retire(self, old: Built) -> None:
        """Close what a configuration called by, once its last call is over; until then its secrets may come back in what providers say."""
        await old.snapshot.calls.over()
        await asyncio.gather(*(one.aclose() for one in old.upstreams))
        redaction.forget(*old.secrets)

    def _build(self, settings: config.Config) -> Built:
        known = tuple(secret for provider in settings.providers.values() for secret in secrets(provider))
        redaction.know(*known)
        try:
            return self._built_of(settings, known)
        except BaseException:
            redaction.forget(*known)
            raise

    def _built_of(self, settings: config.Config, known: tuple[str, ...]) -> Built:
        upstreams: list[Upstream] = []
        providers: dict[str, Provider] = {}
        states: dict[Hashable, Any] = {}
        local = {name for name, provider in settings.providers.items() if _is_local(provider)}
        prices = Prices(settings.providers, local=local, pricelist=self._pricelist)
        for name, provider in settings.providers.items():
            endpoints = self._endpoints(name, provider, settings, prices, states)
            upstreams += [endpoint.upstream for endpoint in endpoints]
            providers[name] = Provider(
                id=name,
                kind=provider.kind,
                endpoints=endpoints,
                models=tuple(provider.models or (ECHO_MODELS if provider.kind == "echo" else ())),
                default_model=provider.default_model or "",
                usual_model=usual_model(provider),
                foreign=bool(provider.servers),
                deployments=provider.kind != "echo" and row(provider.kind).deployments,
                flat=provider.kind != "echo" and row(provider.kind).flat,
                local=name in local,
                aliases={alias: model for model, info in provider.model_info.items() for alias in info.aliases or ()},
            )
        catalogue = Catalogue(
            {name: partial(described_models, provider.endpoints[0].upstream) for name, provider in providers.items()},
            settings,
            prices,
            local=local,
            declared={name: provider.models or () for name, provider in settings.providers.items()},
            changed=self._route_anew,
        )
        view = HealthView(
            list(providers.values()),
            config_version=config.fingerprint(settings),
            in_flight=lambda: self.admission.in_flight,
            draining=lambda: self.admission.draining,
            started=self._started,
            stands_in=settings.stands_in,
        )
        snapshot = Snapshot(
            routing=_routing(settings, providers, catalogue),
            learn=catalogue.learn,
            call=self._chain,
            list_models=catalogue.list_models,
            health=view.health,
            check_override=_override_check(settings.server.overrides),
            send_timeout=settings.server.send_timeout,
            max_output_tokens=settings.defaults.max_output_tokens,
        )
        self._states = states
        return Built(secrets=known, snapshot=snapshot, upstreams=tuple(upstreams), prices=prices, catalogue=catalogue)

    def _route_anew(self) -> None:
        """New calls are routed by what is known of the models now."""
        built = self._built
        routing = _routing(self.settings, built.snapshot.routing.providers, built.catalogue)
        self.service.snapshot = replace(built.snapshot, routing=routing)

    def _endpoints(
        self,
        name: str,
        provider: config.Provider,
        settings: config.Config,
        prices: Prices,
        states: dict[Hashable, Any],
    ) -> tuple[Endpoint, ...]:
        """One endpoint for each address and key. What is known of their health is kept, so that a reload does not forget it, for as long
        as address, key and breaker policy stay the same."""

        def kept(what: str, make: Callable[[], T], *of: Hashable) -> T:
            key = (what, name, policy, *of)
            states[key] = states.get(key) or self._states.get(key) or make()
            return states[key]  # type: ignore[no-any-return]  # `what` says of which class it is

        policy = settings.breaker
        trace_headers = tracing.trace_headers if settings.telemetry.propagate else None
        price, named = partial(prices.add_cost, name), settings.models_named(name)
        servers = provider.servers or (None,)
        keys = provider.keys or (None,)
        endpoints = []
        for address, server in zip(_addresses(servers), servers, strict=True):
            place = (
                (server.url, server.region)
                if server is not None
                else (provider.kind, provider.region, provider.location)
            )
            breaker = kept("server", lambda: Breaker(policy, monotonic), place)
            for key in keys:
                alias = key.name if key is not None else ""
                rest = kept("key", lambda: Cooldown(monotonic), key)
                permits = kept("permits", Permits, place, key)
                permits.limits = provider.limits
                state = EndpointState(server=breaker, key=rest, permits=permits, policy=policy, clock=monotonic)
                labels = [address] if len(servers) > 1 else []
                labels += [alias] if len(keys) > 1 else []
                called = upstream(name, provider, server, key, price, trace=trace_headers, named=named)
                endpoints.append(
                    Endpoint(
                        provider=name,
                        deployment="/".join(labels),
                        upstream=called,
                        state=kept("state", lambda: state, place, key),  # noqa: B023 - called at once
                        weight=server.weight if server is not None else 1.0,
                        address=address_of(called),
                    )
                )
        return tuple(endpoints)


def _addresses(servers: Sequence[config.Endpoint | None]) -> list[str]:
    """What people call the addresses of a provider: by region where each has one of its own, else by number."""
    regions = [server.region if server is not None else None for server in servers]
    return [
        region if region and regions.count(region) == 1 else f"{region or 'endpoint'}-{number}"
        for number, region in enumerate(regions, 1)
    ]


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


def _routing(settings: config.Config, providers: Mapping[str, Provider], catalogue: Catalogue) -> RoutingTable:
    facts = catalogue.facts

    def target(configured: config.Target | config.Arm) -> Target:
        provider = providers[configured.provider]
        model = provider.aliases.get(configured.model, configured.model)
        known = facts(provider.id, model)
        if isinstance(configured, config.Target) and configured.capabilities:
            known = replace(known, capabilities=dict([*known.capabilities.items(), *configured.capabilities.items()]))
        return Target(provider=provider, model=model, weight=configured.weight, facts=known)

    def each(targets: Sequence[config.Target]) -> tuple[Group, ...]:
        return tuple((target(one),) for one in targets)

    def experiment(configured: config.Experiment) -> Experiment:
        arms = tuple(Arm(name=arm.name, target=target(arm)) for arm in configured.arms)
        return Experiment(name=configured.name, arms=arms, sticky=configured.sticky)

    routes = {}
    for name, route in settings.routes.items():
        split = experiment(route.experiment) if route.experiment is not None else None
        targets = tuple(map(target, route.targets)) or tuple(arm.target for arm in split.arms if split is not None)  # type: ignore[union-attr]
        routes[name] = Route(
            name=name,
            groups=(targets, *each(route.fallbacks)),
            context_groups=each(route.context_fallbacks),
            content_groups=each(route.content_fallbacks),
            strategy=route.strategy,
            sticky=route.affinity,
            timeouts=route.timeouts,
            retry=route.retry,
            max_attempts=route.retry.max_attempts,
            experiment=split,
        )
    return RoutingTable(
        providers=providers,
        routes=routes,
        default_provider=settings.default_provider or "",
        default_model=settings.default_model or "",
        defaults=settings.defaults,
        facts=facts,
        lists=catalogue.listed,
    )


def _override_check(allowed: config.Overrides) -> Callable[[str, str, Route], None]:
    def check(provider: str, model: str, route: Route) -> None:
        leads_to = {provider, *(target.provider.id for group in route.groups for target in group)} - {""}
        if allowed.providers is not None and not leads_to <= set(allowed.providers):
            raise OverrideNotAllowed("x-llm-provider and x-llm-model may not lead to this provider.")
        if model and allowed.models is not None and model not in allowed.models:
            raise OverrideNotAllowed("x-llm-model may not name this model.")

    return check


def _is_local(provider: config.Provider) -> bool:
    if provider.local is not None:
        return provider.local
    return provider.kind == "echo" or row(provider.kind).local
