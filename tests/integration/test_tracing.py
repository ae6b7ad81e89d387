"""Spans of a gateway process, as a collector receives them: the tree, the parents, every end, and nothing that is the caller's."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
from llmgateway import PermissionDenied
from llmgateway.admin import AsyncAdminClient
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conftest import ProcessFactory
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import DONE, END, HANG, RESET, Head, Upstream, chat, event, numbered, stream, whole

PATIENCE = 120.0
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
PROMPT, STOP, ANSWER, WORDS = "CANARY-prompt", "CANARY-stop", "CANARY-answer", "CANARY-provider-words"
CALLER_KEY, PROVIDER_KEY = "CANARY-caller-key", "CANARY-provider-key"
CANARY = "CANARY-"


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as the collector got it. status: the OTLP status code."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    status: int
    attributes: dict[str, Any]

    @classmethod
    def of(cls, span: Span) -> "Seen":
        return cls(
            span.name,
            Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.status.code,
            {one.key: _plain(one.value) for one in span.attributes},
        )


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_plain(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@dataclass(slots=True)
class Traced:
    """A gateway whose spans go to a collector."""

    process: gateways.Process
    collector: Upstream
    stub: "gateway_pb2_grpc.LLMGatewayAsyncStub"

    async def stop(self) -> list[Seen]:
        """Stop the gateway; the spans that it ever exported. None is exported twice, none holds what must not leave, and neither does
        the log, which tells of no misuse of spans either."""
        self.process.process.terminate()
        assert await asyncio.to_thread(self.process.process.wait, PATIENCE) == 0
        exported = [ExportTraceServiceRequest.FromString(request.body) for request in self.collector.requests]
        spans = [
            Seen.of(span)
            for message in exported
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        log = self.process.log.read_text()
        assert len({span.span_id for span in spans}) == len(spans)
        assert CANARY not in str(exported)
        assert CANARY not in log
        assert "detach" not in log
        assert "ended span" not in log
        assert "Traceback" not in log
        return spans

    def lines(self) -> list[dict[str, Any]]:
        """The log's lines of RPCs, of which there is at least one."""
        return self.process.rpcs(1)


Start = Callable[..., Traced]


@pytest_asyncio.fixture
async def traced(gateway_process: ProcessFactory) -> AsyncIterator[Start]:
    """Starts a gateway that exports every span; `env` adds variables."""
    async with scripted.running() as collector:
        collector.script((Head(200, framing="length"), END))
        channels: list[grpc.aio.Channel] = []

        def start(config: dict[str, Any], env: dict[str, str] | None = None) -> Traced:
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20", **(env or {})}
            running = gateway_process(config, variables)
            channels.append(grpc.aio.insecure_channel(running.address, options=[("grpc.enable_retries", 0)]))
            return Traced(running, collector, gateway_pb2_grpc.LLMGatewayStub(channels[-1]))

        yield start
        for channel in channels:
            await channel.close()


def provider(url: str, **settings: Any) -> dict[str, Any]:
    return gateways.provider(url, **{"api_key": PROVIDER_KEY, **settings})


def ask(model: str = "edge/m", **fields: Any) -> gateway_pb2.SendRequest:
    """A request whose every free text is a canary."""
    part = content_pb2.Part(text=content_pb2.TextPart(text=PROMPT))
    config = gateway_pb2.GenerationConfig(temperature=0.5, max_output_tokens=7, stop_sequences=[STOP])
    return gateway_pb2.SendRequest(
        model=model,
        messages=[content_pb2.Message(role=content_pb2.ROLE_USER, parts=[part])],
        generation_config=config,
        **fields,
    )


def streamed(model: str = "edge/m", **options: Any) -> gateway_pb2.StreamSendRequest:
    return gateway_pb2.StreamSendRequest(request=ask(model), options=gateway_pb2.StreamOptions(**options))


def failure(status: int) -> scripted.Script:
    """An error in the provider's own words."""
    return whole(status, {"error": {"message": WORDS, "type": WORDS, "code": "overloaded"}})


def tree(spans: list[Seen]) -> tuple[Seen, list[Seen]]:
    """The one SERVER span and its children, by attempt; all of one trace."""
    (server,) = [span for span in spans if span.kind == "SERVER"]
    clients = [span for span in spans if span is not server]
    assert {span.trace_id for span in spans} == {server.trace_id}
    assert [(span.kind, span.parent_id) for span in clients] == [("CLIENT", server.span_id)] * len(clients)
    return server, sorted(clients, key=lambda span: span.attributes["llmgateway.attempt.number"])


async def test_a_call_is_a_server_span_and_a_client_span(traced: Start, upstream: Upstream) -> None:
    """Both with the attributes of the conventions, in the caller's trace; the log line and the resource name the same."""
    upstream.script(chat(ANSWER))
    gateway = traced(
        {"providers": {"edge": provider(upstream.url)}, "telemetry": {"service_name": "edge-gateway"}},
        {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"},
    )
    call = gateway.stub.Send(
        ask(
            conversation_id="conv-1",
            reasoning=gateway_pb2.ReasoningConfig(effort=gateway_pb2.ReasoningConfig.EFFORT_LOW),
            output_format=gateway_pb2.OutputFormat(json_object=gateway_pb2.JsonObjectFormat()),
        ),
        metadata=(("traceparent", TRACEPARENT), ("x-request-id", "r-1")),
    )
    await call
    port = int(gateway.process.address.rpartition(":")[2])
    server, (client,) = tree(await gateway.stop())
    assert (server.trace_id, server.parent_id) == (TRACE, PARENT)
    assert server.name == "llmgateway.v1.LLMGateway/Send"
    peer = server.attributes.pop("network.peer.port")
    assert isinstance(peer, int)
    assert peer not in (0, port)
    assert server.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "llmgateway.v1.LLMGateway/Send",
        "rpc.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": port,
        "network.peer.address": "127.0.0.1",
        "gen_ai.conversation.id": "conv-1",
        "llmgateway.request.id": "r-1",
        "llmgateway.attempts": 1,
        "llmgateway.served.provider": "edge",
        "llmgateway.served.model": "m",
    }
    assert client.name == "chat m"
    assert client.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai_compatible",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": False,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "gen_ai.conversation.id": "conv-1",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "m",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 1,
        "server.address": "127.0.0.1",
        "server.port": upstream.port,
        "llmgateway.attempt.number": 1,
        "llmgateway.attempt.kind": "primary",
    }
    assert (server.status, client.status) == (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_UNSET)
    (line,) = gateway.lines()
    assert list(line)[:3] == ["event", "level", "timestamp"]
    assert (line["request_id"], line["trace_id"], line["span_id"]) == ("r-1", TRACE, server.span_id)
    resource = ExportTraceServiceRequest.FromString(gateway.collector.requests[0].body).resource_spans[0].resource
    named = {one.key: one.value.string_value for one in resource.attributes}
    assert (named["service.name"], named["deployment.environment.name"]) == ("edge-gateway", "test")


async def test_every_attempt_of_a_fallback_is_a_sibling(traced: Start, upstream: Upstream) -> None:
    """Two failures at the first choice and the answer of the second, each a span with its outcome; the RPC's span has no error."""
    upstream.script(failure(503), path="/bad/v1/chat/completions")
    upstream.script(chat(ANSWER), path="/good/v1/chat/completions")
    gateway = traced(
        {
            "providers": {"bad": provider(f"{upstream.url}/bad"), "good": provider(f"{upstream.url}/good")},
            "routes": {
                "safe": {
                    "targets": ["bad/m"],
                    "fallbacks": ["good/m"],
                    "retry": {"max_attempts": 3, "initial_backoff": "1ms", "max_backoff": "1ms"},
                }
            },
        }
    )
    response = await gateway.stub.Send(ask("safe"))
    assert response.route.fallback_used
    server, clients = tree(await gateway.stop())
    assert server.attributes["rpc.status_code"] == "OK"
    assert server.attributes["llmgateway.attempts"] == 3
    assert server.attributes["llmgateway.route.name"] == "safe"
    assert server.attributes["llmgateway.served.provider"] == "good"
    assert server.status == Status.STATUS_CODE_UNSET
    assert [one.attributes["llmgateway.attempt.kind"] for one in clients] == ["primary", "retry", "fallback"]
    assert [one.attributes.get("error.type") for one in clients] == [
        attempt.reason or None for attempt in response.route.attempts
    ]
    assert [one.attributes.get("http.response.status_code") for one in clients] == [503, 503, None]
    assert [one.attributes.get("llmgateway.fallback.from") for one in clients] == [None, None, "bad/m"]
    assert [one.status for one in clients] == [Status.STATUS_CODE_ERROR] * 2 + [Status.STATUS_CODE_UNSET]


async def test_a_failed_call_has_its_reason_on_both_spans(traced: Start, upstream: Upstream) -> None:
    """UNAVAILABLE is an error of ours on the SERVER span."""
    upstream.script(failure(503))
    config = {"providers": {"edge": provider(upstream.url)}, "defaults": {"retry": {"max_attempts": 1}}}
    gateway = traced(config)
    with pytest.raises(grpc.aio.AioRpcError):
        await gateway.stub.Send(ask())
    server, (client,) = tree(await gateway.stop())
    assert server.attributes["rpc.status_code"] == "UNAVAILABLE"
    assert server.attributes["error.type"] == client.attributes["error.type"]
    assert (server.status, client.status) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_ERROR)


@pytest.mark.parametrize(
    ("request_", "key", "code"),
    [
        (ask(), "wrong", "UNAUTHENTICATED"),
        (gateway_pb2.SendRequest(model="edge/m"), CALLER_KEY, "INVALID_ARGUMENT"),
        (ask("nobody/m"), CALLER_KEY, None),
    ],
)
async def test_a_refusal_is_a_span_without_an_error(
    traced: Start, upstream: Upstream, request_: gateway_pb2.SendRequest, key: str, code: str | None
) -> None:
    """A caller's mistake has its code and reason and is no fault of the server; no provider is called."""
    gateway = traced(
        {"server": {"api_keys": [{"name": "ci", "key": CALLER_KEY}]}, "providers": {"edge": provider(upstream.url)}}
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.stub.Send(
            request_,
            metadata=(("authorization", f"Bearer {key}"), ("x-request-id", "r-1"), ("traceparent", TRACEPARENT)),
        )
    server, clients = tree(await gateway.stop())
    assert server.attributes["rpc.status_code"] == refused.value.code().name
    assert code in (None, refused.value.code().name)
    assert server.attributes["error.type"]
    assert server.attributes["llmgateway.request.id"] == "r-1"
    assert (server.trace_id, server.status, clients) == (TRACE, Status.STATUS_CODE_UNSET, [])


# ---------------------------------------------------------------- every span ends once
@pytest.mark.parametrize("paced", [False, True])
async def test_a_cancelled_stream_ends_both_spans(traced: Start, upstream: Upstream, paced: bool) -> None:
    """The caller goes after two words, and the socket to the provider closes: CANCELLED on both, an error on none."""
    upstream.script((*stream(*numbered(3), end=False), HANG))
    gateway = traced({"providers": {"edge": provider(upstream.url)}})
    request = streamed()
    if paced:
        request.options.heartbeat_interval.FromMilliseconds(1000)
    call = gateway.stub.StreamSend(request, metadata=(("traceparent", TRACEPARENT),))
    async for one in call:
        if one.HasField("part_delta"):
            break
    call.cancel()
    await upstream.seen(aborts=1)
    server, (client,) = tree(await gateway.stop())
    assert (server.trace_id, server.parent_id) == (TRACE, PARENT)
    assert server.attributes["rpc.status_code"] == "CANCELLED"
    assert server.attributes["llmgateway.attempts"] == 1
    assert client.attributes["error.type"] == "CANCELLED"
    assert client.attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert (server.status, client.status) == (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_UNSET)


async def test_a_call_cancelled_before_its_answer_ends_both_spans(traced: Start, upstream: Upstream) -> None:
    """The provider has not answered yet."""
    upstream.script((HANG,))
    gateway = traced({"providers": {"edge": provider(upstream.url)}})
    call = gateway.stub.Send(ask())
    await upstream.seen(requests=1)
    call.cancel()
    await upstream.seen(aborts=1)
    server, (client,) = tree(await gateway.stop())
    assert server.attributes["rpc.status_code"] == "CANCELLED"
    assert client.attributes["error.type"] == "CANCELLED"
    assert (server.status, client.status) == (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_UNSET)


@pytest.mark.parametrize("paced", [False, True])
async def test_a_broken_stream_is_an_error_on_both_spans(traced: Start, upstream: Upstream, paced: bool) -> None:
    """A reset after content: the reason on both, the usage as far as it is known, finish reason `error`."""
    upstream.script((*stream(*numbered(3), end=False), RESET))
    gateway = traced({"providers": {"edge": provider(upstream.url)}})
    request = streamed()
    if paced:
        request.options.coalesce_interval.FromMilliseconds(5)
    with pytest.raises(grpc.aio.AioRpcError):
        async for _ in gateway.stub.StreamSend(request):
            pass
    server, (client,) = tree(await gateway.stop())
    assert server.attributes["error.type"] == client.attributes["error.type"] == "STREAM_INTERRUPTED"
    assert client.attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert client.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert client.attributes["gen_ai.usage.output_tokens"] > 0
    assert (server.status, client.status) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_ERROR)


async def test_concurrent_calls_keep_their_traces_apart(traced: Start, upstream: Upstream) -> None:
    """Twenty streams and calls at once, some cancelled: each has its own two spans in its own trace."""
    upstream.script(stream(*numbered(5), event("", "stop"), DONE, every=0.01))
    gateway = traced({"providers": {"edge": provider(upstream.url)}})

    async def one(number: int) -> None:
        parent = f"00-{number + 1:032x}-{PARENT}-01"
        call = gateway.stub.StreamSend(streamed(), metadata=(("traceparent", parent),))
        async for _ in call:
            if number % 3 == 0:
                call.cancel()
                break

    await asyncio.gather(*map(one, range(20)))
    spans = await gateway.stop()
    assert len(spans) == 40
    for number in range(20):
        server, clients = tree([span for span in spans if span.trace_id == f"{number + 1:032x}"])
        assert server.parent_id == PARENT
        assert len(clients) == 1


# ---------------------------------------------------------------- context
async def test_providers_are_not_told_of_the_trace(traced: Start, upstream: Upstream) -> None:
    """Neither traceparent nor tracestate nor baggage of the caller goes out."""
    upstream.script(chat())
    gateway = traced({"providers": {"edge": provider(upstream.url)}})
    await gateway.stub.Send(
        ask(), metadata=(("traceparent", TRACEPARENT), ("tracestate", "a=1"), ("baggage", "user=1"))
    )
    (request,) = upstream.requests
    assert not {"traceparent", "tracestate", "baggage"} & request.headers.keys()
    server, _ = tree(await gateway.stop())
    assert server.parent_id == PARENT


async def test_providers_are_told_of_the_trace_where_configured(traced: Start, upstream: Upstream) -> None:
    """`propagate` sends the context of each attempt's own span, with the caller's state, and never baggage."""
    upstream.script(failure(503), chat())
    gateway = traced(
        {
            "providers": {"edge": provider(upstream.url)},
            "telemetry": {"propagate": True},
            "defaults": {"retry": {"initial_backoff": "1ms"}},
        }
    )
    await gateway.stub.Send(
        ask(), metadata=(("traceparent", TRACEPARENT), ("tracestate", "a=1"), ("baggage", "user=1"))
    )
    _, clients = tree(await gateway.stop())
    assert [request.headers["traceparent"] for request in upstream.requests] == [
        f"00-{TRACE}-{client.span_id}-01" for client in clients
    ]
    assert {request.headers["tracestate"] for request in upstream.requests} == {"a=1"}
    assert not any("baggage" in request.headers for request in upstream.requests)


@pytest.mark.parametrize(
    ("traceparent", "env"),
    [(f"00-{TRACE}-{PARENT}-00", {}), (TRACEPARENT, {"OTEL_TRACES_SAMPLER": "always_off"})],
)
async def test_what_is_not_sampled_is_not_exported(
    traced: Start, upstream: Upstream, traceparent: str, env: dict[str, str]
) -> None:
    """By the caller's decision, or by the sampler's; the log line has the trace all the same."""
    upstream.script(chat())
    gateway = traced({"providers": {"edge": provider(upstream.url)}}, env)
    await gateway.stub.Send(ask(), metadata=(("traceparent", traceparent),))
    assert await gateway.stop() == []
    (line,) = gateway.lines()
    assert line["trace_id"] == TRACE


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"])
async def test_a_context_that_is_none_starts_a_trace(traced: Start, upstream: Upstream, traceparent: str) -> None:
    """The call is served, in a trace of its own."""
    upstream.script(chat())
    gateway = traced({"providers": {"edge": provider(upstream.url)}})
    await gateway.stub.Send(ask(), metadata=(("traceparent", traceparent),) if traceparent else ())
    server, clients = tree(await gateway.stop())
    assert (server.parent_id, len(clients)) == ("", 1)
    assert server.trace_id not in ("0" * 32, TRACE)


async def test_a_collector_that_is_away_stops_no_call(
    gateway_process: ProcessFactory, upstream: Upstream, unanswered_port: int
) -> None:
    """Calls are served, the log says that spans were dropped, and the process ends."""
    upstream.script(chat())
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{unanswered_port}", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    running = gateway_process({"providers": {"edge": provider(upstream.url)}}, env)
    async with grpc.aio.insecure_channel(running.address) as channel:
        response = await gateway_pb2_grpc.LLMGatewayStub(channel).Send(ask())
    assert response.candidates
    running.process.terminate()
    assert await asyncio.to_thread(running.process.wait, PATIENCE) == 0
    dropped = [json.loads(line) for line in running.log.read_text().splitlines() if '"spans dropped"' in line]
    assert [(line["level"], line["spans"]) for line in dropped] == [("warning", 2)]


async def test_calls_of_the_administration_are_spans_too(traced: Start) -> None:
    """In the caller's trace, with the address of its own port; those that are refused as well."""
    digest = hashlib.sha256(b"admin-key").hexdigest()
    keys = [{"name": "ops", "role": "viewer", "hash": f"sha256:{digest}"}]
    gateway = traced({"providers": {"echo": {}}, "admin": {"listen": "127.0.0.1:0", "keys": keys}})
    [line] = [json.loads(line) for line in gateway.process.log.read_text().splitlines() if '"administration"' in line]
    async with AsyncAdminClient(f"127.0.0.1:{line['port']}", api_key="admin-key") as admin:
        await admin.list_routes(metadata=(("traceparent", TRACEPARENT),))
        with pytest.raises(PermissionDenied):
            await admin.reload_config()
    looked, refused = sorted(await gateway.stop(), key=lambda span: span.name)[::-1]
    assert looked.name == "llmgateway.admin.v1.RouteService/ListRoutes"
    assert (looked.kind, looked.trace_id, looked.parent_id) == ("SERVER", TRACE, PARENT)
    assert looked.attributes["server.port"] == line["port"]
    assert refused.attributes["error.type"] == "ROLE_REQUIRED"
