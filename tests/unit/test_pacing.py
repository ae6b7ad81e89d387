"""Heartbeats, gathered text, and clients that do not read, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from llm_gateway.errors import StreamInterrupted
from llm_gateway.protocols.events import Event
from llm_gateway.rpc.pacing import Stall, paced
from llmgateway.v1 import gateway_pb2

from tests.support import virtual


def text(value: str, part: int = 0) -> Event:
    return Event(part_delta=gateway_pb2.PartDelta(text=value, part_index=part))


async def source(*steps: Event | float | Exception) -> AsyncGenerator[Event]:
    """Events, with waits and a failure between them."""
    for step in steps:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
        else:
            yield step


def seen(*steps: Event | float | Exception, heartbeat: float = 0.0, coalesce: float = 0.0) -> list[str]:
    """What comes out: texts, "♥", or the name of the failure."""
    options = gateway_pb2.StreamOptions()
    if heartbeat:
        options.heartbeat_interval.FromMilliseconds(int(heartbeat * 1000))
    if coalesce:
        options.coalesce_interval.FromMilliseconds(int(coalesce * 1000))

    async def main() -> list[str]:
        found: list[str] = []
        try:
            async for event in paced(source(*steps), options):
                found.append("♥" if event.HasField("heartbeat") else event.part_delta.text)
        except StreamInterrupted:
            found.append("broken")
        return found

    return virtual.run(main())


def test_a_heartbeat_comes_for_every_interval_of_silence() -> None:
    """12 s at 5 s: two; less than 5 s is 5 s."""
    assert seen(text("a"), 12.0, text("b"), heartbeat=5) == ["a", "♥", "♥", "b"]
    assert seen(12.0, text("b"), heartbeat=0.1) == ["♥", "♥", "b"]


def test_text_is_gathered_up_to_the_interval() -> None:
    """Four pieces 40 ms apart at 100 ms: three and one."""
    assert seen(text("a"), 0.04, text("b"), 0.04, text("c"), 0.04, text("d"), coalesce=0.1) == ["abc", "d"]


def test_a_source_without_a_pause_does_not_hold_text_back() -> None:
    """Pieces that are always ready are sent at the interval all the same."""

    async def busy() -> AsyncGenerator[Event]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        for _ in range(100):
            loop._jumping.now += 0.01
            yield text("x")

    async def main() -> list[int]:
        options = gateway_pb2.StreamOptions()
        options.coalesce_interval.FromMilliseconds(100)
        return [len(event.part_delta.text) async for event in paced(busy(), options)]

    lengths = virtual.run(main())
    assert sum(lengths) == 100
    assert max(lengths) <= 12


def test_only_text_of_one_part_is_merged_and_order_is_kept() -> None:
    """Another part ends the gathering."""
    assert seen(text("a"), text("b"), text("c", part=1), text("d", part=1), coalesce=1.0) == ["ab", "cd"]


def test_what_was_gathered_is_sent_before_the_stream_breaks() -> None:
    """Nothing that the provider said is lost."""
    assert seen(text("a"), text("b"), StreamInterrupted(), coalesce=1.0) == ["ab", "broken"]


def test_gathering_and_heartbeats_together() -> None:
    """A held text is sent at its time, then silence is told."""
    assert seen(text("a"), 7.0, text("b"), heartbeat=5, coalesce=0.5) == ["a", "♥", "b"]


def test_closing_early_closes_the_source() -> None:
    """Also while its next event is awaited."""

    async def main() -> list[str]:
        closed: list[str] = []

        async def waiting() -> AsyncGenerator[Event]:
            try:
                yield text("a")
                await asyncio.sleep(1000)
            finally:
                closed.append("closed")

        options = gateway_pb2.StreamOptions()
        options.heartbeat_interval.FromSeconds(5)
        events = paced(waiting(), options)
        await anext(events)
        await anext(events)
        await events.aclose()
        return closed

    assert virtual.run(main()) == ["closed"]


@pytest.mark.parametrize(("writes", "over"), [([1.0] * 30, False), ([1.0, 9.9, 0.0, 9.9], False), ([1.0, 10.1], True)])
def test_a_write_that_waits_too_long_ends_the_call_and_many_short_ones_do_not(writes: list[float], over: bool) -> None:
    """10 s for one write; the time between writes does not count."""

    async def main() -> bool:
        stall = Stall(10.0)
        try:
            for seconds in writes:
                await asyncio.sleep(30.0)
                stall.writing_since = stall.now()
                await asyncio.sleep(seconds)
                stall.writing_since = None
        except asyncio.CancelledError:
            stall.task.uncancel()
        finally:
            stall.close()
        return stall.over

    assert virtual.run(main()) is over
