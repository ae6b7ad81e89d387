"""The pace of a stream: heartbeats in silence, text merged before it is sent, and an end for clients that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from llmgateway.v1 import gateway_pb2

from llm_gateway import durations
from llm_gateway.protocols.events import Event
from llm_gateway.rpc.chain import current_task

SHORTEST_HEARTBEAT = 5.0


async def paced(events: AsyncGenerator[Event], options: gateway_pb2.StreamOptions) -> AsyncGenerator[Event]:
    """`events` with heartbeats after `heartbeat_interval` of silence (at least 5 s), and with text deltas of one part merged for up to
    `coalesce_interval`. Order is kept; the iterator is closed with this one."""
    heartbeat = durations.to_seconds(options.heartbeat_interval) if options.HasField("heartbeat_interval") else None
    if heartbeat is not None:
        heartbeat = max(heartbeat, SHORTEST_HEARTBEAT)
    coalesce = durations.to_seconds(options.coalesce_interval) if options.HasField("coalesce_interval") else 0.0
    loop = asyncio.get_running_loop()
    held: Event | None = None
    pieces: list[str] = []  # of the held event's text
    due = 0.0
    upcoming: asyncio.Task[Event] | None = None
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(events))
            wait = max(0.0, due - loop.time()) if held is not None else heartbeat
            done, _ = await asyncio.wait((upcoming,), timeout=wait)
            if not done:
                if held is None:
                    yield Event(heartbeat=gateway_pb2.Heartbeat())
                else:
                    yield _joined(held, pieces)
                    held = None
                continue
            failure = upcoming.exception()
            event = upcoming.result() if failure is None else None
            upcoming = None
            if held is not None:
                merged = event is not None and _mergeable(held, event)
                if merged and event is not None:
                    pieces.append(event.part_delta.text)
                    held.part_delta.logprobs.extend(event.part_delta.logprobs)
                if not merged or loop.time() >= due:
                    yield _joined(held, pieces)
                    held = None
                if merged:
                    continue
            if event is None:
                if failure is None or isinstance(failure, StopAsyncIteration):
                    return
                raise failure
            if coalesce and _is_text(event):
                held, pieces, due = event, [event.part_delta.text], loop.time() + coalesce
            else:
                yield event
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        await events.aclose()


class Stall:
    """Cancels the task that made it when one of its writes waits longer than `seconds` for a client that does not read.

    An event costs no more than setting `writing_since` twice: the timer is moved only when it fires.
    """

    __slots__ = ("_handle", "_loop", "_seconds", "now", "over", "task", "writing_since")

    def __init__(self, seconds: float) -> None:
        self.task = current_task()
        self.over = False
        """Whether it came to that."""
        self.writing_since: float | None = None
        """Loop time since which a write has waited; None between writes."""
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._handle = self._loop.call_later(seconds, self._fire)

    def close(self) -> None:
        self._handle.cancel()

    def _fire(self) -> None:
        now = self.now()
        at = (now if self.writing_since is None else self.writing_since) + self._seconds
        if at > now + 1e-3:
            self._handle = self._loop.call_at(at, self._fire)
        else:
            self.over = True
            self.task.cancel()


def _joined(event: Event, pieces: list[str]) -> Event:
    """The event with its gathered text. All at once: protobuf keeps every value that a field has had until the message goes."""
    event.part_delta.text = "".join(pieces)
    return event


def _is_text(event: Event) -> bool:
    return event.HasField("part_delta") and event.part_delta.HasField("text")


def _mergeable(held: Event, event: Event) -> bool:
    if not _is_text(event):
        return False
    a, b = held.part_delta, event.part_delta
    return a.candidate_index == b.candidate_index and a.part_index == b.part_index
