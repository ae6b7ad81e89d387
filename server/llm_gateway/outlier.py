"""Outlier detection: breakers and cooldowns, from passive signals only. The clock is injected; nothing here awaits.

After Envoy's outlier detection and gRFC A50, scaled to a few endpoints that serve slow, costly calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]

LONGEST_REST = 60.0
"""Seconds that a provider's word is taken for: one call a minute finds out whether a longer limit still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When calls are held back, and for how long (seconds).

    consecutive: failures in a row. ratio, volume, window: share of failures among at least `volume` calls of the last `window`.
    ejection: first time; doubles with every probe up to `longest`. probes: successes in a row that end it. slow_start: time over which the share of traffic grows
    back, doubling every second at most.
    """

    enabled: bool = True
    consecutive: int = 5
    ratio: float = 0.25
    volume: int = 20
    window: float = 10.0
    ejection: float = 1.0
    longest: float = 4.0
    probes: int = 1
    slow_start: float = 5.0


class Breaker:
    """closed → open (ejected) → half-open (probes) → closed, with a slow start.

    An open breaker lets one call through for every ejection time, a probe, whether or not the one before has been answered: a dead
    endpoint sees at most one a second, and one that hangs cannot hide that the endpoint is back. Only probes decide; what
    was begun before the ejection says nothing of now.
    """

    __slots__ = (
        "_clock",
        "_consecutive",
        "_ejections",
        "_failures",
        "_next_probe",
        "_policy",
        "_proven",
        "_recent",
        "_recovered_at",
    )

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._recent: deque[tuple[float, bool]] = deque(maxlen=4096)
        self._failures = 0
        self._consecutive = 0
        self._ejections = 0
        self._proven = 0
        self._next_probe: float | None = None
        self._recovered_at: float | None = None

    @property
    def state(self) -> str:
        """closed, open or half_open."""
        if self._next_probe is None:
            return "closed"
        return "open" if self._clock() < self._next_probe else "half_open"

    def allows(self) -> bool:
        """Whether a call may pass now."""
        return self._next_probe is None or self._clock() >= self._next_probe

    def opens_in(self) -> float:
        """Seconds until a call may pass; 0 when one may."""
        return 0.0 if self._next_probe is None else max(0.0, self._next_probe - self._clock())

    def share(self) -> float:
        """Share of its normal traffic that it should get, 0 to 1: below 1 during the slow start, doubling every second."""
        if self._recovered_at is None:
            return 1.0
        left = self._recovered_at + self._policy.slow_start - self._clock()
        if left <= 0:
            self._recovered_at = None
            return 1.0
        return float(2.0**-left)

    def error_rate(self) -> float:
        """Share of failures in the window, 0 to 1."""
        self._forget()
        return self._failures / len(self._recent) if self._recent else 0.0

    def begin(self) -> bool:
        """A call passes. Returns whether it is a probe, which `succeeded` and `failed` must be told."""
        if self._next_probe is None:
            return False
        self._eject()
        return True

    def succeeded(self, *, probe: bool = False) -> None:
        if self._next_probe is not None:
            if not probe:
                return
            self._proven += 1
            if self._proven < self._policy.probes:
                self._next_probe = self._clock()
                return
            self._next_probe = None
            self._ejections = self._failures = 0
            self._recent.clear()
            self._recovered_at = self._clock()
        self._consecutive = 0
        self._remember(False)

    def failed(self, *, probe: bool = False) -> None:
        self._remember(True)
        if self._next_probe is not None:
            if probe:
                self._proven = 0
            return
        policy = self._policy
        self._consecutive += 1
        if policy.enabled and (
            self._consecutive >= policy.consecutive
            or (len(self._recent) >= policy.volume and self._failures / len(self._recent) >= policy.ratio)
        ):
            self._proven = 0
            self._eject()

    def _eject(self) -> None:
        policy = self._policy
        self._next_probe = self._clock() + min(policy.ejection * 2.0**self._ejections, policy.longest)
        self._ejections = min(self._ejections + 1, 16)

    def _remember(self, failed: bool) -> None:
        self._forget()
        if len(self._recent) == self._recent.maxlen:
            self._failures -= self._recent.popleft()[1]
        self._recent.append((self._clock(), failed))
        self._failures += failed

    def _forget(self) -> None:
        oldest = self._clock() - self._policy.window
        while self._recent and self._recent[0][0] < oldest:
            self._failures -= self._recent.popleft()[1]


class Cooldown:
    """Until when a key or a model rests, after a rate limit, an empty quota or a rejection. It is never shortened.

    stated: whether the provider named the time; else it is a guess.
    """

    __slots__ = ("_clock", "reason", "stated", "until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.until = 0.0
        self.reason = ""
        self.stated = False

    def rest(self, seconds: float, reason: str, *, stated: bool) -> None:
        """Rest for so long, LONGEST_REST at most."""
        until = self._clock() + min(seconds, LONGEST_REST)
        if until > self.until:
            self.until, self.reason, self.stated = until, reason, stated

    def left(self) -> float:
        """Seconds to go; 0 when it is over."""
        return max(0.0, self.until - self._clock())
