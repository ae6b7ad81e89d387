"""Which endpoint is picked: strategies, affinity, ejection, cooldown, slow start."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from llm_gateway import config
from llm_gateway.calls.call import Attempt, GroupCall, Reply
from llm_gateway.calls.load_balance import LoadBalance
from llm_gateway.catalogue.facts import ModelFacts
from llm_gateway.errors import (
    CircuitOpen,
    CredentialsRejected,
    ProviderError,
    ProviderUnavailable,
    ProviderUnreachable,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
)
from llm_gateway.routing.outlier import FIRST_CALLS
from llm_gateway.routing.strategies import STRATEGIES, Choice, by_affinity, in_slow_start
from llm_gateway.routing.targets import Endpoint, Target
from llmgateway.v1 import gateway_pb2

from tests.support import chain as kit
from tests.support import virtual
from tests.support.chain import Clock


def at_once(main: Coroutine[Any, Any, Any]) -> Any:
    """Run what never waits."""
    try:
        main.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def three(clock: Clock | None = None, **of: Any) -> list[Target]:
    """Three targets of one endpoint each."""
    return [kit.target(kit.endpoint(provider=name, clock=clock or Clock(), **of)) for name in "abc"]


def candidates(targets: list[Target]) -> list[tuple[Target, Endpoint]]:
    return [(target, endpoint) for target in targets for endpoint in target.provider.endpoints]


def picked(balance: LoadBalance, given: GroupCall) -> str:
    """The provider that an immediate answer comes from."""

    async def proceed(attempt: Attempt) -> Reply:
        return kit.reply_to(attempt)

    async def main() -> str:
        reply = await balance(given, proceed)
        await reply.aclose()
        return reply.target.provider.id

    name: str = at_once(main())
    return name


def failed(balance: LoadBalance, given: GroupCall, error: BaseException) -> None:
    """One call that fails this way."""

    async def proceed(attempt: Attempt) -> Reply:
        raise error

    with pytest.raises(type(error)):
        at_once(balance(given, proceed))


def test_weighted_follows_the_weights() -> None:
    """6 : 3 : 1 of 10,000, within 3 %."""
    targets = [kit.target(kit.endpoint(provider=n, clock=Clock()), weight=w) for n, w in (("a", 6), ("b", 3), ("c", 1))]
    choice = Choice(random.Random(1), gateway_pb2.SendRequest())
    first = Counter(STRATEGIES["weighted"](candidates(targets), choice)[0][0].provider.id for _ in range(10_000))
    assert [round(first[name] / 1000) for name in "abc"] == [6, 3, 1]


def test_round_robin_takes_turns() -> None:
    """Through the link, which counts the turns of each route."""
    balance, targets = LoadBalance(rng=random.Random(1), clock=Clock()), three()
    seen = "".join(picked(balance, kit.grouped(tuple(targets), strategy="round_robin")) for _ in range(6))
    assert seen in ("abcabc", "bcabca", "cabcab")


def test_least_loaded_prefers_the_less_loaded_and_the_faster() -> None:
    """Of three all picks go to the best one, and of the others to the better one."""
    targets = three()
    for target, seconds, calls in zip(targets, (0.1, 1.0, 0.1), (0, 0, 30), strict=True):
        state = target.provider.endpoints[0].state
        state.of("m").measured(seconds)
        state.in_flight = calls
    choice = Choice(random.Random(2), gateway_pb2.SendRequest())
    orders = Counter(
        "".join(c[0].provider.id for c in STRATEGIES["least_loaded"](candidates(targets), choice)) for _ in range(300)
    )
    assert orders == {"abc": 300}


def shares(
    strategy: str, *endpoints: tuple[float, float], seed: int = 1, skip: float = 0.0, known: bool = False
) -> list[float]:
    """Which part of 100 calls/s over 12 s each endpoint got, from `skip` on: endpoints that take so many seconds and fail so often. known: the last
    endpoint was measured long ago."""

    async def main() -> list[float]:
        rng = random.Random(seed)
        targets = tuple(
            kit.target(
                kit.endpoint(
                    *(ProviderUnavailable(status=503) if rng.random() < failing else seconds for _ in range(1500)),
                    provider=f"{number}",
                )
            )
            for number, (seconds, failing) in enumerate(endpoints)
        )
        if known:
            targets[-1].provider.endpoints[0].state.of("m").measured(0.02)
            await asyncio.sleep(300)
        handler, start = kit.whole_chain(seed), virtual.now()
        calls = []
        for number in range(1200):
            await asyncio.sleep(max(0.0, start + number / 100 - virtual.now()))
            calls.append(asyncio.ensure_future(kit.outcome(handler, kit.call(targets, strategy=strategy))))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        counts = [sum(at > start + skip for at in kit.upstream(one).begun) for one in targets]
        return [count / sum(counts) for count in counts]

    return virtual.run(main())


@pytest.mark.no_cover
def test_least_loaded_gives_bad_endpoints_little_however_the_dice_fall() -> None:
    """One of three takes ten times as long, one fails 30 %: neither gets a tenth, in twelve runs."""
    for seed in range(12):
        _, slow, failing = shares("least_loaded", (0.02, 0.0), (0.2, 0.0), (0.02, 0.3), seed=seed, skip=5.0)
        assert max(slow, failing) < 0.1, (seed, slow, failing)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("strategy", ["least_loaded", "lowest_latency"])
def test_an_endpoint_that_does_not_answer_gets_no_crowd_that_waits(strategy: str, known: bool) -> None:
    """Never measured, or five minutes ago: a few calls find out, though none of them fails."""
    assert shares(strategy, (0.02, 0.0), (0.02, 0.0), (1e6, 0.0), known=known)[2] < 0.01


def test_lowest_latency_prefers_the_fastest_and_asks_again_what_it_has_not_measured() -> None:
    """Unknown first; then by time; what is old fades."""
    clock = Clock()
    targets = three(clock)
    targets[0].provider.endpoints[0].state.of("m").measured(0.2)
    targets[1].provider.endpoints[0].state.of("m").measured(0.1)
    order = STRATEGIES["lowest_latency"](candidates(targets), Choice(random.Random(1), gateway_pb2.SendRequest()))
    assert [target.provider.id for target, _ in order] == ["c", "b", "a"]
    clock.now += 60
    targets[1].provider.endpoints[0].state.of("m").measured(0.1)
    order = STRATEGIES["lowest_latency"](candidates(targets[:2]), Choice(random.Random(1), gateway_pb2.SendRequest()))
    assert [target.provider.id for target, _ in order] == ["a", "b"]


def test_capability_score_prefers_what_is_known_to_be_able() -> None:
    """Needs met, then the operator's score."""
    facts = (ModelFacts(score=9), ModelFacts(capabilities={"tools": True}, score=1), ModelFacts(score=10))
    targets = [
        kit.target(kit.endpoint(provider=name, clock=Clock()), facts=fact)
        for name, fact in zip("abc", facts, strict=True)
    ]
    request = gateway_pb2.SendRequest(tools=[gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="t"))])
    choice = Choice(random.Random(1), request)
    order = STRATEGIES["capability_score"](candidates(targets), choice)
    assert [target.provider.id for target, _ in order] == ["b", "c", "a"]


def test_affinity_leads_to_the_same_endpoint_spreads_keys_and_gives_way_to_load() -> None:
    """1,000 keys; taking an endpoint away moves only its own keys."""
    targets = three()
    found = candidates(targets)
    homes = {f"k{n}": by_affinity(found, f"k{n}")[0][0].provider.id for n in range(1000)}
    assert all(250 < count < 420 for count in Counter(homes.values()).values())
    for key, home in homes.items():
        without = by_affinity([c for c in found if c[0].provider.id != "c"], key)[0][0].provider.id
        assert home in (without, "c")
    crowded = next(target for target in targets if target.provider.id == homes["k1"])
    crowded.provider.endpoints[0].state.in_flight = 50
    assert by_affinity(found, "k1")[0][0] is not crowded


def test_an_ejected_endpoint_is_not_picked_while_another_is_there_and_comes_back_slowly() -> None:
    """The share of the one that is back doubles every second."""
    clock = Clock()
    targets = three(clock)
    balance = LoadBalance(rng=random.Random(3), clock=clock)
    for _ in range(5):
        failed(balance, kit.grouped(targets[0]), ProviderUnavailable(status=503))
    assert {picked(balance, kit.grouped(tuple(targets))) for _ in range(100)} == {"b", "c"}
    clock.now += 1.0
    while picked(balance, kit.grouped(tuple(targets))) != "a":
        pass
    shares = []
    for _ in range(7):
        shares.append(sum(picked(balance, kit.grouped(tuple(targets))) == "a" for _ in range(900)) / 300)
        clock.now += 1.0
    assert shares[0] < 0.1
    assert [round(share * 8) / 8 for share in shares] == pytest.approx([0, 0, 1 / 8, 1 / 4, 1 / 2, 1, 1], abs=0.13)


def test_the_strategy_chooses_among_those_that_are_not_in_slow_start() -> None:
    """The better of two must stay the better one of those that remain: the slow endpoint gets nothing beside the idle fast one."""
    clock = Clock()
    targets = three(clock)
    for target, seconds in zip(targets, (0.02, 0.2, 0.02), strict=True):
        target.provider.endpoints[0].state.of("m").measured(seconds)
    balance = LoadBalance(rng=random.Random(3), clock=clock)
    for _ in range(5):
        failed(balance, kit.grouped(targets[2]), ProviderUnavailable(status=503))
    clock.now += 1.0
    assert picked(balance, kit.grouped(targets[2])) == "c"
    seen = Counter(picked(balance, kit.grouped(tuple(targets), strategy="least_loaded")) for _ in range(300))
    assert seen["b"] <= 3


def test_unreachable_ejects_the_address_and_an_answered_failure_only_the_model() -> None:
    """Another model at the same endpoint goes on after 503s, and not after refused connections."""
    for error, state in ((ProviderUnavailable(status=503), ""), (ProviderUnreachable(), "CIRCUIT_OPEN")):
        target = kit.target(kit.endpoint(clock=Clock()))
        balance = LoadBalance(rng=random.Random(1), clock=Clock())
        for _ in range(5):
            failed(balance, kit.grouped(target), error)
        assert target.provider.endpoints[0].state.unavailable("m") == "CIRCUIT_OPEN"
        assert target.provider.endpoints[0].state.unavailable("other") == state


@pytest.mark.parametrize("error", [RequestRefused(status=400), asyncio.CancelledError(), RuntimeError("bug")])
def test_what_is_not_the_providers_fault_leaves_no_mark(error: BaseException) -> None:
    """A hundred of them, and it is still picked; nothing stays in flight."""
    target = kit.target(kit.endpoint(clock=Clock()))
    balance = LoadBalance(rng=random.Random(1), clock=Clock())
    for _ in range(100):
        failed(balance, kit.grouped(target), error)
    state = target.provider.endpoints[0].state
    assert (state.unavailable("m"), state.in_flight, state.of("m").breaker.error_rate()) == ("", 0, 0.0)


def test_a_rate_limit_sends_calls_elsewhere_and_keeps_none_that_has_no_other_place() -> None:
    """429, with a time or without: skipped while there is another target or a fallback, and called where there is neither."""
    clock = Clock()
    for hint, reason in ((7.0, "COOLDOWN"), (None, "RATE_LIMITED")):
        balance = LoadBalance(rng=random.Random(1), clock=clock)
        limited, other = three(clock)[:2]
        failed(balance, kit.grouped(limited), RateLimited(status=429, retry_after=hint))
        given = kit.grouped((limited, other))
        assert {picked(balance, given) for _ in range(20)} == {"b"}
        assert [attempt.skip_reason for attempt in given.call.journal.attempts] == [reason]
        with pytest.raises(RateLimited) as caught:
            picked(balance, kit.grouped(limited, other, left=1))
        assert caught.value.retry_after == pytest.approx(hint or 1.0)
        assert picked(balance, kit.grouped(limited)) == "a"


def test_an_ejected_endpoint_is_called_where_there_is_no_other_place_until_it_is_an_outage() -> None:
    """Ejected by the share of failures, with successes between them: called. Failures alone: refused, but for a probe."""
    clock = Clock()
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    target, down = three(clock)[:2]
    for _ in range(10):
        picked(balance, kit.grouped(target))
        failed(balance, kit.grouped(target), ProviderUnavailable(status=503))
    state = target.provider.endpoints[0].state
    assert (state.unavailable("m"), state.refuses("m")) == ("CIRCUIT_OPEN", False)
    assert picked(balance, kit.grouped(target)) == "a"
    for _ in range(5):
        failed(balance, kit.grouped(down), ProviderUnavailable(status=503))
    with pytest.raises(CircuitOpen) as caught:
        picked(balance, kit.grouped(down))
    assert caught.value.retry_after == pytest.approx(1.0)
    clock.now += 1.0
    assert picked(balance, kit.grouped(down)) == "b"
    assert down.provider.endpoints[0].state.of("m").flow.limit == FIRST_CALLS


def test_after_an_outage_of_the_address_another_model_comes_back_step_by_step_too() -> None:
    """The crowd was kept away from all that is there."""
    clock = Clock()
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    endpoint = kit.endpoint(clock=clock)
    for _ in range(5):
        failed(balance, kit.grouped(kit.target(endpoint)), ProviderUnreachable())
    clock.now += 1.0
    picked(balance, kit.grouped(kit.target(endpoint, model="other")))
    assert endpoint.state.of("other").flow.limit == FIRST_CALLS


@pytest.mark.parametrize("error", [ProviderUnavailable(status=503), ProviderUnreachable()])
def test_a_probe_that_tells_nothing_leaves_its_turn_to_the_next_call(error: ProviderError) -> None:
    """One caller whose requests are wrong must not use up the probes that would find the model, or its address, back."""
    clock = Clock()
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    target = kit.target(kit.endpoint(clock=clock))
    for _ in range(5):
        failed(balance, kit.grouped(target), error)
    clock.now += 1.0
    for _ in range(10):
        failed(balance, kit.grouped(target), RequestRefused(status=400))
    assert picked(balance, kit.grouped(target)) == "p"
    assert target.provider.endpoints[0].state.unavailable("m") == ""


@pytest.mark.parametrize("hint", [0.5, None])
def test_a_rate_limit_is_neither_success_nor_failure(hint: float | None) -> None:
    """Fifty of them eject nothing, and four failures, one, four are five failures and more."""
    clock = Clock()
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    target = kit.target(kit.endpoint(clock=clock))
    limited = RateLimited(status=429, retry_after=hint)
    for _ in range(50):
        failed(balance, kit.grouped(target), limited)
    breaker = target.provider.endpoints[0].state.of("m").breaker
    assert (breaker.state, breaker.error_rate()) == ("closed", 0.0)
    for error in [*[ProviderUnavailable(status=503)] * 4, limited, ProviderUnavailable(status=503)]:
        failed(balance, kit.grouped(target), error)
    assert breaker.state == "open"


def test_a_candidate_whose_flow_is_full_is_passed_over() -> None:
    """It takes calls again when it has room; where all are full the one with the shortest cooldown is waited for."""
    clock = Clock()
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    a, b, _ = three(clock)
    flow = a.provider.endpoints[0].state.of("m").flow
    flow.begin()
    flow.refused(1.0)
    assert {picked(balance, kit.grouped((a, b))) for _ in range(20)} == {"b"}
    flow.failed()
    assert {picked(balance, kit.grouped((a, b))) for _ in range(20)} == {"a", "b"}
    flow.refused(9.0, certain=True)
    b.provider.endpoints[0].state.of("m").flow.refused(3.0, certain=True)
    assert {picked(balance, kit.grouped((a, b))) for _ in range(20)} == {"b"}


def test_what_the_gateway_held_back_itself_leaves_no_mark() -> None:
    """An error of `limit` is no word of the provider's."""
    target = kit.target(kit.endpoint(clock=Clock()))
    held = RateLimited(retry_after=9.0)
    held.called = False
    failed(LoadBalance(rng=random.Random(1), clock=Clock()), kit.grouped(target), held)
    assert target.provider.endpoints[0].state.unavailable("m") == ""


def test_a_rejected_key_rests_and_the_other_keys_are_used() -> None:
    """With one key only it is tried again all the same."""
    clock = Clock()
    bad, good = kit.endpoint(deployment="bad", clock=clock), kit.endpoint(deployment="good", clock=clock)
    target = kit.target(bad, good)
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    bad.state.failed("m", CredentialsRejected(status=401))
    given = kit.grouped(target)
    for _ in range(50):
        picked(balance, given)
    assert [attempt.skip_reason for attempt in given.call.journal.attempts] == ["KEY_REJECTED"]
    assert picked(balance, kit.grouped(kit.target(bad))) == "p"


def test_held_back_calls_say_what_holds_them() -> None:
    """A quota is a quota; mixed reasons are an open circuit; the soonest time is told, and what the provider last said."""
    clock = Clock()
    balance = LoadBalance(rng=random.Random(1), clock=clock)
    a, b, _ = three(clock)
    failed(balance, kit.grouped(a), QuotaExhausted(status=429, retry_after=30.0))
    for _ in range(5):
        failed(balance, kit.grouped(b), ProviderUnavailable(status=503, provider_message="out of order"))

    def held(*group: Target) -> ProviderError:
        given = kit.grouped(group, a, left=1)
        with pytest.raises(ProviderError) as caught:
            picked(balance, given)
        return caught.value

    assert (type(held(a)), held(a).called) == (QuotaExhausted, False)
    assert type(held(a, b)) is CircuitOpen
    assert held(a, b).retry_after == pytest.approx(1.0)
    assert held(b).provider_message == "out of order"


def test_zero_weight_drains_unless_there_is_nothing_else() -> None:
    """No new calls while others are there."""
    drained, other = kit.target(kit.endpoint(provider="a", clock=Clock()), weight=0.0), three()[1]
    balance = LoadBalance(rng=random.Random(1), clock=Clock())
    assert {picked(balance, kit.grouped((drained, other))) for _ in range(50)} == {"b"}
    assert picked(balance, kit.grouped(drained)) == "a"


def test_slow_start_splits_without_losing_any() -> None:
    """Ready and later add up to all."""
    found = candidates(three())
    ready, later = in_slow_start(found, random.Random(1))
    assert (ready, later) == (found, [])


ERRORS: tuple[BaseException, ...] = (
    ProviderUnavailable(status=503),
    ProviderUnreachable(),
    RateLimited(status=429, retry_after=2.0),
    RateLimited(status=429),
    ProviderUnavailable(status=503, retry_after=1.0),
    CredentialsRejected(status=401),
    RequestRefused(status=400),
    asyncio.CancelledError(),
)


class BalancerMachine(RuleBasedStateMachine):
    """The balancer: an endpoint that is out is never picked while another is in, one with an outage only for a probe, probes are rationed,
    in-flight counts are right."""

    @initialize(seed=st.integers(0, 1000), strategy=st.sampled_from(sorted(STRATEGIES)))
    def start(self, seed: int, strategy: str) -> None:
        self.clock = Clock()
        self.policy = config.Breaker(consecutive_failures=3)
        self.targets = tuple(three(self.clock, policy=self.policy))
        self.balance = LoadBalance(rng=random.Random(seed), clock=self.clock)
        self.strategy = strategy
        self.open: list[tuple[Reply, Endpoint]] = []
        self.probed: dict[str, float] = {}

    @rule(seconds=st.floats(0.0, 5.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(result=st.sampled_from((None, None, *ERRORS)), keep=st.booleans())
    def call(self, result: BaseException | None, keep: bool) -> None:
        states = {t.provider.id: t.provider.endpoints[0].state.unavailable("m") for t in self.targets}
        refuses = {t.provider.id: t.provider.endpoints[0].state.refuses("m") for t in self.targets}
        outages = {t.provider.id: t.provider.endpoints[0].state.of("m").breaker.outage for t in self.targets}
        given = kit.grouped(self.targets, strategy=self.strategy)
        chosen: list[Attempt] = []

        async def proceed(attempt: Attempt) -> Reply:
            chosen.append(attempt)
            if result is not None:
                raise result
            return kit.reply_to(attempt)

        try:
            reply = at_once(self.balance(given, proceed))
        except (ProviderError, asyncio.CancelledError):
            reply = None
        if not chosen:
            assert all(refuses.values())
            return
        endpoint = chosen[0].endpoint
        name = endpoint.provider
        if not all(states.values()):
            assert states[name] == ""
        assert not refuses[name]
        if outages[name]:
            assert self.clock.now >= self.probed.get(name, -1e9) + self.policy.base_ejection - 1e-6
            self.probed[name] = -1e9 if isinstance(result, RequestRefused) else self.clock.now
        if reply is not None:
            self.open.append((reply, endpoint))
            if not keep:
                self.close()

    @rule()
    def close(self) -> None:
        if self.open:
            reply, _ = self.open.pop(0)
            at_once(reply.aclose())
        counts = Counter(endpoint.provider for _, endpoint in self.open)
        for target in self.targets:
            assert target.provider.endpoints[0].state.in_flight == counts[target.provider.id]


TestBalancer = BalancerMachine.TestCase
TestBalancer.settings = settings(max_examples=60, stateful_step_count=50)
