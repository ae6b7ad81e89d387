"""One bumpy provider, in virtual time: behind the gateway as many calls are served as straight, by as many provider calls."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import pytest
from llm_gateway.calls.call import Attempt, Reply
from llm_gateway.errors import ProviderUnavailable, RateLimited
from llm_gateway.routing.targets import Endpoint

from tests.support import chain as kit
from tests.support import virtual
from tests.support.bumpy import TABLE, Attempts, Bumps, Load, Straight

pytestmark = pytest.mark.no_cover
SEEDS = (1, 2, 3)
Send = Callable[[int], Awaitable[tuple[int, float | None]]]
"""One attempt of a call: its status, and the hint that came with it."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """served: calls; attempts: provider calls; longest: seconds that a served call took; failed: why others did."""

    served: int
    attempts: int
    longest: float
    failed: Counter[str]


async def behind(load: Load, send: Send, attempts: Attempts, seed: int) -> Seen:
    """The load through a gateway with default settings: one target, no fallback."""

    class Upstream(kit.Scripted):
        async def __call__(self, attempt: Attempt) -> Reply:
            status, hint = await send(int(attempt.call.request_id))
            if status == 429:
                raise RateLimited(status=status, retry_after=hint)
            if status != 200:
                raise ProviderUnavailable(status=status)
            return kit.reply_to(attempt)

    target = kit.target(Endpoint(provider="p", deployment="", upstream=Upstream(), state=kit.state()))
    handler = kit.whole_chain(seed)
    seen = Seen(served=0, attempts=0, longest=0.0, failed=Counter())

    async def call(number: int) -> bool:
        begun = virtual.now()
        result = await kit.outcome(handler, msgspec.structs.replace(kit.call(target), request_id=str(number)))
        if result != "p":
            seen.failed[result] += 1
            return False
        seen.longest = max(seen.longest, virtual.now() - begun)
        return True

    seen.served = sum(await load.run(call))
    seen.attempts = attempts.total
    state = target.provider.endpoints[0].state
    flow = state.of("m").flow
    assert (state.in_flight, flow.in_flight, flow.undecided, len(flow.line)) == (0, 0, 0, 0)
    return seen


def compared(load: Load, make: Callable[[int, Attempts], Send]) -> tuple[Seen, Seen]:
    """The gateway's and the straight client's, the seeds added up."""

    async def straight(send: Send, attempts: Attempts, seed: int) -> Seen:
        served = sum(await load.run(Straight(send).call))
        return Seen(served=served, attempts=attempts.total, longest=0.0, failed=Counter())

    def total(run: Callable[[Send, Attempts, int], Awaitable[Seen]]) -> Seen:
        async def main(seed: int) -> Seen:
            attempts = Attempts()
            return await run(make(seed, attempts), attempts, seed)

        runs = [virtual.run(main(seed)) for seed in SEEDS]
        return Seen(
            served=sum(run.served for run in runs),
            attempts=sum(run.attempts for run in runs),
            longest=max(run.longest for run in runs),
            failed=sum((run.failed for run in runs), Counter()),
        )

    return total(partial(behind, load)), total(straight)


def bumpy(bumps: Bumps, latency: float, *, fast: bool) -> Callable[[int, Attempts], Send]:
    """A provider that takes about `latency` seconds; fast: only to answer well."""

    def make(seed: int, attempts: Attempts) -> Send:
        rng = random.Random(seed)

        async def send(call: int) -> tuple[int, float | None]:
            status = bumps.status(seed, call, attempts.next(call))
            await asyncio.sleep(0.001 if fast and status != 200 else latency * rng.uniform(0.5, 1.5))
            return status, bumps.hint if status == 429 else None

        return send

    return make


CROWD = ("500 at once, 15 % 503 and 10 % 429", Load(calls=500, at_once=500), Bumps(limited=0.1, down=0.15))


@pytest.mark.parametrize(("latency", "fast"), [(0.05, False), (0.05, True), (2.0, True), (30.0, True)])
@pytest.mark.parametrize(("name", "load", "bumps"), [*TABLE, CROWD], ids=[row[0] for row in [*TABLE, CROWD]])
def test_a_bumpy_provider_is_no_worse_behind_us(
    name: str, load: Load, bumps: Bumps, latency: float, fast: bool
) -> None:
    """As many calls served less 1 %, by no more than 2 % more provider calls; where answers are quick no call takes longer than hints ask."""
    behind_us, straight = compared(load, bumpy(bumps, latency, fast=fast))
    assert behind_us.served >= 0.99 * straight.served, behind_us.failed
    assert behind_us.attempts <= 1.02 * straight.attempts
    if latency < 1.0:
        assert behind_us.longest <= 2 * (1.1 * max(bumps.hint, 0.5) + 1.5 * latency) + 1.0


@pytest.mark.parametrize("hint", [1.0, None])
@pytest.mark.parametrize("load", [Load(calls=150, rate=10), Load(calls=200, at_once=20), Load(calls=100, at_once=100)])
def test_a_provider_that_takes_five_calls_a_second_serves_more_of_them(load: Load, hint: float | None) -> None:
    """A token bucket, as providers have: at least a fifth more calls served than straight, by fewer provider calls."""

    def make(seed: int, attempts: Attempts) -> Send:
        rng, tokens, filled = random.Random(seed), [10.0], [0.0]

        async def send(call: int) -> tuple[int, float | None]:
            attempts.next(call)
            now = virtual.now()
            tokens[0], filled[0] = min(10.0, tokens[0] + 5.0 * (now - filled[0])), now
            if tokens[0] < 1.0:
                await asyncio.sleep(0.005)
                return 429, hint
            tokens[0] -= 1.0
            await asyncio.sleep(0.5 * rng.uniform(0.5, 1.5))
            return 200, None

        return send

    behind_us, straight = compared(load, make)
    assert behind_us.served >= 1.2 * straight.served
    assert behind_us.attempts <= straight.attempts


def test_a_limit_that_refuses_all_is_asked_once_for_each_rest() -> None:
    """429 with `retry-after: 1` to everything, 50 calls a second for 20 s and their waits: about one provider call a second."""

    def make(seed: int, attempts: Attempts) -> Send:
        async def send(call: int) -> tuple[int, float | None]:
            attempts.next(call)
            return 429, 1.0

        return send

    behind_us, _ = compared(Load(calls=1000, rate=50), make)
    assert behind_us.served == 0
    assert behind_us.attempts <= 60 * len(SEEDS)
