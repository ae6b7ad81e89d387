"""Row G15: what belongs to one caller reaches nobody else, however closely the calls of two are interleaved."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import msgspec
from google.rpc import status_pb2
from llmgateway import make_request
from llmgateway.v1 import error_pb2, gateway_pb2, gateway_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench import http1
from tests.faults.rig import OPTIONS, Rig, row, setting, until

PRINCIPALS = ("ann", "bob")
AT_ONCE = 64
CONNECTIONS = 4
"""Each carries calls of both, as behind a proxy."""
MARK = re.compile(rf"(?:{'|'.join(PRINCIPALS)})-\d+\.")
REQUEST_ID = "x-request-id"
SPAN_OF_CALLER = "b7ad6b7169203331"
REFUSED, LEFT = 17, 23
"""Of so many calls one is refused by the provider, in words of its own, or left by its caller, a stream in the middle of the answer and the others
before it; primes, so that this goes with everything else."""


def key(principal: str, of: str) -> str:
    return f"key-of-{principal}-for-the-{of}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, and everything that is its own: each follows from its number."""

    number: int

    @property
    def principal(self) -> str:
        return PRINCIPALS[self.number % len(PRINCIPALS)]

    @property
    def mark(self) -> str:
        return f"{self.principal}-{self.number}."

    @property
    def text(self) -> str:
        """Of many lengths, so that what is left over in a buffer shows."""
        return self.mark * (1 + self.number * 7 % 40)

    @property
    def provider(self) -> str:
        """Every second call goes to the provider that all share: one pool, one key."""
        return "shared" if self.number // 2 % 2 else self.principal

    @property
    def stream(self) -> bool:
        return self.number // 4 % 2 == 1

    @property
    def refused(self) -> bool:
        return self.number % REFUSED == 5

    @property
    def left(self) -> bool:
        return self.number % LEFT == 7

    @property
    def trace(self) -> str:
        return f"{self.number + 1:032x}"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (
            ("authorization", f"Bearer {key(self.principal, 'gateway')}"),
            (REQUEST_ID, self.mark),
            ("traceparent", f"00-{self.trace}-{SPAN_OF_CALLER}-01"),
            ("cookie", f"session={self.mark}"),
        )

    def request(self) -> gateway_pb2.SendRequest:
        request = make_request(self.text, model=f"{self.provider}/m")
        request.end_user_id = request.conversation_id = request.labels["owner"] = self.mark
        return request


def asked(mark: str) -> Asked:
    """The call that a mark names."""
    return Asked(int(mark.rpartition("-")[2].rstrip(".")))


class Body(msgspec.Struct):
    """What a provider reads of a request."""

    messages: list[dict[str, Any]]
    user: str
    metadata: dict[str, str]
    stream: bool = False


class Provider(http1.ServerConnection):
    """A connection to the provider: it finds out whose the request is by its text, and says what is wrong with the rest."""

    def __init__(self, wrong: list[str], arrived: dict[int, asyncio.Event], rng: random.Random) -> None:
        """arrived: set when the call of this number is here, for callers that leave then."""
        super().__init__(self._asked)
        self._wrong = wrong
        self._arrived = arrived
        self._rng = rng
        self._headers: dict[str, str] = {}

    def on_message_begin(self) -> None:
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def _asked(self, transport: asyncio.Transport, path: str, body: bytes) -> None:
        given = msgspec.json.decode(body, type=Body)
        text = given.messages[-1]["content"]
        one = asked(MARK.findall(text)[0])
        headers = self._headers
        account = path.split("/")[1]
        found = {
            "text": (text, one.text),
            "provider": (account, one.provider),
            "key": (headers.get("authorization"), f"Bearer {key(account, 'provider')}"),
            "end user": (given.user, one.mark),
            "labels": (given.metadata, {"owner": one.mark}),
            "cookie": (headers.get("cookie"), None),
            "trace": (headers.get("traceparent", "").split("-")[1:2], [one.trace]),
        }
        self._wrong += [
            f"{one.mark} to the provider: {what}: {got}" for what, (got, right) in found.items() if got != right
        ]
        foreign = [name for name, value in headers.items() if any(principal in value for principal in PRINCIPALS)]
        self._wrong += [f"{one.mark} to the provider: {name}" for name in foreign if name != "authorization"]
        if one.number in self._arrived:
            self._arrived[one.number].set()
            asyncio.get_running_loop().call_later(0.02, self._now, transport, self._answer(one))
        else:
            self._write(transport, self._answer(one))

    def _answer(self, one: Asked) -> list[bytes]:
        """The pieces of the answer, which come one after the other."""
        own = f"set-cookie: session={one.mark}\r\nx-request-id: provider-{one.mark}\r\n"
        if one.refused:
            refusal = {"error": {"message": f"nothing for {one.mark}", "type": "invalid_request_error"}}
            return [_whole("400 Bad Request", own, refusal)]
        usage = {
            "prompt_tokens": one.number,
            "completion_tokens": len(one.text),
            "total_tokens": one.number + len(one.text),
        }
        common = {"id": f"chatcmpl-{one.mark}", "created": 1, "model": "m"}
        if not one.stream:
            choice = {"index": 0, "message": {"role": "assistant", "content": one.text}, "finish_reason": "stop"}
            return [_whole("200 OK", own, {**common, "object": "chat.completion", "choices": [choice], "usage": usage})]
        third = len(one.text) // 3 or 1
        parts = [one.text[at : at + third] for at in range(0, len(one.text), third)]
        choices = [{"index": 0, "delta": {"content": part}, "finish_reason": None} for part in parts]
        chunks = [*([choice] for choice in [*choices, {"index": 0, "delta": {}, "finish_reason": "stop"}]), []]
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{own}\r\n".encode()
        events = [
            _chunk({**common, "object": "chat.completion.chunk", "choices": some, **({} if some else {"usage": usage})})
            for some in chunks
        ]
        return [head + events[0], *events[1:-1], events[-1] + _framed(b"data: [DONE]\n\n") + _framed(b"")]

    def _write(self, transport: asyncio.Transport, pieces: list[bytes]) -> None:
        """The next piece, after a while that differs: answers overtake each other."""
        if transport.is_closing():
            return
        if self._rng.random() < 0.5:
            asyncio.get_running_loop().call_later(self._rng.uniform(0, 0.005), self._now, transport, pieces)
        else:
            self._now(transport, pieces)

    def _now(self, transport: asyncio.Transport, pieces: list[bytes]) -> None:
        if not transport.is_closing():
            transport.write(pieces[0])
            if pieces[1:]:
                self._write(transport, pieces[1:])


def _whole(status: str, headers: str, body: dict[str, Any]) -> bytes:
    data = msgspec.json.encode(body)
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n{headers}\r\n".encode()
        + data
    )


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunk(event: dict[str, Any]) -> bytes:
    return _framed(b"data: " + msgspec.json.encode(event) + b"\n\n")


class Collector:
    """Looks at every span: those of a call carry its id and its trace."""

    def __init__(self, wrong: list[str]) -> None:
        self._wrong = wrong
        self.spans = 0

    def respond(self, transport: asyncio.Transport, path: str, body: bytes) -> None:
        transport.write(http1.response(b"", "application/x-protobuf"))
        export = ExportTraceServiceRequest.FromString(body)
        for span in itertools.chain.from_iterable(s.spans for r in export.resource_spans for s in r.scope_spans):
            self.spans += 1
            one = Asked(int(span.trace_id.hex(), 16) - 1)
            values = [attribute.value.string_value for attribute in span.attributes]
            foreign = [value for value in values if set(MARK.findall(value)) - {one.mark}]
            self._wrong += [f"{one.mark}'s span {span.name}: {value}" for value in foreign]


@asynccontextmanager
async def listening(make: Any) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    server = await asyncio.get_running_loop().create_server(make, http1.LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _told(one: Asked, stub: gateway_pb2_grpc.LLMGatewayAsyncStub, arrived: dict[int, asyncio.Event]) -> list[str]:
    """What one call was told that is not its own."""
    events: list[gateway_pb2.StreamSendResponse] = []
    text, request = "", one.request()
    call: Any
    try:
        if one.stream:
            call = stub.StreamSend(gateway_pb2.StreamSendRequest(request=request), metadata=one.metadata(), timeout=300)
            async for event in call:
                events.append(event)
                text += event.part_started.part.text.text + event.part_delta.text
                if one.left and text:
                    call.cancel()
            end = events[-1].completed
            usage, route = end.usage, end.route
        else:
            call = stub.Send(request, metadata=one.metadata(), timeout=300)
            if one.left:
                here = arrived[one.number] = asyncio.Event()
                await asyncio.wait_for(here.wait(), 60)
                del arrived[one.number]
                call.cancel()
            response = await call
            text = "".join(part.text.text for part in response.candidates[0].message.parts)
            usage, route = response.usage, response.route
    except asyncio.CancelledError:
        return [] if one.left and one.text.startswith(text) else [f"{one.mark}: cancelled after {text[:80]!r}"]
    except grpc.aio.AioRpcError as error:
        return [] if one.refused and _own_refusal(one, error) else [f"{one.mark}: {error.code()} {error.details()}"]
    trailers = dict(await call.trailing_metadata())
    found = {
        "text": (text, one.text),
        "usage": ((usage.input_tokens, usage.output_tokens), (one.number, len(one.text))),
        "provider": (route.provider, one.provider),
        "provider's id": (route.provider_response_id, f"chatcmpl-{one.mark}"),
        "request id": (trailers[REQUEST_ID], one.mark),
        "cookie": ([name for name in (*trailers, *dict(await call.initial_metadata())) if "cookie" in name], []),
        "refusal": (one.refused, False),
    }
    return [f"{one.mark}: {what}: {str(got)[:120]}" for what, (got, right) in found.items() if got != right]


def _own_refusal(one: Asked, error: grpc.aio.AioRpcError) -> bool:
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    failure = error_pb2.ProviderFailure()
    unpacked = [detail.Unpack(failure) for detail in status.details]
    mine = {f"nothing for {one.mark}", f"provider-{one.mark}", one.mark}
    said = {failure.provider_message, failure.provider_request_id, str(trailers.get(REQUEST_ID))}
    return any(unpacked) and said == mine and one.mark in (error.details() or "")


@row("G15", star=True, most=0)
async def two_callers_share_nothing(rig: Rig) -> float:
    """Calls of two principals through one gateway, interleaved: texts, keys, ids, labels, cookies, traces and log lines that were another's.

    ISOLATION_CALLS: how many (20,000); half are streams, half go to a provider that both share, some are refused or left midway.
    """
    count = 480 if rig.quick else int(setting("ISOLATION_CALLS", 20_000))
    wrong: list[str] = []
    arrived: dict[int, asyncio.Event] = {}
    rng = random.Random(15)
    collector = Collector(wrong)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(lambda: Provider(wrong, arrived, rng)))
        sink = await stack.enter_async_context(listening(lambda: http1.ServerConnection(collector.respond)))
        config = {
            "server": {"api_keys": [{"name": name, "key": key(name, "gateway")} for name in PRINCIPALS]},
            "providers": {
                name: {
                    "kind": "openai_compatible",
                    "endpoint": f"http://{http1.LOOPBACK}:{port}/{name}/v1",
                    "api_key": key(name, "provider"),
                    "models": ["m"],
                }
                for name in (*PRINCIPALS, "shared")
            },
            "telemetry": {"propagate": True},
        }
        collect = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{http1.LOOPBACK}:{sink}",
            "OTEL_BSP_MAX_QUEUE_SIZE": str(2 * count),
        }
        async with rig.process(config, collect) as gateway:
            channels = [
                await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address, OPTIONS))
                for _ in range(CONNECTIONS)
            ]
            stubs: list[Any] = [gateway_pb2_grpc.LLMGatewayStub(channel) for channel in channels]
            numbers = iter(range(count))

            async def caller() -> None:
                for number in numbers:
                    wrong.extend(await _told(Asked(number), rng.choice(stubs), arrived))

            await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
            await until(lambda: collector.spans >= 2 * count, 60)
        entries = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    lines = [entry for entry in entries if entry["event"] == "rpc"]
    for line in lines:
        one = asked(line["request_id"])
        mine = (one.principal, one.trace, one.provider)
        wrong.append("" if (line["principal"], line["trace_id"], line["provider"]) == mine else f"log: {line}")
    wrong.append("" if len(lines) == count else f"{len(lines)} lines of {count} calls")
    wrong.append("" if collector.spans == 2 * count else f"{collector.spans} spans of {count} calls")
    rig.note(f"{count} calls, {len(lines)} log lines, {collector.spans} spans")
    return rig.flaws(wrong)
