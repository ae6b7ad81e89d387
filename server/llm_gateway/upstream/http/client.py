"""The HTTP seam: how the gateway speaks HTTP to one provider endpoint.

Direct connections run on `h1`; an endpoint behind a configured proxy runs on `proxied`, which costs many times the CPU. Both give the same
`HttpResponse` and raise the same errors.

Never done: redirects, cookies, proxies or credentials from the environment, unverified TLS, TLS below 1.2.
Timeouts other than the connect timeout are the caller's: cancelling a call closes its socket at once.
"""

import asyncio
import errno
import re
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from .h1 import (
    ConnectFailed,
    Connection,
    ConnectionBroken,
    ConnectTimeout,
    Headers,
    Inflater,
    ProtocolViolation,
    ResponseParser,
    ResponseTooLarge,
    TlsFailed,
    TransportError,
    render_head,
)
from .resolver import SHARED, Address, Resolver, interleaved, literal

if TYPE_CHECKING:
    from .proxied import Proxied

T = TypeVar("T")

_STALE_SECONDS: Final = 1.0
"""A kept connection that breaks this soon after a request, without a response byte, was closed by an idle timer."""

_RACE_SECONDS: Final = 0.25
"""How long an address may say nothing before the next one is tried beside it (RFC 8305, section 8)."""

_ROTATION: Final = 300.0
"""Seconds within which an address that was missing from an answer and is back shows that the name tells a part of its addresses at a time."""

CUT_BYTES: Final = 256 * 1024
"""About how much of a coded body that is cut off is decoded; more would hold up others."""


class Body(Protocol):
    """Where a response's bytes come from; `h1.Connection` is one."""

    async def receive(self) -> bytes:
        """The bytes that have arrived, as soon as there are any; b"" at the end."""

    def arrived(self) -> bytes:
        """The bytes that have arrived and were not received, without waiting for more."""

    def abort(self) -> None:
        """Close the socket now."""

    def close(self) -> None:
        """Done with the body; keep the connection when it can be kept."""


class HttpResponse:
    """A response whose head has arrived. Read it whole (`read`) or as it comes (`receive`), then `aclose`.

    As a context manager it closes on a normal exit and aborts on an exception. Once the end of the body has been seen,
    the connection is free again without further ado.
    """

    __slots__ = ("_body", "_done", "_inflater", "_max_bytes", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: Body, max_bytes: int) -> None:
        self.status = status
        self.headers = headers
        self._body: Body | None = body
        self._done = False
        self._max_bytes = max_bytes
        self._inflater: Inflater | None = None
        coding = headers.get("content-encoding")
        if coding is not None and coding.lower() not in ("", "identity"):
            try:
                self._inflater = Inflater(coding.lower())
            except ProtocolViolation:
                self.abort()
                raise

    def __repr__(self) -> str:
        return f"HttpResponse(status={self.status})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.aclose()
        else:
            self.abort()

    async def receive(self) -> bytes:
        """The next body bytes, decoded: everything that has arrived, as soon as anything has; b"" at the end.

        The total is not bounded here: a stream is bounded by its parser (per event) and by the caller's deadline.
        At most a few hundred KiB are held when the caller does not read. Raises ConnectionBroken, ProtocolViolation.
        """
        body = self._body
        if body is None:
            if self._done:
                return b""
            raise ConnectionBroken("closed by the gateway", response_started=True)
        inflater = self._inflater
        try:
            if inflater is None:
                data = await body.receive()
            else:
                data = b""
                while not data:
                    if inflater.pending:
                        await asyncio.sleep(0)  # one segment may hold thousands of slices
                        if self._body is None:
                            raise ConnectionBroken("closed by the gateway", response_started=True)
                        data = inflater.decode()
                    else:
                        coded = await body.receive()
                        if not coded:
                            inflater.finish()
                            break
                        data = inflater.decode(coded)
        except BaseException:
            self.abort()
            raise
        if not data:
            self._done = True
            self._body = None
            body.close()
        return data

    async def read(self) -> bytes:
        """The whole (remaining) body, decoded. Raises ResponseTooLarge beyond the client's `max_response_bytes`."""
        data = await self.receive()
        if not data:
            return data
        size = len(data)
        chunks = [data]
        while size <= self._max_bytes:
            data = await self.receive()
            if not data:
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.append(data)
            size += len(data)
        self.abort()
        raise ResponseTooLarge(f"response body exceeds {self._max_bytes} bytes")

    def abort(self) -> None:
        """Close the socket now; a pending `receive` raises ConnectionBroken."""
        body, self._body = self._body, None
        if body is not None:
            body.abort()

    def cut(self) -> bytes:
        """Close the socket now, as `abort` does. Returns the body bytes that had arrived, decoded as far as they can be, within `CUT_BYTES`."""
        body, inflater = self._body, self._inflater
        data = b"" if body is None else body.arrived()
        self.abort()
        if inflater is None:
            return data
        slices: list[bytes] = []
        with suppress(ProtocolViolation):
            slices.append(inflater.decode(data))
            while inflater.pending and sum(map(len, slices)) < CUT_BYTES:
                slices.append(inflater.decode())
        return b"".join(slices)

    async def aclose(self) -> None:
        """Done: keep the connection if the rest of the body is here or is about to come, else close the socket.

        Returns at once; the rest is waited for (20 ms, 64 KiB) off this call.
        """
        body, self._body = self._body, None
        if body is not None:
            body.close()


class HttpClient:
    """One endpoint: its connection pool, TLS settings and bounds. Make one per provider endpoint and keep it.

    At most `max_connections` calls are in flight; more wait in order of arrival. Kept connections are reused last in,
    first out, and closed after `keepalive_expiry` idle seconds. A kept connection that turns out to have been closed by
    the peer (no response byte, at once) is replaced by a new one, once, unseen by the caller. While connections are kept, the
    host is looked up whenever its addresses have lost their freshness: one to an address that left the name ends its call and takes no other.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        proxy: str | None = None,
        socket_path: str | None = None,
        address: Address | None = None,
        connect_timeout: float = 5.0,
        max_connections: int = 1000,
        keepalive_expiry: float = 55.0,
        max_response_bytes: int = 24 * 1024 * 1024,
        resolver: Resolver = SHARED,
    ) -> None:
        """Prepare the client; nothing is connected yet.

        `base_url`: http or https, host, optional port and path prefix; the prefix goes before every path sent.
        `ca_file`: PEM bundle trusted instead of the system's; `cert_file` and `key_file`: PEM client certificate.
        `proxy`: URL of an HTTP proxy, credentials allowed. `socket_path`: a Unix socket that is connected to instead of the host.
        `address`: of the host's addresses the one to connect to; the host stays who is asked and whose certificate is verified.
        `resolver` looks its host up. Times in seconds.
        Raises ValueError for a URL of another shape, OSError for an unreadable certificate file.
        """
        url = _parse_base_url(base_url)
        self._host = url.host
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self.address = (self._host, self._port)
        bracketed = f"[{url.host}]" if ":" in url.host else url.host
        self._where = f"{bracketed}:{self._port}"
        self._prefix = url.prefix
        self._tls = tls_context(ca_file, cert_file, key_file) if url.scheme == "https" else None
        self._socket_path = socket_path
        self._resolver = resolver
        self._connect_timeout = connect_timeout
        self._keepalive_expiry = keepalive_expiry
        self._max_response_bytes = max_response_bytes
        self.host = bracketed if url.port is None else self._where
        """The `host` field sent, with the port unless it is the scheme's default; request signatures cover it."""
        self.base_url = f"{url.scheme}://{self.host}{url.prefix}"
        self._fixed = f"host: {self.host}\r\naccept-encoding: identity\r\n"
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: deque[tuple[float, Connection]] = deque()
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._address = address or literal(url.host)
        self._named = socket_path is None and self._address is None
        self._current: frozenset[Address | None] = frozenset((None,))
        """The name's addresses, to which connections are kept; None is that of those without."""
        self._answer: Sequence[Address] = ()
        self._seen: dict[Address, float] = {}
        """When an answer last had it, by the loop's clock."""
        self._rotates_until = 0.0
        self._following: asyncio.Task[None] | None = None
        self._closed = False
        self._proxied: Proxied | None = None
        if proxy is not None:
            from . import proxied

            self._proxied = proxied.Proxied(
                url,
                proxy,
                tls=self._tls,
                where=self._where,
                connect_timeout=connect_timeout,
                max_connections=max_connections,
                keepalive_expiry=keepalive_expiry,
                resolver=resolver,
            )

    def __repr__(self) -> str:
        return f"HttpClient({'https' if self._tls else 'http'}://{self.host})"

    async def send(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> HttpResponse:
        """Send one request; return when the head of the response has arrived.

        `path` starts with "/" and is percent-encoded, query included. `headers` must not hold those the transport
        sets (host, accept-encoding, content-length and the connection's own). The result is the caller's to close.
        Raises ValueError for a malformed argument, TransportError for everything that goes wrong on the way.
        """
        target = self._prefix + path
        head = render_head(method, target, self._fixed, headers, len(body))
        if self._closed:
            raise ConnectFailed("client is closed")
        if self._proxied is not None:
            given = [("host", self.host), ("accept-encoding", "identity"), *headers]
            status, fields, received = await self._proxied.send(method, target, given, body)
            return HttpResponse(status, Headers(fields), received, self._max_response_bytes)
        await self._slots.acquire()
        try:
            connection, response = await self._exchange(head, body, method != "HEAD")
        except BaseException:
            self._slots.release()
            raise
        return HttpResponse(response.status, Headers(response.fields), connection, self._max_response_bytes)

    async def aclose(self) -> None:
        """Close the idle connections and refuse further calls; calls in flight end as usual, then close theirs."""
        self._closed = True
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        if self._following is not None:
            self._following.cancel()
        while self._idle:
            self._idle.pop()[1].abort()
        if self._proxied is not None:
            await self._proxied.aclose()

    async def _exchange(self, head: bytes, body: bytes, expect_body: bool) -> tuple[Connection, ResponseParser]:
        connection = self._take_idle()
        if connection is not None:
            loop = asyncio.get_running_loop()
            started = loop.time()
            try:
                return connection, await connection.exchange(head, body, expect_body=expect_body)
            except ConnectionBroken as error:
                if error.response_started or loop.time() - started > _STALE_SECONDS:
                    raise
                error.__traceback__ = (
                    None  # the connection keeps the error, whose frames would keep the connection and the body
                )
        connection = await self._connect()
        return connection, await connection.exchange(head, body, expect_body=expect_body)

    async def _connect(self) -> Connection:
        """A new connection to the first of the host's addresses that answers."""
        loop = asyncio.get_running_loop()
        waiting_for = "name resolution for"
        try:
            async with asyncio.timeout(self._connect_timeout):
                if self._socket_path is not None:
                    _, local = await loop.create_unix_connection(
                        partial(Connection, loop, self._release), self._socket_path
                    )
                    return local
                addresses = [self._address] if self._address else await self._resolver.addresses(self._host)
                self._take(addresses)
                waiting_for = "TLS connection to" if self._tls else "connection to"
                if len(addresses) == 1:
                    return await self._connect_to(addresses[0])
                return await first(interleaved(addresses), self._connect_to, Connection.abort)
        except TimeoutError:
            raise ConnectTimeout(f"no {waiting_for} {self._where} within {self._connect_timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            raise connect_error(error, self._where) from None

    async def _connect_to(self, address: Address) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            partial(Connection, loop, self._release),
            address[1],
            self._port,
            family=address[0],
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
        )
        if self._named:
            connection.address = address
        return connection

    def _take(self, addresses: Sequence[Address]) -> None:
        """Keep connections to these addresses only, and of a name that tells a part of them at a time to all that it told lately; calls under way go
        on."""
        if self._named:
            now = asyncio.get_running_loop().time()
            seen = {address: at for address, at in self._seen.items() if at > now - _ROTATION}
            if any(address in seen and address not in self._answer for address in addresses):
                self._rotates_until = now + _ROTATION
            self._answer, self._seen = addresses, {**seen, **dict.fromkeys(addresses, now)}
            self._current = frozenset((None, *(self._seen if now < self._rotates_until else addresses)))
            for _, connection in self._idle:
                if connection.address not in self._current:
                    connection.abort()

    async def _follow(self) -> None:
        """Look the host up while connections are kept. It costs nothing otherwise, and never a call."""
        try:
            while True:
                await asyncio.sleep(self._resolver.fresh_for(self._host))
                self._take(await self._resolver.addresses(self._host))
                if not self._idle:
                    return
        except (OSError, UnicodeError):
            return
        finally:
            self._following = None

    def _take_idle(self) -> Connection | None:
        """The connection that went idle last, if there is a good one; O(1) but for the dead and the talkative ones it discards."""
        while self._idle:
            _, connection = self._idle.pop()
            if connection.reusable:
                if connection.quiet():
                    return connection
                connection.abort()
        return None

    def _release(self, connection: Connection) -> None:
        self._slots.release()
        if connection.reusable:
            if self._closed or connection.address not in self._current:
                connection.abort()
                return
            loop = asyncio.get_running_loop()
            if self._named and self._following is None:
                self._following = loop.create_task(self._follow())
            self._idle.append((loop.time() + self._keepalive_expiry, connection))
            if self._expiry_timer is None:
                self._expiry_timer = loop.call_later(self._keepalive_expiry, self._expire)

    def _expire(self) -> None:
        """Close what has been idle for too long; the left end has been idle longest."""
        self._expiry_timer = None
        loop = asyncio.get_running_loop()
        while self._idle:
            expires, connection = self._idle[0]
            if connection.reusable and expires > loop.time():
                self._expiry_timer = loop.call_at(expires, self._expire)
                return
            self._idle.popleft()
            connection.abort()


async def first(
    addresses: Sequence[Address], connect: Callable[[Address], Coroutine[Any, Any, T]], drop: Callable[[T], object]
) -> T:
    """Try the addresses one after the other, the next as soon as one has failed or `_RACE_SECONDS` have passed; the first connection
    is it (RFC 8305, section 5). drop: closes one that is not needed any more. Raises the OSError of the last that failed."""
    loop = asyncio.get_running_loop()
    waiting = deque(addresses)
    running: set[asyncio.Task[T]] = set()

    def discard(task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is None:
            drop(task.result())

    try:
        while True:
            if waiting:
                running.add(loop.create_task(connect(waiting.popleft())))
            done, _ = await asyncio.wait(
                running, timeout=_RACE_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            running -= done
            failed: BaseException | None = None
            for task in done:
                failed = task.exception()
                if failed is None:
                    running |= done - {task}
                    return task.result()
            if failed is not None and not (isinstance(failed, OSError) and (running or waiting)):
                raise failed
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(discard)


class Base(NamedTuple):
    """A base URL. host: in ASCII, without brackets. port: None for the scheme's own. prefix: of paths, percent-encoded, without "/" at its end."""

    scheme: str
    host: str
    port: int | None
    prefix: str


_HOST = re.compile(r"[\w.~!$&'()*+,;=%:-]+", re.ASCII)  # RFC 3986, section 3.2.2
_PATH_SAFE: Final = "/%:@!$&'()*+,;=[]|\\^"


def host_of(base_url: str) -> str:
    """The name that is looked up to connect there; "" where it is an address. Raises ValueError as `HttpClient` does."""
    host = _parse_base_url(base_url).host
    return "" if literal(host) else host


def _parse_base_url(text: str) -> Base:
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError:
        raise ValueError("base_url is not a URL") from None
    if url.scheme not in ("http", "https") or not host:
        raise ValueError("base_url must be http://host or https://host, with an optional port and path")
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("base_url must not hold credentials, a query or a fragment")
    if not host.isascii():
        host = _ascii(host)
    if not _HOST.fullmatch(host) or not text.isprintable():
        raise ValueError("base_url is not a URL")
    usual = {"http": 80, "https": 443}[url.scheme]
    path = quote(urljoin("/", url.path), safe=_PATH_SAFE).rstrip("/")
    return Base(url.scheme, host, None if port == usual else port, path)


def _ascii(host: str) -> str:
    """A name in another script as it stands in DNS (IDNA 2008, which Python's own codec is not)."""
    import httpx

    try:
        return httpx.URL(scheme="http", host=host).raw_host.decode("ascii")
    except httpx.InvalidURL:
        raise ValueError("base_url is not a URL") from None


@lru_cache(maxsize=64)
def tls_context(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """Verifying client context; shared, because loading the system's certificates takes some 20 ms and 1 MB."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9110, section 4.3.4: where there is no subjectAltName, OpenSSL would take it.
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context


def connect_error(error: Exception, where: str) -> TransportError:
    """Name the failure in fixed words, and the host and port."""
    match error:
        case ssl.SSLCertVerificationError():
            words = _CERTIFICATE.get(error.verify_code, f"certificate is not trusted ({error.verify_message})")
            return TlsFailed(f"{words} at {where}")
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "UNKNOWN_PROTOCOL"):
            return TlsFailed(f"no TLS is spoken at {where}")
        case ssl.SSLError():
            return TlsFailed(
                f"TLS handshake failed at {where}: {(error.reason or 'unknown').lower().replace('_', ' ')}"
            )
        case UnicodeError():
            return ConnectFailed(f"name cannot be encoded: {where}")
        case _ if type(error).__name__ == "gaierror":
            return ConnectFailed(f"name does not resolve: {where}")
        case ConnectionRefusedError():
            return ConnectFailed(f"connection refused at {where}")
        case ConnectionResetError():
            return ConnectFailed(f"connection reset during connect at {where}")
        case OSError() if error.errno in _UNREACHABLE:
            return ConnectFailed(f"{_UNREACHABLE[error.errno]} {where}")
        case _:
            return ConnectFailed(
                f"no connection to {where} ({errno.errorcode.get(getattr(error, 'errno', 0) or 0, type(error).__name__)})"
            )


_CERTIFICATE: Final = {
    9: "certificate is not valid yet",
    10: "certificate has expired",
    18: "certificate is self-signed and not trusted",
    19: "certificate is signed by a CA that is not trusted",
    20: "certificate is signed by a CA that is not trusted",
    23: "certificate is revoked",
    62: "certificate is for another host (by its subjectAltName; a common name does not count)",
    64: "certificate is for another host (by its subjectAltName; a common name does not count)",
}
"""By X509_V_ERR_* of OpenSSL, x509_vfy.h."""
_UNREACHABLE: Final = {
    errno.ENETUNREACH: "no network to",
    errno.EHOSTUNREACH: "no route to",
    errno.ETIMEDOUT: "no answer from",
    errno.EACCES: "not permitted to connect to",
    errno.EPERM: "not permitted to connect to",
    errno.EMFILE: "too many open files to connect to",
    errno.ENFILE: "too many open files to connect to",
    errno.EADDRNOTAVAIL: "no local port or address to connect to",
    errno.ENOENT: "no socket of",
}
