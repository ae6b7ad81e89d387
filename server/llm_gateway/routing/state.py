"""The recent past of an endpoint. The clock is injected; nothing here awaits."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_gateway import config
from llm_gateway.errors import Blame, CredentialsRejected, ProviderError, QuotaExhausted
from llm_gateway.routing.outlier import Breaker, Clock, Cooldown, Flow

Probes = tuple[bool, bool]
"""Whether a call is a probe of the address's breaker, and of the model's."""
NO_PROBE: Probes = (False, False)
MOST_MODELS = 1000
REJECTED_COOLDOWN = 60.0
"""Seconds that a rejected key, or one without quota, is not used where the provider names no time."""
LIMITED_COOLDOWN = 1.0
"""Seconds that a rate-limited key is not used where the provider names no time."""
LATENCY_HALF_LIFE = 30.0
"""Seconds after which a latency that was not measured again counts half, so that slow endpoints are tried again."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an error: not the exception, which would keep the request of its call alive."""

    at: float
    """When, by the clock."""
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
    """A model at an endpoint: the unit that fails, slows down and is rate limited, since providers limit and lose models one by one."""

    def __init__(self, policy: config.Breaker, clock: Clock) -> None:
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
        """Smoothed seconds to the first event, 0 when not known. It fades with age, but not while a call is waiting, which will tell."""
        if not self._latency or self.flow.undecided:
            return self._latency
        return float(self._latency * 0.5 ** ((self._clock() - self._measured) / LATENCY_HALF_LIFE))

    def measured(self, seconds: float) -> None:
        self._latency = seconds if not self._latency else 0.8 * self._latency + 0.2 * seconds
        self._measured = self._clock()


class EndpointState:
    """Health, load and latency of one endpoint, and of each model there. Endpoints that share an address or a key share `server` or `key`."""

    def __init__(
        self, *, server: Breaker, key: Cooldown, permits: Permits, policy: config.Breaker, clock: Clock
    ) -> None:
        self.server = server
        """Breaker of the address; it hears only of calls without any answer."""
        self.key = key
        """Cooldown of a rejected key."""
        self.permits = permits
        self.in_flight = 0
        self.last_success = 0.0
        self.last_failure: Failure | None = None
        self._policy = policy
        self._clock = clock
        self._deployments: dict[str, Deployment] = {}

    def of(self, model: str) -> Deployment:
        """The model at this endpoint. Callers choose the names, so beyond MOST_MODELS the oldest one without a call is forgotten."""
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
        """Why a call for the model should go elsewhere if it can; "" when it need not."""
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
        """Whether no call for the model may go here, not even one without an alternative."""
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
        """A call for the model goes here. Pass the result to `succeeded` or `failed`."""
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
        """A call failed. Errors that are nobody's fault here, and the gateway's own, leave no mark."""
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
            self.key.begin(REJECTED_COOLDOWN, error.reason, stated=False)
        elif error.blame is not Blame.KEY:
            undecided = deployment.flow.undecided
            deployment.breaker.failed(probe=probe, undecided=undecided)
            if error.blame is Blame.SERVER:
                self.server.failed(probe=server, undecided=undecided)
        seconds = cooldown_after(error)
        if seconds is not None:
            deployment.limited.begin(seconds, error.reason, stated=error.retry_after is not None)


def cooldown_after(error: ProviderError) -> float | None:
    """Seconds for which the error asks for fewer calls, stated or guessed; None where it does not."""
    if error.blame is Blame.NOBODY or isinstance(error, CredentialsRejected):
        return None
    if error.retry_after is None and error.blame is Blame.KEY:
        return REJECTED_COOLDOWN if isinstance(error, QuotaExhausted) else LIMITED_COOLDOWN
    return error.retry_after


class Permits:
    """How many calls an endpoint takes at once, and how many may wait for a permit, first come first served."""

    def __init__(self, limits: config.Limits | None = None) -> None:
        self.limits = limits or config.Limits()
        self.in_use = 0
        self.waiting = 0

    @property
    def free(self) -> bool:
        """Whether a call would get one at once."""
        return self.in_use < self.limits.concurrency
