"""deadline: one budget for all attempts, the caller's or the route's, whichever ends first."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from llm_gateway.calls.call import Call, Handler, Reply
from llm_gateway.errors import AttemptTimeout, CallerDeadline


class Deadline:
    """Sets `call.deadline`, which ends every wait further in: a provider call is interrupted, in flight or streaming; no backoff or
    permit is waited for beyond it.

    Raises CallerDeadline when it was the caller's, AttemptTimeout when the route's limit was reached.
    """

    async def __call__(self, call: Call, proceed: Handler[Call]) -> Reply:
        total = call.route.timeouts.total
        limit = asyncio.get_running_loop().time() + total
        if call.deadline is not None and call.deadline <= limit:
            return await proceed(call)
        try:
            reply = await proceed(replace(call, deadline=limit))
        except CallerDeadline as error:
            late = AttemptTimeout.of_route(total)
            late.about = error.about
            raise late from None
        reply.total = total
        return reply
