"""Names to targets: what a request may be served by. A RoutingTable is a snapshot; a reload makes another one."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmgateway.v1 import gateway_pb2

from llm_gateway.capabilities import ModelFacts, Needs, needs_of
from llm_gateway.config import ALIASES
from llm_gateway.errors import InvalidRequest, NoCapableTarget, ProviderNotConfigured, UnknownModel, Violation

if TYPE_CHECKING:
    from llm_gateway.balancing import EndpointState
    from llm_gateway.call import Handler

Facts = Callable[[str, str], ModelFacts]
"""(provider id, model) → what is known of the model."""

AUTO = "auto"
"""Model name that stands for every model there is."""
MOST_ATTEMPTS = 10
MOST_DIRECT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one provider call, in seconds; None is no limit.

    connect: TCP and TLS. first_event: to the first content of a stream. idle: between contents of a stream; pings do not count.
    attempt: the whole call.
    """

    connect: float = 5.0
    first_event: float | None = 120.0
    idle: float | None = 120.0
    attempt: float | None = 600.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """One place of a provider: a base URL and a key. The unit of balancing, limits and breakers.

    deployment: what people call it (region, deployment or key alias); "" when the provider has one endpoint only.
    upstream: calls it. state: its recent past, shared by all snapshots. address: host and port, None where it is not on the network.
    """

    provider: str
    deployment: str
    upstream: Handler
    state: EndpointState
    weight: float = 1.0
    address: tuple[str, int] | None = None

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.deployment}" if self.deployment else self.provider


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """A configured provider. models: those it is declared to serve; empty when it is not known. aliases: other names of its models."""

    id: str
    kind: str
    endpoints: tuple[Endpoint, ...]
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    default_model: str = ""
    local: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A model of a provider. weight: its share among the targets of its group; 0 drains it. facts: what is known of the model."""

    provider: Provider
    model: str
    weight: float = 1.0
    facts: ModelFacts = field(default_factory=ModelFacts)

    @property
    def label(self) -> str:
        return f"{self.provider.id}/{self.model}"


Group = tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """One arm of an experiment."""

    name: str
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experiment:
    """A split of a route's calls by weight. sticky: user, conversation or none; the same one always gets the same arm."""

    name: str
    arms: tuple[Arm, ...]
    sticky: str = "none"

    def arm(self, request: gateway_pb2.SendRequest, rng: random.Random) -> Arm:
        """The arm of this request; at random where it names no user or conversation to stick to."""
        key = {"user": request.end_user_id, "conversation": request.conversation_id}.get(self.sticky, "")
        if key:
            digest = hashlib.blake2b(f"{self.name}\0{key}".encode(), digest_size=8).digest()
            point = int.from_bytes(digest, "big") / 2**64
        else:
            point = rng.random()
        point *= sum(arm.target.weight for arm in self.arms)
        for arm in self.arms:
            point -= arm.target.weight
            if point < 0:
                return arm
        return self.arms[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A target that was left out before dispatch, and why."""

    target: Target
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a call may go: a snapshot, made for one request.

    name: "" for a route made of a model's name. groups[0] holds the targets to balance over, the further groups are the fallbacks in
    order; context_groups and content_groups take their place after a context overflow or a content-policy refusal, where given.
    strategy: name in balancing.STRATEGIES. affinity: calls with the same key prefer the same endpoint; "" is none.
    total: seconds for all attempts together. first_event, idle, attempt: limits that replace the provider's; None leaves those.
    max_attempts: provider calls, all told. needs: what the request needs. excluded: targets that cannot serve it.
    """

    name: str
    groups: tuple[Group, ...]
    context_groups: tuple[Group, ...] = ()
    content_groups: tuple[Group, ...] = ()
    strategy: str = "weighted"
    sticky: bool = False
    affinity: str = ""
    total: float | None = None
    first_event: float | None = None
    idle: float | None = None
    attempt: float | None = None
    max_attempts: int = 3
    backoff: Backoff | None = None
    experiment: Experiment | None = None
    arm: str = ""
    needs: Needs = field(default_factory=Needs)
    excluded: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits between attempts, in seconds. Full jitter: attempt n waits a uniform time between 0 and min(longest, base · 2^(n-1)).

    hint: longest Retry-After that is waited for. reserve: what must be left before the deadline for another attempt.
    budget, ratio: retries are allowed while a bucket of `budget` tokens is more than half full; a retry takes one, a success gives
    `ratio` back (gRFC A6).
    """

    base: float = 0.25
    longest: float = 8.0
    hint: float = 10.0
    reserve: float = 0.05
    budget: float = 10.0
    ratio: float = 0.1

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Seconds before attempt number `attempt` + 1."""
        return rng.uniform(0.0, min(self.longest, self.base * 2.0 ** (attempt - 1)))


_STRATEGY = {
    gateway_pb2.RoutingPolicy.STRATEGY_WEIGHTED: "weighted",
    gateway_pb2.RoutingPolicy.STRATEGY_ROUND_ROBIN: "round_robin",
    gateway_pb2.RoutingPolicy.STRATEGY_LEAST_LOADED: "least_loaded",
    gateway_pb2.RoutingPolicy.STRATEGY_LOWEST_LATENCY: "lowest_latency",
    gateway_pb2.RoutingPolicy.STRATEGY_LOWEST_COST: "lowest_cost",
    gateway_pb2.RoutingPolicy.STRATEGY_CAPABILITY_SCORE: "capability_score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """Everything a name can mean. default_model: a name to use when a request names none. facts: (provider, model) → what is known.

    direct: routes made of models' names, kept because making one takes longer than the rest of resolving.
    """

    providers: Mapping[str, Provider]
    routes: Mapping[str, Route] = field(default_factory=dict)
    default_provider: str = ""
    default_model: str = ""
    max_attempts: int = 3
    total: float | None = None
    first_event: float | None = None
    idle: float | None = None
    attempt: float | None = None
    backoff: Backoff = field(default_factory=Backoff)
    facts: Facts = field(default=lambda provider, model: ModelFacts())
    rng: random.Random = field(default_factory=random.Random)
    direct: dict[tuple[str, str], Route] = field(default_factory=dict)

    def resolve(
        self,
        request: gateway_pb2.SendRequest,
        *,
        model: str = "",
        provider: str = "",
        affinity: str = "",
        fallback: bool = True,
        stream: bool = False,
    ) -> Route:
        """The route of a request, without the targets that cannot serve it.

        `model`, `provider`, `affinity` and no `fallback`, from call metadata, win over the request's own. What the request merely implies excludes a
        target only where there is a choice; a model that was named is asked, and answers for itself. What the caller requires excludes
        always. Raises UnknownModel, ProviderNotConfigured, InvalidRequest, NoCapableTarget.
        """
        route = self._named(model or request.model, provider or request.provider)
        if fallback and not affinity and not request.HasField("routing"):
            if not route.name:
                return route
        else:
            route = self._by_policy(route, request.routing, affinity, fallback=fallback)
        if route.sticky and not route.affinity:
            route = replace(route, affinity=request.cache_config.cache_key or request.conversation_id)
        if route.experiment is not None:
            arm = route.experiment.arm(request, self.rng)
            others = tuple(a.target for a in route.experiment.arms if a is not arm)
            route = replace(route, groups=((arm.target,), *route.groups[1:]) if others else route.groups, arm=arm.name)
        return _capable(route, needs_of(request, stream=stream))

    def _by_policy(self, route: Route, policy: gateway_pb2.RoutingPolicy, affinity: str, *, fallback: bool) -> Route:
        groups, context, content = route.groups, route.context_groups, route.content_groups
        if policy.disable_fallback or not fallback:
            groups, context, content = groups[:1], (), ()
        elif policy.fallback_models:
            groups = (groups[0], *(group for name in policy.fallback_models for group in self._named(name, "").groups))
        attempts = policy.max_attempts or route.max_attempts
        return replace(
            route,
            groups=groups,
            context_groups=context,
            content_groups=content,
            strategy=_STRATEGY.get(policy.strategy, route.strategy),
            affinity=affinity or policy.affinity_key or route.affinity,
            max_attempts=min(attempts, MOST_ATTEMPTS),
        )

    def _named(self, name: str, provider: str) -> Route:
        if provider:
            return self._direct(self._provider(provider), self._without_provider(name, provider))
        if not name:
            return self._default()
        if name in self.routes:
            return self.routes[name]
        if name == AUTO:
            return self._auto()
        plain = name.removeprefix("providers/").replace("/models/", "/", 1) if name.startswith("providers/") else name
        head, slash, rest = plain.partition("/")
        head = self._alias(head)
        if slash and head in self.providers:
            return self._direct(self.providers[head], rest)
        serving = [
            p for p in self.providers.values() if name in p.models or name in p.aliases or name == p.default_model
        ]
        if len(serving) == 1:
            return self._direct(serving[0], name)
        if len(serving) > 1:
            choices = ", ".join(f"{p.id}/{name}" for p in serving)
            raise InvalidRequest(
                f"Several providers serve this model: {choices}.",
                violations=[Violation(field="model", description=f"Name one of {choices}.", reason="AMBIGUOUS_MODEL")],
            )
        if head in self.providers and not slash:
            return self._direct(self.providers[head], "")
        if len(self.providers) == 1 and not next(iter(self.providers.values())).models:
            return self._direct(next(iter(self.providers.values())), name)
        raise UnknownModel(
            "No route or provider has a model of this name. Name a route, provider/model, or a model from ListModels; "
            f"providers: {_names(self.providers)}; routes: {_names(self.routes)}."
        )

    def _default(self) -> Route:
        if self.default_model:
            return self._named(self.default_model, "")
        if self.default_provider:
            return self._direct(self._provider(self.default_provider), "")
        with_default = [p for p in self.providers.values() if p.default_model or p.models]
        if with_default:
            return self._direct(with_default[0], "")
        raise InvalidRequest(
            violations=[
                Violation(field="model", description="Name a model; no default is configured.", reason="REQUIRED")
            ]
        )

    def _direct(self, provider: Provider, model: str) -> Route:
        model = (
            provider.aliases.get(model, model)
            or provider.default_model
            or (provider.models[0] if provider.models else "")
        )
        if not model:
            raise InvalidRequest(
                violations=[
                    Violation(
                        field="model",
                        description=f"Name a model of {provider.id}; it has no default.",
                        reason="REQUIRED",
                    )
                ]
            )
        route = self.direct.get((provider.id, model))
        if route is None:
            target = Target(provider=provider, model=model, facts=self.facts(provider.id, model))
            route = Route(
                name="",
                groups=((target,),),
                max_attempts=self.max_attempts,
                total=self.total,
                first_event=self.first_event,
                idle=self.idle,
                attempt=self.attempt,
                backoff=self.backoff,
            )
            if len(self.direct) >= MOST_DIRECT:
                self.direct.clear()
            self.direct[provider.id, model] = route
        return route

    def _auto(self) -> Route:
        """All models that are known by name: those declared, and the defaults."""
        route = self.direct.get(("", AUTO))
        if route is not None:
            return route
        targets = tuple(
            Target(provider=provider, model=model, facts=self.facts(provider.id, model))
            for provider in self.providers.values()
            for model in dict.fromkeys(
                (*provider.models, *((provider.default_model,) if provider.default_model else ()))
            )
        )
        if not targets:
            raise UnknownModel("auto needs providers with models or a default_model in the configuration.")
        route = replace(self._direct(targets[0].provider, targets[0].model), name=AUTO, groups=(targets,))
        self.direct["", AUTO] = route
        return route

    def _provider(self, name: str) -> Provider:
        found = self.providers.get(name) or self.providers.get(self._alias(name))
        if found is None:
            raise ProviderNotConfigured(f"No provider of this name is configured; there are: {_names(self.providers)}.")
        return found

    def _alias(self, name: str) -> str:
        return name if name in self.providers else ALIASES.get(name.lower(), name)

    def _without_provider(self, name: str, provider: str) -> str:
        name = name.removeprefix("providers/").replace("/models/", "/", 1) if name.startswith("providers/") else name
        return name.removeprefix(f"{provider}/")


def _names(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"


def _capable(route: Route, needs: Needs) -> Route:
    """The route without the targets that cannot serve the needs. Raises NoCapableTarget when none is left."""
    choice = route.name or len(route.groups) > 1
    if not choice and not needs.explicit():
        return replace(route, needs=needs)
    if not choice:
        needs = replace(needs, implied=frozenset())
    excluded: list[Exclusion] = []

    def able(groups: tuple[Group, ...]) -> tuple[Group, ...]:
        kept = []
        for group in groups:
            fit = []
            for target in group:
                reasons = needs.unmet(target.provider.id, target.provider.local, target.facts)
                if reasons:
                    excluded.append(Exclusion(target=target, reasons=tuple(reasons)))
                else:
                    fit.append(target)
            if fit:
                kept.append(tuple(fit) if len(fit) < len(group) else group)
        return tuple(kept)

    groups = able(route.groups)
    if not groups:
        listed = "; ".join(f"{e.target.label}: {', '.join(e.reasons)}" for e in excluded[:10])
        refused = NoCapableTarget(f"No target can serve what the request needs. {listed}.")
        refused.excluded = tuple(excluded)
        raise refused
    return replace(
        route,
        groups=groups,
        context_groups=able(route.context_groups),
        content_groups=able(route.content_groups),
        needs=needs,
        excluded=tuple(excluded),
    )
