"""The scripted upstream does what the fault tests believe it does."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.upstream import (
    CLOSE,
    HANG,
    RESET,
    Pause,
    Raw,
    Until,
    Upstream,
    chat,
    chat_stream,
    numbered,
    stream,
    whole,
)

GET = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"


@asynccontextmanager
async def connected(
    upstream: Upstream, request: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client connection on which `request` was written."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(request)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_one_connection_carries_many_requests_and_the_last_script_stays(upstream: Upstream) -> None:
    """Scripts are used up in order, except for the last; keep-alive works."""
    upstream.script(whole(529, b"{}"), whole(200, b"[]"))
    seen = []
    async with connected(upstream) as (reader, writer):
        for _ in range(3):
            writer.write(b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi")
            head = await reader.readuntil(b"\r\n\r\n")
            seen.append((head.split()[1], await reader.readexactly(2)))
    await upstream.idle()
    assert seen == [(b"529", b"{}"), (b"200", b"[]"), (b"200", b"[]")]
    assert [(r.method, r.path, r.body, r.connection, r.finished) for r in upstream.requests] == [
        ("POST", "/x", b"hi", 1, True)
    ] * 3
    assert upstream.connections == 1
    assert upstream.aborts == []


async def test_a_path_may_have_its_own_script(upstream: Upstream) -> None:
    """A script for a path is used for that path only, whatever the query; without any script the answer is 404."""
    upstream.script(chat(), path="/x")
    for target, status in ((b"/x?key=1", b"200"), (b"/y", b"404")):
        async with connected(upstream, b"GET " + target + b" HTTP/1.1\r\n\r\n") as (reader, _):
            assert (await reader.readuntil(b"\r\n")).split()[1] == status


async def test_a_client_that_leaves_is_an_abort(upstream: Upstream) -> None:
    """A close between two events is seen although the script only waits."""
    upstream.script((*stream(*numbered(2), end=False), HANG))
    async with connected(upstream, GET) as (reader, _):
        await reader.readuntil(b"1 ")
    await upstream.seen(aborts=1)
    (request,) = upstream.aborts
    assert request.sent == sum(map(len, numbered(2)))
    assert not request.finished
    assert request.aborted is not None
    assert request.aborted >= request.arrived


async def test_a_client_that_resets_is_an_abort_too(upstream: Upstream) -> None:
    """A reset by the client while the body is written is an abort, not a failure of the upstream."""
    upstream.script(chat_stream(1000, every=0.001))
    async with connected(upstream, GET) as (reader, writer):
        await reader.readuntil(b"0 ")
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await upstream.seen(aborts=1)
    assert upstream.most_open == 1


async def test_a_reset_and_a_close_are_what_they_say(upstream: Upstream) -> None:
    """RESET is a TCP reset after what was sent; CLOSE is an end of file in the middle of a chunked body."""
    first = stream(*numbered(1), end=False)
    upstream.script((*first, Pause(0.01), RESET), (*first, CLOSE))
    async with connected(upstream, GET) as (reader, _):
        await reader.readuntil(b"0 ")
        with pytest.raises(ConnectionResetError):
            await reader.read()
    async with connected(upstream, GET) as (reader, _):
        seen = await reader.read()
    assert b"0 " in seen
    assert not seen.endswith(b"0\r\n\r\n")
    assert upstream.aborts == []


async def test_a_script_waits_for_the_test(upstream: Upstream) -> None:
    """Until holds the answer back until the event is set; Raw writes outside the framing."""
    go = asyncio.Event()
    upstream.script((Until(go), Raw(b"HTTP/1.1 204 x\r\n\r\n")))
    async with connected(upstream, GET) as (reader, _):
        await upstream.seen(requests=1)
        go.set()
        assert await reader.read() == b"HTTP/1.1 204 x\r\n\r\n"
