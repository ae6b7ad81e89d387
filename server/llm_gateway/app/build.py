"""From a configuration to what serves it: the only module besides `chains` that names concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic, time
from typing import Any, TypeVar

from llmgateway.v1 import model_pb2, usage_pb2
from msgspec import structs

from llm_gateway import config
from llm_gateway.calls.call import Call, Handler
from llm_gateway.catalogue.catalogue import Catalogue
from llm_gateway.catalogue.pricing.pricelist import PriceList
from llm_gateway.catalogue.pricing.prices import Prices
from llm_gateway.errors import OverrideNotAllowed, ProviderUnavailable, ProviderUnreachable
from llm_gateway.protocols.events import EventWriter
from llm_gateway.providers.plugins import row
from llm_gateway.routing.outlier import Breaker, Cooldown
from llm_gateway.routing.state import EndpointState, Failure, Permits
from llm_gateway.routing.table import RoutingTable
from llm_gateway.routing.targets import Endpoint, Group, Provider, Route, Target, Upstream
from llm_gateway.rpc.admission import Admission
from llm_gateway.rpc.health import HealthView
from llm_gateway.rpc.service import Snapshot
from llm_gateway.telemetry import redaction, tracing
from llm_gateway.upstream.build import (
    address_of,
    described_models,
    is_local,
    resolved_name,
    secrets,
    upstream,
    usual_model,
)
from llm_gateway.upstream.echo import MODELS as ECHO_MODELS
from llm_gateway.upstream.http import Address

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What serves a configuration, and what to close and forget when it is replaced."""

    settings: config.Config
    secrets: tuple[str, ...]
    snapshot: Snapshot
    upstreams: tuple[Shared, ...]
    prices: Prices
    catalogue: Catalogue

    def names(self) -> set[str]:
        """Those whose addresses are endpoints of their own."""
        providers = self.settings.providers.values()
        return {resolved_name(one, server) for one in providers for server in one.servers or (None,)} - {""}

    def rerouted(self) -> Snapshot:
        """The snapshot with what is now known of the models."""
        routing = _routing(self.settings, self.snapshot.routing.providers, self.catalogue)
        return replace(self.snapshot, routing=routing)

    async def retire(self) -> None:
        """Close its upstreams once its last call is over; until then providers may still quote its secrets."""
        self.catalogue.stop()
        await self.snapshot.calls.over()
        await self.aclose()
        redaction.forget(*self.secrets)

    async def aclose(self) -> None:
        await self.catalogue.aclose()
        await asyncio.gather(*(one.release() for one in self.upstreams))


@dataclass(slots=True, eq=False, kw_only=True)
class Shared:
    """An upstream, with its connections, for as long as a configuration calls by it. of: all that it was made of."""

    of: tuple[object, ...]
    upstream: Upstream
    price: Pricing
    holders: int = 0

    async def release(self) -> None:
        self.holders -= 1
        if self.holders <= 0:
            await self.upstream.aclose()


class Pricing:
    """Prices a provider's usage by the configuration in force."""

    __slots__ = ("_provider", "prices")

    def __init__(self, provider: str, prices: Prices) -> None:
        self._provider = provider
        self.prices = prices

    def __call__(self, model: str, usage: usage_pb2.Usage, writer: EventWriter) -> None:
        self.prices.add_cost(self._provider, model, usage, writer)


@dataclass(frozen=True, slots=True)
class Lasting:
    """What the next configuration takes over where it says the same: health, and connections."""

    states: dict[Hashable, Any] = field(default_factory=dict)
    shared: dict[Hashable, Shared] = field(default_factory=dict)


class Builder:
    """Keeps what outlives a configuration: the health and connections of endpoints, the price list, the last refusal, and admission, which counts
    the calls."""

    def __init__(
        self,
        call: Handler[Call],
        admission: Admission,
        addresses: Callable[[str], Sequence[Address]] = lambda host: (),
    ) -> None:
        """call: the provider-call chain. addresses: those that a name is known to have now."""
        self._addresses = addresses
        self._since = 0.0
        self.pricelist: PriceList | None = None
        self._call = call
        self._admission = admission
        self._started = monotonic()
        self._lasting = Lasting()
        self.refused: tuple[str, float] | None = None
        """Why the configuration that the files hold is not in force, and since when (Unix time)."""

    def build(self, settings: config.Config, changed: Callable[[], None], *, again: bool = False) -> Built:
        """changed: called when more is known of the models; `Built.rerouted` then has a new snapshot. again: the configuration is the same, and
        names in it have other addresses."""
        known = tuple(secret for provider in settings.providers.values() for secret in secrets(provider))
        redaction.know(*known)
        try:
            return self._built(settings, changed, known, again)
        except BaseException:
            redaction.forget(*known)
            raise

    def _built(
        self, settings: config.Config, changed: Callable[[], None], known: tuple[str, ...], again: bool
    ) -> Built:
        lasting = Lasting()
        since = self._since if again else time()
        providers: dict[str, Provider] = {}
        local = {name for name, provider in settings.providers.items() if is_local(provider)}
        prices = Prices(settings.providers, local=local, pricelist=self.pricelist)
        named = settings.models_named()
        for name, provider in settings.providers.items():
            providers[name] = Provider(
                id=name,
                settings=provider,
                row=row(provider.kind),
                endpoints=self._endpoints(name, provider, settings, prices, lasting, named=named[name], again=again),
                models=tuple(provider.models or (ECHO_MODELS if provider.kind == "echo" else ())),
                usual_model=usual_model(provider),
                local=name in local,
                aliases={alias: model for model, info in provider.model_info.items() for alias in info.aliases or ()},
            )
        catalogue = Catalogue(
            {name: partial(_listed, provider.endpoints) for name, provider in providers.items()},
            settings,
            prices,
            local=local,
            declared={name: provider.models or () for name, provider in settings.providers.items()},
            refreshed=_refreshed(settings, providers),
            changed=changed,
        )
        view = HealthView(
            list(providers.values()),
            config_version=config.fingerprint(settings),
            in_flight=lambda: self._admission.in_flight,
            draining=lambda: self._admission.draining,
            started=self._started,
            stands_in=settings.stands_in,
            config_time=since,
            refused=lambda: self.refused,
            unreached=partial(_unreached, catalogue),
        )
        snapshot = Snapshot(
            routing=_routing(settings, providers, catalogue),
            learn=catalogue.learn,
            call=self._call,
            list_models=catalogue.list_models,
            health=view.health,
            check_override=_override_check(settings.server.overrides),
            send_timeout=settings.server.send_timeout,
            max_output_tokens=settings.defaults.max_output_tokens,
        )
        self._lasting, self._since = lasting, since
        if not again:
            self.refused = None
        for one in lasting.shared.values():
            one.holders += 1
            one.price.prices = prices
        return Built(
            settings=settings,
            secrets=known,
            snapshot=snapshot,
            upstreams=tuple(lasting.shared.values()),
            prices=prices,
            catalogue=catalogue,
        )

    def _endpoints(
        self,
        name: str,
        provider: config.Provider,
        settings: config.Config,
        prices: Prices,
        lasting: Lasting,
        *,
        named: frozenset[str],
        again: bool,
    ) -> tuple[Endpoint, ...]:
        """One endpoint for each address and key. A reload, or a look-up, keeps what is known of their health, as long as address, key and breaker
        policy stay the same, and their connections, as long as nothing changes that they are called by. named: see Config.models_named."""

        def kept(what: str, make: Callable[[], T], *of: Hashable) -> T:
            key = (what, name, policy, *of)
            lasting.states[key] = lasting.states.get(key) or self._lasting.states.get(key) or make()
            return lasting.states[key]  # type: ignore[no-any-return]  # `what` says of which class it is

        policy = settings.breaker
        trace_headers = tracing.trace_headers if settings.telemetry.propagate else None
        itself = structs.replace(provider, api_keys=(), endpoints=())

        def called(server: config.Endpoint | None, key: config.ApiKey | None, address: Address | None) -> Upstream:
            of = (itself, server, key, named, settings.telemetry.propagate)
            at = (name, server.url if server else None, server.region if server else None, key, address)
            one = self._lasting.shared.get(at)
            if one is None or one.of != of or (key is None and not again and _asks_elsewhere(provider)):
                price = Pricing(name, prices)
                made = upstream(name, provider, server, key, price, trace=trace_headers, named=named, address=address)
                one = Shared(of=of, upstream=made, price=price)
            lasting.shared[at] = one
            return one.upstream

        servers = provider.servers or (None,)
        keys = provider.keys or (None,)
        endpoints = []
        for server, label, address, share in self._places(provider, servers):
            where = (
                (server.url, server.region, address)
                if server is not None
                else (provider.kind, provider.region, provider.location, address)
            )
            breaker = kept("server", lambda: Breaker(policy, monotonic), where)
            for key in keys:
                cooldown = kept("key", lambda: Cooldown(monotonic), key)
                permits = kept("permits", Permits, where, key)
                permits.limits = provider.limits
                state = EndpointState(server=breaker, key=cooldown, permits=permits, policy=policy, clock=monotonic)
                alias = key.name if key is not None and len(keys) > 1 else ""
                one = called(server, key, address)
                endpoints.append(
                    Endpoint(
                        provider=name,
                        deployment="/".join(filter(None, (label, alias))),
                        upstream=one,
                        state=kept("state", lambda: state, where, key),  # noqa: B023 - called at once
                        weight=(server.weight if server is not None else 1.0) * share,
                        address=address_of(one),
                    )
                )
        return tuple(endpoints)

    def _places(
        self, provider: config.Provider, servers: Sequence[config.Endpoint | None]
    ) -> Iterator[tuple[config.Endpoint | None, str, Address | None, float]]:
        """The provider's configured addresses, and of each all that its name has where they are endpoints of their own: with a label where there are
        several, and the share of its weight. A name without a known address is one place, whose calls say why."""
        for label, server in zip(_labels(servers), servers, strict=True):
            shown = label if len(servers) > 1 else ""
            name = resolved_name(provider, server)
            found = self._addresses(name) if name else ()
            for address in found:
                yield server, "/".join(filter(None, (shown, address[1]))), address, 1.0 / len(found)
            if not found:
                yield server, shown, None, 1.0


LISTS_TRIED = 3
"""Endpoints of a provider that are asked for its models, one after the other, while they cannot be reached."""


async def _listed(endpoints: Sequence[Endpoint]) -> list[model_pb2.Model]:
    *others, last = endpoints[:LISTS_TRIED]
    for one in others:
        with suppress(ProviderUnavailable):
            return await described_models(one.upstream)
    return await described_models(last.upstream)


def _labels(servers: Sequence[config.Endpoint | None]) -> list[str]:
    """Display names of a provider's addresses: by region where each has its own, else by number."""
    regions = [server.region if server is not None else None for server in servers]
    return [
        region if region and regions.count(region) == 1 else f"{region or 'endpoint'}-{number}"
        for number, region in enumerate(regions, 1)
    ]


def _unreached(catalogue: Catalogue, name: str) -> Failure | None:
    at, error = catalogue.failed(name) or (0.0, None)
    return Failure.of(error, "", at) if isinstance(error, ProviderUnreachable) else None


MOST_SELDOM = 3600.0
"""Seconds; a worker asks no more seldom because there are others, unless the configuration says so."""


def _refreshed(settings: config.Config, providers: Mapping[str, Provider]) -> dict[str, float]:
    """Providers whose model lists are kept fresh, and every how many seconds: those that serve what they list, over HTTP, since a list of Claude
    Code or LiteLLM would start a process."""
    said = settings.discovery
    shared = min(said.interval * settings.server.workers, max(said.interval, MOST_SELDOM))
    found = {}
    for name, provider in providers.items():
        if provider.models or not provider.row.lists or provider.row.transport or provider.row.deployments:
            continue
        seconds = said.local_interval if provider.local and said.local_interval else shared
        if seconds:
            found[name] = seconds
    return found


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

    routes = {}
    for name, route in settings.routes.items():
        arms = tuple(map(target, route.experiment.arms)) if route.experiment is not None else ()
        routes[name] = Route(
            name=name,
            groups=(tuple(map(target, route.targets)) or arms, *each(route.fallbacks)),
            context_groups=each(route.context_fallbacks),
            content_groups=each(route.content_fallbacks),
            strategy=route.strategy,
            sticky=route.affinity,
            timeouts=route.timeouts,
            retry=route.retry,
            max_attempts=route.retry.max_attempts,
            experiment=route.experiment,
            arms=arms,
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


def _asks_elsewhere(provider: config.Provider) -> bool:
    """Whether its credentials come from files and variables outside the configuration."""
    return bool(row(provider.kind).identity)
