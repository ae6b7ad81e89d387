"""limit: the endpoint's concurrency limit, with a short bounded queue; full is a fast local failure that may be retried elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

from llm_gateway.balancing import Permits
from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import EndpointBusy

BUSY_RETRY = 0.25


class Limit:
    """Holds one of the endpoint's permits from before the call until its reply is closed. Waiters are served first come first served;
    a full queue, or a wait that takes too long, raises EndpointBusy. Cancelling a waiter gives its place up."""

    def __init__(self) -> None:
        self._waiters: WeakKeyDictionary[Permits, deque[asyncio.Future[None]]] = WeakKeyDictionary()

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        assert call.endpoint is not None  # noqa: S101 - load_balance runs before
        permits = call.endpoint.state.permits
        if permits.capacity:
            if permits.in_use >= permits.capacity or permits.waiting:
                await self._wait(permits, call)
            else:
                permits.in_use += 1
            try:
                reply = await proceed(call)
            except BaseException:
                self._release(permits)
                raise
            reply.on_close(lambda _: self._release(permits))
            return reply
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
            else:
                waiters.remove(waiter)
            if isinstance(error, TimeoutError):
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
