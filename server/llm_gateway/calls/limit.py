"""limit: how many calls a model and an endpoint are sent at once: what the provider has shown to take, and what the operator allows."""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

from llm_gateway.calls.call import Attempt, Call, Handler, Reply
from llm_gateway.calls.load_balance import held_back
from llm_gateway.errors import CallerDeadline, EndpointBusy, ProviderError, QuotaExhausted
from llm_gateway.routing.outlier import Flow
from llm_gateway.routing.state import Permits, cooldown_after

BUSY_RETRY = 0.25
LEAST_TIME = 0.05
"""Seconds before the deadline within which no provider call is begun."""
LONGEST_LINE = 1000
"""Calls that may wait for a model at an endpoint."""
TIMER_RESOLUTION = 0.002
"""Seconds by which a timer of the event loop may fire early."""


class Limit:
    """Holds a place in the model's flow and one of the endpoint's permits, from before the call until its reply is closed.

    While a provider limits its calls, they wait in order of arrival, for as long as the route's `max_retry_after` and the
    deadline allow; waiting is no attempt. A call whose wait ends is sent all the same, as it would be without a gateway, unless the provider has
    confirmed its cooldown. A call without time for a confirmed cooldown is refused at once, with the soonest time to retry. For a permit calls
    wait as the operator configures; a full queue, or a wait that takes too long, raises EndpointBusy, which may be retried elsewhere.
    Cancelling a waiter gives up its turn. A call that the deadline leaves no time for is not begun.
    """

    def __init__(self) -> None:
        self._waiters: WeakKeyDictionary[Permits, deque[asyncio.Future[None]]] = WeakKeyDictionary()

    async def __call__(self, attempt: Attempt, proceed: Handler[Attempt]) -> Reply:
        state = attempt.endpoint.state
        flow = state.of(attempt.target.model).flow
        cuts = flow.begin() if flow.limit is None or not flow.full else await self._turn(flow, attempt)
        try:
            reply = await self._permitted(state.permits, attempt, proceed)
        except BaseException as error:
            if isinstance(error, ProviderError):
                cooldown = cooldown_after(error)
                if cooldown is not None:
                    stated = error.retry_after is not None
                    flow.refused(cooldown, certain=stated and isinstance(error, QuotaExhausted))
            flow.failed()
            _advance(flow)
            raise
        flow.succeeded(cuts)
        if flow.line:
            _advance(flow)
        reply.on_close(_left)
        return reply

    async def _turn(self, flow: Flow, attempt: Attempt) -> int:
        """Wait for the flow to have room, and begin. Returns what `Flow.begin` did."""
        loop = asyncio.get_running_loop()
        call, target, endpoint = attempt.call, attempt.target, attempt.endpoint
        here = (target, endpoint)
        longest = call.route.retry.max_retry_after
        if call.deadline is not None:
            latency = endpoint.state.of(target.model).latency
            longest = min(longest, call.deadline - loop.time() - max(LEAST_TIME, latency))
        if len(flow.line) >= LONGEST_LINE or flow.paused_for() > longest:
            _check_time(call)
            raise held_back([here])
        waiter: asyncio.Future[int] = loop.create_future()
        flow.line.append(waiter)
        _advance(flow)
        try:
            async with asyncio.timeout(longest):
                cuts = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                flow.failed()
            elif waiter in flow.line:
                flow.line.remove(waiter)
            _advance(flow)
            if not isinstance(error, TimeoutError):
                raise
            if flow.confirmed:
                raise held_back([here]) from None
            cuts = flow.begin()
        if endpoint.state.refuses(target.model):
            flow.failed()
            _advance(flow)
            raise held_back([here])
        return cuts

    async def _permitted(self, permits: Permits, attempt: Attempt, proceed: Handler[Attempt]) -> Reply:
        if not permits.free:  # one that is freed goes to the first who waits
            await self._wait(permits, attempt)
        else:
            permits.in_use += 1
        try:
            _check_time(attempt.call)
            reply = await proceed(attempt)
        except BaseException:
            self._release(permits)
            raise
        reply.on_close(lambda _: self._release(permits))
        return reply

    async def _wait(self, permits: Permits, attempt: Attempt) -> None:
        label, deadline, limits = attempt.endpoint.label, attempt.call.deadline, permits.limits
        if permits.waiting >= limits.queue:
            raise EndpointBusy(
                f"{label} has {permits.in_use} calls in flight and {permits.waiting} waiting, its limits.",
                retry_after=BUSY_RETRY,
            )
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(permits, deque())
        waiters.append(waiter)
        permits.waiting += 1
        try:
            until = asyncio.get_running_loop().time() + limits.queue_timeout
            async with asyncio.timeout_at(until if deadline is None else min(until, deadline)):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._release(permits)
            elif waiter in waiters:  # _release drops waiters that are cancelled
                waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                _check_time(attempt.call)
                raise EndpointBusy(
                    f"{label} had no free permit for {limits.queue_timeout:g} s.", retry_after=BUSY_RETRY
                ) from None
            raise
        finally:
            permits.waiting -= 1

    def _release(self, permits: Permits) -> None:
        """Hand the permit to the first waiter, or free it."""
        waiters = self._waiters.get(permits)
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        permits.in_use -= 1


def _left(reply: Reply) -> None:
    flow = reply.endpoint.state.of(reply.target.model).flow
    flow.ended()
    if flow.line:
        _advance(flow)


def _advance(flow: Flow) -> None:
    """Let waiters begin while there is room, in order; a timer looks again when time alone may make room."""
    while flow.line and (flow.line[0].done() or flow.has_room()):
        waiter = flow.line.popleft()
        if not waiter.done():
            waiter.set_result(flow.begin())
    if flow.line and not flow.alarmed:
        flow.alarmed = True
        asyncio.get_running_loop().call_later(flow.opens_in() + TIMER_RESOLUTION, _alarm, flow)


def _alarm(flow: Flow) -> None:
    flow.alarmed = False
    _advance(flow)


def _check_time(call: Call) -> None:
    """Raise CallerDeadline when too little time is left for any call."""
    if call.deadline is not None and asyncio.get_running_loop().time() + LEAST_TIME > call.deadline:
        raise CallerDeadline()
