"""admission: how many calls at once. Beyond that a call is refused at once, with a time to come back."""

from __future__ import annotations

from typing import Any

import grpc

from llm_gateway.errors import Draining, Overload
from llm_gateway.interceptors.rpc.state import Behavior, Continuation, Details, Wrapping, current

COSTLY = ("/Send", "/StreamSend")


class Admission(Wrapping, grpc.aio.ServerInterceptor):
    """A global limit on Send and StreamSend, checked before the request is parsed. Health and ListModels always pass.

    in_flight: calls being served. draining: refuse new ones.
    """

    def __init__(self, max_in_flight: int) -> None:
        super().__init__()
        self._max = max_in_flight
        self.in_flight = 0
        self.draining = False

    async def intercept_service(self, continuation: Continuation, details: Details) -> Any:
        if not current.get().method.endswith(COSTLY):
            return await continuation(details)
        if self.draining:
            raise Draining(retry_after=0.1)
        self._check()
        return self.wrap(await continuation(details))

    def around(self, behavior: Behavior, handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._check()
            self.in_flight += 1
            try:
                return await behavior(request, context)
            finally:
                self.in_flight -= 1

        return run

    def _check(self) -> None:
        """Raise Overload when full; asked again once the request is there, since a burst passes the first check together."""
        if self.in_flight >= self._max:
            raise Overload(f"The gateway serves {self._max} calls, its limit.", retry_after=0.25)
