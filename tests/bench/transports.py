"""CPU of candidate HTTP transports for the upstream seam: `python tests/bench/transports.py [--tls] [name ...]`.

A fake provider in its own process answers at once: a 450-byte chat completion, or a stream of 100 text deltas back to
back or 2 ms apart. Printed is this process's user+system time per call and per delta, after a warm-up, every answer
checked; the least of three rounds. Candidates that are not installed are left out. Compare within one run only.
"""

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "server"))

from llm_gateway.upstream.http import HttpClient

BODY = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 395)
ANSWER = b'{"id":"c","object":"chat.completion","choices":[{"message":{"content":"%s"}}]}' % (b"y" * 372)
HEADERS = [
    ("content-type", "application/json"),
    ("authorization", "Bearer " + "k" * 40),
    ("user-agent", "bench"),
    ("accept", "application/json"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
]
DELTAS = 100
DELTA = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"token "},"finish_reason":null}]}\n\n'
FIELDS = b"content-type: application/json\r\nx-request-id: req_0123456789\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"

Unary = Callable[[], Awaitable[bytes]]
Stream = Callable[[str], AsyncIterator[bytes]]


class Provider(asyncio.Protocol):
    """Answers POST /unary, /burst and /paced by the request line; the body's length is known."""

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or (head.lower().count(b"chunked") == 0 and len(body) < len(BODY)):
            return
        if b"chunked" in head.lower() and not body.endswith(b"0\r\n\r\n"):
            return
        self.buffer = b""
        path = head.split(b" ", 2)[1]
        if path == b"/unary":
            length = b"content-length: %d\r\n\r\n" % len(ANSWER)
            self.transport.write(b"HTTP/1.1 200 OK\r\n" + FIELDS + length + ANSWER)  # type: ignore[attr-defined]
        else:
            self.task = asyncio.get_running_loop().create_task(self.stream(0.002 if path == b"/paced" else 0))

    async def stream(self, gap: float) -> None:
        write = self.transport.write  # type: ignore[attr-defined]
        write(b"HTTP/1.1 200 OK\r\n" + FIELDS + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(DELTAS):
            write(b"%x\r\n%s\r\n" % (len(DELTA), DELTA))
            await asyncio.sleep(gap)
        write(b"0\r\n\r\n")


def serve(pipe: Any, certificate: str | None) -> None:
    """Run the fake provider; send its port."""

    async def main() -> None:
        tls = None
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
        server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, ssl=tls)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())


def h1(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """The gateway's own: HttpClient."""
    client = HttpClient(base, ca_file=ca_file)
    stack.push_async_callback(client.aclose)

    async def unary() -> bytes:
        async with await client.send("POST", "/unary", HEADERS, BODY) as response:
            return await response.read()

    async def stream(path: str) -> AsyncIterator[bytes]:
        async with await client.send("POST", path, HEADERS, BODY) as response:
            while data := await response.receive():
                yield data

    return unary, stream


def h1_httpx_types(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """The same under httpx.Request and httpx.Response: the price of those types at the seam."""
    client = HttpClient(base, ca_file=ca_file)
    stack.push_async_callback(client.aclose)
    urls = {path: httpx.URL(base + path) for path in ("/unary", "/burst", "/paced")}

    class Body(httpx.AsyncByteStream):
        def __init__(self, response: Any) -> None:
            self.response = response

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while data := await self.response.receive():
                yield data

        async def aclose(self) -> None:
            await self.response.aclose()

    async def call(path: str) -> httpx.Response:
        request = httpx.Request("POST", urls[path], headers=HEADERS, content=BODY)
        fields = [(n.decode(), v.decode()) for n, v in request.headers.raw if n not in (b"Host", b"Content-Length")]
        response = await client.send(request.method, request.url.raw_path.decode(), fields, BODY)
        return httpx.Response(response.status, headers=response.headers._fields, stream=Body(response))

    async def unary() -> bytes:
        response = await call("/unary")
        body = await response.aread()
        await response.aclose()
        return body

    async def stream(path: str) -> AsyncIterator[bytes]:
        response = await call(path)
        async for data in response.aiter_raw():
            yield data
        await response.aclose()

    return unary, stream


def aiohttp(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """aiohttp.ClientSession without a cookie jar."""
    import aiohttp  # type: ignore[import-not-found, unused-ignore]

    tls = ssl.create_default_context(cafile=ca_file) if ca_file else True
    connector = aiohttp.TCPConnector(limit=0, ssl=tls)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    stack.push_async_callback(session.close)

    async def unary() -> bytes:
        async with session.post(base + "/unary", data=BODY, headers=HEADERS, allow_redirects=False) as response:
            body: bytes = await response.read()
            return body

    async def stream(path: str) -> AsyncIterator[bytes]:
        async with session.post(base + path, data=BODY, headers=HEADERS, allow_redirects=False) as response:
            async for data in response.content.iter_any():
                yield data

    return unary, stream


def httpx_over_aiohttp(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """httpx types over an aiohttp session, called without AsyncClient."""
    import aiohttp  # type: ignore[import-not-found, unused-ignore]

    tls = ssl.create_default_context(cafile=ca_file) if ca_file else True
    connector = aiohttp.TCPConnector(limit=0, ssl=tls)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    stack.push_async_callback(session.close)

    class Body(httpx.AsyncByteStream):
        def __init__(self, response: aiohttp.ClientResponse) -> None:
            self.response = response

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for data in self.response.content.iter_any():
                yield data

        async def aclose(self) -> None:
            self.response.release()

    async def call(path: str) -> httpx.Response:
        request = httpx.Request("POST", base + path, headers=HEADERS, content=BODY)
        response = await session.request(
            request.method, str(request.url), data=BODY, headers=request.headers, allow_redirects=False
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=Body(response))

    async def unary() -> bytes:
        response = await call("/unary")
        body = await response.aread()
        await response.aclose()
        return body

    async def stream(path: str) -> AsyncIterator[bytes]:
        response = await call(path)
        async for data in response.aiter_raw():
            yield data
        await response.aclose()

    return unary, stream


def httpx_transport(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """httpx.AsyncHTTPTransport, called without AsyncClient."""
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
    transport = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)
    stack.push_async_callback(transport.aclose)

    async def call(path: str) -> httpx.Response:
        return await transport.handle_async_request(httpx.Request("POST", base + path, headers=HEADERS, content=BODY))

    async def unary() -> bytes:
        response = await call("/unary")
        body = await response.aread()
        await response.aclose()
        return body

    async def stream(path: str) -> AsyncIterator[bytes]:
        response = await call(path)
        async for data in response.aiter_raw():
            yield data
        await response.aclose()

    return unary, stream


def httpx_client(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """httpx.AsyncClient as it comes."""
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
    client = httpx.AsyncClient(verify=verify, trust_env=False)
    stack.push_async_callback(client.aclose)

    async def unary() -> bytes:
        return (await client.post(base + "/unary", headers=HEADERS, content=BODY)).content

    async def stream(path: str) -> AsyncIterator[bytes]:
        async with client.stream("POST", base + path, headers=HEADERS, content=BODY) as response:
            async for data in response.aiter_raw():
                yield data

    return unary, stream


def pyqwest(base: str, ca_file: str | None, stack: contextlib.AsyncExitStack) -> tuple[Unary, Stream]:
    """pyqwest (Rust, its own threads: their CPU is counted too)."""
    import pyqwest  # type: ignore[import-not-found, unused-ignore]

    certificate = Path(ca_file).read_bytes() if ca_file else None
    transport = pyqwest.HTTPTransport(tls_ca_cert=certificate, http_version=pyqwest.HTTPVersion.HTTP1)
    client = pyqwest.Client(transport)
    stack.push_async_callback(transport.aclose)

    async def unary() -> bytes:
        body: bytes = (await client.post(base + "/unary", HEADERS, BODY)).content
        return body

    async def stream(path: str) -> AsyncIterator[bytes]:
        async with client.stream("POST", base + path, HEADERS, BODY) as response:
            async for data in response.content:
                yield bytes(data)

    return unary, stream


CANDIDATES = [h1, h1_httpx_types, aiohttp, httpx_over_aiohttp, httpx_transport, httpx_client, pyqwest]


async def cpu_per_call(call: Callable[[], Awaitable[None]], count: int, concurrency: int) -> float:
    """Process CPU in µs per call, over `count` calls by `concurrency` tasks, after a tenth as many to warm up."""

    async def work(calls: int) -> None:
        for _ in range(calls):
            await call()

    await asyncio.gather(*(work(max(1, count // concurrency // 10)) for _ in range(concurrency)))
    gc.collect()
    started = time.process_time()
    await asyncio.gather(*(work(count // concurrency) for _ in range(concurrency)))
    return (time.process_time() - started) / (count // concurrency * concurrency) * 1e6


async def measure(candidate: Any, base: str, ca_file: str | None, scale: float) -> list[float]:
    """CPU µs: per unary call one at a time, per unary call 16 at a time, per delta back to back, per delta 2 ms apart."""
    async with contextlib.AsyncExitStack() as stack:
        unary, stream = candidate(base, ca_file, stack)

        async def one() -> None:
            if await unary() != ANSWER:
                raise RuntimeError("wrong answer")

        async def streamed(path: str) -> None:
            if b"".join([data async for data in stream(path)]) != DELTA * DELTAS:
                raise RuntimeError("wrong stream")

        return [
            await cpu_per_call(one, int(3000 * scale), 1),
            await cpu_per_call(one, int(6400 * scale), 16),
            await cpu_per_call(lambda: streamed("/burst"), int(128 * scale), 16) / DELTAS,
            await cpu_per_call(lambda: streamed("/paced"), int(128 * scale), 16) / DELTAS,
        ]


def httpx_types() -> tuple[float, float]:
    """CPU µs to construct an httpx.Request, and an httpx.Response, as the seam would per call."""
    url = httpx.URL("http://127.0.0.1:8000/v1/chat/completions")
    fields = [tuple(line.split(b": ", 1)) for line in FIELDS.split(b"\r\n")[:-1]]
    count = 10_000
    started = time.process_time()
    for _ in range(count):
        httpx.Request("POST", url, headers=HEADERS, content=BODY)
    middle = time.process_time()
    for _ in range(count):
        httpx.Response(200, headers=fields, stream=httpx.ByteStream(ANSWER))  # type: ignore[arg-type]
    return (middle - started) / count * 1e6, (time.process_time() - middle) / count * 1e6


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("names", nargs="*", help=f"of {', '.join(c.__name__ for c in CANDIDATES)}; default all")
    arguments.add_argument(
        "--tls", action="store_true", help="https with a certificate made for the run (needs trustme)"
    )
    arguments.add_argument("--rounds", type=int, default=3, help="of all candidates in turns; the least figure counts")
    arguments.add_argument("--scale", type=float, default=0.5, help="multiply the numbers of calls")
    options = arguments.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        certificate = ca_file = None
        if options.tls:
            import trustme

            authority = trustme.CA()
            issued = authority.issue_cert("127.0.0.1")
            certificate, ca_file = f"{folder}/server.pem", f"{folder}/ca.pem"
            issued.private_key_and_cert_chain_pem.write_to_path(certificate)
            authority.cert_pem.write_to_path(ca_file)
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        provider = spawn.Process(target=serve, args=(theirs, certificate), daemon=True)
        provider.start()
        try:
            base = f"{'https' if options.tls else 'http'}://127.0.0.1:{ours.recv()}"
            best: dict[str, list[float]] = {}
            for _ in range(options.rounds):  # in turns, because the machine's speed drifts
                for candidate in CANDIDATES:
                    name = candidate.__name__
                    if not options.names or name in options.names:
                        with contextlib.suppress(ImportError):
                            figures = uvloop.run(measure(candidate, base, ca_file, options.scale))
                            best[name] = [min(pair) for pair in zip(best.get(name, figures), figures, strict=True)]
            print(f"{'CPU us':<20} {'unary x1':>9} {'unary x16':>9} {'delta':>9} {'delta 2ms':>9}")
            for name, figures in best.items():
                print(f"{name:<20} " + " ".join(f"{figure:>9.1f}" for figure in figures))
            print("httpx.Request {:.1f}, httpx.Response {:.1f} us to construct".format(*httpx_types()))
        finally:
            provider.terminate()
            provider.join()


if __name__ == "__main__":
    main()
