"""retry: further attempts within a group of targets, with full jitter, a budget, and the provider's own retry hints."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace

from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import CircuitOpen, EndpointBusy, ProviderError


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Full jitter: attempt n waits a uniform time between 0 and min(longest, base · 2^(n-1)) seconds.

    hint: longest Retry-After that is waited for. reserve: seconds that must be left before the deadline for another attempt.
    """

    base: float = 0.2
    longest: float = 5.0
    hint: float = 10.0
    reserve: float = 0.05

    def delay(self, attempt: int, rng: random.Random) -> float:
        return rng.uniform(0.0, min(self.longest, self.base * 2 ** (attempt - 1)))


class RetryBudget:
    """Token bucket that only successes refill, after gRFC A6 throttling: in a total outage retries stop almost at once.

    A retry takes a token and is allowed while more than half of the bucket is left; a success gives `ratio` back.
    """

    __slots__ = ("_capacity", "_ratio", "_tokens")

    def __init__(self, capacity: float = 20.0, ratio: float = 0.1) -> None:
        self._capacity = self._tokens = capacity
        self._ratio = ratio

    def take(self) -> bool:
        if self._tokens <= self._capacity / 2:
            return False
        self._tokens -= 1.0
        return True

    def succeeded(self) -> None:
        self._tokens = min(self._capacity, self._tokens + self._ratio)


class Retry:
    """Repeats `proceed` while the error's class allows it and attempts, budget and deadline last.

    An untried endpoint of the group is tried at once; the same endpoint after a backoff, or after the provider's Retry-After when that
    fits. Raises the last error.
    """

    def __init__(self, backoff: Backoff | None = None, rng: random.Random | None = None) -> None:
        self._backoff = backoff or Backoff()
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._budgets: dict[str, RetryBudget] = {}

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        journal = call.journal
        budget = self._budget(call)
        retries = 0
        while True:
            try:
                reply = await proceed(replace(call, attempt=journal.calls + 1))
            except ProviderError as error:
                delay = self._next(call, error, retries)
                if delay is None or not budget.take():
                    raise
                retries += 1
                if delay:
                    await asyncio.sleep(delay)
            else:
                budget.succeeded()
                return reply

    def _budget(self, call: Call) -> RetryBudget:
        name = call.group[0].label
        budget = self._budgets.get(name)
        if budget is None:
            budget = self._budgets[name] = RetryBudget()
        return budget

    def _next(self, call: Call, error: ProviderError, retries: int) -> float | None:
        """Seconds to wait before another attempt; None when there must be none."""
        journal = call.journal
        if journal.calls >= call.route.max_attempts - _groups_left(call) or isinstance(error, (CircuitOpen, EndpointBusy)):
            return None
        untried = any(
            endpoint not in journal.tried and not endpoint.state.unavailable()
            for target in call.group
            for endpoint in target.provider.endpoints
        )
        if untried and (error.other_key or (error.failover and error.retry_same) or _several_targets(call, error)):
            return 0.0 if self._fits(call, 0.0) else None
        if not error.retry_same:
            return None
        delay = self._backoff.delay(retries + 1, self._rng)
        if error.retry_after is not None:
            if error.retry_after > self._backoff.hint:
                return None
            delay += error.retry_after
        return delay if self._fits(call, delay) else None

    def _fits(self, call: Call, delay: float) -> bool:
        if call.deadline is None:
            return True
        return asyncio.get_running_loop().time() + delay + self._backoff.reserve < call.deadline


def _groups_left(call: Call) -> int:
    """Fallback groups behind this one; each is kept one provider call."""
    groups = call.route.groups
    return next((len(groups) - index for index, group in enumerate(groups, 1) if group is call.group), 0)


def _several_targets(call: Call, error: ProviderError) -> bool:
    return error.failover and (len(call.group) > 1 or len(call.group[0].provider.endpoints) > 1)
