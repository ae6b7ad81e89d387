"""Names to targets: what a request may be served by. A RoutingTable is a snapshot; a reload makes another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmgateway.v1 import gateway_pb2

from llm_gateway.errors import InvalidRequest, ProviderNotConfigured, UnknownModel, Violation

if TYPE_CHECKING:
    from llm_gateway.balancing import EndpointState
    from llm_gateway.call import Handler

ALIASES: Mapping[str, str] = {"claude": "anthropic", "gpt": "openai"}
"""Names of providers that people use for others."""


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
    upstream: calls it. state: its recent past, shared by all snapshots.
    """

    provider: str
    deployment: str
    upstream: Handler
    state: EndpointState
    weight: float = 1.0

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.deployment}" if self.deployment else self.provider


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """A configured provider. models: those it is declared to serve; empty when it is not known."""

    id: str
    kind: str
    endpoints: tuple[Endpoint, ...]
    models: tuple[str, ...] = ()
    default_model: str = ""
    local: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A model of a provider. weight: its share among the targets of its group; 0 drains it."""

    provider: Provider
    model: str
    weight: float = 1.0

    @property
    def label(self) -> str:
        return f"{self.provider.id}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a call may go. groups[0] holds the targets to balance over, the further groups are the fallbacks in order.

    name: "" for a route made of a model name. total: seconds for all attempts together. max_attempts: provider calls, all told.
    """

    name: str
    groups: tuple[tuple[Target, ...], ...]
    strategy: str = "weighted"
    total: float | None = None
    max_attempts: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """Everything a name can mean. default_model: a name to use when a request names none."""

    providers: Mapping[str, Provider]
    routes: Mapping[str, Route] = field(default_factory=dict)
    default_provider: str = ""
    default_model: str = ""
    max_attempts: int = 3

    def resolve(self, request: gateway_pb2.SendRequest, *, model: str = "", provider: str = "") -> Route:
        """The route of a request. `model` and `provider`, from call metadata, win over the request's own.

        Raises UnknownModel, ProviderNotConfigured, InvalidRequest.
        """
        route = self._named(model or request.model, provider or request.provider)
        policy = request.routing
        groups = route.groups
        if policy.disable_fallback:
            groups = groups[:1]
        elif policy.fallback_models:
            groups = (groups[0], *(group for name in policy.fallback_models for group in self._named(name, "").groups))
        if groups is not route.groups:
            route = replace(route, groups=groups)
        if policy.max_attempts:
            route = replace(route, max_attempts=min(policy.max_attempts, 10))
        return route

    def _named(self, name: str, provider: str) -> Route:
        if provider:
            return self._direct(self._provider(provider), self._without_provider(name, provider))
        if not name:
            return self._default()
        if name in self.routes:
            return self.routes[name]
        plain = name.removeprefix("providers/").replace("/models/", "/", 1) if name.startswith("providers/") else name
        head, slash, rest = plain.partition("/")
        head = self._alias(head)
        if slash and head in self.providers:
            return self._direct(self.providers[head], rest)
        serving = [p for p in self.providers.values() if name in p.models or name == p.default_model]
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
        model = model or provider.default_model or (provider.models[0] if provider.models else "")
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
        return Route(name="", groups=((Target(provider=provider, model=model),),), max_attempts=self.max_attempts)

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
