"""HTTP/1.1 client connection: a pure response parser (llhttp) under an asyncio protocol.

Layers, lowest first; only the last one touches the network:

    render_head      request line and fields -> bytes, refusing anything that could inject a field
    ResponseParser   bytes -> status, fields, body; bounded; no I/O
    Inflater         gzip/deflate content coding -> bytes, in bounded slices; no I/O
    Connection       one TCP or TLS connection carrying one exchange at a time

The error tree, which every caller of the package sees::

    TransportError
    ├── ConnectFailed        name resolution, refused, unreachable
    ├── ConnectTimeout       resolution, TCP and TLS handshake did not finish in time
    ├── TlsFailed            handshake or certificate verification failed
    ├── ConnectionBroken     reset, or closed before the response was complete
    ├── ProtocolViolation    the peer does not speak HTTP/1.1 as agreed
    └── ResponseTooLarge     the body exceeds its bound

Messages hold fixed words and host:port only: never a field value, a URL, or a byte of a body.
"""

import asyncio
import re
import select
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

import httptools

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bound on the response fields, on interim responses, and on framing that carries no body byte."""

MAX_FIELDS: Final = 256
"""Bound on the number of response fields; CDNs in front of providers send 20 to 40."""

HIGH_WATER_BYTES: Final = 64 * 1024
"""Unread body above this pauses reading from the socket (the read in progress may exceed it by one 256 KiB read)."""

DRAIN_BYTES: Final = 64 * 1024
DRAIN_SECONDS: Final = 0.02
"""How much of an unread response is waited for on close so that its connection can be kept (the last chunk of a
stream commonly arrives in its own segment, just after the event that ended the stream)."""

INFLATE_SLICE_BYTES: Final = 64 * 1024
INFLATE_INPUT_BYTES: Final = 16 * 1024
"""Bounds on what one step of a content decoder may produce and take; between steps others have their turn."""

MAX_RATIO: Final = 100
RATIO_FREE_BYTES: Final = 1024 * 1024
"""How many times larger than its coded form a body may be, above the bytes that are free (Envoy's decompressor has the same ratio;
deflate reaches 1032, JSON and event streams 5 to 30)."""

MAX_BARREN_BYTES: Final = 64 * 1024
"""Bound on coded bytes in a row that hold no content: empty members, empty blocks, names in a gzip header."""


class TransportError(Exception):
    """The exchange with the upstream failed below HTTP semantics."""


class ConnectFailed(TransportError):
    """No connection: the name did not resolve, or the peer refused or could not be reached."""


class ConnectTimeout(TransportError):
    """No connection within the connect timeout, which covers name resolution, TCP and the TLS handshake."""


class TlsFailed(TransportError):
    """The TLS handshake failed, most often because the peer's certificate could not be verified."""


class ConnectionBroken(TransportError):
    """The connection ended before the response was complete.

    `response_started` tells whether any byte of the response had arrived: without one, the peer may never have seen
    the request (RFC 9112, section 9.3.1).
    """

    def __init__(self, reason: str, *, response_started: bool) -> None:
        super().__init__(reason)
        self.response_started = response_started


class ProtocolViolation(TransportError):
    """The response is not well-formed HTTP/1.1, exceeds the bounds on its fields, or uses a coding never offered."""


class ResponseTooLarge(TransportError):
    """The body, after content decoding, exceeds the bound set for it."""


_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_FIELD_VALUE = re.compile(r"[\t -~]*")  # RFC 9110, section 5.5, without obs-text
_TARGET = re.compile(r"/[!-\"$-~]*")  # origin-form; already percent-encoded, no fragment
_OURS = frozenset(
    ("host", "accept-encoding", "connection", "content-length", "expect", "te", "transfer-encoding", "upgrade")
)
_METHODS = frozenset(("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"))
_BODILESS = frozenset(("DELETE", "GET", "HEAD"))


@lru_cache(maxsize=512)
def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header name is not a token (RFC 9110)")
    if name.lower() in _OURS:
        raise ValueError(f"header {name!r} is set by the transport")


def render_head(method: str, target: str, fixed: str, headers: Sequence[tuple[str, str]], body_size: int) -> bytes:
    """Render the request line and fields, ending with the empty line.

    `fixed` is trusted text of complete lines, put first. Raises ValueError, naming the header but never its value,
    for a method, target, name or value that could change the framing or start another field.
    """
    if method not in _METHODS:
        raise ValueError("unsupported HTTP method")
    if not _TARGET.fullmatch(target):
        raise ValueError("a request path starts with '/' and is percent-encoded")
    lines = [f"{method} {target} HTTP/1.1\r\n{fixed}"]
    for name, value in headers:
        _check_name(name)
        if not _FIELD_VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name!r} holds a control or non-ASCII character")
        lines.append(f"{name}: {value}\r\n")
    if body_size or method not in _BODILESS:
        lines.append(f"content-length: {body_size}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("ascii")


class Headers(Mapping[str, str]):
    """Response fields, looked up without regard to case; the first of repeated fields wins, `get_all` has them all.

    `repr` shows names only.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """Take (lower-case name, value) pairs in the order of arrival."""
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode("latin-1", "replace")
        for key, value in self._fields:
            if key == wanted:
                return value.decode("latin-1").strip()
        raise KeyError(name)

    def get_all(self, name: str) -> list[str]:
        """Every value of a repeated field, in order of arrival."""
        wanted = name.lower().encode("latin-1", "replace")
        return [value.decode("latin-1").strip() for key, value in self._fields if key == wanted]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.decode("latin-1") for key, _ in self._fields))

    def __len__(self) -> int:
        return len({key for key, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({list(self)})"


class ResponseParser:
    """Parse one response, however its bytes are cut; interim (1xx) responses are skipped.

    Bounds: `MAX_FIELDS`, `MAX_HEAD_BYTES`. The body is held in `take`-able form; the caller stops feeding when
    `buffered` is more than it wants to hold.
    """

    __slots__ = (
        "_chunks",
        "_expect_body",
        "_framed",
        "_head_bytes",
        "_overhead",
        "_parser",
        "buffered",
        "complete",
        "fields",
        "head_complete",
        "reusable",
        "started",
        "status",
    )

    def __init__(self, *, expect_body: bool = True) -> None:
        """`expect_body` is False for the response to a HEAD request."""
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.started = False
        """A byte of the response has arrived."""
        self.head_complete = False
        self.complete = False
        self.reusable = False
        """The message is complete and the connection may carry another."""
        self.buffered = 0
        """Body bytes parsed and not yet taken."""
        self._chunks: list[bytes] = []
        self._expect_body = expect_body
        self._framed = True
        self._head_bytes = 0
        self._overhead = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse the next bytes; raise ProtocolViolation when they are not an acceptable response."""
        if self._parser is None:  # bytes after the end of the message
            self.reusable = False
            return
        self.started = True
        before = self.buffered
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise self._violation("response switches to another protocol") from None
        except httptools.HttpParserError as error:
            if not self.complete:
                raise self._violation(f"malformed response: {error}") from None
            self.reusable = False
        if not self._framed:
            raise self._violation("response uses a transfer coding that was not offered", of_head=True)
        if self._head_bytes > MAX_HEAD_BYTES or len(self.fields) > MAX_FIELDS:
            raise self._violation("response fields exceed their bound", of_head=True)
        if self.complete:
            self.dispose()
        elif self.buffered > before:
            self._overhead = 0
        else:
            # Counts what llhttp swallows or httptools gathers unseen: an unfinished field, chunk extensions, trailers.
            self._overhead += len(data)
            if self._overhead > MAX_HEAD_BYTES:
                raise self._violation("response framing exceeds its bound")

    def _violation(self, reason: str, *, of_head: bool = False) -> ProtocolViolation:
        """The end of this response, to be raised. One whose head is at fault never had one, though it may have come whole in one segment."""
        self.dispose()
        self.complete = self.reusable = False
        if of_head:
            self.head_complete = False
        return ProtocolViolation(reason)

    def feed_eof(self) -> None:
        """The peer closed in order: the end of a body delimited by it, else raise ConnectionBroken."""
        if self.complete:
            self.reusable = False
            return
        self.dispose()
        if not self.head_complete or any(name in (b"content-length", b"transfer-encoding") for name, _ in self.fields):
            raise ConnectionBroken("closed before the response was complete", response_started=self.started)
        self.complete = True

    def take(self) -> bytes:
        """All body bytes parsed so far and not yet taken; b"" when there are none."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered = 0
        return data

    def dispose(self) -> None:
        """Drop llhttp's parser; it and this object refer to each other, and no call should need the cycle collector."""
        self._parser = None

    # Callbacks of httptools. One parser serves one exchange, so that nothing of one message reaches the next.

    def on_message_begin(self) -> None:
        if self.complete:  # a response nobody asked for
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:  # else a trailer field, ignored
            self._head_bytes += len(name) + len(value) + 4
            self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = cast(httptools.HttpResponseParser, self._parser).get_status_code()
        if self.status < 200:
            self.fields.clear()
            return
        self.head_complete = True
        self.complete = not self._expect_body
        codings = [value.lower() for name, value in self.fields if name == b"transfer-encoding"]
        self._framed = not codings or codings == [b"chunked"]

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self._chunks.append(body)
            self.buffered += len(body)

    def on_message_complete(self) -> None:
        if self.head_complete and not self.complete:
            self.complete = True
            self.reusable = cast(httptools.HttpResponseParser, self._parser).should_keep_alive()


class Inflater:
    """Decode the gzip or deflate content coding in steps, each of at most `INFLATE_SLICE_BYTES` out of `INFLATE_INPUT_BYTES` (RFC 9110,
    section 8.4).

    The gateway asks for `identity`; some servers compress all the same. Raises ProtocolViolation for data that does
    not decode, that ends early, or that is out of proportion (`MAX_RATIO`, `MAX_BARREN_BYTES`).
    """

    __slots__ = ("_at", "_barren", "_coded", "_coding", "_decoded", "_inflate", "_input", "pending")

    def __init__(self, coding: str) -> None:
        """`coding` is "gzip", "x-gzip" or "deflate"; anything else raises ProtocolViolation."""
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise ProtocolViolation("response uses a content coding that was not offered")
        self._coding = coding
        self._inflate: zlib._Decompress | None = None
        self._input = b""
        self._at = 0
        self._coded = 0
        self._decoded = 0
        self._barren = 0
        self.pending = False
        """More output may be had without more input."""

    def decode(self, data: bytes = b"") -> bytes:
        """Add input and return the next slice of output, possibly empty."""
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        end = min(len(self._input), self._at + INFLATE_INPUT_BYTES)
        slices: list[bytes] = []
        room = INFLATE_SLICE_BYTES
        while room and (self._at < end or (self.pending and self._inflate is not None)):
            out = self._step(end, room)
            slices.append(out)
            room -= len(out)
        self.pending = not room or self._at < len(self._input)
        return b"".join(slices)

    def _step(self, end: int, room: int) -> bytes:
        """What the input up to `end` gives, or one member of it: a gzip file may have several (RFC 1952, section 2.2)."""
        start = self._at
        if self._inflate is None:
            # "deflate" is zlib-wrapped by the book and raw from some servers; a zlib header's low nibble is 8.
            raw = self._coding == "deflate" and self._input[start] & 0x0F != 8
            self._inflate = zlib.decompressobj(-15 if raw else 15 if self._coding == "deflate" else 31)
        inflate = self._inflate
        try:
            out = inflate.decompress(self._input[start:end], room)
        except zlib.error:
            raise ProtocolViolation("response body does not match its content coding") from None
        self._at = end - len(inflate.unused_data if inflate.eof else inflate.unconsumed_tail)
        self.pending = False
        if inflate.eof:
            self._inflate = None
        self._coded += self._at - start
        self._decoded += len(out)
        self._barren = 0 if out else self._barren + self._at - start
        if self._barren > MAX_BARREN_BYTES:
            raise ProtocolViolation("response body is coded without content")
        if self._decoded > RATIO_FREE_BYTES + MAX_RATIO * self._coded:
            raise ProtocolViolation(f"response body is more than {MAX_RATIO} times as large as its coded form")
        return out

    def finish(self) -> None:
        """The input has ended; raise ProtocolViolation when the coded data has not."""
        if self._inflate is not None:
            raise ProtocolViolation("response body ends inside its content coding")


class Connection(asyncio.Protocol):
    """One connection; one exchange at a time: `exchange`, `receive` until b"", then `close`, or `abort` at any time.

    `exchange` leaves no open socket behind when it raises or is cancelled; when `receive` does, the caller aborts.
    `on_idle` is called exactly once for each exchange that returned, when the connection is free again or gone;
    `reusable` tells which.
    """

    __slots__ = (
        "_drain",
        "_error",
        "_loop",
        "_on_idle",
        "_paused",
        "_poll",
        "_response",
        "_transport",
        "_waiter",
        "address",
        "closed",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, on_idle: "Callable[[Connection], None]") -> None:
        self._loop = loop
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._response: ResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drain: asyncio.TimerHandle | None = None
        self._error: TransportError | None = None
        self._paused = False
        self._poll: select.poll | None = None
        self.address: tuple[int, str] | None = None
        """Where it was connected to, by one of a name's addresses; None elsewhere."""
        self.closed = False

    @property
    def reusable(self) -> bool:
        """Open, with nothing of the last exchange left in either direction, as far as the event loop has seen."""
        return not self.closed and self._response is None

    def quiet(self) -> bool:
        """Whether the socket has nothing to be read either: bytes that nobody asked for, or the peer's close. They may lie there while the
        loop has other work, and would be taken for the answer to the next request."""
        return self._poll is None or not self._poll.poll(0)

    async def exchange(self, head: bytes, body: bytes, *, expect_body: bool = True) -> ResponseParser:
        """Write a request and wait for the response's head. The connection is closed when this raises."""
        if not self.reusable or self._transport is None:
            raise ConnectionBroken("connection is closed", response_started=False)
        response = self._response = ResponseParser(expect_body=expect_body)
        if len(body) > HIGH_WATER_BYTES:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head + body)
        try:
            while not response.head_complete:
                if self._error is not None:
                    raise self._error
                await self._wait()
        except BaseException:
            self._shut()
            raise
        return response

    async def receive(self) -> bytes:
        """The body bytes that have arrived, as soon as there are any; b"" at the end of the body."""
        response = self._response
        if response is None:
            raise ConnectionBroken("response is closed", response_started=True)
        while not response.buffered:
            if response.complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        data = response.take()
        if self._paused:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return data

    def arrived(self) -> bytes:
        """The body bytes that have arrived and were not received."""
        return b"" if self._response is None else self._response.take()

    def close(self) -> None:
        """End the exchange; keep the connection if the rest of the response is here or is small and comes at once."""
        response = self._response
        if response is None or self._drain is not None:
            return
        if response.complete or self.closed:
            self._finish()
        elif response.buffered > DRAIN_BYTES or self._error is not None:
            self.abort()
        else:
            self._drain = self._loop.call_later(DRAIN_SECONDS, self.abort)
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()

    def abort(self) -> None:
        """Close the socket now; a pending `receive` raises."""
        exchanging = self._response is not None
        self._shut()
        if exchanging:
            self._on_idle(self)

    def _finish(self) -> None:
        """The exchange is over: keep the connection when it is clean."""
        response = cast(ResponseParser, self._response)
        self._response = None
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None
        transport = self._transport
        if self._error is not None or not response.reusable or transport is None or transport.get_write_buffer_size():
            self._shut()
        self._on_idle(self)

    def _shut(self) -> None:
        self.closed = True
        response = self._response
        if response is not None:
            response.dispose()
            response.take()
            if self._error is None and not response.complete:
                self._error = ConnectionBroken("closed by the gateway", response_started=response.started)
            self._response = None
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._wake()

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("another task is waiting on this response")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Callbacks of asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN | select.POLLPRI)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # bytes nobody asked for
            self._shut()
            return
        try:
            response.feed(data)
        except ProtocolViolation as error:
            self._error = error
            if self._drain is not None:
                self.abort()
            self._wake()
            return
        if self._drain is not None:
            if response.complete:
                self._finish()
            elif response.buffered > DRAIN_BYTES:
                self.abort()
            return
        if response.buffered > HIGH_WATER_BYTES and not response.complete and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        response = self._response
        if response is None:
            self.closed = True
            return
        if self._error is None:
            try:
                response.feed_eof()
            except ConnectionBroken as error:
                self._error = error
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._transport = None
        response = self._response
        if response is None:
            return
        response.dispose()
        if not response.complete and self._error is None:
            self._error = ConnectionBroken("connection was reset", response_started=response.started)
        response.reusable = False
        if self._drain is not None:
            self._finish()
        self._wake()
