"""admission: how many calls at once. Beyond that a call is refused at once, with a time to come back."""

from __future__ import annotations

from typing import Any

from llm_gateway.errors import Draining, Overload
from llm_gateway.interceptors.rpc.rpc import Handler, Rpc

COSTLY = ("/Send", "/StreamSend")


class Admission:
    """A global limit on Send and StreamSend, checked before the request is read. Health and ListModels always pass.

    limit: calls at once. in_flight: calls being served. draining: refuse new ones.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.draining = False

    def admit(self, rpc: Rpc) -> None:
        """Raises Draining, Overload."""
        if rpc.method.endswith(COSTLY):
            if self.draining:
                raise Draining(retry_after=0.1)
            self._check()

    async def __call__(self, rpc: Rpc, proceed: Handler) -> Any:
        if not rpc.method.endswith(COSTLY):
            return await proceed(rpc)
        self._check()
        self.in_flight += 1
        try:
            return await proceed(rpc)
        finally:
            self.in_flight -= 1

    def _check(self) -> None:
        """Raise Overload when full; asked again once the request is there, since a burst passes the first check together."""
        if self.in_flight >= self.limit:
            raise Overload(f"The gateway serves {self.limit} calls, its limit.", retry_after=0.25)
