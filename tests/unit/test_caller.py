"""HttpCaller's reading of one stream, where no socket can be timed to the point."""

from __future__ import annotations

import asyncio

import pytest
from llm_gateway.errors import AttemptTimeout
from llm_gateway.protocols import openai_chat
from llm_gateway.protocols.events import EventWriter
from llm_gateway.upstream import caller, http

from tests.support import chain as kit
from tests.support import dialects
from tests.support.upstream import event


class Arriving:
    """A body of which one event was received, and another one has arrived when the limit ends it."""

    def __init__(self) -> None:
        self.received = False
        self.broken = asyncio.get_running_loop().create_future()

    async def receive(self) -> bytes:
        if not self.received:
            self.received = True
            return event("hel")
        await self.broken
        raise http.ConnectionBroken("closed by the gateway", response_started=True)

    def arrived(self) -> bytes:
        return event("lo")

    def abort(self) -> None:
        if not self.broken.done():
            self.broken.set_result(None)

    def close(self) -> None:
        self.abort()


async def test_text_that_arrives_with_the_end_of_the_limit_is_delivered_and_then_the_failure() -> None:
    """What the connection holds when the timer fires is not thrown away with it."""
    response = http.HttpResponse(200, http.Headers(()), Arriving(), 1 << 20)
    writer = EventWriter("p")
    source = caller._Source(response, writer, openai_chat.stream_parser(writer, dialects.CHAT.GENERIC), "sse", "h")
    await source.first_content()
    at = asyncio.get_running_loop().time()
    attempt = kit.attempt(kit.target(kit.endpoint()))
    source.reply(attempt, caller._Limits(begun=at, first_event=None, attempt=at, deadline=None, idle=None))
    watch = source._watch
    assert watch is not None
    (more,) = await source.pull(watch)
    assert more.part_delta.text == "lo"
    with pytest.raises(AttemptTimeout):
        await source.pull(watch)
    await source.close(False)
