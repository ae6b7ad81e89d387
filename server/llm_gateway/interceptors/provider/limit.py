"""limit: the endpoint's concurrency limit; full is a fast local failure that may be retried elsewhere."""

from __future__ import annotations

from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import EndpointBusy


class Limit:
    """Refuses a call beyond `endpoint.state.limit`, before anything is sent. load_balance has counted the call already."""

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        assert call.endpoint is not None  # noqa: S101 - load_balance runs before
        state = call.endpoint.state
        if state.limit and state.in_flight > state.limit:
            raise EndpointBusy(f"{call.endpoint.label} has {state.limit} calls in flight, its limit.", retry_after=0.1)
        return await proceed(call)
