"""Outlier detection: breakers and cooldowns, from passive signals only. The clock is injected; nothing here awaits.

After Envoy's outlier detection and gRFC A50, scaled to a few endpoints that serve slow, costly calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When calls are held back, and for how long (seconds).

    consecutive: failures in a row. ratio, volume, window: share of failures among at least `volume` calls of the last `window`.
    ejection: first time; doubles with every failed probe up to `longest`. slow_start: time over which the share of traffic grows
    back, doubling every second at most.
    """

    enabled: bool = True
    consecutive: int = 5
    ratio: float = 0.25
    volume: int = 20
    window: float = 10.0
    ejection: float = 1.0
    longest: float = 4.0
    slow_start: float = 5.0


class Breaker:
    """closed → open (ejected) → half-open (one probe at a time) → closed, with a slow start.

    A half-open breaker lets one call through for every ejection time, so a dead endpoint sees at most one probe a second.
    """

    __slots__ = (
        "_clock",
        "_consecutive",
        "_ejections",
        "_failures",
        "_open_until",
        "_policy",
        "_recent",
        "_recovered_at",
        "probing",
    )

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._recent: deque[tuple[float, bool]] = deque(maxlen=4096)
        self._failures = 0
        self._consecutive = 0
        self._ejections = 0
        self._open_until = 0.0
        self._recovered_at: float | None = None
        self.probing = False

    @property
    def state(self) -> str:
        """closed, open or half_open."""
        if not self._open_until:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    def allows(self) -> bool:
        """Whether a call may pass now."""
        return not self._open_until or (self._clock() >= self._open_until and not self.probing)

    def opens_in(self) -> float:
        """Seconds until a call may pass; 0 when one may, or when a probe under way decides."""
        return max(0.0, self._open_until - self._clock()) if self._open_until else 0.0

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
        """A call passes. Returns whether it is the probe, which `end` must be told of."""
        if self._open_until and not self.probing:
            self.probing = True
            return True
        return False

    def end(self) -> None:
        """The probe is over, however it ended."""
        self.probing = False

    def succeeded(self) -> None:
        self._consecutive = 0
        if self._open_until:
            self._open_until = 0.0
            self._ejections = 0
            self._recent.clear()
            self._failures = 0
            self._recovered_at = self._clock()
        self._remember(False)

    def failed(self) -> None:
        policy = self._policy
        self._consecutive += 1
        self._remember(True)
        if not policy.enabled:
            return
        if self._open_until:
            if self._clock() >= self._open_until:
                self._eject()
        elif self._consecutive >= policy.consecutive or (
            len(self._recent) >= policy.volume and self._failures / len(self._recent) >= policy.ratio
        ):
            self._eject()

    def _eject(self) -> None:
        policy = self._policy
        self._open_until = self._clock() + min(policy.ejection * 2.0**self._ejections, policy.longest)
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
    """Until when a key rests, after a rate limit, an empty quota or a rejection. It is never shortened."""

    __slots__ = ("_clock", "reason", "until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.until = 0.0
        self.reason = ""

    def rest(self, seconds: float, reason: str) -> None:
        until = self._clock() + seconds
        if until > self.until:
            self.until, self.reason = until, reason

    def left(self) -> float:
        """Seconds to go; 0 when it is over."""
        return max(0.0, self.until - self._clock())
