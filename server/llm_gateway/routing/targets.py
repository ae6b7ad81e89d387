"""The nouns of routing: providers and their endpoints, targets, routes."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol

import msgspec
from llmgateway.v1 import gateway_pb2, model_pb2

from llm_gateway import config
from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.providers.rows import Row
from llm_gateway.routing.state import EndpointState


class Upstream(Protocol):
    """What calls one endpoint of a provider; it also lists models, which serves as its health probe, and can be closed. It takes an Attempt and
    returns a Reply: types of `calls`, which imports this package."""

    def __call__(self, attempt: Any, /) -> Awaitable[Any]: ...

    async def list_models(self) -> list[model_pb2.Model]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """A base URL and a key of a provider: the unit of balancing, limits and breakers."""

    provider: str
    deployment: str
    """Its display name (region, deployment or key alias); "" when the provider has only one endpoint."""
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
    """A configured provider, and what its settings and its kind's row amount to."""

    id: str
    settings: config.Provider
    row: Row
    endpoints: tuple[Endpoint, ...]
    models: tuple[str, ...] = ()
    """Those it is declared to serve; empty when unknown."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of its models."""
    usual_model: str = ""
    """The kind's, where the operator sets none."""
    local: bool = False

    @property
    def foreign(self) -> bool:
        """Not at its vendor's own address, so it may have none of the vendor's models."""
        return bool(self.settings.servers)

    @property
    def flat(self) -> bool:
        """No id of a model that it serves contains a slash (ids that begin with their maker's name do)."""
        return self.row.flat and not self.foreign


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A model of a provider."""

    provider: Provider
    model: str
    weight: float = 1.0
    """Its share among the targets of its group; 0 drains it."""
    facts: ModelFacts = field(default_factory=ModelFacts)

    @property
    def label(self) -> str:
        return f"{self.provider.id}/{self.model}"


Group = tuple[Target, ...]
Candidate = tuple[Target, Endpoint]


def draw(experiment: config.Experiment, request: gateway_pb2.SendRequest, rng: random.Random) -> int:
    """The number of the arm for this request: by `sticky` always the same for a user or conversation, else at random by weight."""
    key = {"user": request.end_user_id, "conversation": request.conversation_id}.get(experiment.sticky, "")
    if key:
        digest = hashlib.blake2b(f"{experiment.name}\0{key}".encode(), digest_size=8).digest()
        point = int.from_bytes(digest, "big") / 2**64
    else:
        point = rng.random()
    bounds = list(accumulate(arm.weight for arm in experiment.arms))
    return min(bisect(bounds, point * bounds[-1]), len(bounds) - 1)


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A target that was left out before dispatch, and why."""

    target: Target
    reasons: tuple[str, ...]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call may go."""

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
    """Whether a call without an affinity key uses its prompt cache's key, or its conversation."""
    affinity: str = ""
    """Calls with the same key prefer the same endpoint; "" is none."""
    timeouts: config.RouteTimeouts = config.RouteTimeouts()
    retry: config.Retry = config.Retry()
    max_attempts: int = 3
    """Provider calls in all. `retry` has the route's own setting; a call may have fewer left."""
    experiment: config.Experiment | None = None
    arms: Group = ()
    """Of the experiment, in its order."""
    arm: str = ""
    """The one that the call has drawn."""
    excluded: tuple[Exclusion, ...] = ()
    """Targets that cannot serve the request."""
