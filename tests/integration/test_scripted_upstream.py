"""The scripted upstream does what the fault tests believe it does."""

import asyncio
import socket
import struct

import pytest

from tests.support.upstream import CLOSE, HANG, RESET, Pause, Raw, Until, Upstream, chat, chat_stream, numbered, stream, whole

GET = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"


async def connect(upstream: Upstream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", upstream.port)


async def test_one_connection_carries_two_requests_and_the_last_script_stays(upstream: Upstream) -> None:
    """Scripts are used up in order, except for the last; keep-alive works."""
    upstream.script(whole(529, b"{}"), whole(200, b"[]"))
    reader, writer = await connect(upstream)
    seen = []
    for _ in range(3):
        writer.write(b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi")
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append((head.split()[1], await reader.readexactly(2)))
    writer.close()
    assert seen == [(b"529", b"{}"), (b"200", b"[]"), (b"200", b"[]")]
    assert [(r.method, r.path, r.body, r.connection, r.finished) for r in upstream.requests] == [("POST", "/x", b"hi", 1, True)] * 3
    await upstream.idle()
    assert upstream.connections == 1
    assert upstream.aborts == []


async def test_a_path_may_have_its_own_script(upstream: Upstream) -> None:
    """A script for a path is used for that path only, whatever the query; without any script the answer is 404."""
    upstream.script(chat(), path="/x")
    reader, writer = await connect(upstream)
    writer.write(b"GET /x?key=1 HTTP/1.1\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()
    reader, writer = await connect(upstream)
    writer.write(b"GET /y HTTP/1.1\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    writer.close()


async def test_a_client_that_leaves_is_counted_as_an_abort(upstream: Upstream) -> None:
    """A close between two events is seen although the script only waits."""
    upstream.script((*stream(*numbered(2), end=False), HANG))
    reader, writer = await connect(upstream)
    writer.write(GET)
    await reader.readuntil(b"1 ")
    writer.close()
    await upstream.seen(aborts=1)
    (request,) = upstream.aborts
    assert request.sent == sum(map(len, numbered(2)))
    assert not request.finished
    assert request.aborted is not None
    assert request.aborted >= request.arrived


async def test_a_reset_and_a_close_look_as_they_should(upstream: Upstream) -> None:
    """RESET is a TCP reset after what was sent; CLOSE is an end of file in the middle of a chunked body."""
    upstream.script((*stream(*numbered(1), end=False), Pause(0.01), RESET), (*stream(*numbered(1), end=False), CLOSE))
    reader, writer = await connect(upstream)
    writer.write(GET)
    await reader.readuntil(b"0 ")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    reader, writer = await connect(upstream)
    writer.write(GET)
    assert not (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()
    assert upstream.aborts == []


async def test_a_script_waits_for_the_test(upstream: Upstream) -> None:
    """Until holds the answer back until the event is set; Raw writes outside the framing."""
    go = asyncio.Event()
    upstream.script((Until(go), Raw(b"HTTP/1.1 204 x\r\n\r\n")))
    reader, writer = await connect(upstream)
    writer.write(GET)
    await upstream.seen(requests=1)
    go.set()
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 204 x\r\n\r\n"
    writer.close()


async def test_a_client_reset_is_an_abort_too(upstream: Upstream) -> None:
    """A reset by the client while the body is written is an abort, not a failure of the upstream."""
    upstream.script(chat_stream(1000, every=0.001))
    reader, writer = await connect(upstream)
    writer.write(GET)
    await reader.readuntil(b"0 ")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await upstream.seen(aborts=1)
    assert upstream.most_open == 1
