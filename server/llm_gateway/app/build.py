"""From a configuration to what serves it: the only module besides `chains` that names concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from llm_gateway import config
from llm_gateway.calls.call import Call, Handler
from llm_gateway.catalogue.catalogue import Catalogue
from llm_gateway.catalogue.pricing.pricelist import PriceList
from llm_gateway.catalogue.pricing.prices import Prices
from llm_gateway.errors import OverrideNotAllowed
from llm_gateway.providers.plugins import row
from llm_gateway.routing.outlier import Breaker, Cooldown
from llm_gateway.routing.state import EndpointState, Permits
from llm_gateway.routing.table import RoutingTable
from llm_gateway.routing.targets import Endpoint, Group, Provider, Route, Target, Upstream
from llm_gateway.rpc.admission import Admission
from llm_gateway.rpc.health import HealthView
from llm_gateway.rpc.service import Snapshot
from llm_gateway.telemetry import redaction, tracing
from llm_gateway.upstream.build import address_of, described_models, is_local, secrets, upstream, usual_model
from llm_gateway.upstream.echo import MODELS as ECHO_MODELS

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What serves a configuration, and what to close and forget when it is replaced."""

    settings: config.Config
    secrets: tuple[str, ...]
    snapshot: Snapshot
    upstreams: tuple[Upstream, ...]
    prices: Prices
    catalogue: Catalogue

    def rerouted(self) -> Snapshot:
        """The snapshot with what is now known of the models."""
        routing = _routing(self.settings, self.snapshot.routing.providers, self.catalogue)
        return replace(self.snapshot, routing=routing)

    async def retire(self) -> None:
        """Close its upstreams once its last call is over; until then providers may still quote its secrets."""
        await self.snapshot.calls.over()
        await self.aclose()
        redaction.forget(*self.secrets)

    async def aclose(self) -> None:
        await asyncio.gather(*(one.aclose() for one in self.upstreams))


class Builder:
    """Keeps what outlives a configuration: the health of endpoints, the price list, and admission, which counts the calls."""

    def __init__(self, call: Handler[Call], admission: Admission) -> None:
        """call: the provider-call chain."""
        self.pricelist: PriceList | None = None
        self._call = call
        self._admission = admission
        self._started = monotonic()
        self._states: dict[Hashable, Any] = {}

    def build(self, settings: config.Config, changed: Callable[[], None]) -> Built:
        """changed: called when more is known of the models; `Built.rerouted` then has a new snapshot."""
        known = tuple(secret for provider in settings.providers.values() for secret in secrets(provider))
        redaction.know(*known)
        try:
            return self._built(settings, changed, known)
        except BaseException:
            redaction.forget(*known)
            raise

    def _built(self, settings: config.Config, changed: Callable[[], None], known: tuple[str, ...]) -> Built:
        upstreams: list[Upstream] = []
        providers: dict[str, Provider] = {}
        states: dict[Hashable, Any] = {}
        local = {name for name, provider in settings.providers.items() if is_local(provider)}
        prices = Prices(settings.providers, local=local, pricelist=self.pricelist)
        for name, provider in settings.providers.items():
            endpoints, of_kind = self._endpoints(name, provider, settings, prices, states), row(provider.kind)
            upstreams += [endpoint.upstream for endpoint in endpoints]
            providers[name] = Provider(
                id=name,
                kind=provider.kind,
                endpoints=endpoints,
                models=tuple(provider.models or (ECHO_MODELS if provider.kind == "echo" else ())),
                default_model=provider.default_model or "",
                usual_model=usual_model(provider),
                foreign=bool(provider.servers),
                deployments=of_kind.deployments,
                flat=of_kind.flat,
                local=name in local,
                otel=of_kind.otel,
                operation=of_kind.operation,
                aliases={alias: model for model, info in provider.model_info.items() for alias in info.aliases or ()},
            )
        catalogue = Catalogue(
            {name: partial(described_models, provider.endpoints[0].upstream) for name, provider in providers.items()},
            settings,
            prices,
            local=local,
            declared={name: provider.models or () for name, provider in settings.providers.items()},
            changed=changed,
        )
        view = HealthView(
            list(providers.values()),
            config_version=config.fingerprint(settings),
            in_flight=lambda: self._admission.in_flight,
            draining=lambda: self._admission.draining,
            started=self._started,
            stands_in=settings.stands_in,
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
        self._states = states
        return Built(
            settings=settings,
            secrets=known,
            snapshot=snapshot,
            upstreams=tuple(upstreams),
            prices=prices,
            catalogue=catalogue,
        )

    def _endpoints(
        self,
        name: str,
        provider: config.Provider,
        settings: config.Config,
        prices: Prices,
        states: dict[Hashable, Any],
    ) -> tuple[Endpoint, ...]:
        """One endpoint for each address and key. A reload keeps what is known of their health, as long as address, key and breaker
        policy stay the same."""

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
            where = (
                (server.url, server.region)
                if server is not None
                else (provider.kind, provider.region, provider.location)
            )
            breaker = kept("server", lambda: Breaker(policy, monotonic), where)
            for key in keys:
                alias = key.name if key is not None else ""
                cooldown = kept("key", lambda: Cooldown(monotonic), key)
                permits = kept("permits", Permits, where, key)
                permits.limits = provider.limits
                state = EndpointState(server=breaker, key=cooldown, permits=permits, policy=policy, clock=monotonic)
                labels = [address] if len(servers) > 1 else []
                labels += [alias] if len(keys) > 1 else []
                called = upstream(name, provider, server, key, price, trace=trace_headers, named=named)
                endpoints.append(
                    Endpoint(
                        provider=name,
                        deployment="/".join(labels),
                        upstream=called,
                        state=kept("state", lambda: state, where, key),  # noqa: B023 - called at once
                        weight=server.weight if server is not None else 1.0,
                        address=address_of(called),
                    )
                )
        return tuple(endpoints)


def _addresses(servers: Sequence[config.Endpoint | None]) -> list[str]:
    """Display names of a provider's addresses: by region where each has its own, else by number."""
    regions = [server.region if server is not None else None for server in servers]
    return [
        region if region and regions.count(region) == 1 else f"{region or 'endpoint'}-{number}"
        for number, region in enumerate(regions, 1)
    ]


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
