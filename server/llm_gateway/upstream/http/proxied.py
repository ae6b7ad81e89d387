"""One provider endpoint behind a configured HTTP proxy, on httpcore, which knows proxies. Imported where there is one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from .client import Base, Body, connect_error, first, tls_context
from .h1 import ConnectFailed, ConnectionBroken, ConnectTimeout, ProtocolViolation, TransportError
from .resolver import Address, Resolver, interleaved

FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class Proxied:
    """The way to one endpoint through a proxy: CONNECT for https, the absolute form for http."""

    def __init__(
        self,
        base: Base,
        proxy: str,
        *,
        tls: ssl.SSLContext | None,
        where: str,
        connect_timeout: float,
        max_connections: int,
        keepalive_expiry: float,
        resolver: Resolver,
    ) -> None:
        """base: of the endpoint; where: its host and port, for people. proxy: URL, credentials allowed. Raises ValueError, which never
        holds the URL."""
        try:
            url = httpx.URL(proxy)
        except httpx.InvalidURL:
            raise ValueError("proxy is not a URL") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("proxy must be http://host or https://host, with an optional port and credentials")
        self._base = base
        self._where = where
        self._proxy = f"[{url.host}]" if ":" in url.host else url.host
        self._proxy += f":{url.port or (443 if url.scheme == 'https' else 80)}"
        self._connect_timeout = connect_timeout
        self._pool = httpcore.AsyncHTTPProxy(
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/"),
            proxy_auth=(url.username.encode(), url.password.encode()) if url.userinfo else None,
            ssl_context=tls,
            proxy_ssl_context=tls_context(None, None, None) if url.scheme == "https" else None,
            max_connections=max_connections,
            keepalive_expiry=keepalive_expiry,
            network_backend=_Network(resolver),
        )

    async def send(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, Sequence[tuple[bytes, bytes]], Body]:
        """(status, fields, body) of the answer, once its head is here. headers: all but the length. Raises TransportError."""
        sized = (
            [*headers, ("content-length", str(len(body)))]
            if body or method not in ("DELETE", "GET", "HEAD")
            else headers
        )
        url = httpcore.URL(scheme=self._base.scheme, host=self._base.host, port=self._base.port, target=target)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:

                async def trace(event: str, info: Mapping[str, Any]) -> None:
                    """httpcore limits each step of a connect, and the proxy's answer to CONNECT not at all."""
                    if limit.expired():
                        return
                    if event == "connection.connect_tcp.started":
                        limit.reschedule(loop.time() + self._connect_timeout)
                    elif event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":
                        limit.reschedule(None)

                request = httpcore.Request(
                    method,
                    url,
                    headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in sized],
                    content=body,
                    extensions={"timeout": {"connect": self._connect_timeout}, "trace": trace},
                )
                response = await self._pool.handle_async_request(request)
        except TimeoutError:
            raise self._failed(httpcore.ConnectTimeout()) from None
        except FAILURES as error:
            raise self._failed(error) from None
        return response.status, [(name.lower(), value) for name, value in response.headers], _Body(response)

    async def aclose(self) -> None:
        await self._pool.aclose()

    def _failed(self, error: Exception) -> TransportError:
        """Where no response came through the proxy."""
        match error:
            case httpcore.ConnectTimeout() | httpcore.PoolTimeout():
                return ConnectTimeout(
                    f"no connection to {self._where} through the proxy {self._proxy} within {self._connect_timeout:g} s"
                )
            case httpcore.ConnectError():
                cause: BaseException | None = error
                while cause is not None:
                    if isinstance(cause, ssl.SSLError):
                        return connect_error(cause, self._where)
                    cause = cause.__cause__ or cause.__context__
                return ConnectFailed(f"proxy cannot be reached at {self._proxy}")
            case httpcore.ProxyError():
                return ConnectFailed(f"proxy at {self._proxy} refused the connection to {self._where}")
            case _:
                return _broken(error, response_started=False)


class _Network(httpcore.AsyncNetworkBackend):
    """httpcore's own, but for the proxy's name: that it would look up in the thread pool of the loop, where a name server that says
    nothing holds up all others."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._own = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's name
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async def connect(address: Address) -> httpcore.AsyncNetworkStream:
            try:
                return await self._own.connect_tcp(address[1], port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                raise ConnectionError from error

        def drop(stream: httpcore.AsyncNetworkStream) -> None:
            task = asyncio.get_running_loop().create_task(stream.aclose())
            _closing.add(task)
            task.add_done_callback(_closing.discard)

        try:
            return await first(interleaved(await self._resolver.addresses(host)), connect, drop)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError from error


_closing: set[asyncio.Task[None]] = set()


class _Body:
    """A body read through httpcore, which closes the socket unless the body was read to its end."""

    __slots__ = ("_closing", "_response", "_stream")

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response
        self._stream = response.aiter_stream()
        self._closing: asyncio.Task[None] | None = None

    async def receive(self) -> bytes:
        try:
            async for data in self._stream:
                if data:
                    return data
        except FAILURES as error:
            raise _broken(error, response_started=True) from None
        return b""

    def arrived(self) -> bytes:
        return b""  # httpcore reads when it is asked to

    def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._aclose())

    abort = close

    async def _aclose(self) -> None:
        with suppress(*FAILURES):
            await self._response.aclose()


def _broken(error: Exception, *, response_started: bool) -> TransportError:
    if isinstance(error, httpcore.ProtocolError):
        return ProtocolViolation("malformed response")
    return ConnectionBroken("connection was reset", response_started=response_started)
