"""limit: the endpoint's concurrency limit, with a short bounded queue; full is a fast local failure that may be retried elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

from llm_gateway.balancing import Permits
from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import CallerDeadline, EndpointBusy

BUSY_RETRY = 0.25
LEAST_TIME = 0.05
"""Seconds before the deadline within which no provider call is begun."""


class Limit:
    """Holds one of the endpoint's permits from before the call until its reply is closed. Waiters are served first come first served;
    a full queue, or a wait that takes too long, raises EndpointBusy. Cancelling a waiter gives its place up. A call that the deadline
    leaves no time for is not begun."""

    def __init__(self) -> None:
        self._waiters: WeakKeyDictionary[Permits, deque[asyncio.Future[None]]] = WeakKeyDictionary()

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        assert call.endpoint is not None  # noqa: S101 - load_balance runs before
        permits = call.endpoint.state.permits
        if permits.capacity:
            if (
                permits.in_use >= permits.capacity
            ):  # a place that is freed goes to the first who waits: none is free then
                await self._wait(permits, call)
            else:
                permits.in_use += 1
            try:
                _check_time(call)
                reply = await proceed(call)
            except BaseException:
                self._release(permits)
                raise
            reply.on_close(lambda _: self._release(permits))
            return reply
        _check_time(call)
        return await proceed(call)

    async def _wait(self, permits: Permits, call: Call) -> None:
        assert call.endpoint is not None  # noqa: S101 - load_balance runs before
        label = call.endpoint.label
        if permits.waiting >= permits.queue:
            raise EndpointBusy(
                f"{label} has {permits.in_use} calls in flight and {permits.waiting} waiting, its limits.",
                retry_after=BUSY_RETRY,
            )
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(permits, deque())
        waiters.append(waiter)
        permits.waiting += 1
        try:
            until = asyncio.get_running_loop().time() + permits.queue_timeout
            async with asyncio.timeout_at(until if call.deadline is None else min(until, call.deadline)):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._release(permits)
            elif waiter in waiters:  # _release drops waiters that are cancelled
                waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                _check_time(call)
                raise EndpointBusy(
                    f"{label} had no place free for {permits.queue_timeout:g} s.", retry_after=BUSY_RETRY
                ) from None
            raise
        finally:
            permits.waiting -= 1

    def _release(self, permits: Permits) -> None:
        """Hand the place to the first who waits, or free it."""
        waiters = self._waiters.get(permits)
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        permits.in_use -= 1


def _check_time(call: Call) -> None:
    """Raise CallerDeadline when what is left is too little for any call."""
    if call.deadline is not None and asyncio.get_running_loop().time() + LEAST_TIME > call.deadline:
        raise CallerDeadline()
