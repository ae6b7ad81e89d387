"""Breakers and cooldowns on an injected clock."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from llm_gateway import config
from llm_gateway.routing.outlier import CONFIRMED, LONGEST_COOLDOWN, Breaker, Cooldown, Flow

from tests.support.chain import Clock

ROUNDING = 1e-6  # seconds; sums of floats


def tripped(policy: config.Breaker, clock: Clock) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(policy, clock)
    for _ in range(policy.consecutive_failures):
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    """Four, a success, four: closed; then a fifth."""
    breaker = Breaker(config.Breaker(consecutive_failures=5, min_calls=1000), Clock())
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
    policy = config.Breaker(consecutive_failures=1000, failure_ratio=0.25, min_calls=20, window=10.0)
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
    breaker = tripped(config.Breaker(base_ejection=1.0, max_ejection=4.0), clock)
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
    breaker = tripped(config.Breaker(), clock)
    breaker.succeeded()
    assert not breaker.allows()
    clock.now += 1.0
    probe = breaker.begin()
    breaker.succeeded(probe=probe)
    assert breaker.state == "closed"


def test_several_probes_must_succeed_in_a_row_when_so_configured() -> None:
    """Of three, one fails: it starts again."""
    clock = Clock()
    breaker = tripped(config.Breaker(probes=2), clock)
    for outcome in (True, False, True, True):
        clock.now += 10.0
        assert breaker.state != "closed"
        probe = breaker.begin()
        (breaker.succeeded if outcome else breaker.failed)(probe=probe)
    assert breaker.state == "closed"


def test_a_probe_that_fails_takes_back_the_turn_that_another_gave() -> None:
    """Two under way: the first one's success lets a third pass at once, unless the second has failed by then."""
    clock = Clock()
    breaker = Breaker(config.Breaker(probes=2), clock)
    breaker.succeeded()
    for _ in range(5):
        breaker.failed()
    clock.now += 1.0
    first = breaker.begin()
    clock.now += 2.0
    second = breaker.begin()
    breaker.succeeded(probe=first)
    assert breaker.allows()
    breaker.failed(probe=second)
    assert not breaker.allows()


def test_every_outage_needs_its_probes() -> None:
    """Those that ended the one before do not count."""
    clock = Clock()
    breaker = Breaker(config.Breaker(probes=2), clock)
    for _ in range(2):
        for _ in range(5):
            breaker.failed()
        for expected in ("half_open", "closed"):
            clock.now += breaker.opens_in()
            breaker.succeeded(probe=breaker.begin())
            assert breaker.state == expected
        clock.now += 20.0


def test_the_share_doubles_every_second_after_recovery() -> None:
    """Five seconds of slow start: 1/32 to all of it."""
    clock = Clock()
    breaker = tripped(config.Breaker(slow_start=5.0), clock)
    clock.now += 1.0
    breaker.succeeded(probe=breaker.begin())
    shares = []
    for _ in range(6):
        shares.append(breaker.share())
        clock.now += 1.0
    assert shares == [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]


def test_a_disabled_breaker_never_opens() -> None:
    """It still counts, for health."""
    breaker = Breaker(config.Breaker(enabled=False), Clock())
    for _ in range(100):
        breaker.failed()
    assert breaker.allows()
    assert breaker.error_rate() == 1.0


def test_a_rest_is_never_shortened_and_never_endless() -> None:
    """The later of two ends counts; a provider's word is taken for a minute."""
    clock = Clock()
    cooldown = Cooldown(clock)
    cooldown.begin(30.0, "A", stated=True)
    cooldown.begin(5.0, "B", stated=False)
    assert (cooldown.left(), cooldown.reason, cooldown.stated) == (30.0, "A", True)
    cooldown.begin(1e9, "C", stated=True)
    assert cooldown.left() == LONGEST_COOLDOWN
    clock.now += LONGEST_COOLDOWN
    assert cooldown.left() == 0.0


class BreakerMachine(RuleBasedStateMachine):
    """A breaker against its promises: probes are apart by an ejection time, and only probes end an ejection."""

    @initialize(probes=st.integers(1, 3), consecutive=st.integers(1, 6))
    def start(self, probes: int, consecutive: int) -> None:
        self.clock = Clock()
        self.policy = config.Breaker(probes=probes, consecutive_failures=consecutive)
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
            assert self.clock.now >= self.opened_at + self.policy.base_ejection - ROUNDING
            if self.last_probe is not None and not self.proven:
                assert self.clock.now >= self.last_probe + self.policy.base_ejection - ROUNDING
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
            assert self.proven + 1 == self.policy.probes
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
            assert 0.0 <= self.breaker.opens_in() <= self.policy.max_ejection + ROUNDING
            assert self.breaker.allows() is (self.breaker.opens_in() == 0.0)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=50)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_left_over_rests_end_at_their_time(seconds: float) -> None:
    """A cooldown of no time is none."""
    cooldown = Cooldown(Clock())
    cooldown.begin(seconds, "A", stated=True)
    assert cooldown.left() == seconds


def test_an_outage_is_failures_and_no_success_within_the_window() -> None:
    """Five in a row after a success are no outage; ten seconds later, when that is forgotten, the next ones are."""
    clock = Clock()
    breaker = Breaker(config.Breaker(), clock)
    breaker.succeeded()
    for _ in range(5):
        breaker.failed()
    assert (breaker.state, breaker.outage, breaker.refuses()) == ("open", False, False)
    clock.now += 10.1
    for number in range(5):
        assert breaker.outage is False, number
        breaker.failed()
    assert breaker.refuses()


def test_it_is_no_outage_while_more_calls_may_yet_succeed_than_have_failed() -> None:
    """Failures come faster than answers: 75 of 500 at once say nothing, and six when six are under way do."""
    breaker = Breaker(config.Breaker(), Clock())
    for failure in range(75):
        breaker.failed(undecided=499 - failure)
    assert not breaker.outage
    small = Breaker(config.Breaker(), Clock())
    for _ in range(6):
        small.failed(undecided=6)
    assert small.outage


def test_any_success_ends_an_outage_and_says_so_and_only_a_probe_ends_the_ejection() -> None:
    """A call from before it that is answered shows that the server answers."""
    clock = Clock()
    breaker = tripped(config.Breaker(), clock)
    assert breaker.refuses()
    assert breaker.succeeded()
    assert (breaker.outage, breaker.refuses(), breaker.allows()) == (False, False, False)
    clock.now += 1.0
    assert not breaker.succeeded(probe=breaker.begin())
    assert breaker.allows()


def flow_of(calls: int, clock: Clock) -> Flow:
    """A flow with so many calls in flight."""
    flow = Flow(clock)
    for _ in range(calls):
        flow.begin()
    return flow


def refuse(flow: Flow, times: int = 1, cooldown: float = 5.0) -> None:
    for _ in range(times):
        flow.refused(cooldown)
        flow.failed()


def test_a_refusal_cuts_a_flow_once_for_all_that_was_sent_before() -> None:
    """20 in flight, three refused: 16 at once, not 10; a later refusal cuts again when something sent after the cut has succeeded."""
    flow = flow_of(20, Clock())
    refuse(flow, 3)
    assert flow.limit == 16
    flow.succeeded(0)
    assert flow.limit == 17
    refuse(flow)
    assert flow.limit == 17
    flow.succeeded(flow.begin())
    refuse(flow)
    assert flow.limit == int(0.8 * 17)


def test_successes_widen_a_flow_until_it_has_no_limit() -> None:
    """It goes when it is twice what is in flight."""
    flow = flow_of(5, Clock())
    refuse(flow)
    for expected in (5, 6, 7, None):
        flow.succeeded(0)
        assert flow.limit == expected
    assert not flow.full


def test_a_while_without_a_refusal_widens_a_flow_as_well() -> None:
    """By a quarter each second, by one at least: one slow call in flight must not hold up all the others."""
    clock = Clock()
    flow = flow_of(2, clock)
    refuse(flow)
    assert flow.full
    assert flow.opens_in() == pytest.approx(1.0)
    clock.now += 0.9
    assert flow.full
    clock.now += 0.1
    assert not flow.full
    big = flow_of(100, clock)
    refuse(big)
    clock.now += 1.0
    assert (big.has_room(), big.limit) == (True, 100)


def test_refusals_in_a_row_confirm_the_rest() -> None:
    """Five without a success: nothing is sent for five seconds, then one at a time; one more refusal confirms it again."""
    clock = Clock()
    flow = flow_of(5, clock)
    refuse(flow, 4)
    assert flow.paused_for() == 0.0
    refuse(flow)
    assert flow.paused_for() == pytest.approx(5.0)
    assert (flow.limit, flow.full) == (1, True)
    clock.now += 5.0
    assert not flow.full
    flow.begin()
    assert flow.full
    refuse(flow, cooldown=2.0)
    assert flow.paused_for() == pytest.approx(2.0)


def test_a_success_between_refusals_confirms_nothing_and_neither_do_few_among_many() -> None:
    """Four, a success, four; five of 50 that are not answered yet."""
    flow = flow_of(9, Clock())
    refuse(flow, 4)
    flow.succeeded(0)
    refuse(flow, 4)
    assert flow.paused_for() == 0.0
    crowd = flow_of(50, Clock())
    refuse(crowd, 20)
    assert crowd.paused_for() == 0.0
    refuse(crowd, 6)
    assert crowd.paused_for() > 0.0


def test_a_confirmed_rest_is_never_shortened() -> None:
    """Neither by a later word nor by an answer to what was sent before, which widens no limit away."""
    flow = flow_of(7, Clock())
    flow.succeeded(0)
    flow.ended()
    refuse(flow, 5, cooldown=30.0)
    refuse(flow, cooldown=1.0)
    assert flow.paused_for() == pytest.approx(30.0)
    flow.begin()
    flow.succeeded(0)
    assert flow.full


def test_a_newcomer_waits_behind_those_who_wait() -> None:
    """Also in the moment in which there is a place that nobody has been given yet."""
    flow = flow_of(5, Clock())
    refuse(flow, 3)
    flow.line.append(object())
    assert flow.has_room()
    assert flow.full


def test_a_limit_stays_while_calls_wait_for_it() -> None:
    """Else all of them were sent at once."""
    flow = flow_of(5, Clock())
    refuse(flow)
    flow.line.append(object())
    for _ in range(10):
        flow.succeeded(flow.begin())
        flow.ended()
    assert flow.limit is not None


def test_a_certain_refusal_needs_no_confirmation() -> None:
    """A used-up quota whose end the provider names."""
    flow = flow_of(1, Clock())
    flow.refused(1e9, certain=True)
    assert flow.paused_for() == LONGEST_COOLDOWN


def test_after_an_outage_the_crowd_comes_back_step_by_step() -> None:
    """Five at once, at most doubled each second, however many succeed; without a limit when the slow start is over."""
    clock = Clock()
    flow = Flow(clock, slow_start=5.0)
    flow.recovered()
    limits = []
    for _ in range(5):
        for _ in range(1000):
            flow.succeeded(flow.begin())
            flow.ended()
        limits.append(flow.limit)
        clock.now += 1.0
    assert limits == [5, 10, 20, 40, 80]
    flow.succeeded(flow.begin())
    assert flow.limit is None


class FlowMachine(RuleBasedStateMachine):
    """A flow against its promises: nothing passes in a confirmed cooldown or beyond the limit, which is never below one, and time opens it."""

    @initialize()
    def start(self) -> None:
        self.clock = Clock()
        self.flow = Flow(self.clock)
        self.sent: list[int] = []
        self.answered = 0
        self.refusals = 0

    @rule(seconds=st.floats(0.0, 4.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def call(self) -> None:
        if self.flow.full:
            return
        assert self.flow.limit is None or self.flow.in_flight < self.flow.limit
        assert self.flow.paused_for() == 0.0
        self.sent.append(self.flow.begin())

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if self.sent:
            before = self.flow.limit
            self.flow.succeeded(self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1))))
            self.answered += 1
            self.refusals = 0
            assert before is not None or self.flow.limit is None

    @rule(data=st.data(), cooldown=st.floats(0.01, 100.0))
    def refuse(self, data: st.DataObject, cooldown: float) -> None:
        if self.sent:
            self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))
            paused = self.flow.paused_for()
            self.flow.refused(cooldown)
            self.refusals += 1
            assert self.flow.limit is not None
            confirmed = self.refusals >= max(CONFIRMED, self.flow.undecided)
            assert self.flow.paused_for() == pytest.approx(
                max(paused, min(cooldown, LONGEST_COOLDOWN)) if confirmed else paused
            )
            self.flow.failed()

    @rule()
    def fail(self) -> None:
        if self.sent:
            self.sent.pop()
            self.flow.failed()

    @rule()
    def end(self) -> None:
        if self.answered:
            self.answered -= 1
            self.flow.ended()

    @rule()
    def recover(self) -> None:
        self.flow.recovered()

    @invariant()
    def sane(self) -> None:
        if not hasattr(self, "flow"):
            return
        flow = self.flow
        assert flow.undecided == len(self.sent)
        assert flow.in_flight == len(self.sent) + self.answered
        assert flow.limit is None or flow.limit >= 1
        assert flow.has_room() is (flow.opens_in() <= 0.0)
        assert flow.opens_in() <= max(flow.paused_for(), 1.0) + ROUNDING


TestFlow = FlowMachine.TestCase
TestFlow.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
