"""The recent past of an endpoint, and in which order endpoints are tried. Clock and randomness are injected; nothing here awaits."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from llm_gateway.capabilities import Needs
from llm_gateway.errors import Blame, CredentialsRejected, ProviderError, QuotaExhausted
from llm_gateway.outlier import Breaker, BreakerPolicy, Clock, Cooldown, Flow

if TYPE_CHECKING:
    from llm_gateway.routing import Endpoint, Target

Candidate = tuple["Target", "Endpoint"]
Probes = tuple[bool, bool]
"""Whether a call is a probe of the address's breaker, and of the model's."""
NO_PROBE: Probes = (False, False)
MOST_MODELS = 1000
REJECTED_REST = 60.0
"""Seconds that a rejected key, or one without quota, rests where the provider names no time."""
LIMITED_REST = 1.0
"""Seconds that a rate-limited key rests where the provider names no time."""
LATENCY_HALF_LIFE = 30.0
"""A latency not measured again counts half after so many seconds: what was slow is tried again."""
BOUNDED_LOAD = 1.25
"""Affinity gives way when an endpoint has this many times the mean load (consistent hashing with bounded loads)."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an error: not the exception, which would keep the request of its call alive. at: when, by the clock."""

    at: float
    model: str
    reason: str
    cause: str
    status: int
    provider_code: str
    provider_message: str
    provider_request_id: str

    @classmethod
    def of(cls, error: ProviderError, model: str, at: float) -> Failure:
        return cls(
            at=at,
            model=model,
            reason=error.reason,
            cause=error.cause,
            status=error.status,
            provider_code=error.provider_code,
            provider_message=error.provider_message,
            provider_request_id=error.provider_request_id,
        )


class Deployment:
    """A model at an endpoint: the unit that fails, slows down and is rate limited, for providers limit and lose models one by one."""

    __slots__ = ("_clock", "_latency", "_measured", "breaker", "failed_at", "flow", "limited", "succeeded_at")

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self.breaker = Breaker(policy, clock)
        self.limited = Cooldown(clock)
        self.flow = Flow(clock, policy.slow_start)
        self.failed_at = 0.0
        """When a call last failed, by the clock; 0 when none has since the last success."""
        self.succeeded_at = 0.0
        """When a call last succeeded; 0 is never."""
        self._clock = clock
        self._latency = 0.0
        self._measured = 0.0

    @property
    def latency(self) -> float:
        """Smoothed seconds to the first event, 0 when not known; what is old fades."""
        if not self._latency:
            return 0.0
        return float(self._latency * 0.5 ** ((self._clock() - self._measured) / LATENCY_HALF_LIFE))

    def measured(self, seconds: float) -> None:
        self._latency = seconds if not self._latency else 0.8 * self._latency + 0.2 * seconds
        self._measured = self._clock()


class EndpointState:
    """Health, load and latency of one endpoint, and of each model there.

    server: breaker of its address; it hears of calls that got no answer at all. key: rest of a key that was rejected. Endpoints that share
    an address or a key share these.
    """

    __slots__ = (
        "_clock",
        "_deployments",
        "_policy",
        "in_flight",
        "key",
        "last_failure",
        "last_success",
        "permits",
        "server",
    )

    def __init__(
        self, *, server: Breaker, key: Cooldown, permits: Permits, policy: BreakerPolicy, clock: Clock
    ) -> None:
        self.server = server
        self.key = key
        self.permits = permits
        self.in_flight = 0
        self.last_success = 0.0
        self.last_failure: Failure | None = None
        self._policy = policy
        self._clock = clock
        self._deployments: dict[str, Deployment] = {}

    def of(self, model: str) -> Deployment:
        """The model at this endpoint. Models are the callers' words, so the oldest without a call are forgotten beyond MOST_MODELS."""
        found = self._deployments.get(model)
        if found is None:
            if len(self._deployments) >= MOST_MODELS:
                idle = (name for name, one in self._deployments.items() if not (one.flow.in_flight or one.flow.line))
                self._deployments.pop(next(idle, ""), None)
            found = self._deployments[model] = Deployment(self._policy, self._clock)
        return found

    def deployments(self) -> Mapping[str, Deployment]:
        """Every model that was called here lately."""
        return self._deployments

    def unavailable(self, model: str) -> str:
        """Why a call for the model should rather go elsewhere; "" when it need not."""
        deployment = self.of(model)
        if deployment.limited.left():
            return "COOLDOWN" if deployment.limited.stated else "RATE_LIMITED"
        if not (self.server.allows() and deployment.breaker.allows()):
            return "CIRCUIT_OPEN"
        if self.key.left():
            return "KEY_REJECTED"
        flow = deployment.flow
        return "RATE_LIMITED" if flow.limit is not None and flow.full else ""

    def refuses(self, model: str) -> bool:
        """Whether no call for the model may go here, not even one that has no other place to go."""
        return self.server.refuses() or self.of(model).breaker.refuses()

    def available_in(self, model: str) -> float:
        """Seconds until a call for the model may go here."""
        deployment = self.of(model)
        waits = (
            deployment.limited.left(),
            deployment.flow.opens_in(),
            deployment.breaker.opens_in(),
            self.server.opens_in(),
        )
        return max(waits)

    def failures(self, model: str) -> int:
        """How often calls for the model, or to its address, failed in a row."""
        return max(self.of(model).breaker.consecutive, self.server.consecutive)

    def begin(self, model: str) -> Probes:
        """A call for the model goes here. Returns what `succeeded` or `failed` must be told."""
        self.in_flight += 1
        deployment = self.of(model).breaker.begin()
        server = self.server.begin()
        return (server, deployment) if server or deployment else NO_PROBE

    def end(self) -> None:
        """The call is over."""
        self.in_flight -= 1

    def succeeded(self, model: str, seconds: float, probes: Probes = NO_PROBE) -> None:
        """The first content came after `seconds`."""
        server, probe = probes
        deployment = self.of(model)
        deployment.measured(seconds)
        deployment.succeeded_at = self.last_success = self._clock()
        deployment.failed_at = 0.0
        over = deployment.breaker.succeeded(probe=probe)
        if self.server.succeeded(probe=server) or over:
            deployment.flow.recovered()

    def failed(self, model: str, error: ProviderError, probes: Probes = NO_PROBE) -> None:
        """A call failed. Errors that are nobody's fault here, and those of the gateway's own, leave no mark."""
        server, probe = probes
        deployment = self.of(model)
        if error.blame is Blame.NOBODY or not error.called:
            if server:
                self.server.returned()
            if probe:
                deployment.breaker.returned()
            return
        self.last_failure = Failure.of(error, model, self._clock())
        deployment.failed_at = self.last_failure.at
        if isinstance(error, CredentialsRejected):
            self.key.rest(REJECTED_REST, error.reason, stated=False)
        elif error.blame is not Blame.KEY:
            undecided = deployment.flow.undecided
            deployment.breaker.failed(probe=probe, undecided=undecided)
            if error.blame is Blame.SERVER:
                self.server.failed(probe=server, undecided=undecided)
        seconds = rest_after(error)
        if seconds is not None:
            deployment.limited.rest(seconds, error.reason, stated=error.retry_after is not None)


def rest_after(error: ProviderError) -> float | None:
    """Seconds for which the error asks for fewer calls, stated or guessed; None where it does not."""
    if error.blame is Blame.NOBODY or isinstance(error, CredentialsRejected):
        return None
    if error.retry_after is None and error.blame is Blame.KEY:
        return REJECTED_REST if isinstance(error, QuotaExhausted) else LIMITED_REST
    return error.retry_after


class Permits:
    """How many calls an endpoint takes at once, and how many may wait for a place, first come first served."""

    __slots__ = ("__weakref__", "capacity", "in_use", "queue", "queue_timeout", "waiting")

    def __init__(self, capacity: int = 0, queue: int = 0, queue_timeout: float = 1.0) -> None:
        """capacity: 0 is no limit. queue: calls that may wait, each at most `queue_timeout` seconds."""
        self.capacity = capacity
        self.queue = queue
        self.queue_timeout = queue_timeout
        self.in_use = 0
        self.waiting = 0

    @property
    def free(self) -> bool:
        """Whether a call would get a place at once."""
        return not self.capacity or self.in_use < self.capacity


# ---------------------------------------------------------------- strategies
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a strategy may look at beside the candidates: the request's needs, randomness, and the group's turn (for round robin)."""

    rng: random.Random
    needs: Needs = field(default_factory=Needs)
    turn: int = 0


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
    """The better of two picked at random, by calls in flight times latency (power of two choices); then the rest."""
    shuffled = choice.rng.sample(candidates, len(candidates))
    if len(shuffled) > 1 and _load(shuffled[1]) < _load(shuffled[0]):
        shuffled[0], shuffled[1] = shuffled[1], shuffled[0]
    return shuffled


def _load(candidate: Candidate) -> float:
    target, endpoint = candidate
    deployment = endpoint.state.of(target.model)
    return (
        (endpoint.state.in_flight + 1)
        * max(deployment.latency, 1e-4)
        / max(0.1, 1.0 - deployment.breaker.error_rate()) ** 4
    )


def lowest_latency(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Shortest smoothed time to the first event; one not measured, or not for long, goes first."""
    return sorted(choice.rng.sample(candidates, len(candidates)), key=lambda c: c[1].state.of(c[0].model).latency)


def lowest_cost(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Lowest estimated price of this request; unknown prices last."""

    def price(candidate: Candidate) -> float:
        cost = choice.needs.cost(candidate[0].facts)
        return math.inf if cost is None else cost

    return sorted(weighted(candidates, choice), key=price)


def capability_score(candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
    """Most of the needs and specialisations known to be met, then the operator's score."""
    needs = choice.needs

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
    """Candidates to choose among, and those that come after them because they are just back and have had their share of calls.

    Before the strategy, not after it: the better of two is no longer that when one of the two is taken away.
    """
    ready: list[Candidate] = []
    later: list[Candidate] = []
    for candidate in candidates:
        target, endpoint = candidate
        share = min(endpoint.state.server.share(), endpoint.state.of(target.model).breaker.share())
        (ready if share >= 1.0 or rng.random() < share else later).append(candidate)
    return ready, later
