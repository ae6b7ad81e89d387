"""admission: limits the calls at once; further ones are refused at once, with a time to retry. It also knows the calls
under way, so that a drain can end them with a status of ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from llm_gateway.errors import Draining, GatewayError, Overload, TooManyWatches
from llm_gateway.rpc.chain import Handler, Rpc, current_task

WATCHES_AT_ONCE, WATCHES_A_CONNECTION = 2000, 100
"""Some 25 kB each, and health needs no key."""
PROBES_AT_ONCE = 500
"""Other calls without a key, some 20 kB each; their messages may never come."""


class Admission:
    """A global limit on Send and StreamSend, checked before the request is read. Health and ListModels always pass."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Calls at once."""
        self.admitted = 0
        """Calls that have come so far."""
        self.draining = False
        """Whether the process is shutting down. New calls are still served: their callers do not know yet, and would only retry."""
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
            return await self._serve(self._calls, rpc, proceed)
        if rpc.method.lasting:
            return await self._watch(rpc, proceed)
        if rpc.method.open:
            return await self._probe(rpc, proceed)
        return await proceed(rpc)

    async def _watch(self, rpc: Rpc, proceed: Handler) -> Any:
        peer = rpc.peer()
        if len(self._watches) >= WATCHES_AT_ONCE:
            raise TooManyWatches(
                f"The gateway serves {WATCHES_AT_ONCE:,} Watches, its limit; Check needs no stream.", retry_after=60
            )
        shared = peer.startswith("unix:")  # all clients of the socket have this name: the first would starve the others
        if self._peers[peer] >= WATCHES_A_CONNECTION and not shared:
            raise TooManyWatches(
                f"The connection has {WATCHES_A_CONNECTION} Watches, its limit; one tells all changes of a service.",
                retry_after=60,
            )
        self._peers[peer] += 1
        try:
            return await self._serve(self._watches, rpc, proceed)
        finally:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    async def _probe(self, rpc: Rpc, proceed: Handler) -> Any:
        """One too many ends the oldest: a probe's message comes at once, and is answered however many others wait for theirs."""
        if len(self._probes) >= PROBES_AT_ONCE:
            oldest = next(iter(self._probes))
            del self._probes[oldest]
            self._end(oldest, Overload(f"{PROBES_AT_ONCE} later calls of health have begun.", retry_after=1))
        return await self._serve(self._probes, rpc, proceed)

    async def _serve(self, held: dict[asyncio.Task[Any], Rpc], rpc: Rpc, proceed: Handler) -> Any:
        task = current_task()
        held[task] = rpc
        try:
            return await proceed(rpc)
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise self._ended[task] from None
        finally:
            held.pop(task, None)
            self._ended.pop(task, None)

    def end_watches(self) -> None:
        """End the calls that last as long as the caller likes, with GATEWAY_DRAINING."""
        for task in (*self._watches, *self._probes):
            self._end(task, Draining(retry_after=0.1))

    def end_calls(self) -> int:
        """End the calls under way with GATEWAY_DRAINING; returns how many there were."""
        for task in self._calls:
            self._end(task, Draining(retry_after=0.1))
        return len(self._calls)

    def end_unless(self, admit: Callable[[Rpc], None]) -> None:
        """End each call under way that would no longer be admitted, with what `admit` raises."""
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
