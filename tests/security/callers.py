"""Rows G6, G7 and G11: who has a key chooses a model and what is said to it, nothing else."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import grpc
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc

from tests.faults.rig import OPTIONS, Rig, Running, row
from tests.security import fields, providers
from tests.support import http2
from tests.support import upstream as scripted
from tests.support.environments import litellm
from tests.support.upstream import Request, Upstream

SERVICE = "llmgateway.v1.LLMGateway"
SEND, STREAM_SEND = f"/{SERVICE}/Send", f"/{SERVICE}/StreamSend"
TAKEN = ("openai", "openai_responses", "anthropic", "gemini", "vertex", "vertex_claude", "bedrock", "bedrock_signed", "azure_openai", "azure_dated",
         "mistral", "ollama", "lmstudio", "openai_compatible")  # fmt: skip
"""Kinds that differ in format, path or credentials."""
ANSWER_HEADERS = frozenset({"anthropic-beta"})
"""Fields of provider requests that options may add, of checked values."""


class Stub:
    """Calls of one gateway; what a call ends with is a code."""

    def __init__(self, channel: grpc.aio.Channel, key: str = "") -> None:
        self._stub: Any = gateway_pb2_grpc.LLMGatewayStub(channel)
        self._own = (("authorization", f"Bearer {key}"),) if key else ()

    async def code(
        self, request: gateway_pb2.SendRequest, *, stream: bool = False, metadata: Sequence[tuple[str, str]] = ()
    ) -> grpc.StatusCode:
        given = (*self._own, *metadata)
        try:
            if stream:
                wrapped = gateway_pb2.StreamSendRequest(request=request)
                async for _ in self._stub.StreamSend(wrapped, metadata=given, timeout=300):
                    pass
            else:
                await self._stub.Send(request, metadata=given, timeout=300)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK


class Shape:
    """What a provider's requests look like when nobody tries anything: paths, names of fields, host and credentials."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._paths = {request.path for request in requests}
        self._names = frozenset(itertools.chain(*(request.headers for request in requests)))
        self._fixed = self._told(requests[0])

    @staticmethod
    def _told(request: Request) -> tuple[str, str]:
        secret = request.headers.get("authorization", "")
        if secret.startswith("AWS4-HMAC-SHA256"):  # whose signature varies with the body
            secret = secret.partition("SignedHeaders")[0].rpartition("/")[2]
        return request.headers["host"], secret + providers.credential(request) * (not secret)

    def flaw(self, request: Request, model: str) -> str:
        """What is otherwise in a request; the name of the model may stand in its path, where that had `m`."""
        written = [quote(model, safe=safe).replace("\\", "") for safe in ("", ":", "@", ":@", ":/@")]
        named = {re.sub(r"(?<=[/:])m(?=[/:?]|$)", name, path) for path in self._paths for name in written}
        if re.search(r"[?#%\\;\s]|[^!-~]", model) or {"", ".", ".."} & set(model.split("/")):
            named = set()  # whatever decodes it once more would see another path
        if request.path not in self._paths | named:
            return f"path {request.path[:80]!r}"
        if more := set(request.headers) - self._names - ANSWER_HEADERS:
            return f"fields {sorted(more)}"
        if self._told(request) != self._fixed:
            return f"another host or credential: {self._told(request)[0]}"
        return ""


async def _shapes(stub: Stub, upstream: Upstream, names: Sequence[str]) -> dict[str, Shape]:
    for name in names:
        for stream in (False, True):
            await stub.code(fields.filled(f"{name}/m"), stream=stream)
    by_name = {name: [r for r in upstream.requests if providers.at(r) == name] for name in names}
    upstream.requests.clear()
    return {name: Shape(requests) for name, requests in by_name.items() if requests}


# ---------------------------------------------------------------- G6
def _addresses(url: str, host: str) -> tuple[str, ...]:
    """Ways to write another place."""
    return (
        f"{url}/v1", host, f"//{host}/v1", f"@{host}/", f"m@{host}", f"..//..//{host}", f"../../../{host}", f"m?x={url}", f"m#{url}",
        f"%2e%2e/%2e%2e/{host}", f"\\\\{host}\\v1", f"openai/{url}", f"m/../../../../v1/files?at={host}", f"http:{host}", "m/..;/..;/admin",
        f"projects/theirs/locations/x/publishers/google/models/{host}", "m%3fkey=x", "m:batchPredict", "m\u2025/\uff0e\uff0e/x",
        f"http://127.0.0.1@{host}/", "localhost.", "[::ffff:127.0.0.2]", "2130706434", "0x7f000002", "file:///etc/passwd", "gopher://127.0.0.2/",
    )  # fmt: skip


def _options(url: str, host: str) -> tuple[dict[str, Any], ...]:
    """Options that name another place, as the stacks do that take them."""
    names = (
        "base_url",
        "api_base",
        "endpoint",
        "azure_endpoint",
        "url",
        "host",
        "proxy",
        "proxies",
        "socks_proxy",
        "api_url",
        "target",
    )
    return (
        *({name: url} for name in names),
        {"headers": {"host": host, "x-smuggled": "1"}},
        {"extra_headers": {"host": host, "authorization": "Bearer smuggled"}},
        {"extra_query": {"key": "smuggled"}},
        {"default_headers": {"x-smuggled": "1"}},
        {"extra_body": {"api_base": url}},
        {"api_key": "smuggled", "api_version": "2020-01-01", "organization": "smuggled"},
        {"path": f"//{host}/", "method": "GET", "api": "responses"},
        {"betas": [host, "a-b"]},
        {"anthropic_beta": [host]},
        {"project": "theirs", "location": host, "region": host},
    )


@asynccontextmanager
async def _decoys() -> AsyncIterator[tuple[list[str], list[str]]]:
    """(connections that came, places where they would): a port at another address of this machine, and one at ours."""
    came: list[str] = []

    async def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(str(writer.get_extra_info("sockname")))
        writer.close()

    servers = [await asyncio.start_server(met, host, 0) for host in ("127.0.0.2", "127.0.0.1")]
    at = [f"{host}:{port}" for host, port in (server.sockets[0].getsockname()[:2] for server in servers)]
    try:
        yield came, at
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


class _Watch:
    """Every address that this process connects a socket to, and every name that it looks up, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: set[str] = set()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event == "socket.connect" and isinstance(arguments[1], tuple):
            self.seen.add(f"{arguments[1][0]}:{arguments[1][1]}")
        elif self.on and event == "socket.getaddrinfo":
            self.seen.add(f"{arguments[0]}:{arguments[1]}")


@row("G6", star=True, most=0)
async def callers_choose_no_host_path_or_field(rig: Rig) -> float:
    """Addresses in every field, option and metadata key × kinds: connections elsewhere, and provider requests with another path, host, field or key. Nothing is fetched: media by URL go by reference."""
    secret: Callable[[str], str] = lambda name: f"{name}-correct-horse"  # noqa: E731
    flaws: list[str] = []
    watch = _Watch()
    async with scripted.running() as upstream, _decoys() as (came, at):
        upstream.answer = lambda request: providers.answer(request, "ok")
        known = {
            name: settings for name, settings in providers.configured(upstream.url, secret).items() if name in TAKEN
        }
        config = {"providers": known, "defaults": {"retry": {"max_attempts": 1}}, "breaker": {"enabled": False}}
        async with rig.local(config) as running, grpc.aio.insecure_channel(running.address, OPTIONS) as channel:
            stub = Stub(channel)
            watch.on = True
            shapes = await _shapes(stub, upstream, TAKEN)
            flaws += [f"{name} was not called" for name in TAKEN if name not in shapes]
            count = reached = 0
            for name, what, request, metadata in _tries(at, quick=rig.quick):
                code = await stub.code(request, stream=count % 2 == 1, metadata=metadata)
                count += 1
                reached += len(upstream.requests)
                if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                    flaws.append(f"{what}: {code}")
                for sent in upstream.requests:
                    flaw = (
                        shapes[providers.at(sent)].flaw(sent, _model(request, metadata))
                        if providers.at(sent) in shapes
                        else "path"
                    )
                    flaws.append(f"{name}, {what}: {flaw}" if flaw else "")
                upstream.requests.clear()
            watch.on = False
        rig.note(f"{count} calls, {reached} reached a provider; connected to and looked up: {sorted(watch.seen)}")
        allowed = {f"127.0.0.1:{upstream.port}", f"{running.address}"}
        flaws += [f"connected to or looked up: {one}" for one in watch.seen - allowed]
        if not rig.quick:
            flaws += await _through_litellm(rig, at)
        flaws += [f"a connection to {one}" for one in came]
        if reached < count / 10 or not watch.seen:
            flaws.append(f"only {reached} of {count} calls reached a provider")
    return rig.flaws(flaws)


def _model(request: gateway_pb2.SendRequest, metadata: Sequence[tuple[str, str]]) -> str:
    """The model that a provider was asked for, if it was."""
    named = dict(metadata).get("x-llm-model") or request.model
    for fallback in request.routing.fallback_models:
        named = fallback or named
    whole = re.fullmatch(r"(?:providers/[^/]*/models/|[^/]*/)?(.*)", named, re.DOTALL)
    return whole[1] if whole else named


def _tries(
    at: Sequence[str], *, quick: bool
) -> Iterator[tuple[str, str, gateway_pb2.SendRequest, tuple[tuple[str, str], ...]]]:
    """(kind, what is tried, request, metadata)."""
    host = at[0]
    url = f"http://{host}"
    addresses = itertools.cycle(_addresses(url, host))
    for name in TAKEN[: 4 if quick else len(TAKEN)]:
        for path, put in fields.places(fields.filled(f"{name}/m")):
            request = fields.filled(f"{name}/m")
            put(request, next(addresses))
            yield name, path, request, ()
        for text in _addresses(url, host):
            for number, model in enumerate((f"{name}/{text}", text, f"providers/{name}/models/{text}")):
                yield name, f"model {model}", fields.filled(model), ()
                if number == len(text) % 3:  # one of them by the other ways too
                    request = fields.filled(f"{name}/m")
                    request.routing.fallback_models.append(model)
                    yield name, f"fallback {model}", request, ()
                    if model.isascii():
                        yield name, f"x-llm-model {model}", fields.filled(f"{name}/m"), (("x-llm-model", model),)
            request = fields.filled("m")
            request.provider = text
            yield name, f"provider {text}", request, ()
            if text.isascii():
                yield name, f"x-llm-provider {text}", fields.filled("m"), (("x-llm-provider", text),)
        for options in _options(url, host):
            for where in _option_places(fields.filled(f"{name}/m")):
                request = fields.filled(f"{name}/m")
                target: Any = where(request)
                for key in (name, providers.kinds()[name]["kind"]):
                    target[key] = json.dumps(options)
                yield name, f"options {sorted(options)}", request, ()
        for key in (
            "x-llm-base-url",
            "x-base-url",
            "x-forwarded-host",
            "x-original-url",
            "x-envoy-original-dst-host",
            "forwarded",
            "referer",
            "origin",
        ):
            yield name, key, fields.filled(f"{name}/m"), ((key, url),)


def _option_places(_: gateway_pb2.SendRequest) -> tuple[Callable[[gateway_pb2.SendRequest], Mapping[str, str]], ...]:
    return (
        lambda request: request.provider_options_json,
        lambda request: request.messages[1].provider_options_json,
        lambda request: request.messages[1].parts[0].provider_options_json,
        lambda request: request.tools[0].provider_options_json,
    )


async def _through_litellm(rig: Rig, at: Sequence[str]) -> list[str]:
    """What LiteLLM's process would call, by a model's name, an option or a URL that it might fetch."""
    url = f"http://{at[0]}"
    flaws: list[str] = []
    async with scripted.running() as upstream:
        upstream.answer = lambda request: providers.answer(request, "ok")
        provider: dict[str, Any] = {
            "kind": "litellm",
            "endpoint": f"{upstream.url}/at/ll",
            "api_key": "correct-horse",
            "models": ["openai/m"],
        }
        provider["options"] = {"python": str(litellm()), "providers": ["openai", "anthropic", "gemini"]}
        async with rig.local({"providers": {"ll": provider}, "defaults": {"retry": {"max_attempts": 1}}, "breaker": {"enabled": False}}) as running, \
            grpc.aio.insecure_channel(running.address, OPTIONS) as channel:  # fmt: skip
            stub = Stub(channel)
            code = await stub.code(_plain("ll/openai/m"))
            flaws += [] if code is grpc.StatusCode.OK else [f"litellm is not called: {code}"]
            for text in (
                f"oobabooga/{url}",
                f"openai/{url}",
                url,
                f"ollama/{at[0]}",
                f"custom/{url}/m",
                f"openai_like/{at[0]}",
                f"huggingface/{url}",
            ):
                await stub.code(_plain(f"ll/{text}"))
            for options in _options(url, at[0]):
                request = _plain("ll/openai/m")
                request.provider_options_json["ll"] = json.dumps(options)
                await stub.code(request)
            for model in ("openai/m", "anthropic/claude-x", "gemini/m"):
                request = _plain(f"ll/{model}")
                request.messages[0].parts.add().media.uri = f"{url}/a.png"
                request.messages[0].parts[1].media.mime_type = "image/png"
                await stub.code(request)
        flaws += [f"litellm: {r.path}" for r in upstream.requests if not r.path.startswith("/at/ll/")]
    return flaws


def _plain(model: str) -> gateway_pb2.SendRequest:
    request = gateway_pb2.SendRequest(model=model)
    request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "hi"
    return request


# ---------------------------------------------------------------- G7
FORGED = '{"event":"rpc","level":"info","code":"OK","forged":true}'
BREAKS = (
    f"a\r\n{FORGED}\r\n", f"a\n{FORGED}\n", "a\r\nx-smuggled: 1", "a\n\nx-smuggled: 1", "a\0b", "a\x1b[31mred", "a\u2028b\u2029c\u0085d", "a\x0bb\x0cc",
    "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n", "a b\tc", "\ufeffa", "a\ud7ffb\U0010ffff", '","forged":true,"x":"', "a\x7f\x80\x9b31m", "%0d%0ax-smuggled:%201",
)  # fmt: skip
SMUGGLED = "smuggled-by-the-caller"
METADATA = (
    "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via", "cookie", "proxy-authorization", "x-api-key", "api-key",
    "x-goog-api-key", "x-goog-user-project", "x-amz-security-token", "x-amz-target", "openai-organization", "openai-project", "anthropic-version", "anthropic-beta",
    "accept-encoding", "content-length-x", "expect", "upgrade-insecure-requests", "baggage", "tracestate", "x-request-id", "x-llm-routing-key", "user-agent", "origin",
    "grpc-encoding-x", "grpc-previous-rpc-attempts", "grpc-internal-x", "x-http-method-override", "x-smuggled", "idempotency-key", "x-stainless-retry-count",
)  # fmt: skip
RAW = {
    "a CR LF": {"x-smuggled": "a\r\nx-evil: 1"}, "a NUL": {"x-smuggled": "a\0b"}, "an upper-case name": {"X-Smuggled": "a"}, "a name with a colon": {"x: y": "a"},
    "a name with a line": {"x\r\ny": "a"}, "connection": {"connection": "x-smuggled"}, "transfer-encoding": {"transfer-encoding": "chunked"}, "an empty name": {"": "a"},
    "a pseudo-header": {":evil": "a"}, "bytes that are no base64": {"x-evil-bin": "!!!"}, "a second path": {":path": "/smuggled"}, "a NUL in an id": {"x-request-id": "a\0b"},
    "a line in an id": {"x-request-id": f"a\n{FORGED}"}, "a line in a model": {"x-llm-model": "m\r\nx: y"}, "a line in a trace": {"traceparent": "00-\n"},
    "a line in user-agent": {"user-agent": f"a\n{FORGED}"}, "bytes": {"x-smuggled": "\u00e9\u00ff"}, "te": {"te": "gzip"}, "two lengths": {"content-length": "1"},
}  # fmt: skip


@row("G7", star=True, most=0)
async def callers_write_no_header_and_no_line(rig: Rig) -> float:
    """CR, LF, NUL, escapes in every field and metadata key × kinds, a GOAWAY's text: fields and requests smuggled to providers, broken or forged lines of the log."""
    secret: Callable[[str], str] = lambda name: f"{name}-correct-horse"  # noqa: E731
    flaws: list[str] = []
    async with scripted.running() as upstream:
        upstream.answer = lambda request: providers.answer(request, "ok")
        known = {
            name: settings for name, settings in providers.configured(upstream.url, secret).items() if name in TAKEN
        }
        config: dict[str, Any] = {
            "providers": known,
            "defaults": {"retry": {"max_attempts": 1}},
            "breaker": {"enabled": False},
        }
        config["server"] = {"log": {"level": "debug", "format": "json"}}
        async with rig.process(config) as gateway:
            count = await _break(gateway, upstream, flaws, quick=rig.quick)
            await _goaway(gateway.address)
            await gateway.client.get_status()
        lines = gateway.log.read_bytes().split(b"\n")[:-1]
        flaws += _forged(lines)
        flaws += await _console(rig)
    rig.note(f"{count} calls, {len(lines)} lines")
    if len(lines) < count:
        flaws.append(f"{len(lines)} lines for {count} calls")
    return rig.flaws(flaws)


async def _break(gateway: Running, upstream: Upstream, flaws: list[str], *, quick: bool) -> int:
    async with grpc.aio.insecure_channel(gateway.address, OPTIONS) as channel:
        stub = Stub(channel)
        shapes = await _shapes(stub, upstream, TAKEN)
        texts = itertools.cycle(BREAKS)
        count = 2 * len(TAKEN)

        async def one(name: str, what: str, request: gateway_pb2.SendRequest, *metadata: tuple[str, str]) -> None:
            nonlocal count
            code = await stub.code(request, stream=count % 2 == 1, metadata=metadata)
            count += 1
            if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                flaws.append(f"{name}, {what}: {code}")
            for sent in upstream.requests:
                flaw = shapes[name].flaw(sent, "m") or ("metadata" if SMUGGLED in str(sent.headers) else "")
                flaws.append(f"{name}, {what}: {flaw}" if flaw else "")
            if len(upstream.requests) > 1:
                flaws.append(f"{name}, {what}: {len(upstream.requests)} requests for a call")
            upstream.requests.clear()

        for name in TAKEN[: 4 if quick else len(TAKEN)]:
            for path, put in fields.places(fields.filled(f"{name}/m")):
                request = fields.filled(f"{name}/m")
                put(request, next(texts))
                await one(name, path, request)
            for text in BREAKS:
                for model in (f"{name}/{text}", text):
                    await one(name, f"model {text!r}", fields.filled(model))
                request = fields.filled(f"{name}/m")
                request.tools[0].function.name = request.messages[2].parts[0].tool_call.name = text
                await one(name, f"tool {text!r}", request)
                for options in ({text: text}, {"betas": [text]}, {"metadata": {text: text}}, {"headers": {text: text}}):
                    request = fields.filled(f"{name}/m")
                    request.provider_options_json[name] = json.dumps(options)
                    await one(name, f"options {options}", request)
            for key in METADATA:
                await one(name, key, fields.filled(f"{name}/m"), (key, SMUGGLED))
            bare: Any = (
                ("x-smuggled-bin", SMUGGLED.encode()),
                ("authorization-bin", b"a\r\nb"),
                ("x-request-id-bin", b"\0"),
            )
            await one(name, "binary metadata", fields.filled(f"{name}/m"), *bare)
    for what, given in RAW.items():
        await _raw(gateway.address, given)
        for sent in upstream.requests:
            if flaw := shapes["openai"].flaw(sent, "m"):
                flaws.append(f"{what}: {flaw}")
        upstream.requests.clear()
    return count


async def _raw(address: str, more: Mapping[str, str]) -> None:
    """A call with fields that no client of gRPC lets through, and its end."""
    async with http2.connect(address) as peer:
        block = http2.headers(SEND, address)
        block += b"".join(
            http2.literal(name.encode("latin-1"), value.encode("latin-1")) for name, value in more.items()
        )
        peer.send(http2.HEADERS, block, flags=http2.END_HEADERS, stream=1)
        peer.message(_plain("openai/m").SerializeToString())
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                async for frame in peer.frames():
                    if frame.kind in (http2.GOAWAY, http2.RST_STREAM) or (
                        frame.stream and frame.flags & http2.END_STREAM
                    ):
                        return


async def _goaway(address: str) -> None:
    async with http2.connect(address) as peer:
        peer.send(http2.GOAWAY, b"\0\0\0\0\0\0\0\2" + f"\n{FORGED}\n\x1b[31m".encode())
        peer.ping()


def _forged(lines: Sequence[bytes]) -> list[str]:
    """Lines of a log that are no object of ours."""
    flaws = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            flaws.append(f"no JSON: {line[:80]!r}")
            continue
        if not isinstance(entry, dict) or list(entry)[:3] != ["event", "level", "timestamp"] or "forged" in entry:
            flaws.append(f"not ours: {line[:80]!r}")
        if any(byte < 0x20 for byte in line):
            flaws.append(f"a control character: {line[:80]!r}")
    return flaws


async def _console(rig: Rig) -> list[str]:
    """What people read on a terminal: a line for a call, and no escape but ours."""
    script = (
        "import json, sys; from llm_gateway.telemetry import logs; logs.configure_logging('info', human=True)\n"
        "for text in json.load(sys.stdin): logs.log().info('rpc', cause=text, model=text)\n"
        "logs.flush(30)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "FORCE_COLOR": "1"},
    )
    _, shown = await process.communicate(json.dumps(BREAKS).encode())
    plain = re.sub(r"\x1b\[(?:0|[1-4][0-9]?|22)?m", "", shown.decode().replace("\x1b[31mred", "\x07"))
    flaws = (
        [f"{len(plain.splitlines())} lines on a terminal for {len(BREAKS)}"]
        if len(plain.splitlines()) != len(BREAKS)
        else []
    )
    return flaws + (
        ["an escape of the caller's on a terminal"] if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", plain) else []
    )
