"""A scripted HTTP/1.1 server on a real socket: it answers exactly as told, faults included, and remembers what it saw.

A script is a tuple of steps, played in order on the connection that carried the request:

    upstream.script(stream(event("a"), event("b")))                     # every request gets this answer
    upstream.script(whole(529, b"{}"), stream(event("a"), DONE))        # the first fails, all later ones are served
    upstream.script((HANG,))                                            # accepts, reads, never answers
    upstream.script((*stream(event("a"), end=False), RESET))            # one event, then a TCP reset
    upstream.script((Pause(0.2), *whole(200, b"{}")))                   # a slow head
    upstream.script(whole(200, b'{"data": []}'), path="/v1/models")     # another path, another script
"""

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

REQUEST_LIMIT = 64 << 20  # bytes of one request head or body


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers; `framing` says how the body is delimited (RFC 9112 section 6)."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    framing: Literal["chunked", "length", "close"] = "chunked"
    length: int = 0  # the declared Content-Length, with framing "length"


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds, or until the client goes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until the test sets the event, or until the client goes."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes written as they are, outside the body's framing: a broken head, a cut chunk."""

    data: bytes


class Fault(Enum):
    """How an answer ends when it does not end well."""

    RESET = "TCP reset"
    CLOSE = "orderly close, wherever the answer is"
    HANG = "silence until the client goes"


RESET, CLOSE, HANG = Fault.RESET, Fault.CLOSE, Fault.HANG


class End(Enum):
    """The body's own end: the last chunk, or nothing."""

    END = "end of body"


END = End.END
Step = Head | bytes | Pause | Until | Raw | Fault | End
Script = tuple[Step, ...]


def whole(
    status: int,
    body: bytes | dict[str, Any],
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "application/json",
) -> Script:
    """An answer in one piece, with a Content-Length."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (Head(status, (("content-type", content_type), *headers), "length", len(data)), data, END)


def stream(
    *chunks: bytes,
    every: float = 0.0,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "text/event-stream",
    end: bool = True,
) -> Script:
    """A chunked answer, `every` seconds between its chunks; without `end` it is left open for what the test adds."""
    steps: list[Step] = [Head(200, (("content-type", content_type), *headers))]
    for index, chunk in enumerate(chunks):
        if every and index:
            steps.append(Pause(every))
        steps.append(chunk)
    return (*steps, END) if end else tuple(steps)


def sse(data: str | dict[str, Any], name: str = "") -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


DONE = sse("[DONE]")


def event(text: str, finish: str | None = None) -> bytes:
    """One event of an OpenAI Chat Completions stream that adds `text`, or finishes."""
    delta = {"content": text} if finish is None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def numbered(count: int) -> tuple[bytes, ...]:
    """Events whose texts are "0 ", "1 ", … "count-1 ": what is lost, doubled or out of order shows."""
    return tuple(event(f"{number} ") for number in range(count))


def chat_stream(count: int = 3, *, every: float = 0.0) -> Script:
    """A complete OpenAI Chat Completions stream of `count` numbered events, finish, usage and [DONE]."""
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
    tail = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": usage,
    }
    return stream(*numbered(count), event("", "stop"), sse(tail), DONE, every=every)


def chat(text: str = "hello") -> Script:
    """A complete OpenAI Chat Completions answer."""
    message = {"role": "assistant", "content": text}
    return whole(
        200,
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        },
    )


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as it arrived. Header names are in lower case; a repeated header is joined with ", "."""

    method: str
    path: str  # with the query
    headers: dict[str, str]
    body: bytes
    connection: int  # number of the TCP connection, from 1
    arrived: float  # time.monotonic()
    sent: int = 0  # body bytes written so far
    aborted: float | None = None  # time.monotonic() when the client's close was seen before the answer's end
    finished: bool = False  # the script was played to its end

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class _ClientGone(Exception):
    """The client closed or reset the connection before the answer's end."""


@dataclass(slots=True)
class Upstream:
    """The running server. All counters are plain attributes; read them whenever."""

    port: int = 0
    scheme: str = "http"
    connections: int = 0  # accepted so far
    open_connections: int = 0
    most_open: int = 0
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Script] | None = None  # what each request gets, instead of scripts
    _scripts: dict[str | None, list[Script]] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def aborts(self) -> list[Request]:
        """The requests whose client went away before the answer's end."""
        return [request for request in self.requests if request.aborted is not None]

    def script(self, *scripts: Script, path: str | None = None) -> None:
        """Answer the next requests (of this path; of any other path) with these, one each; the last one stays."""
        self._scripts[path] = list(scripts)

    async def seen(self, requests: int = 0, aborts: int = 0, seconds: float = 120.0) -> None:
        """Return when so many requests have arrived and so many aborts were noticed; TimeoutError after `seconds`."""

        async def wait() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: len(self.requests) >= requests and len(self.aborts) >= aborts)

        await asyncio.wait_for(wait(), seconds)

    async def idle(self, seconds: float = 120.0) -> None:
        """Return when no connection is open; TimeoutError after `seconds`."""

        async def wait() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: not self.open_connections)

        await asyncio.wait_for(wait(), seconds)

    def _next_script(self, request: Request) -> Script:
        if self.answer is not None:
            return self.answer(request)
        bare = request.path.partition("?")[0]
        scripts = self._scripts.get(bare) or self._scripts.get(None)
        if not scripts:
            return whole(404, {"error": {"message": f"no script for {bare}"}})
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        self.most_open = max(self.most_open, self.open_connections)
        number = self.connections
        early: bytes | None = b""
        try:
            while early is not None and (request := await _read_request(reader, number, early)):
                self.requests.append(request)
                await self._notify()
                try:
                    early = await _play(self._next_script(request), request, reader, writer)
                except (_ClientGone, ConnectionError):
                    if not request.finished:
                        request.aborted = time.monotonic()
                    return
        finally:
            self.open_connections -= 1
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            await self._notify()


async def _read_request(reader: asyncio.StreamReader, connection: int, early: bytes) -> Request | None:
    """The next request of a connection, of which `early` was read already; None when the client is done with the connection."""
    try:
        head = (early + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        arrived = time.monotonic()
        line, *lines = head.split("\r\n")[:-2]
        method, path, _ = line.split(" ")
        headers: dict[str, str] = {}
        for item in lines:
            name, _, value = item.partition(":")
            headers[name.lower()] = (
                f"{headers[name.lower()]}, {value.strip()}" if name.lower() in headers else value.strip()
            )
        body = b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
        elif length := int(headers.get("content-length", "0")):
            body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return None
    return Request(method=method, path=path, headers=headers, body=body, connection=connection, arrived=arrived)


async def _play(
    script: Script, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes | None:
    """Play one script. What was read of the next request, or None when the connection ends here; raises when the client goes first."""
    watch = asyncio.create_task(reader.read(1))
    framing = "raw"
    try:
        for place, step in enumerate(script):
            match step:
                case Head():
                    framing = step.framing
                    writer.write(_head(step))
                case bytes():
                    request.sent += len(step)
                    writer.write(b"%x\r\n%b\r\n" % (len(step), step) if framing == "chunked" else step)
                case Raw():
                    writer.write(step.data)
                case Pause():
                    await _unless_gone(watch, asyncio.sleep(step.seconds))
                case Until():
                    await _unless_gone(watch, step.event.wait())
                case End.END:
                    if framing == "chunked":
                        writer.write(b"0\r\n\r\n")
                    continue  # the client may close from here on
                case Fault.HANG:
                    await _unless_gone(watch, asyncio.Event().wait())
                case Fault.CLOSE:
                    request.finished = True
                    return None
                case Fault.RESET:
                    request.finished = True
                    connection = writer.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return None
            if framing == "length" and script[place + 1 :] == (END,):
                await writer.drain()  # the answer is whole: the client may go, or ask again
            else:
                await _unless_gone(watch, writer.drain())
        request.finished = True
        if framing not in ("chunked", "length"):
            return None
        return watch.result() if watch.done() else b""
    finally:
        watch.cancel()
        await asyncio.wait((watch,))  # not `await watch`: this task may be cancelled just now, which must not be lost
        if not watch.cancelled():
            watch.exception()


def _head(head: Head) -> bytes:
    headers = list(head.headers)
    if head.framing == "chunked":
        headers.append(("transfer-encoding", "chunked"))
    elif head.framing == "length":
        headers.append(("content-length", str(head.length)))
    else:
        headers.append(("connection", "close"))
    return (
        f"HTTP/1.1 {head.status} Scripted\r\n".encode()
        + "".join(f"{n}: {v}\r\n" for n, v in headers).encode("latin-1")
        + b"\r\n"
    )


async def _unless_gone(watch: "asyncio.Task[bytes]", waiting: Coroutine[Any, Any, object]) -> None:
    """Wait for `waiting`, unless the client goes first. A client that sends more before the answer's end is a broken test."""
    task = asyncio.create_task(waiting)
    try:
        await asyncio.wait((watch, task), return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            assert not watch.result(), "a second request before the answer's end"
            raise _ClientGone
        await task
    finally:
        task.cancel()


@asynccontextmanager
async def running(
    tls: ssl.SSLContext | None = None, upstream: Upstream | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Upstream]:
    """An upstream, of one's own class where one is given, on an ephemeral loopback port unless one is given, with TLS when given a server context;
    every connection is cut at the end. Who keeps a port for it holds it with SO_REUSEPORT."""
    upstream = upstream or Upstream()
    upstream.scheme = "https" if tls else "http"
    tasks: set[asyncio.Task[None]] = set()
    broken: list[Exception] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await upstream._serve(reader, writer)
        except asyncio.CancelledError:  # the test is over
            writer.transport.abort()
        except Exception as error:
            broken.append(error)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, host, port, ssl=tls, limit=REQUEST_LIMIT, reuse_port=bool(port))
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
    if broken:
        raise ExceptionGroup("the scripted upstream failed", broken)
