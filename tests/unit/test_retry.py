"""Retry: jitter, hints, budget and deadline, in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from llm_gateway import config
from llm_gateway.calls.retry import RetryBudget, backoff
from llm_gateway.errors import (
    AttemptTimeout,
    CredentialsRejected,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    ResponseInvalid,
)

from tests.support import chain as kit
from tests.support import virtual

OFF = config.Breaker(enabled=False)


def served(
    *steps: kit.Step, others: tuple[kit.Step, ...] = (), deadline: float | None = None, seed: int = 1, **route: Any
) -> tuple[str, list[float]]:
    """What came of a call to an endpoint that plays these steps (with a second endpoint beside it), and when it was called, from 0."""

    async def main() -> tuple[str, list[float]]:
        start = virtual.now()
        endpoints = [kit.endpoint(*steps, deployment="a", policy=OFF)]
        if others:
            endpoints.append(kit.endpoint(*others, deployment="b", policy=OFF, weight=1e-9))
        one = kit.target(*endpoints)
        result = await kit.outcome(kit.whole_chain(seed), kit.call(one, deadline=deadline, **route))
        begun = sorted(at - start for number in range(len(endpoints)) for at in kit.upstream(one, number).begun)
        return result, begun

    return virtual.run(main())


def test_waits_are_full_jitter() -> None:
    """Kolmogorov–Smirnov against the uniform distribution from 0 to base · 2^(n-1), p > 0.01."""
    rng, settings = random.Random(4), config.Retry(initial_backoff=0.5, max_backoff=4.0)
    for attempt, top in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (9, 4.0)):
        values = sorted(backoff(settings, attempt, rng) / top for _ in range(3000))
        distance = max(max((i + 1) / 3000 - v, v - i / 3000) for i, v in enumerate(values))
        assert distance < 1.628 / math.sqrt(3000)


def test_a_server_error_is_retried_on_the_same_endpoint_after_a_backoff() -> None:
    """Two failures, then an answer: three calls, each wait within its bound."""
    result, begun = served(ProviderUnavailable(status=503), ProviderUnavailable(status=503), None)
    assert result == "p"
    assert len(begun) == 3
    assert 0 < begun[1] <= 0.25
    assert 0 < begun[2] - begun[1] <= 0.5


def test_another_endpoint_is_tried_at_once() -> None:
    """No wait where another place may do better."""
    result, begun = served(ProviderUnavailable(status=503), others=(None,))
    assert (result, begun) == ("p", [0.0, 0.0])


@pytest.mark.parametrize("error", [CredentialsRejected(status=401), RateLimited(status=429, retry_after=30.0)])
def test_another_key_is_tried_at_once_and_costs_no_budget(error: ProviderError) -> None:
    """Twenty times in a row the first key is turned down, and every call is served by the other, without an answer that gives a token back."""

    async def main() -> tuple[list[str], int]:
        handler = kit.whole_chain()
        one = kit.target(
            kit.endpoint(error, deployment="bad", policy=OFF, weight=1e9),
            kit.endpoint(deployment="good", policy=OFF),
        )
        results = []
        for _ in range(20):
            results.append(await kit.outcome(handler, kit.call(one, retry=config.Retry(budget_ratio=0.0))))
            await asyncio.sleep(100)
        return results, len(kit.upstream(one).begun)

    assert virtual.run(main()) == (["p"] * 20, 20)


@pytest.mark.parametrize(
    "error",
    [
        RequestRefused(status=400),
        ModelNotFound(status=404),
        CredentialsRejected(status=401),
        AttemptTimeout(),
        ResponseInvalid(),
    ],
)
def test_what_the_same_place_would_say_again_is_not_retried_there(error: ProviderError) -> None:
    """One call."""
    result, begun = served(error)
    assert (result, len(begun)) == (error.reason, 1)


@given(st.floats(0.01, 10.0))
@settings(max_examples=40)
def test_a_hint_is_waited_for_within_a_tenth(hint: float) -> None:
    """Never less than the provider asked for."""
    result, begun = served(RateLimited(status=429, retry_after=hint), None)
    assert result == "p"
    assert hint <= begun[1] <= hint * 1.1 + 0.003


def test_a_hint_beyond_the_limit_or_the_deadline_ends_the_call_at_once() -> None:
    """11 s against a limit of 10 s; 5 s against a deadline of 3 s."""
    for hint, deadline in ((11.0, None), (5.0, 3.0)):
        result, begun = served(RateLimited(status=429, retry_after=hint), None, deadline=deadline)
        assert (result, begun) == ("PROVIDER_RATE_LIMITED", [0.0])


def test_with_a_fallback_waiting_a_hint_is_not_waited_for() -> None:
    """2 s are kept alone, and passed over where another target can answer now."""

    async def main() -> tuple[str, float]:
        limited = kit.target(kit.endpoint(RateLimited(status=429, retry_after=2.0), provider="a"))
        other = kit.target(kit.endpoint(provider="b"))
        start = virtual.now()
        return await kit.outcome(kit.whole_chain(), kit.call(limited, other)), virtual.now() - start

    assert virtual.run(main()) == ("b", 0.0)


@given(st.floats(0.06, 2.0), st.integers(0, 10_000))
@settings(max_examples=150)
def test_no_attempt_begins_that_the_deadline_has_no_room_for(deadline: float, seed: int) -> None:
    """Neither a wait nor a call reaches into the last 50 ms."""
    failing = ProviderUnavailable(status=503)
    _, begun = served(failing, deadline=deadline, seed=seed, max_attempts=9, retry=config.Retry(budget_size=100))
    assert all(at <= deadline - 0.05 for at in begun)


def test_the_usual_latency_must_fit_as_well() -> None:
    """An endpoint that takes 2 s is not called again with 1 s left."""

    async def main() -> int:
        slow = kit.target(kit.endpoint(2.0, 2.0, ProviderUnavailable(status=503), None, policy=OFF))
        handler = kit.whole_chain()
        for _ in range(2):
            await kit.outcome(handler, kit.call(slow))
        await kit.outcome(handler, kit.call(slow, deadline=1.0))
        return len(kit.upstream(slow).begun)

    assert virtual.run(main()) == 3


def test_attempts_are_counted_over_all_groups_and_one_is_kept_for_each() -> None:
    """Three in all: two for the first target, one for the fallback."""

    async def main() -> tuple[int, int]:
        first = kit.target(kit.endpoint(ProviderUnavailable(status=503), policy=OFF, provider="a"))
        second = kit.target(kit.endpoint(ProviderUnavailable(status=503), policy=OFF, provider="b"))
        await kit.outcome(kit.whole_chain(), kit.call(first, second))
        return len(kit.upstream(first).begun), len(kit.upstream(second).begun)

    assert virtual.run(main()) == (2, 1)


def test_a_total_outage_stops_the_retries() -> None:
    """1,000 calls without breakers: hardly more provider calls than calls."""

    async def main() -> int:
        dead = kit.target(kit.endpoint(ProviderUnavailable(status=503), policy=OFF))
        handler = kit.whole_chain()
        for _ in range(1000):
            await kit.outcome(handler, kit.call(dead))
        return len(kit.upstream(dead).begun)

    assert virtual.run(main()) <= 1010


def test_rate_limits_take_no_retry_token() -> None:
    """Thirty calls are refused and retried without one answer, and the server errors after them find the bucket as full as ever."""

    async def main() -> list[int]:
        refused = RateLimited(status=429, retry_after=0.01)
        one = kit.target(kit.endpoint(*[refused] * 60, ProviderUnavailable(status=503), policy=OFF))
        handler = kit.whole_chain()
        begun = []
        for _ in range(2):
            for _ in range(30):
                await kit.outcome(handler, kit.call(one, max_attempts=2))
            begun.append(len(kit.upstream(one).begun))
        return begun

    assert virtual.run(main()) == [60, 60 + 30 + 10]


def test_a_crowd_whose_failures_come_first_is_retried() -> None:
    """200 calls at once, of which 50 fail at once and the others take two seconds: all are served."""

    async def main() -> int:
        steps: list[kit.Step] = [ProviderUnavailable(status=503) if number % 4 == 0 else 2.0 for number in range(200)]
        one = kit.target(kit.endpoint(*steps, 2.0))
        handler = kit.whole_chain()
        results = await asyncio.gather(*(kit.outcome(handler, kit.call(one)) for _ in range(200)))
        return results.count("p")

    assert virtual.run(main()) == 200


def test_without_a_token_the_caller_is_told_when_to_come_back() -> None:
    """A 503 without a hint gets a second; a spent call gets none."""

    async def main() -> tuple[list[float | None], list[float | None]]:
        dead = kit.target(kit.endpoint(ProviderUnavailable(status=503), policy=OFF))
        handler = kit.whole_chain()

        async def hint(attempts: int) -> float | None:
            with pytest.raises(ProviderUnavailable) as caught:
                await handler(kit.call(dead, max_attempts=attempts))
            return caught.value.retry_after

        spent = [await hint(1)]
        return spent, [await hint(3) for _ in range(20)][-3:]

    steps = virtual.run(main())
    assert steps == ([None], [1.0, 1.0, 1.0])


def test_a_call_cancelled_in_its_backoff_makes_no_further_call() -> None:
    """The wait ends with the task."""

    async def main() -> int:
        dead = kit.target(kit.endpoint(ProviderUnavailable(status=503), policy=OFF))
        given = kit.call(dead, retry=config.Retry(initial_backoff=100.0, max_backoff=100.0))
        waiting = asyncio.ensure_future(kit.outcome(kit.whole_chain(), given))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(500)
        assert dead.provider.endpoints[0].state.in_flight == 0
        return len(kit.upstream(dead).begun)

    assert virtual.run(main()) == 1


class BudgetMachine(RuleBasedStateMachine):
    """A retry budget: over any course, retries ≤ half the bucket + ratio × (successes + calls that were unanswered at once)."""

    @initialize(capacity=st.floats(1.0, 50.0), ratio=st.floats(0.0, 1.0))
    def start(self, capacity: float, ratio: float) -> None:
        self.budget = RetryBudget(capacity, ratio)
        self.capacity, self.ratio = capacity, ratio
        self.retries = self.successes = self.most = 0

    @rule(calls=st.integers(0, 30))
    def wait(self, calls: int) -> None:
        self.budget.undecided = calls
        self.most = max(self.most, calls)

    @rule(times=st.integers(1, 30))
    def succeed(self, times: int) -> None:
        for _ in range(times):
            self.budget.succeeded()
        self.successes += times

    @rule(times=st.integers(1, 30))
    def retry(self, times: int) -> None:
        self.retries += sum(self.budget.take() for _ in range(times))
        assert self.retries <= self.capacity / 2 + 1 + self.ratio * (self.successes + self.most) + 1e-6


TestBudget = BudgetMachine.TestCase
TestBudget.settings = settings(max_examples=60, stateful_step_count=50)


def test_a_budget_outlives_what_is_known_of_its_targets() -> None:
    """A model list that was fetched makes new targets of the same names; in an outage they get no new retries."""

    async def main() -> int:
        handler = kit.whole_chain()
        begun = 0
        for _ in range(50):
            one = kit.target(kit.endpoint(*[ProviderUnavailable(status=503)] * 3, policy=OFF))
            await kit.outcome(handler, kit.call(one))
            begun += len(kit.upstream(one).begun)
        return begun

    assert virtual.run(main()) == 50 + 10
