"""The nouns of routing: providers and their endpoints, targets, routes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmgateway.v1 import gateway_pb2

from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.routing.needs import Needs
from llm_gateway.routing.state import EndpointState

if TYPE_CHECKING:
    from llm_gateway.calls.call import Handler


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

    @property
    def where(self) -> str:
        """`host:port`, or "local" where it is not on the network."""
        return ":".join(map(str, self.address)) if self.address is not None else "local"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Provider:
    """A configured provider. models: those it is declared to serve; empty when it is not known. aliases: other names of its models.

    default_model: the operator's; usual_model: its kind's, where the operator says nothing. foreign: it is not called at its vendor's own
    address, so it may have none of the vendor's models. deployments: its callers name deployments, so what its list has may not be there.
    flat: no id of a model of its kind holds a slash, as those do that begin with their makers' names.
    """

    id: str
    kind: str
    endpoints: tuple[Endpoint, ...]
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    default_model: str = ""
    usual_model: str = ""
    foreign: bool = False
    deployments: bool = False
    flat: bool = False
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

    hint: longest Retry-After that is waited for, and longest wait for a place at a provider that limits its calls. reserve: what must be left before the deadline for another attempt.
    budget, ratio: retries are allowed while a bucket of `budget` tokens is more than half full; a retry takes one, a success gives
    `ratio` back (gRFC A6).
    """

    base: float = 0.25
    longest: float = 8.0
    hint: float = 10.0
    reserve: float = 0.05
    budget: float = 20.0
    ratio: float = 1.0

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Seconds before attempt number `attempt` + 1."""
        return rng.uniform(0.0, min(self.longest, self.base * 2.0 ** (attempt - 1)))
