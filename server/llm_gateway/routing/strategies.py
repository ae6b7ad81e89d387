"""In which order endpoints are tried. Randomness is injected; nothing here awaits."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence

import msgspec
from llmgateway.v1 import gateway_pb2

from llm_gateway.routing.needs import Needs, needs_of
from llm_gateway.routing.targets import Candidate

BOUNDED_LOAD = 1.25
"""Affinity gives way when an endpoint has this many times the mean load (consistent hashing with bounded loads)."""


class Choice(msgspec.Struct):
    """What a strategy may look at besides the candidates."""

    rng: random.Random
    request: gateway_pb2.SendRequest
    stream: bool = False
    turn: int = 0
    """The group's, for round robin."""

    def needs(self) -> Needs:
        """What the request needs; computed only for strategies that ask."""
        return needs_of(self.request, stream=self.stream)


Order = Callable[[Sequence[Candidate], Choice], list[Candidate]]
"""Candidates in the order in which they should be tried."""


def weighted(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """At random, in proportion to target weight times endpoint weight (weighted sampling without replacement, Efraimidis–Spirakis)."""
    if len(candidates) == 1:
        return list(candidates)
    return sorted(candidates, key=lambda c: -(choice.rng.random() ** (1.0 / max(c[0].weight * c[1].weight, 1e-9))))


def round_robin(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """In turn."""
    first = choice.turn % len(candidates)
    return [*candidates[first:], *candidates[:first]]


def least_loaded(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Fewest calls in flight times latency, equal ones at random; an unmeasured latency counts as the mean of the others.

    All are compared, not two picked at random: the load is known as of now, and of three endpoints with two bad ones every third pair has no good one.
    """
    known = [latency for target, endpoint in candidates if (latency := endpoint.state.of(target.model).latency)]
    usual = sum(known) / len(known) if known else 1.0

    def load(candidate: Candidate) -> float:
        target, endpoint = candidate
        deployment = endpoint.state.of(target.model)
        latency = deployment.latency or usual
        return (endpoint.state.in_flight + 1) * latency / max(0.1, 1.0 - deployment.breaker.error_rate()) ** 4

    return sorted(choice.rng.sample(candidates, len(candidates)), key=load)


def lowest_latency(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Shortest smoothed time to the first event; one not measured, or not for long, goes first, unless a call there is already waiting."""

    def seconds(candidate: Candidate) -> float:
        target, endpoint = candidate
        deployment = endpoint.state.of(target.model)
        return math.inf if deployment.flow.undecided and not deployment.latency else deployment.latency

    return sorted(choice.rng.sample(candidates, len(candidates)), key=seconds)


def lowest_cost(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Lowest estimated price of this request; unknown prices last."""
    needs = choice.needs()

    def price(candidate: Candidate) -> float:
        cost = needs.cost(candidate[0].facts)
        return math.inf if cost is None else cost

    return sorted(weighted(candidates, choice), key=price)


def capability_score(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Most of the needs and specialisations known to be met, then the operator's score."""
    needs = choice.needs()

    def score(candidate: Candidate) -> tuple[int, float]:
        facts = candidate[0].facts
        met = sum(facts.capabilities.get(need) is True for need in needs.implied | needs.required)
        return -(met + len(needs.specialisations & facts.specialisations)), -facts.score

    return sorted(weighted(candidates, choice), key=score)


STRATEGIES: Mapping[str, Order] = {
    "weighted": weighted,
    "round_robin": round_robin,
    "least_loaded": least_loaded,
    "lowest_latency": lowest_latency,
    "lowest_cost": lowest_cost,
    "capability_score": capability_score,
}


def by_affinity(candidates: Sequence[Candidate], key: str) -> list[Candidate]:
    """Rendezvous hashing by weight: the same key leads to the same endpoint while that is a candidate and not overloaded."""
    mean = sum(endpoint.state.in_flight for _, endpoint in candidates) / len(candidates)
    ceiling = BOUNDED_LOAD * (mean + 1)

    def rank(candidate: Candidate) -> tuple[bool, float]:
        target, endpoint = candidate
        digest = hashlib.blake2b(f"{key}\0{target.label}\0{endpoint.deployment}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 2)
        weight = max(target.weight * endpoint.weight, 1e-9)
        return endpoint.state.in_flight > ceiling, math.log(uniform) / -weight

    return sorted(candidates, key=rank)


def in_slow_start(candidates: Sequence[Candidate], rng: random.Random) -> tuple[list[Candidate], list[Candidate]]:
    """Candidates to choose among, and those that come after them because they have just recovered and had their share of calls.

    Applied before the strategy, whose best choice may be one of the latter.
    """
    ready: list[Candidate] = []
    later: list[Candidate] = []
    for candidate in candidates:
        target, endpoint = candidate
        share = min(endpoint.state.server.share(), endpoint.state.of(target.model).breaker.share())
        (ready if share >= 1.0 or rng.random() < share else later).append(candidate)
    return ready, later
