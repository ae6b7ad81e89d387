"""What waits before a model and before an endpoint."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from llm_gateway import config
from llm_gateway.calls.call import Attempt, Handler, Reply, call_endpoint
from llm_gateway.calls.chain import Chain
from llm_gateway.calls.limit import LONGEST_LINE, Limit
from llm_gateway.errors import (
    CallerDeadline,
    CircuitOpen,
    EndpointBusy,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from llm_gateway.routing.outlier import Flow
from llm_gateway.routing.state import Permits
from llm_gateway.routing.targets import Target

from tests.support import chain as kit
from tests.support import virtual
from tests.support.virtual import VirtualLoop


def permits_of(concurrency: int, queue: int, queue_timeout: float) -> Permits:
    return Permits(config.Limits(concurrency=concurrency, queue=queue, queue_timeout=queue_timeout))


def limited(permits: Permits, *steps: kit.Step) -> tuple[kit.Scripted, Attempt, Handler[Attempt]]:
    """An endpoint with these permits, a call to it, and the link before it."""
    one = kit.target(kit.endpoint(*steps, permits=permits))
    return kit.upstream(one), kit.attempt(one), Chain(Limit()).to(call_endpoint)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_waiters_are_served_first_come_first_served() -> None:
    """Three calls for one permit."""

    async def main() -> None:
        permits = permits_of(1, 5, 10.0)
        _, given, handler = limited(permits)
        first = await handler(given)
        order: list[int] = []

        async def wait(number: int) -> None:
            reply = await handler(given)
            order.append(number)
            await reply.aclose()

        tasks = [asyncio.ensure_future(wait(number)) for number in range(3)]
        await settle()
        assert (permits.in_use, permits.waiting, order) == (1, 3, [])
        await first.aclose()
        await asyncio.gather(*tasks)
        assert (order, permits.in_use, permits.waiting) == ([0, 1, 2], 0, 0)

    virtual.run(main())


def test_a_full_queue_refuses_at_once_and_a_long_wait_after_its_time() -> None:
    """Both say when to come back."""

    async def main() -> None:
        permits = permits_of(1, 1, 2.0)
        _, given, handler = limited(permits)
        await handler(given)
        start = virtual.now()
        waiting = asyncio.ensure_future(handler(given))
        await settle()
        with pytest.raises(EndpointBusy) as caught:
            await handler(given)
        assert (virtual.now() - start, bool(caught.value.retry_after)) == (0.0, True)
        with pytest.raises(EndpointBusy):
            await waiting
        assert virtual.now() - start == pytest.approx(2.0)
        assert permits.waiting == 0

    virtual.run(main())


def test_a_waiter_cancelled_as_its_permit_comes_free_passes_it_on() -> None:
    """Cancellation and release in one turn of the loop, in either order."""

    async def main(cancel_first: bool) -> None:
        permits = permits_of(1, 5, 10.0)
        _, given, handler = limited(permits)
        first = await handler(given)
        gone, next_one = (asyncio.ensure_future(handler(given)) for _ in range(2))
        await settle()
        if cancel_first:
            gone.cancel()
            await first.aclose()
        else:
            await first.aclose()
            gone.cancel()
        reply = await next_one
        await asyncio.gather(gone, return_exceptions=True)
        assert gone.cancelled()
        await reply.aclose()
        assert (permits.in_use, permits.waiting) == (0, 0)

    for cancel_first in (True, False):
        virtual.run(main(cancel_first))


def test_a_failed_call_gives_its_permit_back() -> None:
    """So does one that was answered and closed."""

    async def main() -> None:
        permits = permits_of(1, 0, 1.0)
        _, given, handler = limited(permits, RuntimeError("x"), None)
        with pytest.raises(RuntimeError):
            await handler(given)
        reply = await handler(given)
        assert permits.in_use == 1
        await reply.aclose()
        assert permits.in_use == 0

    virtual.run(main())


def test_the_deadline_ends_the_wait_and_no_call_begins_in_its_last_moment() -> None:
    """CallerDeadline, not EndpointBusy."""

    async def main() -> None:
        permits = permits_of(1, 5, 10.0)
        upstream, given, handler = limited(permits)
        one = given.target
        held = await handler(given)
        start = virtual.now()
        with pytest.raises(CallerDeadline):
            await handler(kit.attempt(one, deadline=1.0))
        assert virtual.now() - start == pytest.approx(1.0)
        await held.aclose()
        with pytest.raises(CallerDeadline):
            await handler(kit.attempt(one, deadline=0.04))
        assert (len(upstream.begun), permits.in_use) == (1, 0)

    virtual.run(main())


class QueueMachine(RuleBasedStateMachine):
    """Permits: never more calls than permits, never more waiters than the queue, no permit lost."""

    @initialize(capacity=st.integers(1, 4), queue=st.integers(0, 4))
    def start(self, capacity: int, queue: int) -> None:
        self.loop = VirtualLoop()
        self.permits = permits_of(capacity, queue, 5.0)
        self.calls: list[asyncio.Task[Reply]] = []

        async def make() -> None:
            _, self.given, self.handler = limited(self.permits)

        self.loop.run_until_complete(make())

    def turn(self) -> None:
        self.loop.run_until_complete(settle())

    def running(self) -> list[asyncio.Task[Reply]]:
        return [call for call in self.calls if call.done() and not call.cancelled() and call.exception() is None]

    @rule()
    def call(self) -> None:
        self.calls.append(self.loop.create_task(self.handler(self.given)))  # type: ignore[arg-type]
        self.turn()

    @rule(data=st.data(), also_cancel=st.booleans())
    def finish(self, data: st.DataObject, also_cancel: bool) -> None:
        running = self.running()
        if running:
            one = data.draw(st.sampled_from(running))
            self.calls.remove(one)
            waiting = [call for call in self.calls if not call.done()]
            if also_cancel and waiting:
                data.draw(st.sampled_from(waiting)).cancel()
            self.loop.run_until_complete(one.result().aclose())
            self.turn()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        waiting = [call for call in self.calls if not call.done()]
        if waiting:
            data.draw(st.sampled_from(waiting)).cancel()
            self.turn()

    @rule(seconds=st.floats(0.1, 6.0))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @invariant()
    def counts_are_right(self) -> None:
        if not hasattr(self, "permits"):
            return
        running, waiting = self.running(), [call for call in self.calls if not call.done()]
        assert self.permits.in_use == len(running) <= self.permits.limits.concurrency
        assert self.permits.waiting == len(waiting) <= self.permits.limits.queue
        assert not waiting or len(running) == self.permits.limits.concurrency

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            for call in self.calls:
                call.cancel()
                if call.done() and not call.cancelled():
                    call.exception()
            self.turn()
            self.loop.close()


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=40)


def test_room_that_a_cancelled_waiter_left_is_free_at_once() -> None:
    """Before the waiter itself has run: a newcomer who waited then would wait for nobody."""

    async def main() -> None:
        permits = permits_of(1, 5, 10.0)
        _, given, handler = limited(permits)
        first = await handler(given)
        waiter = asyncio.ensure_future(handler(given))
        await settle()
        waiter.cancel()
        await first.aclose()
        begun = virtual.now()
        await (await handler(given)).aclose()
        assert virtual.now() == begun
        await settle()
        assert (permits.in_use, permits.waiting) == (0, 0)

    virtual.run(main())


REFUSED = RateLimited(status=429, retry_after=3.0)


async def paused(*steps: kit.Step, seconds: float = 3.0) -> tuple[kit.Scripted, Target, Handler[Attempt], Flow]:
    """An endpoint whose flow cools down for so long, by the provider's confirmed word."""
    one = kit.target(kit.endpoint(*steps))
    flow = one.provider.endpoints[0].state.of("m").flow
    flow.refused(seconds, certain=True)
    return kit.upstream(one), one, Chain(Limit()).to(call_endpoint), flow


def test_a_confirmed_rest_is_waited_for_in_order_and_then_one_goes_at_a_time() -> None:
    """Four calls: nothing for three seconds, then one after another, first come first served."""

    async def main() -> None:
        upstream, one, handler, _ = await paused(0.5)
        order: list[int] = []

        async def wait(number: int) -> None:
            async with await handler(kit.attempt(one)):
                order.append(number)

        start = virtual.now()
        await asyncio.gather(*(wait(number) for number in range(4)))
        begun = [at - start for at in upstream.begun]
        assert order == [0, 1, 2, 3]
        assert 3.0 <= begun[0] <= 3.01
        assert begun[1] >= begun[0] + 0.5

    virtual.run(main())


@pytest.mark.parametrize(("cooldown", "deadline", "usual"), [(11.0, None, 0.0), (5.0, 4.0, 0.0), (3.0, 4.0, 2.0)])
def test_who_has_no_time_for_a_confirmed_rest_is_refused_at_once(
    cooldown: float, deadline: float | None, usual: float
) -> None:
    """Longer than hints are waited for, or than the deadline leaves, or leaves for an answer that takes as long as usual; the caller is
    told when, and no provider was called."""

    async def main() -> None:
        upstream, one, handler, _ = await paused(seconds=cooldown)
        one.provider.endpoints[0].state.of("m").measured(usual)
        start = virtual.now()
        with pytest.raises(RateLimited) as caught:
            await handler(kit.attempt(one, deadline=deadline))
        assert (virtual.now(), caught.value.called, upstream.begun) == (start, False, [])
        assert caught.value.retry_after == pytest.approx(cooldown)

    virtual.run(main())


def test_whose_time_ends_goes_all_the_same() -> None:
    """A limit that one slow stream fills is no reason to refuse: without a gateway the call would have been made."""

    async def main() -> None:
        upstream, given, handler = limited(Permits(), 100.0, 0.1)
        flow = given.endpoint.state.of("m").flow
        slow = asyncio.ensure_future(handler(given))
        await settle()
        flow.refused(1.0)
        assert flow.full
        start = virtual.now()
        one = given.target
        async with await handler(kit.attempt(one, deadline=0.8)):
            assert 0.7 <= upstream.begun[1] - start <= 0.8
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert (flow.in_flight, flow.undecided, len(flow.line)) == (0, 0, 0)

    virtual.run(main())


def test_who_leaves_as_a_place_in_the_line_comes_free_passes_it_on() -> None:
    """At once, not when time makes more room."""

    async def main() -> None:
        _, given, handler = limited(Permits())
        flow = given.endpoint.state.of("m").flow
        first = await handler(given)
        flow.refused(1.0)
        gone, following = (asyncio.ensure_future(handler(given)) for _ in range(2))
        await settle()
        start = virtual.now()
        await first.aclose()
        gone.cancel()
        await following
        assert virtual.now() == start

    virtual.run(main())


def test_ends_failures_and_answers_that_make_room_call_the_next_at_once() -> None:
    """Not when time makes more room: a call is closed; one ends without an answer; of five under way, with room for four, two are answered."""

    async def main() -> None:
        _, given, handler = limited(Permits(), None, None, 9.0, None, 0.2, 0.3, 9.0, 9.0, 9.0, None)
        flow = given.endpoint.state.of("m").flow
        first = await handler(given)
        flow.refused(1.0)
        following = asyncio.ensure_future(handler(given))
        await settle()
        start = virtual.now()
        await first.aclose()
        await (await following).aclose()
        assert virtual.now() == start
        flow.limit = None
        endless = asyncio.ensure_future(handler(given))
        await settle()
        flow.refused(1.0)
        following = asyncio.ensure_future(handler(given))
        await settle()
        endless.cancel()
        await (await following).aclose()
        assert virtual.now() == start
        flow.limit = None
        others = [asyncio.ensure_future(handler(given)) for _ in range(5)]
        await settle()
        flow.refused(1.0)
        start = virtual.now()
        await handler(given)
        assert virtual.now() == pytest.approx(start + 0.3)
        await asyncio.gather(*others)

    virtual.run(main())


@pytest.mark.parametrize(("hint", "believed"), [(30.0, True), (None, False)])
def test_a_used_up_quota_is_believed_at_once_where_its_end_is_stated(hint: float | None, believed: bool) -> None:
    """One refusal, and nobody else is sent to be refused; without a time it would be a guess."""

    async def main() -> None:
        used_up = QuotaExhausted(status=429, retry_after=hint)
        _, given, handler = limited(Permits(), used_up, None)
        with pytest.raises(QuotaExhausted):
            await handler(given)
        assert bool(given.endpoint.state.of("m").flow.paused_for()) is believed

    virtual.run(main())


@pytest.mark.parametrize(("hint", "limits"), [(2.0, True), (None, False)])
def test_a_server_error_with_a_hint_limits_as_a_rate_limit_does(hint: float | None, limits: bool) -> None:
    """503 with `retry-after` is how some providers say it; without one it says nothing of how many calls they take."""

    async def main() -> None:
        _, given, handler = limited(Permits(), 100.0, ProviderUnavailable(status=503, retry_after=hint))
        waiting = asyncio.ensure_future(handler(given))
        await settle()
        with pytest.raises(ProviderUnavailable):
            await handler(given)
        assert (given.endpoint.state.of("m").flow.limit is not None) is limits
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    virtual.run(main())


def test_a_line_has_an_end() -> None:
    """A thousand wait; the next one is refused at once."""

    async def main() -> None:
        _, one, handler, flow = await paused()
        waiting = [asyncio.ensure_future(handler(kit.attempt(one))) for _ in range(LONGEST_LINE)]
        await settle()
        with pytest.raises(RateLimited):
            await handler(kit.attempt(one))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (len(flow.line), flow.in_flight) == (0, 0)

    virtual.run(main())


def test_who_waits_when_an_outage_begins_is_not_sent_into_it() -> None:
    """Five failures while the line waits: it is refused, not sent one by one."""

    async def main() -> None:
        upstream, one, handler, _ = await paused()
        waiting = [asyncio.ensure_future(handler(kit.attempt(one))) for _ in range(20)]
        await asyncio.sleep(2.5)
        for _ in range(5):
            one.provider.endpoints[0].state.failed("m", ProviderUnavailable(status=503))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {CircuitOpen}
        assert upstream.begun == []

    virtual.run(main())


def test_the_chain_counts_no_wait_as_an_attempt() -> None:
    """max_attempts 1: the call waits for the cooldown, and is served by its one attempt."""

    async def main() -> tuple[str, int]:
        one = kit.target(kit.endpoint(None))
        one.provider.endpoints[0].state.of("m").flow.refused(3.0, certain=True)
        return await kit.outcome(kit.whole_chain(), kit.call(one, max_attempts=1)), len(kit.upstream(one).begun)

    assert virtual.run(main()) == ("p", 1)


class LineMachine(RuleBasedStateMachine):
    """Waiters of a flow under answers, refusals and cancellations: no room is lost, nobody waits beside some, none waits for ever."""

    @initialize()
    def start(self) -> None:
        self.loop = VirtualLoop()
        self.calls: list[asyncio.Task[Reply]] = []
        self.gates: list[asyncio.Future[BaseException | None]] = []

        async def upstream(attempt: Attempt) -> Reply:
            gate: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
            error = await gate
            if error is not None:
                raise error
            return kit.reply_to(attempt)

        async def make() -> None:
            one = kit.target(kit.endpoint(clock=self.loop.time))
            self.given = kit.attempt(one)
            self.flow = self.given.endpoint.state.of("m").flow
            self.handler = Chain(Limit()).to(upstream)

        self.loop.run_until_complete(make())

    def turn(self) -> None:
        self.loop.run_until_complete(settle())
        self.gates = [gate for gate in self.gates if not gate.done()]

    def running(self) -> list[asyncio.Task[Reply]]:
        return [call for call in self.calls if call.done() and not call.cancelled() and call.exception() is None]

    @rule(times=st.integers(1, 4))
    def call(self, times: int) -> None:
        for _ in range(times):
            self.calls.append(self.loop.create_task(self.handler(self.given)))  # type: ignore[arg-type]
        self.turn()

    @rule(data=st.data(), error=st.sampled_from((None, None, REFUSED, ProviderUnavailable(status=503))))
    def answer(self, data: st.DataObject, error: BaseException | None) -> None:
        if self.gates:
            data.draw(st.sampled_from(self.gates)).set_result(error)
            self.turn()

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        running = self.running()
        if running:
            one = data.draw(st.sampled_from(running))
            self.calls.remove(one)
            self.loop.run_until_complete(one.result().aclose())
            self.turn()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        open_calls = [call for call in self.calls if not call.done()]
        if open_calls:
            data.draw(st.sampled_from(open_calls)).cancel()
            self.turn()

    @rule(seconds=st.floats(0.1, 12.0))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.turn()

    @invariant()
    def counts_are_right(self) -> None:
        if not hasattr(self, "flow"):
            return
        flow = self.flow
        waiting = [call for call in self.calls if not call.done()]
        assert flow.undecided == len(self.gates)
        assert flow.in_flight == len(self.gates) + len(self.running())
        assert len(waiting) == len(self.gates) + len(flow.line)
        assert not flow.line or flow.alarmed
        assert not flow.line or flow.opens_in() > -0.01

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            for call in self.calls:
                call.cancel()
            self.turn()
            for call in self.calls:
                if call.done() and not call.cancelled():
                    call.exception()
            self.loop.close()


TestLine = LineMachine.TestCase
TestLine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
