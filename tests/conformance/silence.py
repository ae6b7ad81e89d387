"""Silence, through every client's own stack: `python -m tests.conformance.silence [SECONDS]`, once `python -m tests.conformance` has built
the runners.

A gateway with the default settings of its connections; for each language a stream whose provider pauses for so long, and a client that calls,
is idle for so long and calls again. Clients are made with their defaults. Between them and the gateway stands a wire that counts what their
stacks hide: a connection that was replaced is a failure, though the call went well. No client pings before a minute has passed, so the
few seconds of `make test-clients` show that the suite works; 600 show that the clients do.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance import runners
from tests.conformance.conversations import Conversation
from tests.conformance.runners import ANSWER_SECONDS, Failed, Language
from tests.support import gateway, http2, upstream
from tests.support.upstream import Pause, Request, Script

USUAL = 5.0
MARGIN = 120.0
"""Seconds by which the limits of the call, which are not those of its connection, are longer than the silence."""
STREAM, IDLE = "stream", "idle"


@dataclass(slots=True)
class Wire:
    """Connections to the gateway, and what passed on them. pings: by who sent them, without their answers. ended: why the gateway sent GOAWAY."""

    address: str = ""
    connections: int = 0
    pings: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sender: str) -> None:
        async for frame in http2.frames(reader):
            if frame.kind == http2.PING and not frame.flags & http2.ACK:
                self.pings[sender] += 1
            if frame.kind == http2.GOAWAY and sender == "gateway":
                self.ended.append(f"GOAWAY {frame.payload[8:].decode(errors='replace')}".strip())
            writer.write(http2.encoded(frame.kind, frame.payload, flags=frame.flags, stream=frame.stream))
        writer.close()

    async def connected(self, to: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        host, _, port = to.rpartition(":")
        back, there = await asyncio.open_connection(host, int(port))
        there.write(await reader.readexactly(len(http2.PREFACE)))
        await asyncio.gather(self._pass_on(reader, there, "client"), self._pass_on(back, writer, "gateway"))


@asynccontextmanager
async def wire(to: str) -> AsyncIterator[Wire]:
    """An address that leads to the gateway."""
    found = Wire()
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(found.connected(to, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    found.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def conversation(kind: str, seconds: float) -> Conversation:
    """What a runner plays."""
    client: dict[str, Any] = {"api_key": "", "deadline_ms": int((seconds + MARGIN) * 1000)}
    if kind == IDLE:
        client["idle_ms"] = int(seconds * 1000)
    data = {
        "mode": "stream" if kind == STREAM else "send",
        "request": {"model": "edge/m", "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "hi"}}]}]},
        "client": client,
    }
    return Conversation(id=kind, data=data)


def provider(seconds: float) -> upstream.Upstream:
    """Begins to stream, pauses and goes on; a whole answer comes at once."""
    paused: Script = (
        *upstream.stream(*upstream.numbered(1), end=False),
        Pause(seconds),
        *upstream.chat_stream(2)[1:],
    )

    def answer(request: Request) -> Script:
        return paused if request.json().get("stream") else upstream.chat("0 0 1 ")

    return upstream.Upstream(answer=answer)


async def lives(language: Language, kind: str, address: str, seconds: float) -> tuple[str, str]:
    """What was wrong, "" when nothing was, and what was seen on the wire."""
    async with wire(address) as seen:
        try:
            async with runners.running(language) as runner:
                line = conversation(kind, seconds).line(seen.address)
                result = await runner.play(line, seconds + MARGIN + ANSWER_SECONDS)
        except Failed as failure:
            return str(failure), ""
        wrong = [] if result["ok"] and result["text"] == "0 0 1 " else [f"{result['error'] or result['text']}"]
        wrong += [] if seen.connections == 1 else [f"{seen.connections} connections"]
        pings = f"{seen.pings['client']} pings of the client, {seen.pings['gateway']} of the gateway"
        return ", ".join([*wrong, *seen.ended]), pings


async def lived(languages: Sequence[Language], seconds: float) -> bool:
    """Whether all clients did, side by side. Prints each."""
    # The limits of providers and routes are of calls; those of connections stay as they are.
    longest = f"{seconds + MARGIN:.0f}s"
    limits = {"attempt": longest, "idle": longest}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(upstream.running(upstream=provider(seconds)))
        config = {
            "providers": {"edge": gateway.provider(server.url, timeouts=limits)},
            "defaults": {"timeouts": {"total": longest}},
        }
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(gateway.process(config, folder)).address
        cases = [(language, kind) for language in languages for kind in (STREAM, IDLE)]
        found = await asyncio.gather(*(lives(language, kind, address, seconds) for language, kind in cases))
    for (language, kind), (wrong, pings) in zip(cases, found, strict=True):
        print(f"{language.name:12} {seconds:g} s of silence, {kind:6}: {wrong or 'lives'}   {pings}", flush=True)
    return not any(wrong for wrong, _ in found)


def built() -> list[Language]:
    """The languages whose toolchain is here."""
    return [language for language in runners.languages() if not language.missing()]


if __name__ == "__main__":
    sys.exit(not asyncio.run(lived(built(), float(sys.argv[1]) if sys.argv[1:] else USUAL)))
