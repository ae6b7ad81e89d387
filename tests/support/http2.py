"""A bare HTTP/2 peer (RFC 9113), for what gRPC's own stacks hide: pings, GOAWAY, silence."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
INITIAL_WINDOW_SIZE = 4
ACK, END_STREAM, END_HEADERS = 1, 1, 4


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes


def encoded(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def headers(path: str, authority: str, **more: str) -> bytes:
    """The header block of a call; literal fields without a table. more: further fields."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
        **more,
    }
    return b"".join(literal(name.encode(), value.encode()) for name, value in fields.items())


def literal(name: bytes, value: bytes) -> bytes:
    """A field that neither table holds (RFC 7541 section 6.2.2); each at most 126 bytes long."""
    return b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[Frame]:
    """The frames of a connection, until it is closed."""
    try:
        while True:
            head = await reader.readexactly(9)
            length = int.from_bytes(head[:3], "big")
            yield Frame(head[3], head[4], int.from_bytes(head[5:], "big"), await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return


class Peer:
    """One connection. It answers SETTINGS, and PINGs unless it is frozen."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, frozen: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._frozen = frozen

    def send(self, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        self._writer.write(encoded(kind, payload, flags=flags, stream=stream))

    def ping(self) -> None:
        self.send(PING, b"12345678")

    def call(self, path: str, message: bytes | None, authority: str, stream: int = 1, **more: str) -> None:
        """Begin a unary call or a stream of answers; literal headers need no HPACK table. None: its message does not come."""
        self.send(HEADERS, headers(path, authority, **more), flags=END_HEADERS, stream=stream)
        if message is not None:
            self.message(message, stream)

    def message(self, message: bytes, stream: int = 1) -> None:
        """The request of a call."""
        self.send(DATA, b"\x00" + struct.pack(">I", len(message)) + message, flags=END_STREAM, stream=stream)

    async def frames(self) -> AsyncIterator[Frame]:
        """What the server sends, until it closes the connection."""
        async for frame in frames(self._reader):
            if frame.kind == SETTINGS and not frame.flags & ACK:
                self.send(SETTINGS, flags=ACK)
            if frame.kind == PING and not frame.flags & ACK and not self._frozen:
                self.send(PING, frame.payload, flags=ACK)
            yield frame


@asynccontextmanager
async def connect(address: str, *, frozen: bool = False) -> AsyncIterator[Peer]:
    """A connection to `host:port`. frozen: it never answers a PING."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(PREFACE)
    peer = Peer(reader, writer, frozen=frozen)
    peer.send(SETTINGS)
    try:
        yield peer
    finally:
        writer.close()


async def pings(address: str, *, every: float, most: int) -> tuple[int, bytes]:
    """Ping on a silent connection, so many seconds after each answer: the answers until the server closes, and why it sent GOAWAY ("" when it
    did not)."""
    answers, why = 0, b""
    async with connect(address) as peer:
        peer.ping()
        async for frame in peer.frames():
            if frame.kind == GOAWAY:
                why = frame.payload[8:]
            if frame.kind == PING and frame.flags & ACK:
                answers += 1
                if answers == most:
                    break
                await asyncio.sleep(every)
                peer.ping()
    return answers, why
