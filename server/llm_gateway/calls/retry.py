"""retry: further attempts within a group of targets, with full jitter, a budget, and the provider's own retry hints."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Hashable

from llm_gateway import config
from llm_gateway.calls.call import GroupCall, Handler, Reply
from llm_gateway.errors import Blame, ProviderError, forget_frames

MOST_BUDGETS = 10_000
WITHOUT_TOKEN = 1.0
"""Seconds after which a caller may try again if there was no retry token and the provider named no time."""
TIMER_RESOLUTION = 0.002
"""Seconds by which a timer of the event loop may fire early."""
RESERVE = 0.05
"""Seconds that must be left before the deadline for another attempt."""


def backoff(retry: config.Retry, attempt: int, rng: random.Random) -> float:
    """Seconds before attempt number `attempt` + 1, by full jitter: uniform between 0 and min(max, initial · 2^(attempt-1))."""
    return rng.uniform(0.0, min(retry.max_backoff, retry.initial_backoff * 2.0 ** (attempt - 1)))


class RetryBudget:
    """Token bucket that only successes refill, after gRFC A6 throttling: in a total outage retries stop almost at once.

    A retry takes a token and is allowed while more than half of the bucket is left; a success gives `ratio` back. A call that is not
    answered yet counts as a success until it is: failures often come faster than answers.
    """

    def __init__(self, capacity: float, ratio: float) -> None:
        self._capacity = self._tokens = capacity
        self._ratio = ratio
        self.undecided = 0
        """Calls not answered yet."""

    def take(self) -> bool:
        if self._tokens + self._ratio * self.undecided <= self._capacity / 2:
            return False
        self._tokens -= 1.0
        return True

    def succeeded(self) -> None:
        self._tokens = min(self._capacity, self._tokens + self._ratio)


class Retry:
    """Repeats `proceed` while the error's class allows it and attempts, budget and deadline last.

    What has not failed yet in the group is tried at once; the same endpoint after a backoff, or after the provider's Retry-After if
    that fits the deadline and `max_retry_after` (with a fallback left, if it is no longer than a first backoff). A call that nothing
    in the group accepts is not repeated. One provider call is kept for every group still left. Raises the last error.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._budgets: dict[tuple[Hashable, ...], RetryBudget] = {}

    async def __call__(self, grouped: GroupCall, proceed: Handler[GroupCall]) -> Reply:
        journal = grouped.call.journal
        budget = self._budget(grouped)
        retries = 0
        while True:
            before = journal.calls
            budget.undecided += 1
            try:
                reply = await proceed(grouped)
            except BaseException as error:
                budget.undecided -= 1
                if not isinstance(error, ProviderError) or journal.calls == before:  # nothing here takes calls now
                    raise
                delay = self._next(grouped, error, retries)
                if delay is None:
                    raise
                if not (_free(error) or budget.take()):
                    if error.retry_after is None:
                        error.retry_after = WITHOUT_TOKEN
                    raise
                retries += 1
                forget_frames(error)
                if delay:
                    await asyncio.sleep(delay)
            else:
                budget.undecided -= 1
                budget.succeeded()
                return reply

    def _budget(self, grouped: GroupCall) -> RetryBudget:
        """By the targets' names, which stay the same when more becomes known of the models."""
        retry = grouped.call.route.retry
        key: tuple[Hashable, ...] = (retry.budget_size, retry.budget_ratio, *[target.label for target in grouped.group])
        budget = self._budgets.get(key)
        if budget is None:
            if len(self._budgets) > MOST_BUDGETS:
                self._budgets.clear()
            budget = self._budgets[key] = RetryBudget(retry.budget_size, retry.budget_ratio)
        return budget

    def _next(self, grouped: GroupCall, error: ProviderError, retries: int) -> float | None:
        """Seconds to wait before another attempt; None when there must be none."""
        route, retry = grouped.call.route, grouped.call.route.retry
        if grouped.call.journal.calls >= route.max_attempts - grouped.groups_left:
            return None
        if not error.failover and not error.retry_same:
            return None
        delay = 0.0
        if not _elsewhere(grouped, error):
            if not error.retry_same:
                return None
            delay = backoff(retry, retries + 1, self._rng)
            if error.retry_after:
                if error.retry_after > (retry.initial_backoff if grouped.groups_left else retry.max_retry_after):
                    return None
                delay = error.retry_after * self._rng.uniform(1.0, 1.1) + TIMER_RESOLUTION
        return delay if _fits(grouped, delay) else None


def _free(error: ProviderError) -> bool:
    """Rate limits take nothing from the budget: cooldowns and flows already pace the calls."""
    return error.blame is Blame.KEY


def _elsewhere(grouped: GroupCall, error: ProviderError) -> bool:
    """Whether the group has another endpoint that may do better after this error."""
    tried = grouped.call.journal.tried
    here = error.other_key or error.retry_same or error.blame in (Blame.MODEL, Blame.SERVER)
    return any(
        candidate not in tried
        and (here or candidate[0] is not tried[-1][0])
        and not candidate[1].state.unavailable(candidate[0].model)
        for candidate in grouped.candidates()
    )


def _fits(grouped: GroupCall, delay: float) -> bool:
    """Whether an attempt after `delay` seconds could still finish: the usual time to the first event must then be left."""
    deadline = grouped.call.deadline
    if deadline is None:
        return True
    usual = min((endpoint.state.of(target.model).latency for target, endpoint in grouped.candidates()), default=0.0)
    return asyncio.get_running_loop().time() + delay + max(RESERVE, usual) < deadline
