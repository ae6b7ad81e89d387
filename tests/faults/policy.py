"""Rows C: retry, fallback, balancing, breakers, deadlines and overload."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from llm_gateway.calls.retry import backoff
from llm_gateway.config import Breaker, Retry
from llm_gateway.errors import ProviderUnavailable

from tests.faults.history import Outcome, ask
from tests.faults.rig import Rig, paced, provider, quantile, row, setting, upstreams
from tests.support import chain as kit
from tests.support import upstream as scripted
from tests.support import virtual
from tests.support.upstream import HANG, Pause, Script

FAILURE = scripted.whole(503, {"error": {"message": "down", "type": "server_error"}})


def late(script: Script, seconds: float) -> Script:
    """The answer after a while."""
    return (Pause(seconds), *script)


@row("C1", star=True, most=1.1)
async def an_outage_is_not_made_worse_by_retries(rig: Rig) -> float:
    """A total outage at 100 calls/s, with breakers and without: most upstream calls for each call, over all and after 10 s."""
    seconds, rate = (3.0, 50.0) if rig.quick else (15.0, 100.0)
    worst = 0.0
    for enabled in (True, False):
        async with upstreams(1) as (dead,):
            dead.script(FAILURE)
            config = {"providers": {"p": provider(dead)}, "breaker": {"enabled": enabled}}
            async with rig.process(config) as gateway:
                started = time.monotonic()
                seen = await paced(rate, seconds, lambda: ask(gateway.client, "p/m", stream=False))
            if any(one.ok for one in seen):
                return math.nan
            if sum(one.calls for one in seen) != len(dead.requests):
                rig.note(f"{len(dead.requests)} upstream calls, of which the callers were told otherwise")
                return math.nan
            for after in (0.0, seconds * 2 / 3):
                later = [one for one in seen if one.started_at - started >= after]
                worst = max(worst, sum(one.calls for one in later) / len(later))
    return worst


@row("C2", star=True, most=5.0, timed=True)
async def a_dead_primary_is_hardly_noticed(rig: Rig) -> float:
    """A primary dead for FAULTS_OUTAGE seconds at 100 streams/s: ms added to the fallback's own p50; success < 99.9 % or > 1 probe/s counts 1,000."""
    outage = setting("FAULTS_OUTAGE", 60.0)
    async with upstreams(2) as (primary, fallback):
        for each in (primary, fallback):
            each.script(scripted.chat_stream(3))
        config = {
            "providers": {"p": provider(primary), "f": provider(fallback)},
            "routes": {"r": {"targets": ["p/m"], "fallbacks": ["f/m"]}},
        }
        async with rig.process(config) as gateway:
            await paced(100, 2, lambda: ask(gateway.client, "r"))
            primary.script(FAILURE)
            primary.requests.clear()
            died = time.monotonic()
            routed = asyncio.create_task(paced(100, outage, lambda: ask(gateway.client, "r")))
            await asyncio.sleep(0.005)  # between two of those, not beside one
            direct = await paced(20, outage, lambda: ask(gateway.client, "f/m"))
            seen = await routed
    success = sum(one.ok for one in seen) / len(seen)
    probes = [request.arrived for request in primary.requests if request.arrived > died + 1.0]
    most = max((sum(at <= other < at + 0.99 for other in probes) for at in probes), default=0)
    after = [one.first for one in seen if one.first is not None and one.started_at > died + 2.0]
    usual = [one.first for one in direct if one.first is not None and one.started_at > died + 2.0]
    added = (quantile(after, 0.5) - quantile(usual, 0.5)) * 1000
    rig.note(
        f"success {success:.4%} of {len(seen)}, {len(probes)} probes, at most {most} in a second,"
        f" p50 {quantile(after, 0.5) * 1000:.2f} ms against {quantile(usual, 0.5) * 1000:.2f} ms of the fallback itself"
    )
    return added if success >= 0.999 and most <= 1 and len(probes) <= outage else 1000.0


@row("C3", most=0, timed=True)
async def traffic_comes_back_slowly_and_in_full(rig: Rig) -> float:
    """One of two endpoints back after an outage: success below 99 %, no fair share after 10 s, or more than twice the share a second."""
    wrong = []
    async with upstreams(2) as (one, other):
        for each in (one, other):
            each.script(scripted.chat("ok"))
        config = {
            "providers": {"a": provider(one), "b": provider(other)},
            "routes": {"r": {"targets": ["a/m", "b/m"]}},
        }
        async with rig.process(config) as gateway:
            call = lambda: ask(gateway.client, "r", stream=False)  # noqa: E731
            one.script(FAILURE)
            await paced(100, 5, call)
            one.script(scripted.chat("ok"))
            one.requests.clear()
            other.requests.clear()
            back = time.monotonic()
            seen = await paced(100, 13, call)
    success = sum(each.ok for each in seen) / len(seen)
    wrong.append("" if success >= 0.99 else f"success {success:.2%}")
    mine = [request.arrived for request in one.requests]
    theirs = [request.arrived for request in other.requests]
    share = sum(at > back + 10 for at in mine) / max(1, sum(at > back + 10 for at in [*mine, *theirs]))
    wrong.append("" if 0.4 <= share <= 0.6 else f"share {share:.2f} after 10 s")
    recovered = mine[0] if mine else back
    counts = [sum(recovered + second <= at < recovered + second + 1 for at in mine) for second in range(5)]
    for second, count in enumerate(counts):
        fair = 50 * 2.0 ** (second - 4)
        wrong.append("" if count <= fair + 4 * math.sqrt(fair) + 3 else f"{counts} calls in the seconds after recovery")
    return rig.flaws(wrong)


async def _shares(rig: Rig, strategy: str, scripts: list[list[Script]], seconds: float, skip: float) -> list[float]:
    async with upstreams(len(scripts)) as servers:
        for server, script in zip(servers, scripts, strict=True):
            server.script(*script)
        config = {
            "providers": {f"p{number}": provider(server) for number, server in enumerate(servers)},
            "routes": {"r": {"targets": [f"p{number}/m" for number in range(len(servers))], "strategy": strategy}},
        }
        async with rig.process(config) as gateway:
            started = time.monotonic()
            seen = await paced(100, seconds, lambda: ask(gateway.client, "r", stream=False))
        counts = [sum(request.arrived > started + skip for request in server.requests) for server in servers]
    rig.note(f"{strategy}: {counts}, {sum(one.ok for one in seen)} of {len(seen)} OK")
    return [count / sum(counts) for count in counts]


@row("C4", most=0.1, timed=True)
async def bad_endpoints_get_little_and_equal_ones_the_same(rig: Rig) -> float:
    """Least loaded, one endpoint ten times slower, one failing 30 %: greatest share of a bad one after 5 s; unequal equals count 1."""
    rng = random.Random(5)
    good = late(scripted.chat("ok"), 0.02)
    flaky = [FAILURE if rng.random() < 0.3 else good for _ in range(3000)]
    shares = await _shares(rig, "least_loaded", [[good], [late(scripted.chat("ok"), 0.2)], flaky], 12, 5)
    worst = max(shares[1:])
    for strategy in ("least_loaded", "round_robin", "weighted"):
        equal = await _shares(rig, strategy, [[good], [good], [good]], 5, 0)
        if max(equal) * 3 > 1.3:
            rig.note(f"{strategy}: {max(equal) * 3:.2f} times the mean")
            worst = 1.0
    return worst


def kolmogorov_smirnov(values: list[float]) -> float:
    """p-value that the values are uniform on 0 to 1 (asymptotic Kolmogorov distribution)."""
    ordered, n = sorted(values), len(values)
    distance = max(max((i + 1) / n - value, value - i / n) for i, value in enumerate(ordered))
    x = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * distance
    terms = ((1.0 if k % 2 else -1.0) * math.exp(-2 * k * k * x * x) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


@row("C5", star=True, least=0.01)
async def backoff_is_full_jitter_within_the_deadline(rig: Rig) -> float:
    """p-value of a KS test of the waits against the uniform distribution; a wait that the deadline has no room for counts 0."""
    retry, rng = Retry(initial_backoff=0.25, max_backoff=8.0), random.Random(11)
    least = 1.0
    for attempt in range(1, 8):
        top = min(8.0, 0.25 * 2 ** (attempt - 1))
        least = min(least, kolmogorov_smirnov([backoff(retry, attempt, rng) / top for _ in range(2000)]))
    late_calls = await asyncio.to_thread(_calls_without_time, rng, 50 if rig.quick else 1000)
    if late_calls:
        rig.note(f"{late_calls} provider calls began with less than 50 ms left")
        return 0.0
    return least


def _calls_without_time(rng: random.Random, runs: int) -> int:
    """Provider calls that began within the last 50 ms of their deadline, or after it, in virtual time."""

    async def run(deadline: float, seed: int) -> int:
        dead = kit.target(kit.endpoint(ProviderUnavailable(status=503), policy=Breaker(enabled=False)))
        start = virtual.now()
        given = kit.call(dead, deadline=deadline, max_attempts=9, retry=Retry(budget_size=100))
        await kit.outcome(kit.whole_chain(seed), given)
        return sum(at - start > deadline - 0.05 for at in kit.upstream(dead).begun)

    return sum(virtual.run(run(rng.uniform(0.06, 3.0), seed)) for seed in range(runs))


@row("C6", star=True, most=0.05, timed=True)
async def the_callers_deadline_holds(rig: Rig) -> float:
    """Deadlines of 0.1 to 1 s against silence, slow failures and full queues: most seconds too late; a call begun with < 50 ms left counts 10."""
    worst = 0.0
    deadlines = (0.1, 0.25, 0.5, 1.0)
    faults: dict[str, Script] = {"silence": (HANG,), "slow failures": late(FAILURE, 0.07)}
    async with upstreams(2) as (primary, fallback):
        config = {
            "providers": {
                "p": provider(primary),
                "f": provider(fallback),
                "q": provider(primary, limits={"concurrency": 1, "queue": 100, "queue_timeout": "5s"}),
            },
            "routes": {
                "r": {"targets": ["p/m"], "fallbacks": ["f/m"], "retry": {"max_attempts": 9, "budget_size": 1000}}
            },
            "breaker": {"enabled": False},
        }
        async with rig.local(config) as gateway:
            for name, script in faults.items():
                for each in (primary, fallback):
                    each.script(script)
                for stream in (True, False):
                    for model in ("p/m", "r", "q/m"):
                        for deadline in deadlines:
                            for each in (primary, fallback):
                                each.requests.clear()
                            seen = await ask(gateway.client, model, stream=stream, timeout=deadline)
                            over = seen.seconds - deadline
                            begun = [r.arrived - seen.started_at for each in (primary, fallback) for r in each.requests]
                            if any(deadline - at < 0.045 for at in begun) or seen.ok:
                                rig.note(f"{name} {model} {deadline}: {seen.code}, begun at {begun}")
                                over = 10.0
                            if over > 0.05:
                                rig.note(f"{name} {model} {deadline}: {over:+.3f} s")
                            worst = max(worst, over)
            tiny = await ask(gateway.client, "p/m", stream=False, timeout=0.045)
            before = len(primary.requests)
            await asyncio.sleep(0.1)
            if tiny.code != "DEADLINE_EXCEEDED" or len(primary.requests) != before:
                worst = 10.0
    return worst


@row("C7", star=True, most=0, timed=True)
async def overload_is_shed_at_once(rig: Rig) -> float:
    """0.5 to 4 times the capacity: goodput at 4× below 90 % of the peak, p99 to the first event over twice the usual, slow shedding, slow Health."""
    places, service = 20, 0.4
    capacity = places / service
    limits = {"concurrency": places, "queue": places // 2, "queue_timeout": "1s"}
    goodput: dict[float, float] = {}
    wrong: list[str] = []
    health: list[float] = []
    async with upstreams(1) as (upstream,):
        rng = random.Random(9)
        upstream.script(*(late(scripted.chat_stream(2), service * rng.uniform(0.75, 1.25)) for _ in range(4000)))
        async with rig.process({"providers": {"p": provider(upstream, limits=limits)}}) as gateway:

            async def watch() -> None:
                while True:
                    started = time.monotonic()
                    await gateway.client.health_check()
                    health.append(time.monotonic() - started)
                    await asyncio.sleep(0.05)

            watching = asyncio.create_task(watch())
            for factor in (0.5, 1.0, 2.0, 4.0):
                seen = await paced(capacity * factor, 4, lambda: ask(gateway.client, "p/m"))
                good = [one for one in seen if one.ok]
                goodput[factor] = len(good) / (4 + service)
                slow = quantile([one.first for one in good if one.first is not None], 0.99)
                wrong.append("" if slow <= 2 * service + 0.05 else f"{factor}×: p99 {slow:.3f} s")
                refused = [one for one in seen if not one.ok]
                wrong += ["" if _shed(one) else f"{one.code} {one.reason}" for one in refused]
            watching.cancel()
            await asyncio.sleep(0.2)
            entries = [json.loads(line) for line in gateway.log.read_text().splitlines()]
            shed = [entry["duration_ms"] for entry in entries if entry.get("reason") == "GATEWAY_OVERLOADED"]
    rig.note(
        f"goodput {', '.join(f'{f}×: {g:.0f}/s' for f, g in goodput.items())}; shed p50 {quantile(shed, 0.5):.1f} ms,"
        f" p99 {quantile(shed, 0.99):.1f} ms; Health p99 {quantile(health, 0.99) * 1000:.1f} ms"
    )
    wrong.append("" if goodput[4.0] >= 0.9 * max(goodput.values()) else "goodput")
    wrong.append("" if quantile(shed, 0.99) <= 5.0 else "shedding takes more than 5 ms")
    wrong.append("" if quantile(health, 0.99) <= 0.1 else "Health takes more than 100 ms")
    return rig.flaws(wrong)


def _shed(outcome: Outcome) -> bool:
    return outcome.reason == "GATEWAY_OVERLOADED" and bool(outcome.retry_delay)


@row("C9", most=0.001, timed=True)
async def the_event_loop_is_never_held_up(rig: Rig) -> float:
    """Work of the gateway processes' event loops without a turn for others, under the other rows: share of them over 50 ms; one over 200 ms counts 1."""
    if not rig.lags:
        async with upstreams(1) as (upstream,):
            upstream.script(scripted.chat_stream(20))
            async with rig.process({"providers": {"p": provider(upstream)}}) as gateway:
                await paced(100, 5, lambda: ask(gateway.client, "p/m"))
    longest = max(figures["max"] for _, figures in rig.lags) * 1000
    late = sum(figures["late"] for _, figures in rig.lags) / sum(figures["count"] for _, figures in rig.lags)
    rig.note(
        ", ".join(f"{name} {f['p999'] * 1000:.0f}/{f['max'] * 1000:.0f}" for name, f in rig.lags)
        + " ms (p99.9/longest)"
    )
    return late if longest <= 200 else 1.0


@row("C10", most=0)
async def state_machines_keep_their_promises(rig: Rig) -> float:
    """Breaker, flow, budget, balancer and queues under 10,000 random steps with injected clock and randomness: machines that broke a promise."""
    from tests.unit.test_balancing import BalancerMachine
    from tests.unit.test_limit import LineMachine, QueueMachine
    from tests.unit.test_outlier import BreakerMachine, FlowMachine
    from tests.unit.test_retry import BudgetMachine

    machines: list[type[RuleBasedStateMachine]] = [BreakerMachine, FlowMachine, BudgetMachine, BalancerMachine]
    machines += [QueueMachine, LineMachine]
    examples = 5 if rig.quick else 50
    failed: list[str] = []

    def run(machine: type[RuleBasedStateMachine]) -> None:
        try:
            run_state_machine_as_test(
                machine, settings=settings(max_examples=examples, stateful_step_count=50, deadline=None, database=None)
            )
        except Exception as error:
            failed.append(f"{machine.__name__}: {error}")

    for machine in machines:
        await asyncio.to_thread(run, machine)
    return rig.flaws(failed)
