"""The HTTP seam over real sockets: a scripted peer on loopback, one coroutine per connection."""

import asyncio
import contextlib
import datetime
import functools
import gzip
import os
import random
import socket
import ssl
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from llm_gateway.upstream.http import (
    CUT_BYTES,
    ConnectFailed,
    ConnectionBroken,
    ConnectTimeout,
    HttpClient,
    ProtocolViolation,
    ResponseTooLarge,
    TlsFailed,
    TransportError,
    h1,
)
from llm_gateway.upstream.http import client as http
from llm_gateway.upstream.http.resolver import Resolver

from tests.support.waiting import eventually

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"
EVIL = HELLO.replace(b"hello", b"evil!")
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
HANG = 240.0  # seconds after which a test has failed; a signal does not interrupt uvloop
GONE = 60.0  # seconds within which a closed socket must be seen by its peer; what it took is printed, and no test

P = ParamSpec("P")
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Loop = Callable[[], asyncio.AbstractEventLoop]


LOOPS = pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop], ids=["uvloop", "asyncio"])
"""Both loops: what a transport tells, and when, is theirs."""


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on uvloop, as the gateway does."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        uvloop.run(asyncio.wait_for(test(*args, **kwargs), HANG))

    return run


async def request(reader: Reader) -> bytes:
    """Read one request; its head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


class Peer:
    """A server that plays the nth script on its nth connection, and the last one from then on."""

    def __init__(self, *scripts: Callable[[Reader, Writer], Awaitable[None]]) -> None:
        self.scripts = scripts
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()
        """Set when a script saw its connection closed by the client."""
        self.url = ""

    async def serve(self, reader: Reader, writer: Writer) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            await script(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def until_gone(self, reader: Reader) -> None:
        """Wait for the client to close."""
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        self.gone.set()

    def answering(self, *answers: bytes) -> Callable[[Reader, Writer], Awaitable[None]]:
        """A script that answers each request with the next answer, the last one again and again."""

        async def script(reader: Reader, writer: Writer) -> None:
            for number in range(1_000_000):
                self.requests.append(await request(reader))
                writer.write(answers[min(number, len(answers) - 1)])
                await writer.drain()

        return script


@contextlib.asynccontextmanager
async def running(peer: Peer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Peer]:
    server = await asyncio.start_server(peer.serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    peer.url = f"{'https' if tls else 'http'}://{name}:{port}"
    try:
        yield peer
    finally:
        server.close()


@contextlib.asynccontextmanager
async def client_of(peer: Peer, prefix: str = "", **options: Any) -> AsyncIterator[HttpClient]:
    client = HttpClient(peer.url + prefix, **options)
    try:
        yield client
    finally:
        await client.aclose()


async def get(client: HttpClient) -> bytes:
    async with await client.send("GET", "/", []) as response:
        return await response.read()


def reset(writer: Writer) -> None:
    """Close with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def once(*parts: bytes | float | asyncio.Event, then: str = "close") -> Callable[[Reader, Writer], Awaitable[None]]:
    """A script: read a request, write the parts (a number is a pause in seconds, an event is waited for), then "close" or "reset"."""

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            elif isinstance(part, asyncio.Event):
                await part.wait()
            else:
                await asyncio.sleep(part)
        if then == "reset":
            reset(writer)

    return script


# --- requests and responses


@on_loop
async def test_request_goes_out_as_given_and_its_answer_comes_back() -> None:
    """Path prefix, fields and body arrive byte for byte, with host and identity coding set by us."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO.replace(b"content-length", b"X-Request-Id: r1\r\nContent-Length")),)
    async with running(peer), client_of(peer, "/v1/") as client:
        response = await client.send("POST", "/chat?x=%20", [("x-api-key", "k")], b"{}")
        assert (response.status, response.headers["x-request-id"]) == (200, "r1")
        assert await response.read() == b"hello"
        assert peer.requests == [
            b"POST /v1/chat?x=%20 HTTP/1.1\r\nhost: " + peer.url[7:].encode() + b"\r\naccept-encoding: identity\r\n"
            b"x-api-key: k\r\ncontent-length: 2\r\n\r\n{}"
        ]


@on_loop
async def test_large_request_body_arrives_whole() -> None:
    """A body far beyond the socket buffers is written out while the answer is awaited."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    body = os.urandom(8 * 1024 * 1024)
    async with running(peer), client_of(peer) as client:
        response = await client.send("POST", "/", [], body)
        assert await response.read() == b"hello"
        assert peer.requests[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    "answer",
    [
        HELLO,
        CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        OK + b"\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO,
    ],
    ids=["sized", "chunked", "until-close", "http10", "interim"],
)
@on_loop
async def test_every_framing_of_a_body_is_read_to_its_end(answer: bytes) -> None:
    """Content-length, chunked and close-delimited bodies; the orderly close of the last is a normal end."""
    async with running(Peer(once(answer))) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        assert (response.status, await response.read(), await response.receive()) == (200, b"hello", b"")


@pytest.mark.parametrize("status", [204, 304])
@on_loop
async def test_bodiless_status_leaves_the_connection_usable(status: int) -> None:
    """204 and 304 end at their head."""
    peer = Peer()
    peer.scripts = (peer.answering(b"HTTP/1.1 %d X\r\n\r\n" % status),)
    async with running(peer), client_of(peer) as client:
        assert [await get(client), await get(client), peer.connections] == [b"", b"", 1]


@on_loop
async def test_head_response_has_no_body() -> None:
    """The length announced to HEAD is not waited for."""
    peer = Peer()
    peer.scripts = (peer.answering(OK + b"content-length: 5\r\n\r\n"),)
    async with running(peer), client_of(peer) as client:
        response = await client.send("HEAD", "/", [])
        assert (response.headers["content-length"], await response.read()) == ("5", b"")


@on_loop
async def test_redirect_is_returned_and_cookies_are_forgotten() -> None:
    """A 30x is an answer like any other, and nothing a server sets comes back to it."""
    peer = Peer()
    redirect = (
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\nset-cookie: a=1\r\ncontent-length: 0\r\n\r\n"
    )
    peer.scripts = (peer.answering(redirect),)
    async with running(peer), client_of(peer) as client:
        for _ in range(2):
            response = await client.send("GET", "/", [("authorization", "Bearer k")])
            assert (response.status, await response.read()) == (302, b"")
        assert b"cookie" not in peer.requests[1]
        assert len(peer.requests) == 2


@on_loop
async def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a proxy configured for the endpoint is a proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer), client_of(peer) as client:
        assert await get(client) == b"hello"


@on_loop
async def test_ipv6_literal_is_connected_to_and_named_in_brackets() -> None:
    """An endpoint may be an IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback")
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer, host="::1"), client_of(peer) as client:
        assert await get(client) == b"hello"
        assert b"\r\nhost: [::1]:" in peer.requests[0]


# --- streams


@on_loop
async def test_each_chunk_is_delivered_when_it_arrives() -> None:
    """The reader sees a chunk while the server still waits to send the next one."""
    seen = asyncio.Semaphore(0)

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED)
        for number in range(3):
            writer.write(b"1\r\n%d\r\n" % number)
            await seen.acquire()
        writer.write(b"0\r\n\r\n")

    async with running(Peer(script)) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        for number in range(3):
            assert await response.receive() == b"%d" % number
            seen.release()
        assert await response.receive() == b""


@on_loop
async def test_everything_that_arrived_is_received_at_once() -> None:
    """A reader that was busy gets what has arrived in one piece, so that its parser can see it in one go."""
    body = b"".join(b"3\r\n%03d\r\n" % number for number in range(100))
    async with running(Peer(once(CHUNKED + body, 60))) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        assert len(await response.receive()) == 300
        response.abort()


@on_loop
async def test_body_in_tiny_slices_is_exact() -> None:
    """A slow peer that cuts anywhere changes nothing."""
    raw = CHUNKED + b"".join(b"3\r\n%03d\r\n" % number for number in range(200)) + b"0\r\n\r\n"
    slices: list[bytes | float] = []
    for start in range(0, len(raw), 16):
        slices += [raw[start : start + 16], 0.0]
    async with running(Peer(once(*slices))) as peer, client_of(peer) as client:
        assert await get(client) == b"".join(b"%03d" % number for number in range(200))


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@on_loop
async def test_unread_body_stops_the_sender(secure: bool, tmp_path: Path) -> None:
    """A reader that does not read makes the peer wait, with little held here; once it reads, all arrives."""
    total, sent = 64 * 1024 * 1024, 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        await request(reader)
        writer.write(OK + b"content-length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    authority = Authority(tmp_path)
    tls = authority.server() if secure else None
    async with running(Peer(script), tls=tls) as peer, client_of(peer, ca_file=authority.ca_file) as client:
        response = await client.send("GET", "/", [])
        before = -1
        while sent != before:  # until the sender makes no progress
            before = sent
            await asyncio.sleep(0.3)
        assert sent < total / 2  # the rest is in the kernel's socket buffers
        assert len(await response.receive()) < 512 * 1024
        rest = 0
        while data := await response.receive():
            rest += len(data)
        assert sent == total
        assert rest > total - 512 * 1024


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (OK + b"content-length: 50\r\n\r\nhello", "close"),
        (CHUNKED + b"5\r\nhello\r\n", "close"),
        (CHUNKED + b"ff\r\nhello", "close"),
        (CHUNKED + b"5\r\nhello\r\n", "reset"),
        (OK + b"\r\nhello", "reset"),
    ],
    ids=["sized", "chunked", "in-chunk", "reset", "until-close-reset"],
)
@on_loop
async def test_body_cut_short_delivers_what_came_and_then_raises(answer: bytes, then: str) -> None:
    """A break is never a clean end, and it says that the response had started."""
    seen = asyncio.Event()
    async with running(Peer(once(answer, seen, then=then))) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        assert await response.receive() == b"hello"
        seen.set()
        with pytest.raises(ConnectionBroken) as caught:
            await response.receive()
        assert caught.value.response_started


@pytest.mark.parametrize("then", ["close", "reset"])
@on_loop
async def test_new_connection_that_breaks_before_its_answer_is_not_tried_again(then: str) -> None:
    """Whether to retry is the retry policy's decision, except for kept connections."""
    async with running(Peer(once(then=then))) as peer, client_of(peer) as client:
        with pytest.raises(ConnectionBroken) as caught:
            await client.send("POST", "/", [], b"{}")
        assert not caught.value.response_started
        assert peer.connections == 1


# --- bounds


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        OK + b"".join(b"x-%d: 1\r\n" % number for number in range(100_000)),
        OK + b"x: " + b"v" * 1_000_000,
    ],
    ids=["not-http", "many-fields", "large-field"],
)
@on_loop
async def test_head_out_of_bounds_is_refused(answer: bytes) -> None:
    """100,000 fields or a field of a megabyte are not gathered, and the connection is closed."""
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(answer)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        with pytest.raises(ProtocolViolation):
            await client.send("GET", "/", [])
        await asyncio.wait_for(peer.gone.wait(), GONE)


@on_loop
async def test_malformed_chunk_is_refused_after_the_good_ones() -> None:
    """What came before the violation is delivered, then it raises and the connection is not kept."""
    seen = asyncio.Event()
    async with running(Peer(once(CHUNKED + b"5\r\nhello\r\n", seen, b"zz\r\n"))) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        assert await response.receive() == b"hello"
        seen.set()
        with pytest.raises(ProtocolViolation):
            await response.receive()


@on_loop
async def test_whole_body_is_bounded() -> None:
    """`read` stops at the bound, however long the body goes on; exactly the bound is allowed."""

    async def endless(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    peer = Peer(once(HELLO), endless)
    async with running(peer), client_of(peer, max_response_bytes=5) as client:
        assert await get(client) == b"hello"
        with pytest.raises(ResponseTooLarge):
            await get(client)
        await asyncio.wait_for(peer.gone.wait(), GONE)


@pytest.mark.parametrize(
    ("coding", "coded"),
    [(b"gzip", gzip.compress(b"hello")), (b"deflate", zlib.compress(b"hello")), (b"Identity", b"hello")],
    ids=["gzip", "deflate", "identity"],
)
@on_loop
async def test_coded_answer_is_decoded(coding: bytes, coded: bytes) -> None:
    """Some servers compress though identity was asked for."""
    answer = OK + b"content-encoding: %s\r\ncontent-length: %d\r\n\r\n%s" % (coding, len(coded), coded)
    async with running(Peer(once(answer))) as peer, client_of(peer) as client:
        assert await get(client) == b"hello"


@on_loop
async def test_coded_stream_is_decoded_as_it_comes() -> None:
    """A flushed block is delivered while the next one is still to come; the end of the coding is the end."""
    seen = asyncio.Event()
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(b"one") + compressor.flush(zlib.Z_SYNC_FLUSH)
    second = compressor.compress(b"two") + compressor.flush()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(OK + b"content-encoding: gzip\r\n\r\n" + first)
        await seen.wait()
        writer.write(second)

    async with running(Peer(script)) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        assert await response.receive() == b"one"
        seen.set()
        assert [await response.receive(), await response.receive()] == [b"two", b""]


@on_loop
async def test_coded_answer_cut_short_is_refused() -> None:
    """The end of the message inside the coding is not the end of the body."""
    coded = gzip.compress(b"hello")[:-4]
    answer = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (len(coded), coded)
    async with running(Peer(once(answer))) as peer, client_of(peer) as client:
        with pytest.raises(ProtocolViolation):
            await get(client)


@on_loop
async def test_compression_bomb_is_bounded_in_size_and_memory() -> None:
    """64 MiB of zeros in 64 kB are stopped at the bound when read, and come in slices, and not to the end, when streamed."""
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(64)) + compressor.flush()
    answer = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb
    async with running(Peer(once(answer))) as peer, client_of(peer, max_response_bytes=1024 * 1024) as client:
        with pytest.raises(ResponseTooLarge):
            await get(client)
        response = await client.send("GET", "/", [])
        sizes: list[int] = []

        async def stream() -> None:
            while data := await response.receive():
                sizes.append(len(data))

        with pytest.raises(ProtocolViolation, match="100 times"):
            await stream()
        assert max(sizes) <= h1.INFLATE_SLICE_BYTES
        assert sum(sizes) < 2 * h1.RATIO_FREE_BYTES


def swelling() -> tuple[bytes, bytes]:
    """A body of 8 MB, and the same in some hundred kB: almost as small as a coded body may be."""
    rng = random.Random(4)
    body = b"".join(b"%06d" % rng.randrange(1_000_000) * 60 for _ in range(22_000))
    return body, gzip.compress(body, 9)


@on_loop
async def test_others_have_their_turn_while_a_coded_body_is_decoded() -> None:
    """A segment that decodes to thousands of slices is decoded one turn of the loop at a time."""
    body, coded = swelling()
    assert len(body) / len(coded) > 40
    answer = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(coded) + coded
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with running(Peer(once(answer, 0.2))) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        await asyncio.sleep(0.1)  # all of it has arrived
        read = await response.receive()
        task = asyncio.create_task(others())
        slices = 0
        while data := await response.receive():
            slices, read = slices + 1, read + data
        task.cancel()
        assert read == body
        assert slices > 100
        assert turns >= slices - 2


@on_loop
async def test_coded_body_that_is_cut_off_is_decoded_within_bounds() -> None:
    """What had arrived is still told, but no more of it than others can wait for; who reads in between hears of the cut."""
    body, coded = swelling()
    answer = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(coded) + coded
    async with running(Peer(once(answer, 0.2))) as peer, client_of(peer) as client:
        response = await client.send("GET", "/", [])
        await asyncio.sleep(0.1)
        first = await response.receive()
        reading = asyncio.create_task(response.receive())
        await asyncio.sleep(0)
        rest = response.cut()
        assert body.startswith(first + rest)
        assert 0 < len(rest) < CUT_BYTES + h1.INFLATE_SLICE_BYTES
        with pytest.raises(ConnectionBroken):
            await reading


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, br", b"x"])
@on_loop
async def test_unknown_coding_is_refused_and_its_connection_closed(coding: bytes) -> None:
    """A coding we never offered is the peer's error, found at the head."""
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(OK + b"content-encoding: %s\r\ncontent-length: 5\r\n\r\n" % coding)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        with pytest.raises(ProtocolViolation):
            await client.send("GET", "/", [])
        await asyncio.wait_for(peer.gone.wait(), GONE)


# --- kept connections


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any machine a kept connection breaks soon enough to be replaced."""
    monkeypatch.setattr(http, "_STALE_SECONDS", HANG)


@on_loop
async def test_connection_is_kept_and_reused() -> None:
    """Calls one after the other share a connection."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer), client_of(peer) as client:
        assert {await get(client) for _ in range(10)} == {b"hello"}
        assert peer.connections == 1


@on_loop
async def test_connection_is_kept_when_only_the_status_was_wanted() -> None:
    """A response that has arrived whole need not be read."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer), client_of(peer) as client:
        for _ in range(3):
            async with await client.send("GET", "/", []) as response:
                assert response.status == 200
        assert peer.connections == 1


@on_loop
async def test_connection_the_peer_will_close_is_not_reused() -> None:
    """`connection: close` is honoured."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO.replace(b"content-length", b"connection: close\r\ncontent-length")),)
    async with running(peer), client_of(peer) as client:
        assert [await get(client), await get(client), peer.connections] == [b"hello", b"hello", 2]


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.usefixtures("patient")
@on_loop
async def test_connection_closed_while_idle_is_replaced(then: str) -> None:
    """A close seen before the next call costs that call nothing."""
    peer = Peer(once(HELLO, 0.02, then=then))
    async with running(peer), client_of(peer) as client:
        for number in range(1, 4):
            assert await get(client) == b"hello"
            await asyncio.sleep(0.05)
            assert peer.connections == number


def stale(peer: Peer, then: str) -> Callable[[Reader, Writer], Awaitable[None]]:
    """A script: answer one request, and close upon the second without a byte."""

    async def script(reader: Reader, writer: Writer) -> None:
        peer.requests.append(await request(reader))
        writer.write(HELLO)
        await reader.readexactly(1)
        if then == "reset":
            reset(writer)

    return script


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.usefixtures("patient")
@on_loop
async def test_kept_connection_that_breaks_upon_the_request_is_replaced_once(then: str) -> None:
    """The race with the peer's idle timer is invisible: the call goes out again on a new connection."""
    peer = Peer()
    peer.scripts = (stale(peer, then),)
    async with running(peer), client_of(peer) as client:
        for _ in range(20):
            response = await client.send("POST", "/", [], b"{}")
            assert await response.read() == b"hello"
        assert peer.connections == 20


@pytest.mark.usefixtures("patient")
@on_loop
async def test_replacement_of_a_kept_connection_is_not_replaced_again() -> None:
    """A peer that closes new connections too is failing, and the caller hears of it."""
    peer = Peer()
    peer.scripts = (stale(peer, "close"), once())
    async with running(peer), client_of(peer) as client:
        await get(client)
        with pytest.raises(ConnectionBroken):
            await get(client)
        assert peer.connections == 2


@on_loop
async def test_kept_connection_that_breaks_late_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that took the request and then died may have worked on it: that is for the retry policy."""
    monkeypatch.setattr(http, "_STALE_SECONDS", -1.0)
    peer = Peer()
    peer.scripts = (stale(peer, "close"),)
    async with running(peer), client_of(peer) as client:
        await get(client)
        with pytest.raises(ConnectionBroken):
            await get(client)
        assert peer.connections == 1


@pytest.mark.parametrize("parts", [(HELLO + EVIL,), (HELLO, 0.02, EVIL)], ids=["along", "later"])
@on_loop
async def test_answer_nobody_asked_for_never_reaches_the_next_call(parts: tuple[bytes | float, ...]) -> None:
    """A second response, sent along, later, or while idle, ends the connection."""
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await once(*parts, then="go on")(reader, writer)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        for number in range(1, 4):
            assert await get(client) == b"hello"
            await asyncio.wait_for(peer.gone.wait(), GONE)
            peer.gone.clear()
            assert peer.connections == number


@contextlib.contextmanager
def blurting(answer: bytes, extra: bytes) -> Iterator[tuple[int, Callable[[], None]]]:
    """A peer in a thread of its own: its port, and what makes it write `extra` on the connection that it answered last. By the return of
    that, the bytes lie in the client's socket (or its close, for no bytes), where a loop that was not let run cannot have seen them."""
    last: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(65536):
                last[:] = [connection]
                connection.sendall(answer)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    def blurt() -> None:
        last[0].sendall(extra) if extra else last[0].shutdown(socket.SHUT_RDWR)

    threading.Thread(target=accept, daemon=True).start()
    with server:
        yield server.getsockname()[1], blurt
        server.shutdown(socket.SHUT_RDWR)


@LOOPS
@pytest.mark.parametrize("extra", [EVIL, b"x", b""], ids=["answer", "byte", "close"])
def test_bytes_that_lie_in_the_socket_never_reach_the_next_call(extra: bytes, loop: Loop) -> None:
    """What came after an answer, and the loop has not seen yet, ends the connection before it is used again."""

    async def scenario(port: int, blurt: Callable[[], None]) -> None:
        client = HttpClient(f"http://127.0.0.1:{port}")
        for _ in range(30):
            response = await client.send("POST", "/", [], b"{}")
            assert await response.read() == b"hello"
            blurt()
        await client.aclose()

    with blurting(HELLO, extra) as (port, blurt), asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(port, blurt), HANG))


MANY = b"".join(b"x-%d: v\r\n" % number for number in range(h1.MAX_FIELDS + 1))
VIOLATIONS = {
    "no-http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "many-fields-whole": OK + MANY + b"content-length: 1\r\n\r\nx",
    "many-fields-bodiless": b"HTTP/1.1 204 No Content\r\n" + MANY + b"\r\n",
    "large-fields-whole": OK
    + b"x: v\r\n" * 100
    + b"y: "
    + b"v" * h1.MAX_HEAD_BYTES
    + b"\r\ncontent-length: 1\r\n\r\nx",
    "coding-whole": OK + b"transfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "coding-bodiless": b"HTTP/1.1 204 No Content\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "bad-chunk": CHUNKED + b"zz\r\n",
    "bad-second-chunk": CHUNKED + b"1\r\nx\r\nzz\r\n",
    "two-lengths": OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nx",
}
CLEAN = {
    "sized": (HELLO, b"hello"),
    "empty": (OK + b"content-length: 0\r\n\r\n", b""),
    "bodiless": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\nname: v\r\n\r\n", b"hello"),
    "interim": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + HELLO, b"hello"),
}


async def pieces_of(answer: bytes, pieces: bool, writer: Writer) -> None:
    """Write an answer whole, or each byte in a segment of its own (a large one in some hundred)."""
    step = max(1, len(answer) // 500) if pieces else len(answer)
    for at in range(0, len(answer), step):
        writer.write(answer[at : at + step])
        await writer.drain()
        if pieces:
            await asyncio.sleep(0)


@LOOPS
@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("answer", VIOLATIONS.values(), ids=VIOLATIONS)
def test_violation_belongs_to_the_call_that_it_answers(answer: bytes, pieces: bool, loop: Loop) -> None:
    """However it is cut, even whole with its head: this call hears of it, and the next one starts on a clean connection."""

    async def bad(reader: Reader, writer: Writer) -> None:
        await request(reader)
        await pieces_of(answer, pieces, writer)
        while await reader.read(65536):
            pass

    async def scenario() -> None:
        peer = Peer()
        peer.scripts = (bad, peer.answering(HELLO))
        async with running(peer), client_of(peer) as client:
            with pytest.raises(ProtocolViolation):
                await get(client)
            assert [await get(client), await get(client), peer.connections] == [b"hello", b"hello", 2]

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), HANG))


@LOOPS
@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("answer", CLEAN.values(), ids=CLEAN)
def test_clean_answer_keeps_its_connection_however_it_is_cut(
    answer: tuple[bytes, bytes], pieces: bool, loop: Loop
) -> None:
    """Nothing that a well-behaved peer does costs it its connection."""
    raw, body = answer

    async def good(reader: Reader, writer: Writer) -> None:
        while True:
            await request(reader)
            await pieces_of(raw, pieces, writer)

    async def scenario() -> None:
        async with running(Peer(good)) as peer, client_of(peer) as client:
            assert [await get(client) for _ in range(3)] == [body] * 3
            assert peer.connections == 1

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), HANG))


@on_loop
async def test_early_answer_to_an_unread_request_spoils_the_connection() -> None:
    """A 413 before the body was taken is delivered, and the half-written connection is not used again."""
    answer = b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n"

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(answer)
        await asyncio.sleep(60)

    async with running(Peer(script)) as peer, client_of(peer) as client:
        for number in (1, 2):
            response = await client.send("POST", "/", [], bytes(32 * 1024 * 1024))
            assert (response.status, await response.read(), peer.connections) == (413, b"", number)


@on_loop
async def test_stream_left_at_its_last_event_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the body often comes in a segment of its own, just after the event that made the reader stop."""
    monkeypatch.setattr(h1, "DRAIN_SECONDS", HANG)
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        while await request(reader):
            writer.write(CHUNKED + b"5\r\nhello\r\n")
            await asyncio.sleep(0.005)
            writer.write(b"0\r\n\r\n")

    peer.scripts = (script,)
    async with running(peer), client_of(peer, max_connections=1) as client:
        for _ in range(5):
            response = await client.send("GET", "/", [])
            assert await response.receive() == b"hello"
            await response.aclose()
        assert peer.connections == 1


@pytest.mark.parametrize("more", [False, True], ids=["silent", "talking"])
@on_loop
async def test_stream_left_in_the_middle_closes_its_connection(more: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`aclose` does not read on for ever: neither long nor much."""
    if more:
        monkeypatch.setattr(h1, "DRAIN_SECONDS", HANG)
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        while more:
            writer.write(b"5\r\nhello\r\n" * 100)
            await writer.drain()
            await asyncio.sleep(0)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        response = await client.send("GET", "/", [])
        await response.receive()
        await response.aclose()
        await asyncio.wait_for(peer.gone.wait(), GONE)


@on_loop
async def test_idle_connections_expire() -> None:
    """A connection nobody uses is closed, in the background and on the next call."""
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(HELLO)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer, keepalive_expiry=0.05) as client:
        await get(client)
        await asyncio.wait_for(peer.gone.wait(), GONE)
        await get(client)
        assert peer.connections == 2


@on_loop
async def test_calls_beyond_the_limit_wait_in_order() -> None:
    """At most `max_connections` at once; the others are served first come, first served; one that left is skipped."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer), client_of(peer, max_connections=1) as client:
        held = await client.send("GET", "/held", [])

        async def call(number: int) -> None:
            async with await client.send("GET", f"/{number}", []) as response:
                await response.read()

        waiting = []
        for number in range(5):
            waiting.append(asyncio.create_task(call(number)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert len(peer.requests) == 1
        waiting[1].cancel()
        await held.read()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert [int(raw.split(b" ")[1][1:]) for raw in peer.requests[1:]] == [0, 2, 3, 4]
        assert peer.connections == 1


@on_loop
async def test_failed_calls_give_their_slot_back() -> None:
    """Whatever ends a call frees its place: break, violation, refusal, cancellation, abort, unknown coding."""
    peer = Peer()
    coded = OK + b"content-encoding: br\r\ncontent-length: 0\r\n\r\n"
    scripts = [once(), once(b"SSH\r\n"), once(coded), once(CHUNKED + b"zz\r\n"), once(60), once(CHUNKED, 60)]
    peer.scripts = (*scripts, once(60))
    async with running(peer), client_of(peer, max_connections=1) as client:
        for _ in scripts:
            with pytest.raises((TransportError, TimeoutError)):
                await asyncio.wait_for(get(client), 0.1)
        peer.scripts = (peer.answering(HELLO),)
        assert await asyncio.wait_for(get(client), GONE) == b"hello"


@on_loop
async def test_hundreds_of_calls_at_once_each_get_their_own_answer() -> None:
    """No answer is crossed with another's, on new and kept connections."""

    async def echo(reader: Reader, writer: Writer) -> None:
        while True:
            body = (await request(reader)).partition(b"\r\n\r\n")[2]
            writer.write(OK + b"content-length: %d\r\n\r\n%s" % (len(body), body))

    async with running(Peer(echo)) as peer, client_of(peer, max_connections=50) as client:

        async def call(number: int) -> bool:
            async with await client.send("POST", "/", [], b"%d" % number) as response:
                return await response.read() == b"%d" % number

        assert all(await asyncio.gather(*(call(number) for number in range(500))))
        assert peer.connections <= 50


@on_loop
async def test_closed_client_closes_idle_connections_and_refuses_calls() -> None:
    """Calls in flight end as usual; nothing is kept after them."""
    peer, closed = Peer(), asyncio.Semaphore(0)

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(HELLO)
        await peer.until_gone(reader)
        closed.release()

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        held = await client.send("GET", "/", [])
        await get(client)
        await client.aclose()
        await asyncio.wait_for(closed.acquire(), GONE)
        assert await held.read() == b"hello"
        await asyncio.wait_for(closed.acquire(), GONE)
        with pytest.raises(ConnectFailed):
            await get(client)


# --- connecting


@on_loop
async def test_refused_and_unresolved_endpoints_fail_to_connect() -> None:
    """Refusal and an unknown name are ConnectFailed; the words are ours."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectFailed, match=rf"^connection refused at 127\.0\.0\.1:{port}$"):
            await HttpClient(f"http://127.0.0.1:{port}").send("GET", "/", [])
    with pytest.raises((ConnectFailed, ConnectTimeout)):
        await HttpClient("http://no-such-host.invalid").send("GET", "/", [])


def black_hole(host: str = "127.0.0.1", port: int = 0) -> list[socket.socket]:
    """A port whose backlog is full, so that the kernel drops further SYNs: the listener, then what fills it."""
    server = socket.socket()
    server.bind((host, port))
    server.listen(0)
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(server.getsockname())
    return [server, *fillers]


def open_sockets(port: int, address: str = "0100007F") -> int:
    """Sockets of this machine in SYN_SENT to a loopback port."""
    wanted, count = f"{address}:{port:04X}", 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        count += fields[2] == wanted and fields[3] == "02"
    return count


@on_loop
async def test_black_hole_ends_at_the_connect_timeout() -> None:
    """An unanswered SYN and an unanswered TLS hello are both ConnectTimeout, and leave no socket."""
    sockets = black_hole()
    port = sockets[0].getsockname()[1]
    before = open_sockets(port)
    with pytest.raises(ConnectTimeout):
        await HttpClient(f"http://127.0.0.1:{port}", connect_timeout=0.1).send("GET", "/", [])
    await eventually(lambda: open_sockets(port) == before, "the attempt leaves no socket")
    for sock in sockets:
        sock.close()
    peer = Peer()
    peer.scripts = (lambda reader, _: peer.until_gone(reader),)
    async with running(peer):
        with pytest.raises(ConnectTimeout):
            await HttpClient("https" + peer.url[4:], connect_timeout=0.1).send("GET", "/", [])
        await asyncio.wait_for(peer.gone.wait(), GONE)


TWO = Resolver(lambda _: [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")])
"""Every name has two addresses."""


@LOOPS
@pytest.mark.parametrize("fault", ["refused", "silent"])
def test_second_address_is_tried_when_the_first_fails(fault: str, loop: Loop) -> None:
    """An address that refuses costs nothing, one that never answers a quarter of a second: not a share of the connect limit, which is
    longer than this test may take. Its attempt is given up."""

    async def scenario() -> None:
        peer = Peer()
        peer.scripts = (peer.answering(HELLO),)
        async with running(peer):
            port = int(peer.url.rpartition(":")[2])
            sockets = black_hole("127.0.0.2", port) if fault == "silent" else []
            before = open_sockets(port, "0200007F")
            client = HttpClient(f"http://two.test:{port}", connect_timeout=4 * HANG, resolver=TWO)
            assert await get(client) == b"hello"
            assert peer.connections == 1
            await eventually(lambda: open_sockets(port, "0200007F") == before, "the attempt is given up")
            await client.aclose()
            for sock in sockets:
                sock.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), HANG))


@LOOPS
def test_error_of_the_last_address_is_told_when_all_fail(loop: Loop) -> None:
    """Two refusals are one, and a limit that passes while two addresses are silent is a connect timeout."""

    async def scenario() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            with pytest.raises(ConnectFailed, match=rf"^connection refused at two\.test:{port}$"):
                await get(HttpClient(f"http://two.test:{port}", resolver=TWO))
        silent = black_hole()
        port = silent[0].getsockname()[1]
        silent += black_hole("127.0.0.2", port)
        with pytest.raises(ConnectTimeout, match="no connection to"):
            await get(HttpClient(f"http://two.test:{port}", resolver=TWO, connect_timeout=0.4))
        for sock in silent:
            sock.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), HANG))


@LOOPS
def test_address_that_answers_after_another_is_hung_up_on(loop: Loop) -> None:
    """A first address that accepts and says nothing to a TLS hello: the second serves, the first sees its connection closed."""

    async def scenario(path: Path) -> None:
        authority = Authority(path)
        peer, slow = Peer(), Peer()
        peer.scripts = (peer.answering(HELLO),)
        slow.scripts = (lambda reader, _: slow.until_gone(reader),)
        async with running(peer, tls=authority.server("two.test")):
            port = int(peer.url.rpartition(":")[2])
            server = await asyncio.start_server(slow.serve, "127.0.0.2", port)
            client = HttpClient(
                f"https://two.test:{port}", connect_timeout=4 * HANG, resolver=TWO, ca_file=authority.ca_file
            )
            assert await get(client) == b"hello"
            await asyncio.wait_for(slow.gone.wait(), GONE)
            assert (slow.connections, peer.connections) == (1, 1)
            await client.aclose()
            server.close()

    with tempfile.TemporaryDirectory() as path, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(Path(path)), HANG))


@on_loop
async def test_name_server_that_hangs_holds_up_nobody_else() -> None:
    """More hanging look-ups than any pool of the loop has threads: the other provider is connected to, theirs end at their limit."""
    hang = threading.Event()

    def look_up(host: str) -> list[tuple[int, str]]:
        if host.startswith("hanging"):
            hang.wait()
        return [(socket.AF_INET, "127.0.0.1")]

    resolver = Resolver(look_up)
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer):
        port = int(peer.url.rpartition(":")[2])
        limits = [
            HttpClient(f"http://hanging{n}.test:{port}", resolver=resolver, connect_timeout=0.5) for n in range(64)
        ]
        calls = [asyncio.create_task(get(client)) for client in limits]
        await asyncio.sleep(0)
        assert await get(HttpClient(f"http://well.test:{port}", resolver=resolver)) == b"hello"
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in ended} == {ConnectTimeout}
        assert "no name resolution for hanging0.test" in str(ended[0])
    hang.set()


class Moving:
    """A name whose address changes; how often it was looked up. It is looked up all the time, as if 30 s were 20 ms."""

    def __init__(self, address: str) -> None:
        self.address: str | None = address
        self.asked = 0
        self.resolver = Resolver(self.look_up, ttl=0.02)

    def look_up(self, host: str) -> list[tuple[int, str]]:
        self.asked += 1
        if self.address is None:
            raise socket.gaierror(socket.EAI_NONAME, "x")
        return [(socket.AF_INET, self.address)]

    async def again(self) -> None:
        """Until two further look-ups are over, so that what the first one found has been taken."""
        before = self.asked
        await eventually(lambda: self.asked >= before + 3, "the name is looked up")


@contextlib.asynccontextmanager
async def two_addresses(one: Peer, other: Peer) -> AsyncIterator[str]:
    """The first at 127.0.0.1, the second at 127.0.0.2, on the same port; their URL by name."""
    async with running(one):
        port = int(one.url.rpartition(":")[2])
        server = await asyncio.start_server(other.serve, "127.0.0.2", port)
        try:
            yield f"http://moving.test:{port}"
        finally:
            server.close()


@LOOPS
def test_name_that_moved_is_followed_by_the_next_call(loop: Loop) -> None:
    """A kept connection to an address that left its name is closed while idle; while the name cannot be looked up it is kept."""

    async def scenario() -> None:
        one, other = Peer(), Peer()
        one.scripts, other.scripts = (one.answering(HELLO),), (other.answering(HELLO),)
        names = Moving("127.0.0.1")
        async with two_addresses(one, other) as url:
            client = HttpClient(url, resolver=names.resolver)
            await get(client)
            names.address = None
            await names.again()
            await get(client)
            assert (one.connections, len(one.requests)) == (1, 2)
            names.address = "127.0.0.2"
            await asyncio.wait_for(one.gone.wait(), GONE)
            await get(client)
            assert (len(one.requests), len(other.requests)) == (2, 1)
            await client.aclose()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), HANG))


@LOOPS
def test_call_under_way_ends_at_the_address_that_left_its_name(loop: Loop) -> None:
    """Its answer comes whole; then its connection takes no other call."""

    async def scenario() -> None:
        one, other = Peer(), Peer()
        rest = asyncio.Event()

        async def slow(reader: Reader, writer: Writer) -> None:
            await request(reader)
            writer.write(HELLO[:-2])
            await rest.wait()
            writer.write(HELLO[-2:])
            await one.until_gone(reader)

        one.scripts, other.scripts = (slow, one.answering(HELLO)), (other.answering(HELLO),)
        names = Moving("127.0.0.1")
        async with two_addresses(one, other) as url:
            client = HttpClient(url, resolver=names.resolver)
            under_way = await client.send("GET", "/", [])
            await get(client)
            names.address = "127.0.0.2"
            await asyncio.wait_for(one.gone.wait(), GONE)
            one.gone.clear()
            rest.set()
            assert await under_way.read() == b"hello"
            await asyncio.wait_for(one.gone.wait(), GONE)
            await get(client)
            assert (one.connections, other.connections) == (2, 1)
            await client.aclose()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scenario(), HANG))


@on_loop
async def test_name_that_tells_a_part_of_its_addresses_at_a_time_costs_no_connections() -> None:
    """An address that left and is back shows it: its connections are kept through the answers that lack it."""
    one, other = Peer(), Peer()
    one.scripts, other.scripts = (one.answering(HELLO),), (other.answering(HELLO),)
    names = Moving("127.0.0.1")
    async with two_addresses(one, other) as url:
        client = HttpClient(url, resolver=names.resolver)
        await get(client)
        for names.address in ("127.0.0.2", "127.0.0.1"):
            await get(client)
            await names.again()
        await get(client)
        before = one.connections + other.connections
        for names.address in ("127.0.0.2", "127.0.0.1", "127.0.0.2"):
            await names.again()
            await get(client)
        assert one.connections + other.connections == before
        await client.aclose()


@on_loop
async def test_name_is_not_looked_up_while_no_connection_is_kept() -> None:
    """Looking up ends with the last kept connection, and does not begin for an address in digits."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    names = Moving("127.0.0.1")
    async with running(peer):
        port = peer.url.rpartition(":")[2]
        client = HttpClient(f"http://moving.test:{port}", resolver=names.resolver, keepalive_expiry=0.1)
        await get(client)
        await eventually(lambda: client._following is None, "nobody follows the name")
        asked = names.asked
        assert asked > 1
        digits = HttpClient(peer.url, resolver=names.resolver)
        await get(digits)
        assert digits._following is None
        assert names.asked == asked
        await client.aclose()
        await digits.aclose()


# --- cancellation


@pytest.mark.parametrize(
    "phase", ["connect", "handshake", "head", "first-chunk", "between-chunks", "tls-head", "tls-body"]
)
@on_loop
async def test_cancelled_call_closes_its_connection(phase: str, tmp_path: Path) -> None:
    """In every phase the peer sees the close; the time it took is printed."""
    peer = Peer()
    reached = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        if phase != "handshake":
            await request(reader)
        if phase.endswith(("chunk", "chunks", "body")):
            writer.write(CHUNKED + (b"" if phase == "first-chunk" else b"5\r\nhello\r\n"))
        reached.set()
        await peer.until_gone(reader)

    peer.scripts = (script,)
    authority = Authority(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        if phase == "connect":
            sockets = black_hole()
            for sock in sockets:
                stack.callback(sock.close)
            port = sockets[0].getsockname()[1]
            before = open_sockets(port)
            client = HttpClient(f"http://127.0.0.1:{port}")
        else:
            await stack.enter_async_context(running(peer, tls=authority.server() if "tls" in phase else None))
            url = peer.url.replace("http:", "https:") if phase == "handshake" else peer.url
            client = HttpClient(url, ca_file=authority.ca_file)
        task = asyncio.create_task(get(client))
        if phase == "connect":
            await eventually(lambda: open_sockets(port) == before + 1, "it connects")
        else:
            await reached.wait()
            await asyncio.sleep(0.02)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if phase == "connect":
            await eventually(lambda: open_sockets(port) <= before, "the attempt leaves no socket")
        else:
            await asyncio.wait_for(peer.gone.wait(), GONE)
        print(f"cancelled in {phase}: closed after {(time.monotonic() - started) * 1000:.1f} ms")


@on_loop
async def test_aborted_response_closes_and_wakes_its_reader() -> None:
    """`abort` from another task ends a pending `receive`; later ones raise as well."""
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        response = await client.send("GET", "/", [])
        reading = asyncio.create_task(response.receive())
        await asyncio.sleep(0.02)
        response.abort()
        with pytest.raises(ConnectionBroken):
            await reading
        with pytest.raises(ConnectionBroken):
            await response.receive()
        await asyncio.wait_for(peer.gone.wait(), GONE)


@on_loop
async def test_cancelled_receive_closes_without_a_context_manager() -> None:
    """The socket is gone even if nobody holds the response in `async with`."""
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        response = await client.send("GET", "/", [])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.receive(), 0.02)
        await asyncio.wait_for(peer.gone.wait(), GONE)


@on_loop
async def test_response_left_by_an_exception_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`async with` closes the socket when its body raises, without waiting for the rest."""
    monkeypatch.setattr(h1, "DRAIN_SECONDS", HANG)
    peer = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED)
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(peer), client_of(peer) as client:
        with pytest.raises(RuntimeError):
            async with await client.send("GET", "/", []):
                raise RuntimeError
        await asyncio.wait_for(peer.gone.wait(), GONE)


# --- TLS


class Authority:
    """A certificate authority made for the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, *names: str, **options: Any) -> str:
        path = str(self.folder / "issued.pem")
        self.ca.issue_cert(*names, **options).private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def server(self, *names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(*(names or ("127.0.0.1",)), **options))
        return context


def common_name_only(folder: Path, name: str) -> tuple[str, str]:
    """(authority, chain with its key) of a certificate whose subject has this common name, and which has no subjectAltName."""
    key, now, day = (
        ec.generate_private_key(ec.SECP256R1()),
        datetime.datetime.now(datetime.UTC),
        datetime.timedelta(days=1),
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    signer = ec.generate_private_key(ec.SECP256R1())

    def built(of: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> bytes:
        builder = x509.CertificateBuilder().subject_name(of).issuer_name(issuer).public_key(public)
        builder = (
            builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, chain = folder / "authority.pem", folder / "chain.pem"
    authority.write_bytes(built(issuer, signer.public_key(), ca=True))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(built(subject, key.public_key(), ca=False) + private)
    return str(authority), str(chain)


@on_loop
async def test_tls_call_is_verified_reused_and_names_its_host(tmp_path: Path) -> None:
    """A trusted certificate, SNI for a name, HTTP/1.1 by ALPN, and kept connections."""
    authority = Authority(tmp_path)
    context = authority.server("localhost")
    context.set_alpn_protocols(["h2", "http/1.1"])
    named: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: named.append(name)
    peer = Peer()
    chosen: list[str | None] = []

    async def script(reader: Reader, writer: Writer) -> None:
        chosen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await peer.answering(HELLO)(reader, writer)

    peer.scripts = (script,)
    async with running(peer, tls=context):
        client = HttpClient(peer.url.replace("127.0.0.1", "localhost"), ca_file=authority.ca_file)
        assert [await get(client), await get(client), peer.connections] == [b"hello", b"hello", 1]
        assert (named, chosen) == (["localhost"], ["http/1.1"])
        await client.aclose()


@on_loop
async def test_one_address_of_a_name_is_connected_to_and_the_name_is_asked_for(tmp_path: Path) -> None:
    """It is looked up by nobody; the certificate, SNI and the Host header are those of the name."""
    authority = Authority(tmp_path)
    context = authority.server("fleet.test")
    named: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: named.append(name)
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    names = Moving("127.0.0.9")
    async with running(peer, tls=context, host="127.0.0.2"):
        client = HttpClient(
            peer.url.replace("127.0.0.2", "fleet.test"),
            ca_file=authority.ca_file,
            address=(socket.AF_INET, "127.0.0.2"),
            resolver=names.resolver,
        )
        assert [await get(client), await get(client), peer.connections] == [b"hello", b"hello", 1]
        assert named == ["fleet.test"]
        assert f"\r\nhost: fleet.test:{peer.url.rpartition(':')[2]}\r\n".encode() in peer.requests[0]
        assert (names.asked, client._following) == (0, None)
        await client.aclose()


@LOOPS
@pytest.mark.parametrize("through_a_proxy", [False, True], ids=["direct", "proxied"])
def test_certificate_with_a_common_name_only_is_refused(loop: Loop, through_a_proxy: bool, tmp_path: Path) -> None:
    """RFC 9110, section 4.3.4: names are those of subjectAltName. Where there is none, OpenSSL would take the common name."""
    ca_file, identity = common_name_only(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)

    async def test() -> None:
        proxy, peer = Peer(), Peer()
        proxy.scripts, peer.scripts = (forwarding(proxy),), (peer.answering(HELLO),)
        async with running(proxy), running(peer, tls=context):
            url = peer.url.replace("127.0.0.1", "localhost")
            client = HttpClient(url, ca_file=ca_file, proxy=proxy.url if through_a_proxy else None)
            try:
                with pytest.raises(TlsFailed, match=r"another host \(by its subjectAltName"):
                    await get(client)
            finally:
                await client.aclose()
        assert peer.requests == []

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(test(), HANG))


@pytest.mark.parametrize("fault", ["untrusted", "wrong-host", "expired", "old-tls", "not-tls"])
@on_loop
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_bad_tls_is_refused_before_anything_is_sent(fault: str, tmp_path: Path) -> None:
    """Verification cannot be off, and no byte of the request leaves before it."""
    authority = Authority(tmp_path)
    names = ("example.org",) if fault == "wrong-host" else ("127.0.0.1",)
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    options = {"not_before": past, "not_after": past + datetime.timedelta(days=1)} if fault == "expired" else {}
    context = authority.server(*names, **options)
    if fault == "old-tls":
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")
    peer = Peer()

    async def plain(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    peer.scripts = (plain if fault == "not-tls" else peer.answering(HELLO),)
    async with running(peer, tls=None if fault == "not-tls" else context):
        client = HttpClient(
            "https" + peer.url.removeprefix("https").removeprefix("http"),
            ca_file=None if fault == "untrusted" else authority.ca_file,
        )
        # A peer without a common version may just hang up.
        with pytest.raises((TlsFailed, ConnectFailed) if fault == "old-tls" else TlsFailed) as caught:
            await client.send("GET", "/", [("authorization", "Bearer canary")])
        assert "canary" not in str(caught.value)
        assert peer.requests == []


@on_loop
async def test_client_certificate_is_shown_when_asked_for(tmp_path: Path) -> None:
    """Mutual TLS: with the certificate the call works, without it the peer breaks off."""
    authority = Authority(tmp_path)
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    identity = authority.issue("gateway")
    peer = Peer()
    peer.scripts = (peer.answering(HELLO),)
    async with running(peer, tls=context):
        async with client_of(peer, ca_file=authority.ca_file, cert_file=identity) as client:
            assert await get(client) == b"hello"
        async with client_of(peer, ca_file=authority.ca_file) as client:
            with pytest.raises(TransportError):
                await get(client)


# --- proxies


def forwarding(peer: Peer) -> Callable[[Reader, Writer], Awaitable[None]]:
    """A proxy: CONNECT tunnels and absolute-form requests, one per connection."""

    async def pump(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def script(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        peer.requests.append(head)
        method, target, _ = head.split(b" ", 2)
        authority = target.removeprefix(b"http://").partition(b"/")[0].decode()
        host, _, port = authority.rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            up_writer.write(head)
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
        peer.gone.set()

    return script


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@on_loop
async def test_configured_proxy_carries_the_call(secure: bool, tmp_path: Path) -> None:
    """The same answers through a proxy; only the proxy sees the proxy's credentials."""
    authority = Authority(tmp_path)
    proxy, peer = Peer(), Peer()
    proxy.scripts = (forwarding(proxy),)
    peer.scripts = (peer.answering(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),)
    async with running(proxy), running(peer, tls=authority.server() if secure else None):
        through = proxy.url.replace("http://", "http://user:pass@")
        async with client_of(peer, "/v1", ca_file=authority.ca_file, proxy=through) as client:
            response = await client.send("POST", "/chat", [("x-api-key", "k")], b"{}")
            assert (response.status, await response.read(), await response.receive()) == (200, b"hello", b"")
            assert "pass" not in repr(client)
        assert b"proxy-authorization: basic" in proxy.requests[0].lower()
        assert b"\r\nhost: " + peer.url.rpartition("/")[2].encode() in peer.requests[0].lower()
        assert b"accept-encoding: identity" in peer.requests[0].lower()
        assert peer.requests[0].endswith(b"\r\n\r\n{}")
        if secure:
            assert b"proxy-authorization" not in peer.requests[0].lower()


@on_loop
async def test_hanging_look_up_of_a_proxy_holds_up_nobody(tmp_path: Path) -> None:
    """Its name is looked up as providers' are: by as many hanging proxies as one likes, the pool of the loop stays free."""
    release = threading.Event()

    def look_up(host: str) -> list[tuple[int, str]]:
        if host.startswith("hanging"):
            release.wait(HANG)
        return [(int(socket.AF_INET), "127.0.0.1")]

    resolver = Resolver(look_up)
    proxy, peer = Peer(), Peer()
    proxy.scripts, peer.scripts = (forwarding(proxy),), (peer.answering(HELLO),)
    async with running(proxy), running(peer):
        port = proxy.url.rpartition(":")[2]
        hanging = [
            HttpClient(peer.url, proxy=f"http://hanging{n}.test:{port}", resolver=resolver, connect_timeout=0.5)
            for n in range(64)
        ]
        try:
            calls = [asyncio.create_task(get(client)) for client in hanging]
            well = HttpClient(peer.url, proxy=f"http://well.test:{port}", resolver=resolver)
            assert await get(well) == b"hello"
            assert await asyncio.to_thread(int) == 0
            for call in calls:
                with pytest.raises(ConnectTimeout, match="through the proxy hanging"):
                    await call
        finally:
            release.set()
        for client in (well, *hanging):
            await client.aclose()


@on_loop
async def test_every_address_of_a_proxy_is_tried() -> None:
    """The first refuses."""
    proxy, peer = Peer(), Peer()
    proxy.scripts, peer.scripts = (forwarding(proxy),), (peer.answering(HELLO),)
    addresses = [(int(socket.AF_INET6), "::1"), (int(socket.AF_INET), "127.0.0.1")]
    async with running(proxy), running(peer):
        port = proxy.url.rpartition(":")[2]
        client = HttpClient(peer.url, proxy=f"http://two.test:{port}", resolver=Resolver(lambda _: addresses))
        assert await get(client) == b"hello"
        await client.aclose()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 Connec"], ids=["none", "1xx", "half"]
)
@on_loop
async def test_proxy_that_does_not_answer_connect_ends_at_the_connect_limit(answer: bytes) -> None:
    """The tunnel is part of the connect: the call hears of it, by the proxy's name, and the proxy sees its connection closed."""
    proxy = Peer()

    async def script(reader: Reader, writer: Writer) -> None:
        proxy.requests.append(await request(reader))
        writer.write(answer)
        await proxy.until_gone(reader)

    proxy.scripts = (script,)
    async with running(proxy):
        client = HttpClient("https://provider.test", proxy=proxy.url, connect_timeout=1.0)
        told = rf"^no connection to provider\.test:443 through the proxy {proxy.url[7:]} within 1 s$"
        with pytest.raises(ConnectTimeout, match=told):
            await get(client)
        assert proxy.requests[0].startswith(b"CONNECT provider.test:443 ")
        await asyncio.wait_for(proxy.gone.wait(), GONE)
        await client.aclose()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@on_loop
async def test_connect_limit_ends_with_the_connect_through_a_proxy(secure: bool, tmp_path: Path) -> None:
    """A provider may take its time for the answer."""
    authority = Authority(tmp_path)
    proxy, peer = Peer(), Peer()
    proxy.scripts = (forwarding(proxy),)
    limit = 3.0  # a connect takes less on any machine

    peer.scripts = (once(limit + 0.5, HELLO),)
    tls = authority.server() if secure else None
    async with (
        running(proxy),
        running(peer, tls=tls),
        client_of(peer, ca_file=authority.ca_file, proxy=proxy.url, connect_timeout=limit) as client,
    ):
        assert await get(client) == b"hello"


@pytest.mark.parametrize("phase", ["head", "body"])
@on_loop
async def test_cancelled_call_through_a_proxy_closes_its_connection(phase: str) -> None:
    """Cancellation reaches the upstream through the proxy."""
    proxy, peer = Peer(), Peer()
    proxy.scripts = (forwarding(proxy),)
    reached = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        if phase == "body":
            writer.write(CHUNKED + b"5\r\nhello\r\n")
        reached.set()
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(proxy), running(peer), client_of(peer, proxy=proxy.url) as client:
        task = asyncio.create_task(get(client))
        await reached.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(peer.gone.wait(), GONE)


@on_loop
async def test_stream_left_in_the_middle_closes_its_proxied_connection() -> None:
    """`aclose` reaches the upstream through the proxy as well."""
    proxy, peer = Peer(), Peer()
    proxy.scripts = (forwarding(proxy),)

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await peer.until_gone(reader)

    peer.scripts = (script,)
    async with running(proxy), running(peer), client_of(peer, proxy=proxy.url) as client:
        response = await client.send("GET", "/", [])
        assert await response.receive() == b"hello"
        await response.aclose()
        await asyncio.wait_for(peer.gone.wait(), GONE)


@on_loop
async def test_failures_through_a_proxy_are_the_same_errors(tmp_path: Path) -> None:
    """A missing proxy, a refusing one, a broken body, a bad certificate and a malformed answer are told apart."""
    peer = Peer(once(OK + b"content-length: 50\r\n\r\nhello"), once(b"SSH\r\n\r\n"))
    proxy = Peer()
    proxy.scripts = (forwarding(proxy),)
    async with running(peer), running(proxy):
        async with client_of(peer, proxy="http://127.0.0.1:9") as client:
            with pytest.raises(ConnectFailed):
                await get(client)
        async with client_of(peer, proxy=proxy.url) as client:
            with pytest.raises((ConnectionBroken, ProtocolViolation)):
                await get(client)
            with pytest.raises(ProtocolViolation):
                await get(client)
    refusing = Peer(once(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"))
    secure = Peer()
    secure.scripts = (secure.answering(HELLO),)
    async with running(secure, tls=Authority(tmp_path).server()), running(refusing), running(proxy):
        async with client_of(secure, proxy=refusing.url) as client:
            with pytest.raises(ConnectFailed):
                await get(client)
        async with client_of(secure, proxy=proxy.url) as client:
            with pytest.raises(TlsFailed):
                await get(client)


# --- configuration


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "ftp://host"},
        {"base_url": "host:80"},
        {"base_url": "http://"},
        {"base_url": "http://user:canary@host"},
        {"base_url": "http://host/?key=canary"},
        {"base_url": "http://host/#canary"},
        {"base_url": "http://host:canary"},
        {"base_url": "http://host", "proxy": "socks5://user:canary@host"},
        {"base_url": "http://host", "proxy": "http://canary:port:1"},
    ],
)
def test_malformed_url_is_refused_without_being_repeated(options: dict[str, Any]) -> None:
    """A URL may hold a secret in a place where it must not be: say what is wrong, not what it was."""
    with pytest.raises(ValueError, match=r"must|is not a URL") as caught:
        HttpClient(**options)
    assert "canary" not in str(caught.value)


@on_loop
async def test_keys_are_in_no_repr() -> None:
    """Client, response and headers can be logged."""
    peer = Peer()
    peer.scripts = (peer.answering(HELLO.replace(b"content-length", b"x-echo: canary\r\ncontent-length")),)
    async with running(peer), client_of(peer) as client:
        response = await client.send("GET", "/?key=canary", [("x-api-key", "canary")])
        assert "canary" not in f"{client!r} {response!r} {response.headers!r} {response.headers}"
        assert "200" in repr(response)
        await response.aclose()
