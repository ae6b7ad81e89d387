"""deadline: one budget for all attempts, the caller's or the route's, whichever ends first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import CallerDeadline, ProviderTimeout


class Deadline:
    """Sets `call.deadline` and interrupts whatever is under way when it passes before the commit.

    Behind the commit the caller link watches `call.deadline`. Raises CallerDeadline when it was the caller's, ProviderTimeout when
    the route's limit was reached.
    """

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        deadline = call.deadline
        total = call.route.total
        if total is not None:
            limit = asyncio.get_running_loop().time() + total
            deadline = limit if deadline is None else min(deadline, limit)
        if deadline is None:
            return await proceed(call)
        try:
            async with asyncio.timeout_at(deadline):
                return await proceed(call if deadline is call.deadline else replace(call, deadline=deadline))
        except TimeoutError:
            if deadline == call.deadline:
                raise CallerDeadline() from None
            raise ProviderTimeout(f"The route's limit of {total:g} s was reached.") from None
