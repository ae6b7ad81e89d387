"""Breakers and cooldowns on an injected clock."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from llm_gateway.outlier import LONGEST_REST, Breaker, BreakerPolicy, Cooldown

from tests.support.chain import Clock

ROUNDING = 1e-6  # seconds; sums of floats


def tripped(policy: BreakerPolicy, clock: Clock) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(policy, clock)
    for _ in range(policy.consecutive):
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    """Four, a success, four: closed; then a fifth."""
    breaker = Breaker(BreakerPolicy(consecutive=5, volume=1000), Clock())
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    for _ in range(4):
        breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    assert breaker.state == "open"


def test_the_share_of_failures_opens_it_only_above_the_volume_and_within_the_window() -> None:
    """Every second call fails: nothing at 19 calls, open at 20; old calls do not count."""
    clock = Clock()
    policy = BreakerPolicy(consecutive=1000, ratio=0.25, volume=20, window=10.0)
    breaker = Breaker(policy, clock)
    for number in range(19):
        breaker.failed() if number % 2 else breaker.succeeded()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    slow = Breaker(policy, clock)
    for number in range(100):
        slow.failed() if number % 2 else slow.succeeded()
        clock.now += 1.0
    assert slow.allows()


def test_one_probe_passes_for_every_ejection_time_even_while_the_one_before_hangs() -> None:
    """Ejections of 1, 2, 4, 4 s, counted from the probe's start."""
    clock = Clock()
    breaker = tripped(BreakerPolicy(ejection=1.0, longest=4.0), clock)
    passed = []
    for _ in range(200):
        clock.now += 0.1
        if breaker.allows():
            assert breaker.begin()
            passed.append(round(clock.now - 1000.0, 1))
            assert not breaker.allows()
    gaps = [round(later - sooner, 1) for sooner, later in itertools.pairwise(passed)]
    assert gaps[:2] == [2.0, 4.0]
    assert set(gaps[2:]) == {4.0}


def test_only_a_probe_closes_it() -> None:
    """A success of a call that was begun before the ejection says nothing of now."""
    clock = Clock()
    breaker = tripped(BreakerPolicy(), clock)
    breaker.succeeded()
    assert not breaker.allows()
    clock.now += 1.0
    probe = breaker.begin()
    breaker.succeeded(probe=probe)
    assert breaker.state == "closed"


def test_several_probes_must_succeed_in_a_row_when_so_configured() -> None:
    """Of three, one fails: it starts again."""
    clock = Clock()
    breaker = tripped(BreakerPolicy(probes=2), clock)
    for outcome in (True, False, True, True):
        clock.now += 10.0
        assert breaker.state != "closed"
        probe = breaker.begin()
        (breaker.succeeded if outcome else breaker.failed)(probe=probe)
    assert breaker.state == "closed"


def test_the_share_doubles_every_second_after_recovery() -> None:
    """Five seconds of slow start: 1/32 to all of it."""
    clock = Clock()
    breaker = tripped(BreakerPolicy(slow_start=5.0), clock)
    clock.now += 1.0
    breaker.succeeded(probe=breaker.begin())
    shares = []
    for _ in range(6):
        shares.append(breaker.share())
        clock.now += 1.0
    assert shares == [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]


def test_a_disabled_breaker_never_opens() -> None:
    """It still counts, for health."""
    breaker = Breaker(BreakerPolicy(enabled=False), Clock())
    for _ in range(100):
        breaker.failed()
    assert breaker.allows()
    assert breaker.error_rate() == 1.0


def test_a_rest_is_never_shortened_and_never_endless() -> None:
    """The later of two ends counts; a provider's word is taken for a minute."""
    clock = Clock()
    rest = Cooldown(clock)
    rest.rest(30.0, "A", stated=True)
    rest.rest(5.0, "B", stated=False)
    assert (rest.left(), rest.reason, rest.stated) == (30.0, "A", True)
    rest.rest(1e9, "C", stated=True)
    assert rest.left() == LONGEST_REST
    clock.now += LONGEST_REST
    assert rest.left() == 0.0


class BreakerMachine(RuleBasedStateMachine):
    """A breaker against its promises: probes are apart by an ejection time, and only probes end an ejection."""

    @initialize(probes=st.integers(1, 3), consecutive=st.integers(1, 6))
    def start(self, probes: int, consecutive: int) -> None:
        self.clock = Clock()
        self.policy = BreakerPolicy(probes=probes, consecutive=consecutive)
        self.breaker = Breaker(self.policy, self.clock)
        self.under_way: list[bool] = []
        self.opened_at: float | None = None
        self.last_probe: float | None = None
        self.proven = 0

    @rule(seconds=st.floats(0.0, 3.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def call(self) -> None:
        if not self.breaker.allows():
            return
        closed = self.breaker.state == "closed"
        probe = self.breaker.begin()
        assert probe is not closed
        if probe:
            assert self.opened_at is not None
            assert self.clock.now >= self.opened_at + self.policy.ejection - ROUNDING
            if self.last_probe is not None and not self.proven:
                assert self.clock.now >= self.last_probe + self.policy.ejection - ROUNDING
            self.last_probe = self.clock.now
        self.under_way.append(probe)

    @rule(data=st.data(), well=st.booleans())
    def answer(self, data: st.DataObject, well: bool) -> None:
        if not self.under_way:
            return
        probe = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        before = self.breaker.state
        (self.breaker.succeeded if well else self.breaker.failed)(probe=probe)
        after = self.breaker.state
        if before != "closed" and after == "closed":
            assert probe
            assert well
        if before == "closed" and after != "closed":
            assert not well
            self.opened_at, self.last_probe, self.proven = self.clock.now, None, 0
            self.under_way = [False for _ in self.under_way]
        elif probe:
            self.proven = self.proven + 1 if well and after != "closed" else 0

    @invariant()
    def sane(self) -> None:
        if hasattr(self, "breaker"):
            assert 0.0 < self.breaker.share() <= 1.0
            assert 0.0 <= self.breaker.error_rate() <= 1.0
            assert 0.0 <= self.breaker.opens_in() <= self.policy.longest + ROUNDING
            assert self.breaker.allows() is (self.breaker.opens_in() == 0.0)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=50)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_left_over_rests_end_at_their_time(seconds: float) -> None:
    """A rest of no time is none."""
    rest = Cooldown(Clock())
    rest.rest(seconds, "A", stated=True)
    assert rest.left() == seconds
