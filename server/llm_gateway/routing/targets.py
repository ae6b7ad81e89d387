"""The nouns of routing: providers and their endpoints, targets, routes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from llmgateway.v1 import gateway_pb2, model_pb2

from llm_gateway import config
from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.routing.state import EndpointState


class Upstream(Protocol):
    """What calls one endpoint of a provider; it also lists models, which serves as its probe, and can be closed. An Attempt is what it is given,
    a Reply what it returns: words of `calls`, which stands on this package."""

    def __call__(self, attempt: Any, /) -> Awaitable[Any]: ...

    async def list_models(self) -> list[model_pb2.Model]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """A base URL and a key of a provider: the unit of balancing, limits and breakers."""

    provider: str
    deployment: str
    """What people call it (region, deployment or key alias); "" when the provider has one endpoint only."""
    upstream: Upstream
    state: EndpointState
    """Its recent past, shared by all snapshots."""
    weight: float = 1.0
    address: tuple[str, int] | None = None
    """Host and port; None where it is not on the network."""

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.deployment}" if self.deployment else self.provider

    @property
    def where(self) -> str:
        """`host:port`, or "local" where it is not on the network."""
        return ":".join(map(str, self.address)) if self.address is not None else "local"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """A configured provider."""

    id: str
    kind: str
    endpoints: tuple[Endpoint, ...]
    models: tuple[str, ...] = ()
    """Those it is declared to serve; empty when it is not known."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of its models."""
    default_model: str = ""
    """The operator's."""
    usual_model: str = ""
    """Its kind's, where the operator says nothing."""
    foreign: bool = False
    """It is not called at its vendor's own address, so it may have none of the vendor's models."""
    deployments: bool = False
    """Its callers name deployments, so what its list has may not be there."""
    flat: bool = False
    """No id of a model of its kind holds a slash, as those do that begin with their makers' names."""
    local: bool = False


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
Candidate = tuple[Target, Endpoint]


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


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A target that was left out before dispatch, and why."""

    target: Target
    reasons: tuple[str, ...]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call may go: a snapshot."""

    name: str
    """"" for a route made of a model's name."""
    groups: tuple[Group, ...]
    """The first holds the targets to balance over, the others are the fallbacks in order."""
    context_groups: tuple[Group, ...] = ()
    """Instead of the fallbacks after a context overflow, where given."""
    content_groups: tuple[Group, ...] = ()
    """The fallbacks after a content-policy refusal."""
    strategy: str = "weighted"
    """A name in strategies.STRATEGIES."""
    sticky: bool = False
    """Whether a call without a key of affinity takes that of its prompt cache, or of its conversation."""
    affinity: str = ""
    """Calls with the same key prefer the same endpoint; "" is none."""
    timeouts: config.RouteTimeouts = config.RouteTimeouts()
    retry: config.Retry = config.Retry()
    max_attempts: int = 3
    """Provider calls, all told: `retry` has the route's own word, a call may have less left."""
    experiment: Experiment | None = None
    arm: str = ""
    """The one that the call has drawn."""
    excluded: tuple[Exclusion, ...] = ()
    """Targets that cannot serve the request."""
