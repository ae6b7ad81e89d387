"""admission: how many calls at once. Beyond that a call is refused at once, with a time to come back. It also knows the calls that are
under way, so that a drain can end them with a status of ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from llm_gateway.errors import Draining, GatewayError, Overload, TooManyWatches
from llm_gateway.rpc.chain import Handler, Rpc

WATCHES_AT_ONCE, WATCHES_A_CONNECTION = 2000, 100
"""Some 25 kB each, and health needs no key."""
PROBES_AT_ONCE = 500
"""Other calls without a key; their messages may never come, which costs some 20 kB each."""


class Admission:
    """A global limit on Send and StreamSend, checked before the request is read. Health and ListModels always pass.

    limit: calls at once. admitted: calls that have come so far. draining: whether the process is on its way out. Calls that still come are served: whoever sends them has not
    heard yet, and would only come again.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.admitted = 0
        self.draining = False
        self._calls: dict[asyncio.Task[Any], Rpc] = {}
        self._watches: dict[asyncio.Task[Any], Rpc] = {}
        self._probes: dict[asyncio.Task[Any], Rpc] = {}
        self._peers: Counter[str] = Counter()
        self._ended: dict[asyncio.Task[Any], GatewayError] = {}

    @property
    def in_flight(self) -> int:
        """Calls being served."""
        return len(self._calls)

    def admit(self, rpc: Rpc) -> None:
        """Raises Overload."""
        if rpc.method.costly:
            self.admitted += 1
            self._check()

    async def __call__(self, rpc: Rpc, proceed: Handler) -> Any:
        if rpc.method.costly:
            self._check()
            task = _task()
            self._calls[task] = rpc
            try:
                return await self._serve(task, rpc, proceed)
            finally:
                del self._calls[task]
        if rpc.method.lasting:
            return await self._watch(rpc, proceed)
        if rpc.method.open:
            return await self._probe(rpc, proceed)
        return await proceed(rpc)

    async def _watch(self, rpc: Rpc, proceed: Handler) -> Any:
        task, peer = _task(), rpc.peer()
        if len(self._watches) >= WATCHES_AT_ONCE:
            raise TooManyWatches(
                f"The gateway serves {WATCHES_AT_ONCE:,} Watches, its limit; Check needs no stream.", retry_after=60
            )
        shared = peer.startswith("unix:")  # one name for all clients of the socket: the first would starve the others
        if self._peers[peer] >= WATCHES_A_CONNECTION and not shared:
            raise TooManyWatches(
                f"The connection has {WATCHES_A_CONNECTION} Watches, its limit; one tells all changes of a service.",
                retry_after=60,
            )
        self._watches[task] = rpc
        self._peers[peer] += 1
        try:
            return await self._serve(task, rpc, proceed)
        finally:
            del self._watches[task]
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    async def _probe(self, rpc: Rpc, proceed: Handler) -> Any:
        """Of too many the oldest is ended: a probe's message comes with it, and is answered however many others wait for theirs."""
        task = _task()
        if len(self._probes) >= PROBES_AT_ONCE:
            oldest = next(iter(self._probes))
            del self._probes[oldest]
            self._end(oldest, Overload(f"{PROBES_AT_ONCE} later calls of health have begun.", retry_after=1))
        self._probes[task] = rpc
        try:
            return await self._serve(task, rpc, proceed)
        finally:
            self._probes.pop(task, None)

    async def _serve(self, task: asyncio.Task[Any], rpc: Rpc, proceed: Handler) -> Any:
        try:
            return await proceed(rpc)
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise self._ended[task] from None
        finally:
            self._ended.pop(task, None)

    def end_watches(self) -> None:
        """End what lasts for as long as the caller likes, with GATEWAY_DRAINING."""
        for task in (*self._watches, *self._probes):
            self._end(task, Draining(retry_after=0.1))

    def end_calls(self) -> int:
        """End the calls under way with GATEWAY_DRAINING; returns how many there were."""
        for task in self._calls:
            self._end(task, Draining(retry_after=0.1))
        return len(self._calls)

    def end_unless(self, admit: Callable[[Rpc], None]) -> None:
        """End each call under way that would not be admitted any more, with what `admit` raises."""
        for task, rpc in (*self._calls.items(), *self._watches.items()):
            try:
                admit(rpc)
            except GatewayError as error:
                self._end(task, error)

    def _end(self, task: asyncio.Task[Any], error: GatewayError) -> None:
        self._ended[task] = error
        task.cancel()

    def _check(self) -> None:
        """Raise Overload when full; asked again once the request is there, since a burst passes the first check together."""
        if len(self._calls) >= self.limit:
            raise Overload(f"The gateway serves {self.limit} calls, its limit.", retry_after=0.25)


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    return task
