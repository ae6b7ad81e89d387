"""What the control process and the workers tell each other over a private Unix socket: frames of MessagePack, each behind its length."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import msgspec

from llm_gateway import config
from llm_gateway.telemetry import logs

MOST_BYTES = 16 << 20
"""Of a frame, and of what may wait for a peer that does not read."""


class Hello(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A worker's first. number: of the worker. revision: of what was set at run time that it knows; None where it knows nothing of it."""

    number: str
    pid: int
    revision: int | None = None


class Welcome(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The control process's first. layer: what was set at run time; None where that is not known."""

    layer: config.Layer | None = None


class Call(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A call of the administration that the worker shall answer, with Answer or Failure. path: of the method. request: its message."""

    id: int
    path: str
    request: bytes
    request_id: str = ""


class Take(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Something else was set at run time. To be answered likewise."""

    id: int
    layer: config.Layer


class Cancel(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Nobody waits for the answer any more."""

    id: int


class Answer(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """message: the method's response."""

    id: int
    message: bytes


class Failure(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """status: google.rpc.Status. text: what may stand in a log."""

    id: int
    status: bytes
    text: str


Frame: TypeAlias = Hello | Welcome | Call | Take | Cancel | Answer | Failure
"""Whoever does not know one passes over it: after an update of the program, one side may be older for a while."""


def _revealed(value: object) -> tuple[str, str]:
    """A secret, which may pass here and nowhere else: the socket is our user's alone."""
    if isinstance(value, config.Secret):
        return value.reveal(), value.source
    raise TypeError(type(value).__name__)


def _secret(kind: type, value: Any) -> config.Secret:
    return kind(*value)  # type: ignore[no-any-return]  # the only one that msgspec does not know


_encoder = msgspec.msgpack.Encoder(enc_hook=_revealed)
_decoder = msgspec.msgpack.Decoder(Frame, dec_hook=_secret)


class Connection:
    """One end. Of one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises PermissionError for a peer of another user."""
        self._reader, self._writer = reader, writer
        user = _user(writer.get_extra_info("socket"))
        if user not in (None, os.geteuid()):
            writer.close()
            raise PermissionError(f"a process of user {user} is at the other end of the control socket")

    async def frames(self) -> AsyncIterator[Frame]:
        """What comes, until the other end closes. Raises OSError when it is lost, or sends more than MOST_BYTES."""
        while True:
            try:
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                if size > MOST_BYTES:
                    raise ConnectionAbortedError(f"a frame of {size} bytes")
                raw = await self._reader.readexactly(size)
            except asyncio.IncompleteReadError:
                return
            try:
                frame = _decoder.decode(raw)
            except msgspec.DecodeError as error:
                logs.log().warning("unknown control frame", problem=type(error).__name__)
                continue
            yield frame

    def send(self, frame: Frame) -> None:
        """Raises ValueError for one that is too large. A peer that does not read is lost."""
        raw = _encoder.encode(frame)
        if len(raw) > MOST_BYTES:
            raise ValueError(f"{type(frame).__name__} has {len(raw)} bytes, more than {MOST_BYTES}")
        if self._writer.transport.get_write_buffer_size() > MOST_BYTES:
            self._writer.transport.abort()
        if not self._writer.is_closing():
            self._writer.writelines((len(raw).to_bytes(4, "big"), raw))

    def close(self) -> None:
        self._writer.close()


def _user(peer: socket.socket) -> int | None:
    """The user of the process at the other end; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    user: int
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return user
