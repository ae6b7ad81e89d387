"""HTTP/1.1 for the benchmark's own ends, straight on asyncio: a full client library would blur the latency figures."""

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import httptools

LOOPBACK = "127.0.0.1"

Respond = Callable[[asyncio.Transport, str, bytes], None]
"""Answers one request (transport, path, body) by writing to the transport, at once or later."""


class ServerConnection(asyncio.Protocol):
    """One keep-alive connection from a client that does not pipeline."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._parser = httptools.HttpRequestParser(self)
        self._path = ""
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body = bytes(self._body)
        self._body.clear()
        self._respond(self._transport, self._path, body)


async def listen(respond: Respond, port: int = 0) -> tuple[asyncio.Server, int]:
    """A server on loopback that answers every request with `respond`, and its port."""
    server = await asyncio.get_running_loop().create_server(lambda: ServerConnection(respond), LOOPBACK, port)
    return server, server.sockets[0].getsockname()[1]


def response(body: bytes, content_type: str = "application/json") -> bytes:
    """A whole 200 response."""
    return (f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body


class _ClientConnection(asyncio.Protocol):
    """One keep-alive connection to a server; one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(
                exc or ConnectionResetError("the server closed the connection before its answer")
            )

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), bytes(self._body)))

    @property
    def reusable(self) -> bool:
        return self._parser.should_keep_alive() and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self._transport.close()


class Client:
    """Posts JSON to one server on loopback, over as many keep-alive connections as there are requests at once."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self._port = port
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._idle: list[_ClientConnection] = []

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and whole body of the answer to one POST."""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {LOOPBACK}:{self._port}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{self._headers}\r\n"
        )
        if self._idle:
            connection = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_ClientConnection, LOOPBACK, self._port)
        answer = await connection.exchange(head.encode() + body)
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Closes the connections that wait for reuse."""
        while self._idle:
            self._idle.pop().close()
