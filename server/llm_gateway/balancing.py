"""The recent past of an endpoint, and how one is picked among several. Clock and randomness are injected; nothing here awaits."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_gateway.errors import Blame, ProviderError

if TYPE_CHECKING:
    from llm_gateway.routing import Endpoint, Target

Candidate = tuple["Target", "Endpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When an endpoint is ejected, after Envoy's outlier detection and gRFC A50, scaled to few endpoints.

    consecutive: failures in a row. ratio, volume, window: share of failures among at least `volume` calls in `window` seconds.
    ejection: seconds of the first ejection; it doubles with every further one up to `longest`, and halves after recovery.
    """

    consecutive: int = 5
    ratio: float = 0.6
    volume: int = 20
    window: float = 10.0
    ejection: float = 5.0
    longest: float = 60.0


class EndpointState:
    """Health, load and latency of one endpoint.

    A breaker (closed, open, half-open with one probe at a time) and a cooldown (set by rate limits and rejected keys, never shortened).
    """

    __slots__ = (
        "_clock", "_consecutive", "_ejections", "_open_until", "_policy", "_probing", "_recent", "cooldown_until", "in_flight",
        "last_error_reason", "last_success", "latency", "limit",
    )  # fmt: skip

    def __init__(self, *, clock: Callable[[], float], policy: BreakerPolicy | None = None, limit: int = 0) -> None:
        """limit: most calls in flight; 0 is none."""
        self._clock = clock
        self._policy = policy or BreakerPolicy()
        self._recent: deque[tuple[float, bool]] = deque(maxlen=1000)
        self._consecutive = 0
        self._ejections = 0
        self._open_until = 0.0
        self._probing = False
        self.cooldown_until = 0.0
        self.in_flight = 0
        self.limit = limit
        self.latency = 0.0
        self.last_success = 0.0
        self.last_error_reason = ""

    # ------------------------------------------------------------ reading
    @property
    def circuit(self) -> str:
        """closed, open or half_open."""
        if not self._open_until:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    def unavailable(self) -> str:
        """Why no call should go here now; "" when one may."""
        now = self._clock()
        if now < self.cooldown_until:
            return "COOLDOWN"
        if self._open_until and (now < self._open_until or self._probing):
            return "CIRCUIT_OPEN"
        return ""

    def available_in(self) -> float:
        """Seconds until a call may go here; 0 when now."""
        return max(0.0, max(self.cooldown_until, self._open_until) - self._clock())

    def error_rate(self) -> float:
        """Share of failures in the window, 0 to 1."""
        self._forget()
        return sum(failed for _, failed in self._recent) / len(self._recent) if self._recent else 0.0

    # ------------------------------------------------------------ learning
    def begin(self) -> None:
        """A call is sent here."""
        self.in_flight += 1
        if self._open_until:
            self._probing = True

    def end(self) -> None:
        """A call is over, however it ended."""
        self.in_flight -= 1
        self._probing = False

    def succeeded(self, seconds: float) -> None:
        """The first content came after `seconds`."""
        self.latency = seconds if not self.latency else 0.8 * self.latency + 0.2 * seconds
        self.last_success = self._clock()
        self._consecutive = 0
        if self._open_until:
            self._open_until = 0.0
            self._recent.clear()
        elif self._ejections and not self.error_rate():
            self._ejections -= 1
        self._recent.append((self._clock(), False))

    def failed(self, error: ProviderError) -> None:
        """A call failed. Errors that are nobody's fault here leave no mark."""
        if error.blame is Blame.NOBODY:
            return
        self.last_error_reason = error.reason
        if error.blame is Blame.KEY:
            pause = error.retry_after if error.retry_after is not None else (1.0 if error.retry_same else 60.0)
            self.cooldown_until = max(self.cooldown_until, self._clock() + pause)
            return
        now = self._clock()
        self._recent.append((now, True))
        self._consecutive += 1
        if error.retry_after:
            self.cooldown_until = max(self.cooldown_until, now + error.retry_after)
        self._forget()
        failures = sum(failed for _, failed in self._recent)
        policy = self._policy
        if (
            self._open_until
            or self._consecutive >= policy.consecutive
            or (len(self._recent) >= policy.volume and failures / len(self._recent) >= policy.ratio)
        ):
            self._open_until = now + min(policy.ejection * 2**self._ejections, policy.longest)
            self._ejections = min(self._ejections + 1, 10)

    def _forget(self) -> None:
        oldest = self._clock() - self._policy.window
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()


def weighted(candidates: Sequence[Candidate], rng: random.Random) -> Candidate:
    """One at random, by target weight times endpoint weight."""
    if len(candidates) == 1:
        return candidates[0]
    weights = [target.weight * endpoint.weight for target, endpoint in candidates]
    return rng.choices(candidates, weights)[0] if any(weights) else rng.choice(candidates)


def least_loaded(candidates: Sequence[Candidate], rng: random.Random) -> Candidate:
    """The better of two picked at random, by calls in flight times latency (power of two choices)."""
    if len(candidates) == 1:
        return candidates[0]
    return min(rng.sample(candidates, 2), key=lambda c: (c[1].state.in_flight + 1) * (c[1].state.latency or 1e-3))


def lowest_latency(candidates: Sequence[Candidate], rng: random.Random) -> Candidate:
    """Shortest smoothed time to first event; one not yet measured goes first."""
    return min(candidates, key=lambda c: c[1].state.latency)


STRATEGIES: dict[str, Callable[[Sequence[Candidate], random.Random], Candidate]] = {
    "weighted": weighted,
    "least_loaded": least_loaded,
    "lowest_latency": lowest_latency,
}
