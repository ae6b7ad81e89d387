"""admission: how many calls at once. Beyond that a call is refused at once, with a time to come back. It also knows the calls that are
under way, so that a drain can end them with a status of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from typing import Any

from llm_gateway.errors import Draining, Overload
from llm_gateway.interceptors.rpc.rpc import Handler, Rpc

COSTLY = ("/Send", "/StreamSend")
WATCHES = ("/grpc.health.v1.Health/Watch", "/ServerReflectionInfo")
"""Methods that last for as long as the caller likes, and would hold a drain for as long."""


class Admission:
    """A global limit on Send and StreamSend, checked before the request is read. Health and ListModels always pass.

    limit: calls at once. admitted: calls that have come so far. draining: whether the process is on its way out. Calls that still come are served: whoever sends them has not
    heard yet, and would only come again.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.admitted = 0
        self.draining = False
        self._calls: set[asyncio.Task[Any]] = set()
        self._watches: set[asyncio.Task[Any]] = set()
        self._ended: set[asyncio.Task[Any]] = set()

    @property
    def in_flight(self) -> int:
        """Calls being served."""
        return len(self._calls)

    def admit(self, rpc: Rpc) -> None:
        """Raises Overload."""
        if rpc.method.endswith(COSTLY):
            self.admitted += 1
            self._check()

    async def __call__(self, rpc: Rpc, proceed: Handler) -> Any:
        if rpc.method.endswith(COSTLY):
            self._check()
            under_way = self._calls
        elif rpc.method.endswith(WATCHES):
            under_way = self._watches
        else:
            return await proceed(rpc)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        under_way.add(task)
        try:
            return await proceed(rpc)
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise Draining(retry_after=0.1) from None
        finally:
            under_way.discard(task)
            self._ended.discard(task)

    def end_watches(self) -> None:
        """End what lasts for as long as the caller likes, with GATEWAY_DRAINING."""
        self._end(self._watches)

    def end_calls(self) -> int:
        """End the calls under way with GATEWAY_DRAINING; returns how many there were."""
        self._end(self._calls)
        return len(self._calls)

    def _end(self, tasks: AbstractSet[asyncio.Task[Any]]) -> None:
        self._ended |= tasks
        for task in tasks:
            task.cancel()

    def _check(self) -> None:
        """Raise Overload when full; asked again once the request is there, since a burst passes the first check together."""
        if len(self._calls) >= self.limit:
            raise Overload(f"The gateway serves {self.limit} calls, its limit.", retry_after=0.25)
