"""Reply: what a committed answer promises, however it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from llm_gateway.calls.call import Attempt, Handler, Journal, Reply, call_endpoint
from llm_gateway.calls.chain import Chain
from llm_gateway.calls.deadline import Deadline
from llm_gateway.calls.limit import Limit
from llm_gateway.calls.load_balance import LoadBalance
from llm_gateway.errors import GatewayError, InternalError, ProviderUnavailable, StreamInterrupted
from llm_gateway.protocols.events import Event, EventWriter
from llmgateway.v1 import gateway_pb2, usage_pb2

from tests.support import chain as kit
from tests.support import virtual


class Source:
    """An upstream of pulls: each is a text, the end ("") or an error."""

    def __init__(self, *pulls: str | Exception) -> None:
        self.writer = EventWriter("p")
        self.writer.flow("text", "0 ")
        self.pulls = list(pulls)
        self.closed: list[bool] = []

    def reply(self) -> Reply:
        one = kit.target(kit.endpoint())
        return Reply(self.writer, one, one.provider.endpoints[0], pull=self.pull, close=self.close)

    async def pull(self) -> list[Event]:
        step = self.pulls.pop(0)
        if isinstance(step, Exception):
            raise step
        if step:
            self.writer.flow("text", step)
        else:
            self.writer.finish(gateway_pb2.FINISH_REASON_STOP)
            self.writer.end()
        return self.writer.drain()

    async def close(self, whole: bool) -> None:
        self.closed.append(whole)


async def read(reply: Reply) -> str:
    """All its text."""
    return "".join([event.part_delta.text async for event in reply])


def test_a_whole_answer_is_read_once_and_closed_as_whole() -> None:
    """Callbacks run once, the last one added first."""

    async def main() -> None:
        source = Source("1 ", "2 ", "")
        order: list[str] = []
        async with source.reply() as reply:
            reply.on_close(lambda _: order.append("outer"))
            reply.on_close(lambda _: order.append("inner"))
            assert await read(reply) == "0 1 2 "
        await reply.aclose()
        assert (source.closed, order, reply.error) == ([True], ["inner", "outer"], None)

    virtual.run(main())


def test_a_break_is_an_interruption_with_what_was_used() -> None:
    """The provider's code and usage are kept; the reply is closed as not whole."""

    async def main() -> None:
        source = Source("1 ", ProviderUnavailable(status=503, provider_code="x"))
        source.writer.report_usage(usage_pb2.Usage(input_tokens=7))
        reply = source.reply()
        with pytest.raises(StreamInterrupted) as caught:
            async with reply:
                await read(reply)
        assert caught.value.usage is not None
        assert (caught.value.usage.input_tokens, caught.value.provider_code) == (7, "x")
        assert (source.closed, reply.error) == ([False], caught.value)

    virtual.run(main())


@pytest.mark.parametrize("error", [InternalError(), asyncio.CancelledError()])
def test_what_is_no_providers_error_goes_through(error: BaseException) -> None:
    """A bug stays a bug, a cancellation a cancellation."""

    async def main() -> None:
        source = Source()

        async def pull() -> list[Event]:
            raise error

        one = kit.target(kit.endpoint())
        reply = Reply(source.writer, one, one.provider.endpoints[0], pull=pull, close=source.close)
        with pytest.raises(type(error)):
            async with reply:
                await read(reply)
        assert (source.closed, reply.error) == ([False], error)

    virtual.run(main())


def test_an_abandoned_answer_counts_as_cancelled() -> None:
    """Closed after its first event."""

    async def main() -> None:
        source = Source("1 ")
        async with source.reply() as reply:
            await anext(reply)
        assert isinstance(reply.error, asyncio.CancelledError)
        assert source.closed == [False]

    virtual.run(main())


def test_links_run_in_the_order_of_the_list() -> None:
    """The first listed is outermost."""
    order: list[str] = []

    class Link:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, attempt: Attempt, proceed: Handler[Attempt]) -> Reply:
            order.append(self.name)
            return await proceed(attempt)

    async def main() -> None:
        one = kit.target(kit.endpoint())
        await Chain(Link("a"), Link("b")).to(call_endpoint)(kit.attempt(one))

    virtual.run(main())
    assert order == ["a", "b"]


if TYPE_CHECKING:  # a link in the wrong place fails type checking: without the errors these comments would
    Chain(Deadline()).then(LoadBalance())  # type: ignore[arg-type]  # what fallback makes of a call comes between
    Chain(Deadline()).to(call_endpoint)  # type: ignore[arg-type]  # nobody has chosen an endpoint
    Chain(Limit(), Deadline())  # type: ignore[misc]  # an attempt is no call any more


def test_a_journal_notes_each_reason_once_and_reports_the_last_sixteen() -> None:
    """Twenty targets."""
    journal = Journal()
    for number in range(20):
        for _ in range(2):
            journal.skip("p", f"m{number}", "", "CIRCUIT_OPEN")
    route = gateway_pb2.RouteInfo()
    journal.fill(route)
    assert [attempt.model for attempt in route.attempts] == [f"m{number}" for number in range(4, 20)]
    assert issubclass(StreamInterrupted, GatewayError)
