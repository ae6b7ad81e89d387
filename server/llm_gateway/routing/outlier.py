"""Outlier detection: breakers, cooldowns and flows, from passive signals only. The clock is injected; nothing here awaits.

After Envoy's outlier detection and gRFC A50, scaled to a few endpoints that serve slow, costly calls; the flow after TCP's congestion window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from llm_gateway import config

Clock = Callable[[], float]

LONGEST_COOLDOWN = 60.0
"""Seconds for which a provider is believed at most: one call a minute finds out whether a longer limit still holds."""
CONFIRMED = 5
"""Refusals in a row, without a success, by which a provider confirms that it takes nothing now."""
CUT = 0.8
"""A refusal leaves this share of the calls in flight."""
FIRST_CALLS = 5
"""Calls at once after an outage; doubled every second until the slow start is over."""
GROWTH = 1.0
"""Seconds without a refusal after which a flow grows by a quarter, by one at least, whether or not anything was answered."""


class Breaker:
    """closed → open (ejected) → half-open (probes) → closed, with a slow start.

    An ejected endpoint is avoided while there is an alternative. Only an outage refuses calls that have none: failures and not one success within the
    window, and no fewer failures than calls that may yet succeed, since failures often come faster than answers.

    An open breaker lets one call through per ejection time, a probe, whether or not the one before has been answered: a dead
    endpoint sees at most one a second, and a probe that hangs cannot hide that the endpoint is back. Only probes decide; what
    began before the ejection says nothing about now.
    """

    def __init__(self, policy: config.Breaker, clock: Clock) -> None:
        self.outage = False
        self._policy = policy
        self._clock = clock
        self._recent: deque[tuple[float, bool]] = deque(maxlen=4096)
        self._failures = 0
        self.consecutive = 0
        """Failures in a row."""
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

    def refuses(self) -> bool:
        """Whether no call may pass, not even one without an alternative."""
        return self.outage and not self.allows()

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

    def returned(self) -> None:
        """A probe said nothing, since its request was at fault or never sent: the next call is a probe instead."""
        if self._next_probe is not None:
            self._next_probe = self._clock()

    def succeeded(self, *, probe: bool = False) -> bool:
        """Returns whether that was the end of an outage."""
        over, self.outage = self.outage, False
        self.consecutive = 0
        if self._next_probe is not None:
            if not probe:
                self._remember(False)
                return over
            self._proven += 1
            if self._proven < self._policy.probes:
                self._next_probe = self._clock()
                return over
            self._next_probe = None
            self._ejections = self._failures = self._proven = 0
            self._recent.clear()
            self._recovered_at = self._clock()
        self._remember(False)
        return over

    def failed(self, *, probe: bool = False, undecided: int = 0) -> None:
        """undecided: calls that were sent and have not been answered yet."""
        self._remember(True)
        self.consecutive += 1
        policy = self._policy
        if probe and self._proven:  # the turn that another probe's success gave at once is taken back
            self._proven = 0
            self._eject()
        if not policy.enabled:
            return
        if not self.outage and self._failures == len(self._recent) >= max(policy.consecutive_failures, undecided):
            self.outage = True
            self._ejections = 0
            self._eject()
            return
        if self._next_probe is not None:
            return
        if self.consecutive >= policy.consecutive_failures or (
            len(self._recent) >= policy.min_calls and self._failures / len(self._recent) >= policy.failure_ratio
        ):
            self._proven = 0
            self._eject()

    def _eject(self) -> None:
        policy = self._policy
        self._next_probe = self._clock() + min(policy.base_ejection * 2.0**self._ejections, policy.max_ejection)
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
    """Until when a key or a model is not called, after a rate limit, an exhausted quota or a rejection. It is never shortened."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.until = 0.0
        self.reason = ""
        self.stated = False
        """Whether the provider named the time; else it is a guess."""

    def begin(self, seconds: float, reason: str, *, stated: bool) -> None:
        """From now on for so long, LONGEST_COOLDOWN at most."""
        until = self._clock() + min(seconds, LONGEST_COOLDOWN)
        if until > self.until:
            self.until, self.reason, self.stated = until, reason, stated

    def left(self) -> float:
        """Seconds to go; 0 when it is over."""
        return max(0.0, self.until - self._clock())


class Flow:
    """How many calls a model at an endpoint is sent at once: as many as come, until it refuses one for their number.

    A refusal cuts the limit to CUT of the calls in flight, and not again before a call sent after the cut has succeeded, since refusals
    come faster than answers. A success adds one, a while without a refusal a quarter, and the limit is lifted once it is twice the calls in flight.
    Refusals in a row without a success, no fewer than there are calls that may yet succeed, confirm the cooldown that the provider asked for:
    nothing is sent until it ends, and the limit starts at one.
    """

    def __init__(self, clock: Clock, slow_start: float = 5.0) -> None:
        self.limit: int | None = None
        self.in_flight = 0
        """Calls that were sent and are not over."""
        self.undecided = 0
        """Those of them that are not answered yet."""
        self.cuts = 0
        self.confirmed = False
        """Whether a cooldown was, and nothing has been answered since."""
        self.paused_until = 0.0
        self.line: deque[Any] = deque()
        """Who waits, in order of arrival."""
        self.alarmed = False
        """Whether a timer will look after them."""
        self._clock = clock
        self._slow_start = slow_start
        self._refusals = 0
        self._settled = True
        self._changed_at = 0.0
        self._recovered_at: float | None = None

    @property
    def full(self) -> bool:
        """Whether a newcomer would have to wait."""
        return self.limit is not None and (bool(self.line) or not self.has_room())

    def has_room(self) -> bool:
        """Whether another call may be sent now."""
        if self.limit is None:
            return True
        now = self._clock()
        if now < self.paused_until:
            return False
        while self.limit is not None and now - self._changed_at >= GROWTH:
            self._changed_at += GROWTH
            self._grow(self.limit + max(1, self.limit // 4))
        return self.limit is None or self.in_flight < self.limit

    def paused_for(self) -> float:
        """Seconds until the confirmed cooldown is over."""
        return max(0.0, self.paused_until - self._clock())

    def opens_in(self) -> float:
        """Seconds until there is room even if nothing is answered; 0 when there is."""
        return 0.0 if self.has_room() else self.paused_for() or self._changed_at + GROWTH - self._clock()

    def begin(self) -> int:
        """A call is sent. Returns what `succeeded` must be told: how many cuts came before it."""
        self.in_flight += 1
        self.undecided += 1
        return self.cuts

    def succeeded(self, cuts: int) -> None:
        """A call was answered."""
        self.undecided -= 1
        self._refusals = 0
        self.confirmed = False
        if self.limit is not None:
            self._settled = self._settled or cuts == self.cuts
            self._grow(self.limit + 1)

    def failed(self) -> None:
        """A call is over without an answer."""
        self.undecided -= 1
        self.in_flight -= 1

    def ended(self) -> None:
        """A call that was answered is over."""
        self.in_flight -= 1

    def refused(self, cooldown: float, *, certain: bool = False) -> None:
        """A call was refused for the number of calls, and asked to wait; call `failed` as well. certain: one refusal is enough to confirm it."""
        self._refusals += 1
        now = self._clock()
        self._changed_at = max(self._changed_at, now)
        if certain or self._refusals >= max(CONFIRMED, self.undecided):
            self.confirmed = True
            self.paused_until = max(self.paused_until, now + min(cooldown, LONGEST_COOLDOWN))
            self._changed_at = self.paused_until
            self._cut(1)
        elif self._settled or self.limit is None:
            self._cut(int(CUT * self.in_flight))

    def recovered(self) -> None:
        """An outage is over: the calls that it held back come step by step."""
        self._recovered_at = self._changed_at = self._clock()
        self._cut(FIRST_CALLS)

    def _cut(self, limit: int) -> None:
        self.limit = max(1, limit)
        self.cuts += 1
        self._settled = False

    def _grow(self, limit: int) -> None:
        if self._recovered_at is not None:
            since = self._clock() - self._recovered_at
            if since < self._slow_start:
                self.limit = min(limit, int(FIRST_CALLS * 2.0**since))
                return
            self._recovered_at = None
        idle = limit >= 2 * self.in_flight and not self.line and not self.paused_for()
        self.limit = None if idle else limit
