"""Names to targets: what may serve a request. A RoutingTable is a snapshot; a reload makes another."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from llmgateway.v1 import gateway_pb2
from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.catalogue.facts import NOTHING_LISTED, Listing, ModelFacts
from llm_gateway.config import kind_of
from llm_gateway.errors import (
    InvalidRequest,
    NoCapableTarget,
    ProviderError,
    ProviderNotConfigured,
    UnknownModel,
)
from llm_gateway.protocols.summary import Summary
from llm_gateway.routing.needs import Lacks, Needs, needs_of
from llm_gateway.routing.targets import Exclusion, Group, Provider, Route, Target, draw

Facts = Callable[[str, str], ModelFacts]
"""(provider id, model) → what is known of the model."""
Lists = Callable[[str], Listing | None]
"""Provider id → its list; None when not fetched yet."""


class ListsNeeded(Exception):
    """The configuration does not have the name: the lists of these providers must be fetched first (`Catalogue.learn`)."""

    def __init__(self, providers: Sequence[str]) -> None:
        super().__init__(*providers)
        self.providers = tuple(providers)


AUTO = "auto"
"""Model name that stands for all configured models."""
MOST_ATTEMPTS = 10
MOST_DIRECT = 10_000
MOST_LIKE = 300
"""Names that a misspelt one is compared with."""
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
    """Everything a name can mean."""

    providers: Mapping[str, Provider]
    routes: Mapping[str, Route] = field(default_factory=dict)
    default_provider: str = ""
    default_model: str = ""
    """A name to use when a request has none."""
    defaults: config.Defaults = field(default_factory=config.Defaults)
    facts: Facts = field(default=lambda provider, model: ModelFacts())
    lists: Lists = field(default=lambda provider: NOTHING_LISTED)
    rng: random.Random = field(default_factory=random.Random)
    direct: dict[tuple[str, str], Route] = field(default_factory=dict)
    """(provider, model) → its route, and ("", name) → what a bare name was found to mean. Cached because finding and making one takes longer than
    all else in resolving; new lists make a new table."""
    lacks: dict[str, Lacks] = field(default_factory=dict)
    """By route."""

    def resolve(
        self,
        request: gateway_pb2.SendRequest,
        *,
        model: str = "",
        provider: str = "",
        affinity: str = "",
        fallback: bool = True,
        stream: bool = False,
        asked: bool = False,
        split: bool = True,
        summary: Summary | None = None,
    ) -> Route:
        """The route of a request, without the targets that cannot serve it.

        `model`, `provider`, `affinity` and no `fallback`, from call metadata, override the request's own. What the request merely implies excludes a
        target only where there is a choice: a named model is called, and answers for itself. What the caller requires always excludes.
        asked: the model lists have been fetched; a missing one will not come. split: draw the arm of an experiment, else all arms are the choice.
        summary: of the conversation, if already made. Raises UnknownModel, ProviderNotConfigured, InvalidRequest, NoCapableTarget, ListsNeeded.
        """
        route = self._named(model or request.model, provider or request.provider, asked)
        plain = fallback and not affinity and not request.HasField("routing")
        if not plain:
            route = self._by_policy(route, request.routing, affinity, fallback=fallback, asked=asked)
        elif not route.name:
            return route
        spare = plain and self._lacks(route).spare(request, summary, stream=stream)
        if route.sticky and not route.affinity:
            route = replace(route, affinity=request.cache_config.cache_key or request.conversation_id)
        if route.experiment is not None and split:
            drawn = draw(route.experiment, request, self.rng)
            groups = ((route.arms[drawn],), *route.groups[1:])
            route = replace(route, groups=groups, arm=route.experiment.arms[drawn].name)
        return route if spare else _capable(route, needs_of(request, summary, stream=stream))

    def _lacks(self, route: Route) -> Lacks:
        """What some target of a named route lacks."""
        found = self.lacks.get(route.name)
        if found is None:
            groups = (*route.groups, *route.context_groups, *route.content_groups)
            found = self.lacks[route.name] = Lacks.of(target.facts for group in groups for target in group)
        return found

    def _by_policy(
        self, route: Route, policy: gateway_pb2.RoutingPolicy, affinity: str, *, fallback: bool, asked: bool
    ) -> Route:
        groups, context, content = route.groups, route.context_groups, route.content_groups
        if policy.disable_fallback or not fallback:
            groups, context, content = groups[:1], (), ()
        elif policy.fallback_models:
            groups = (groups[0], *(g for name in policy.fallback_models for g in self._named(name, "", asked).groups))
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

    def _named(self, name: str, provider: str, asked: bool) -> Route:
        if provider:
            return self._pinned(name, self._provider(provider), asked)
        if not name:
            return self.direct.get(("", "")) or self._default(asked)
        route = self.routes.get(name) or self.direct.get(("", name))
        if route is not None:
            return route
        if name == AUTO:
            return self._auto()
        plain = _plain(name)
        head, slash, rest = plain.partition("/")
        head = self._alias(head)
        if slash and head in self.providers:
            return self._direct(self.providers[head], rest, asked)
        configured = [
            p
            for p in self.providers.values()
            if name in p.models or name in p.aliases or name == p.settings.default_model
        ]
        if configured:
            return self._keep(name, self._one_of(configured, name, asked))
        if head in self.providers and not slash:
            return self._direct(self.providers[head], "", asked)
        if len(self.providers) == 1 and not next(iter(self.providers.values())).models:
            return self._keep(name, self._direct(next(iter(self.providers.values())), name, asked))
        listing = [p for p, listed in self._listings(self._open(), asked) if name in listed.names]
        if listing:
            return self._keep(name, self._one_of(listing, name, asked))
        raise UnknownModel(self._unknown(name, asked))

    def _one_of(self, serving: Sequence[Provider], name: str, asked: bool) -> Route:
        if len(serving) == 1:
            return self._direct(serving[0], name, asked)
        advice = f"Name one of {', '.join(f'{p.id}/{name}' for p in serving)}."
        told = f"Several providers serve this model. {advice}"
        raise InvalidRequest.of("model", advice, "AMBIGUOUS_MODEL", told)

    def _keep(self, name: str, route: Route) -> Route:
        self.direct["", name] = route
        return route

    def _pinned(self, name: str, provider: Provider, asked: bool) -> Route:
        """A model of the provider that the call names beside it; the model may repeat that provider (`provider/model`)."""
        plain = _plain(name)
        head, slash, rest = plain.partition("/")
        if slash and (provider.id, plain) not in self.direct:
            other = self._alias(head)
            if other == provider.id:
                plain = rest
            elif other in self.providers and not self._may_serve(provider, plain, asked):
                advice = f"Leave the provider out, or name a model of {provider.id}."
                told = f"The model is one of provider {other}, and the call names provider {provider.id}. {advice}"
                raise InvalidRequest.of("provider", advice, "CONTRADICTION", told)
        return self._direct(provider, plain, asked)

    def _may_serve(self, provider: Provider, model: str, asked: bool) -> bool:
        """Whether the provider may have a model of this name: many put the maker first, such as openai/gpt-oss-20b."""
        known = (*provider.models, *provider.aliases, provider.settings.default_model, provider.usual_model)
        if provider.models or model in known:
            return model in known
        if provider.flat:
            return False
        listed = self._listing(provider, asked)
        return listed.error is not None or model in listed.names

    def _open(self) -> list[Provider]:
        """Providers that serve what their own lists say."""
        return [p for p in self.providers.values() if not p.models and not p.row.deployments]

    def _listings(self, providers: Sequence[Provider], asked: bool) -> list[tuple[Provider, Listing]]:
        found = [(provider, self.lists(provider.id)) for provider in providers]
        unknown = [provider.id for provider, listed in found if listed is None]
        if unknown and not asked:
            raise ListsNeeded(unknown)
        return [(provider, listed or NOTHING_LISTED) for provider, listed in found]

    def _listing(self, provider: Provider, asked: bool) -> Listing:
        return self._listings([provider], asked)[0][1]

    def _unknown(self, name: str, asked: bool) -> str:
        """The message for an unknown name: similar names, how names are written, and which lists are missing."""
        listings = self._listings(self._open(), asked)
        listed = {provider.id: found.models for provider, found in listings}
        names = {route: route for route in self.routes}
        for provider in self.providers.values():
            for model in (*provider.models, *provider.aliases, *listed.get(provider.id, ())):
                names.setdefault(model, f"{provider.id}/{model}")
        like = [known for known in names if known[:2] == name[:2]][:MOST_LIKE] or list(names)[:MOST_LIKE]
        close = [names[known] for known in difflib.get_close_matches(name, like, n=3)]
        unread = [f"{provider.id} ({found.error.cause})" for provider, found in listings if found.error]
        return " ".join(
            (
                "No route or provider has a model of this name.",
                *([f"Did you mean {' or '.join(close)}?"] if close else []),
                "Name a route, provider/model, or a model from ListModels;",
                f"providers: {_names(self.providers)}; routes: {_names(self.routes)}.",
                *([f"Could not read the models of {', '.join(unread)}."] if unread else []),
            )
        )

    def _default(self, asked: bool) -> Route:
        """What serves a call without a name: default_model, as a model of default_provider unless it is a name itself; else the
        default of default_provider; else of the first provider that has one."""
        if self.default_model:
            home = self.providers.get(self.default_provider)
            if home is not None and (self._is_model_of(home, self.default_model) or self._lists(home, asked)):
                return self._keep("", self._direct(home, self.default_model, asked))
            return self._keep("", self._named(self.default_model, "", asked))
        if self.default_provider:
            return self._direct(self._provider(self.default_provider), "", asked)
        told = [p for p in self.providers.values() if p.settings.default_model or p.models]
        if told := told or [p for p in self.providers.values() if p.usual_model]:
            return self._direct(told[0], "", asked)
        for provider, listed in self._listings(self._open(), asked):
            if listed.chosen:
                return self._direct(provider, "", asked)
        return self._direct(next(iter(self.providers.values())), "", asked)

    def _home_model(self, provider: Provider) -> str:
        """default_model, for calls that name default_provider and no model."""
        own = provider.id == self.default_provider and self.default_model
        return self.default_model if own and self._is_model_of(provider, self.default_model) else ""

    def _lists(self, home: Provider, asked: bool) -> bool:
        """Whether default_model, which looks like provider/model, is an id that default_provider lists."""
        if home.models or home.flat or "/" not in self.default_model:
            return False
        if home.id == self._alias(_plain(self.default_model).partition("/")[0]):
            return False
        return self.default_model in self._listing(home, asked).names

    def _is_model_of(self, provider: Provider, name: str) -> bool:
        if name in provider.models or name in provider.aliases:
            return True
        elsewhere = name in self.routes or name == AUTO or self._alias(_plain(name).partition("/")[0]) in self.providers
        return not elsewhere and not provider.models

    def _direct(self, provider: Provider, model: str, asked: bool) -> Route:
        model = (
            provider.aliases.get(model, model)
            or provider.settings.default_model
            or self._home_model(provider)
            or (provider.models[0] if provider.models else "")
            or ("" if provider.foreign else provider.usual_model)
            or self._chosen(provider, asked)
        )
        route = self.direct.get((provider.id, model))
        if route is None:
            target = Target(provider=provider, model=model, facts=self.facts(provider.id, model))
            route = Route(
                name="",
                groups=((target,),),
                timeouts=self.defaults.timeouts,
                retry=self.defaults.retry,
                max_attempts=self.defaults.retry.max_attempts,
            )
            if len(self.direct) >= MOST_DIRECT:
                self.direct.clear()
            self.direct[provider.id, model] = route
        return route

    def _chosen(self, provider: Provider, asked: bool) -> str:
        """The model of a provider without a default: the only one it lists, or the one it has loaded; its kind's usual one where that is
        listed or nothing points to another. Raises an error that names some."""
        listed = NOTHING_LISTED if provider.row.deployments else self._listing(provider, asked)
        if provider.usual_model and (provider.usual_model in listed.names or not listed.chosen):
            return provider.usual_model
        if listed.chosen:
            return listed.chosen
        name = provider.id
        if isinstance(listed.error, ProviderError):
            raise type(listed.error)(
                f"{name} has no default model, and its models cannot be listed.", cause=listed.error.cause
            )
        some = listed.models[:3]
        what, like = "lists no model", f"{name}/MODEL"
        if provider.row.deployments:
            what, like = "serves by deployment", f"{name}/DEPLOYMENT"
        elif some:
            what, like = f"lists {len(listed.models)} models, such as {', '.join(some)}", f"{name}/{some[0]}"
        advice = f"Name one, as in --model {like}, or set default_model (without a file LLM_MODEL)."
        raise InvalidRequest.of("model", advice, "REQUIRED", f"{name} has no default model and {what}. {advice}")

    def _auto(self) -> Route:
        """All models known by name: those declared, and the defaults."""
        route = self.direct.get(("", AUTO))
        if route is not None:
            return route
        targets = tuple(
            Target(provider=provider, model=model, facts=self.facts(provider.id, model))
            for provider in self.providers.values()
            for model in dict.fromkeys(filter(None, (*provider.models, provider.settings.default_model)))
            or ([provider.usual_model] if provider.usual_model else [])
        )
        if not targets:
            raise UnknownModel("auto needs providers with models or a default_model in the configuration.")
        route = replace(self._direct(targets[0].provider, targets[0].model, True), name=AUTO, groups=(targets,))
        self.direct["", AUTO] = route
        return route

    def _provider(self, name: str) -> Provider:
        found = self.providers.get(name) or self.providers.get(self._alias(name))
        if found is None:
            raise ProviderNotConfigured(f"No provider of this name is configured; there are: {_names(self.providers)}.")
        return found

    def _alias(self, name: str) -> str:
        return name if name in self.providers else kind_of(name)


def _plain(name: str) -> str:
    """provider/model of providers/{provider}/models/{model}; any other name as it is."""
    return name.removeprefix("providers/").replace("/models/", "/", 1) if name.startswith("providers/") else name


def _names(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"


def _capable(route: Route, needs: Needs) -> Route:
    """The route without the targets that cannot serve the needs. Raises NoCapableTarget when none is left."""
    choice = route.name or len(route.groups) > 1
    if not choice and not needs.explicit():
        return route
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
        excluded=tuple(excluded),
    )
