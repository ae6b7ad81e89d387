"""The Python client against a scripted gateway on a real socket."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NoReturn, cast

import grpc
import llmgateway
import pytest
import trustme
from google.rpc import error_details_pb2
from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llmgateway import TLS, AsyncClient, Client
from llmgateway.v1 import gateway_pb2, health_pb2, model_pb2

from tests.support import scripted_gateway as scripted
from tests.support.scripted_gateway import Context, ScriptedGateway, answer, events, fail

Event = gateway_pb2.StreamSendResponse
CandidateCompleted = gateway_pb2.CandidateCompleted
UNKNOWN = cast("gateway_pb2.FinishReason.ValueType", 99)
SOON = 120.0
"""Seconds that a test waits for what must come; far more than it needs."""


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    with scripted.running() as server:
        yield server


@pytest.fixture
def client(gateway: ScriptedGateway) -> Iterator[Client]:
    with Client(gateway.address, api_key="k1") as client:
        yield client


@pytest.fixture
async def async_client(gateway: ScriptedGateway) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gateway.address, api_key="k1") as client:
        yield client


# ---------------------------------------------------------------- calls
def test_chat_returns_the_answer_and_sends_key_and_deadline(gateway: ScriptedGateway, client: Client) -> None:
    """The default deadline is the client's; the request is what make_request makes."""
    reply = client.chat("hi", "m", "p", "be brief", max_output_tokens=9)
    (call,) = gateway.calls
    assert (reply.text, reply.usage.total_tokens, reply.route.provider) == ("Hello world", 5, "echo")
    assert call.request == llmgateway.make_request("hi", "m", "p", "be brief", max_output_tokens=9)
    assert call.metadata["authorization"] == "Bearer k1"
    assert call.deadline is not None
    assert 500 < call.deadline < 700  # gRPC rounds it up on the wire


async def test_async_chat_does_the_same(gateway: ScriptedGateway, async_client: AsyncClient) -> None:
    """Same request, same metadata."""
    reply = await async_client.chat("hi", "m", timeout=50, metadata=[("x-request-id", "q")])
    (call,) = gateway.calls
    assert reply.text == "Hello world"
    assert call.request == llmgateway.make_request("hi", "m")
    assert (call.metadata["authorization"], call.metadata["x-request-id"]) == ("Bearer k1", "q")
    assert call.deadline is not None
    assert call.deadline < 60


def test_without_a_timeout_a_call_has_no_deadline(gateway: ScriptedGateway) -> None:
    """timeout=None in the constructor means what it says; without a key no authorization is sent."""
    with Client(gateway.address, timeout=None) as client:
        client.chat("hi")
    assert (gateway.calls[0].deadline or 0) > 1e9  # how the sync server of grpc says never
    assert "authorization" not in gateway.calls[0].metadata


def test_a_propagated_context_is_added_to_every_call(gateway: ScriptedGateway) -> None:
    """The hook is asked anew for each call; keys become lower case, as gRPC wants them."""
    spans = iter(["00-1", "00-2"])
    with Client(gateway.address, propagate=lambda: {"Traceparent": next(spans)}) as client:
        client.chat("hi")
        list(client.stream("hi"))
    assert [call.metadata["traceparent"] for call in gateway.calls] == ["00-1", "00-2"]


def test_the_current_span_of_opentelemetry_is_propagated_by_default(gateway: ScriptedGateway, client: Client) -> None:
    """Nothing to configure where the program traces already."""
    from opentelemetry import trace

    span = trace.NonRecordingSpan(trace.SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False))
    with trace.use_span(span):
        client.chat("hi")
    client.chat("hi")
    assert gateway.calls[0].metadata["traceparent"] == f"00-{0xABC:032x}-{0xDEF:016x}-00"
    assert "traceparent" not in gateway.calls[1].metadata


def test_models_of_all_pages_are_listed(gateway: ScriptedGateway, client: Client) -> None:
    """Every page is asked for with the same filter; a provider that is unreachable on two pages is named once."""
    pages = {
        "": model_pb2.ListModelsResponse(
            models=[model_pb2.Model(name="a")], next_page_token="t", unreachable=["providers/x"]
        ),
        "t": model_pb2.ListModelsResponse(models=[model_pb2.Model(name="b")], unreachable=["providers/x"]),
    }
    gateway.models = lambda request, context: pages[request.page_token]
    models = client.list_models("p", required_capabilities=[model_pb2.MODEL_CAPABILITY_TOOLS], refresh=True)
    assert [model.name for model in models] == ["a", "b"]
    assert models.unreachable == ["x"]
    for call in gateway.calls:
        assert (call.request.provider, call.request.refresh) == ("p", True)
        assert list(call.request.required_capabilities) == [model_pb2.MODEL_CAPABILITY_TOOLS]


async def test_a_selected_model_serves_later_calls(gateway: ScriptedGateway, async_client: AsyncClient) -> None:
    """Unary and streaming; after the gateway has listed it, over all pages."""
    pages = {
        "": model_pb2.ListModelsResponse(models=[model_pb2.Model(provider="p", model_id="m1")], next_page_token="t"),
        "t": model_pb2.ListModelsResponse(models=[model_pb2.Model(provider="p", model_id="m2")]),
    }
    gateway.models = lambda request, context: pages[request.page_token]
    assert (await async_client.select_model("m2", "p")).model_id == "m2"
    await async_client.chat("hi")
    async for _ in async_client.stream("hi"):
        pass
    sent, streamed = gateway.calls[-2].request, gateway.calls[-1].request.request
    assert (sent.model, sent.provider) == (streamed.model, streamed.provider) == ("m2", "p")


@pytest.mark.parametrize(
    ("status", "healthy"),
    [
        (health_pb2.HEALTH_STATUS_SERVING, True),
        (health_pb2.HEALTH_STATUS_DEGRADED, True),
        (health_pb2.HEALTH_STATUS_NOT_SERVING, False),
        (99, False),
    ],
)
def test_a_gateway_is_healthy_while_calls_may_work(
    gateway: ScriptedGateway, client: Client, status: health_pb2.HealthStatus.ValueType, healthy: bool
) -> None:
    """A failing provider does not make the gateway unhealthy; a status of a newer gateway does not raise."""
    gateway.health = lambda request, context: health_pb2.HealthResponse(status=status)
    assert client.health_check() is healthy
    assert client.get_status("p", probe=True).status == status
    assert (gateway.calls[-1].request.provider, gateway.calls[-1].request.probe) == ("p", True)


async def test_a_gateway_that_does_not_answer_is_not_healthy(
    gateway: ScriptedGateway, async_client: AsyncClient
) -> None:
    """Silence is an answer; a refused key is an error."""
    gateway.health = lambda request, context: fail(context, grpc.StatusCode.UNAUTHENTICATED, "no")
    with pytest.raises(llmgateway.Unauthenticated):
        await async_client.health_check()
    async with AsyncClient("127.0.0.1:1") as nobody:
        assert await nobody.health_check() is False


# ---------------------------------------------------------------- streams
def test_a_stream_yields_text_and_then_has_the_whole_answer(client: Client) -> None:
    """The response is the one that Send would have given."""
    stream = client.stream("hi")
    with pytest.raises(RuntimeError):
        _ = stream.response
    assert list(stream) == ["Hello", " ", "world"]
    assert stream.response == answer()
    assert stream.reply.text == "Hello world"


async def test_an_async_stream_does_the_same(async_client: AsyncClient) -> None:
    """As events, the response is the same."""
    async with async_client.stream("hi") as stream:
        sequence = [event.sequence async for event in stream.events()]
    assert sequence == list(range(8))
    assert stream.response == answer()


def test_pieces_arrive_before_the_answer_is_whole(gateway: ScriptedGateway, client: Client) -> None:
    """The gateway holds the second piece back until the first has been read."""
    read = threading.Event()

    def slowly(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[Event]:
        for event in events("first", "second"):
            if event.part_delta.text == "second":
                assert read.wait(SOON)
            yield event

    gateway.stream = slowly
    pieces = iter(client.stream("hi"))
    assert next(pieces) == "first"
    read.set()
    assert list(pieces) == ["second"]


def test_unknown_events_and_enum_values_do_not_fail_a_stream(gateway: ScriptedGateway, client: Client) -> None:
    """Field 999 of the event and value 99 of an enum come from a newer gateway."""

    def newer(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[Event]:
        *most, last = events("Hello world")
        yield from most
        yield Event.FromString(bytes.fromhex("ba3e020801"))
        yield Event(candidate_completed=CandidateCompleted(finish_reason=UNKNOWN))
        yield last

    gateway.stream = newer
    stream = client.stream("hi")
    assert [event.WhichOneof("event") for event in stream.events()][-3:] == [None, "candidate_completed", "completed"]
    assert stream.reply.finish_reason == 99


def cut(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[Event]:
    yield from (event for event in events("Hello") if not event.HasField("completed"))


def test_a_stream_that_ends_without_its_end_raises(gateway: ScriptedGateway, client: Client) -> None:
    """Status OK, but no completed event; what came is kept."""
    gateway.stream = cut
    stream = client.stream("hi")
    with pytest.raises(llmgateway.StreamTruncated):
        list(stream)
    assert stream.partial.candidates[0].message.parts[0].text.text == "Hello"


async def test_an_async_stream_that_ends_without_its_end_raises(
    gateway: ScriptedGateway, async_client: AsyncClient
) -> None:
    """As in the sync client, and for both ways to read."""
    gateway.stream = cut
    with pytest.raises(llmgateway.StreamTruncated):
        async for _ in async_client.stream("hi"):
            pass
    with pytest.raises(llmgateway.StreamTruncated):
        async for _ in async_client.stream("hi").events():
            pass


def until_cancelled(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[Event]:
    """Send what begins an answer, then wait for the client to leave."""
    over = threading.Event()
    context.add_callback(over.set)
    for event in events("Hello"):
        yield event
        if event.HasField("part_delta"):
            assert over.wait(SOON)
            return


def test_leaving_a_loop_over_a_stream_cancels_the_call(gateway: ScriptedGateway, client: Client) -> None:
    """The provider stops working, and billing, for an answer that nobody reads."""
    gateway.stream = until_cancelled
    for piece in client.stream("hi"):
        assert piece == "Hello"
        break
    assert gateway.calls[0].ended.wait(SOON)


def test_closing_a_stream_of_events_cancels_the_call(gateway: ScriptedGateway, client: Client) -> None:
    """By the with block, with the iterator still open."""
    gateway.stream = until_cancelled
    with client.stream("hi") as stream:
        reader = stream.events()
        next(reader)
    assert gateway.calls[0].ended.wait(SOON)
    with pytest.raises(llmgateway.Cancelled):
        list(reader)


async def test_closing_an_async_stream_tells_its_reader(gateway: ScriptedGateway, async_client: AsyncClient) -> None:
    """A task that reads is not cancelled by somebody else's close: it gets an error it can catch."""
    gateway.stream = until_cancelled
    stream = async_client.stream("hi")
    first = asyncio.Event()

    async def read() -> None:
        async for _ in stream:
            first.set()

    reader = asyncio.create_task(read())
    await first.wait()
    await stream.close()
    with pytest.raises(llmgateway.Cancelled):
        await reader
    assert await asyncio.to_thread(gateway.calls[0].ended.wait, SOON)


async def test_cancelling_the_task_that_reads_cancels_the_call(
    gateway: ScriptedGateway, async_client: AsyncClient
) -> None:
    """And the task ends as cancelled."""
    gateway.stream = until_cancelled
    first = asyncio.Event()

    async def read() -> None:
        async for _ in async_client.stream("hi"):
            first.set()

    reader = asyncio.create_task(read())
    await first.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await asyncio.to_thread(gateway.calls[0].ended.wait, SOON)


async def test_cancelling_a_task_cancels_its_unary_call(gateway: ScriptedGateway, async_client: AsyncClient) -> None:
    """asyncio.timeout and the like work as usual."""
    arrived = threading.Event()

    def hang(request: gateway_pb2.SendRequest, context: Context) -> gateway_pb2.SendResponse:
        arrived.set()
        assert gateway.calls[0].ended.wait(SOON)
        return answer()

    gateway.send = hang
    asking = asyncio.create_task(async_client.chat("hi"))
    assert await asyncio.to_thread(arrived.wait, SOON)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(gateway.calls[0].ended.wait, SOON)


# ---------------------------------------------------------------- failures
def rate_limited(request: gateway_pb2.SendRequest, context: Context) -> NoReturn:
    fail(
        context,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "too many calls",
        error_details_pb2.ErrorInfo(reason="PROVIDER_RATE_LIMITED", domain="llmgateway"),
        error_details_pb2.RetryInfo(retry_delay={"seconds": 7}),
    )


def test_a_failed_call_raises_its_typed_error(gateway: ScriptedGateway, client: Client) -> None:
    """With the details that came in the trailers, and the RpcError as its cause."""
    gateway.send = rate_limited
    with pytest.raises(llmgateway.RateLimited) as error:
        client.chat("hi")
    assert (error.value.message, error.value.retry_delay) == ("too many calls", 7)
    assert isinstance(error.value.__cause__, grpc.RpcError)


def broken(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[Event]:
    for event in events("Hello"):
        if event.HasField("part_completed"):
            fail(
                context,
                grpc.StatusCode.UNAVAILABLE,
                "broke",
                error_details_pb2.ErrorInfo(reason="STREAM_INTERRUPTED", domain="llmgateway"),
            )
        yield event


def test_a_stream_that_breaks_raises_and_keeps_what_came(gateway: ScriptedGateway, client: Client) -> None:
    """It is not retried, because its headers have arrived: one call."""
    gateway.stream = broken
    stream = client.stream("hi")
    with pytest.raises(llmgateway.StreamInterrupted):
        list(stream)
    assert stream.partial.candidates[0].message.parts[0].text.text == "Hello"
    assert len(gateway.calls) == 1


async def test_an_async_stream_that_breaks_raises(gateway: ScriptedGateway, async_client: AsyncClient) -> None:
    """grpc.aio has its own type of error; the client's is the same."""
    gateway.stream = broken
    with pytest.raises(llmgateway.StreamInterrupted) as error:
        async for _ in async_client.stream("hi").events():
            pass
    assert error.value.reason == "STREAM_INTERRUPTED"


def test_a_deadline_that_is_reached_raises(gateway: ScriptedGateway, client: Client) -> None:
    """DEADLINE_EXCEEDED of the client's own making has no details."""
    gateway.stream = until_cancelled
    with pytest.raises(llmgateway.DeadlineExceeded):
        list(client.stream("hi", timeout=0.2))


def test_unavailable_is_retried_until_it_works(gateway: ScriptedGateway, client: Client) -> None:
    """Unary, and a stream that fails before its first event; gRPC tells the server which attempt it is."""

    def third_time(context: Context) -> None:
        if len(gateway.calls) < 3:
            fail(context, grpc.StatusCode.UNAVAILABLE, "not yet")

    def send(request: gateway_pb2.SendRequest, context: Context) -> gateway_pb2.SendResponse:
        third_time(context)
        return answer()

    def stream(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[Event]:
        third_time(context)
        yield from events("Hello")

    gateway.send, gateway.stream = send, stream
    assert client.chat("hi").text == "Hello world"
    assert [call.metadata.get("grpc-previous-rpc-attempts") for call in gateway.calls] == [None, "1", "2"]
    gateway.calls.clear()
    assert list(client.stream("hi")) == ["Hello"]
    assert len(gateway.calls) == 3


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL])
def test_no_other_code_is_retried(gateway: ScriptedGateway, client: Client, code: grpc.StatusCode) -> None:
    """The caller decides, by retryable and retry_delay."""
    gateway.send = lambda request, context: fail(context, code, "no")
    with pytest.raises(llmgateway.GatewayError):
        client.chat("hi")
    assert len(gateway.calls) == 1


def test_an_answer_of_more_than_four_mebibytes_is_received(gateway: ScriptedGateway, client: Client) -> None:
    """gRPC's default limit would refuse an image."""
    size = 5 * 1024 * 1024
    gateway.send = lambda request, context: answer("x" * size)
    assert len(client.chat("hi").text) == size


# ---------------------------------------------------------------- TLS
@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return authority


@pytest.fixture
def mutual_tls(authority: trustme.CA) -> Iterator[ScriptedGateway]:
    """A scripted gateway that demands a client certificate of the same authority."""
    server = authority.issue_cert("127.0.0.1")
    credentials = grpc.ssl_server_credentials(
        [(server.private_key_pem.bytes(), b"".join(pem.bytes() for pem in server.cert_chain_pems))],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    with scripted.running(credentials) as gateway:
        yield gateway


async def test_mutual_tls_is_spoken_with_the_files_given(mutual_tls: ScriptedGateway, tmp_path: Path) -> None:
    """Authority, certificate and key; sync and async."""
    tls = TLS(ca_file=tmp_path / "ca.pem", cert_file=tmp_path / "client.pem", key_file=tmp_path / "client.pem")
    async with AsyncClient(mutual_tls.address, api_key="k", tls=tls) as client:
        assert (await client.chat("hi")).text == "Hello world"
    with Client(mutual_tls.address, api_key="k", tls=tls.credentials()) as sync_client:
        assert sync_client.chat("hi").text == "Hello world"


def test_a_server_of_an_unknown_authority_is_not_trusted(mutual_tls: ScriptedGateway) -> None:
    """tls=True trusts the default authorities; the key never reaches the server."""
    with Client(mutual_tls.address, api_key="k", tls=True) as client, pytest.raises(llmgateway.Unavailable):
        client.chat("hi")
    assert mutual_tls.calls == []


# ---------------------------------------------------------------- the real gateway
@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[str]:
    """The gateway on its embedded provider, open to the key k1; its address."""
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "server: {listen: 127.0.0.1:0, api_keys: [k1], lame_duck: 0s}\n"
        "providers: {echo: {kind: echo, default_model: echo}}\ndefaults: {retry: {max_attempts: 1}}\n"
    )
    gateway = Gateway(config.load(str(file), {}))
    port = await gateway.start()
    yield f"127.0.0.1:{port}"
    await gateway.stop()


@pytest.mark.parametrize("model", ["echo/echo", "echo/echo-reason", "echo/echo-tool"])
async def test_a_stream_of_the_gateway_folds_to_what_send_returns(real: str, model: str) -> None:
    """Text, reasoning and a tool call."""
    request = llmgateway.make_request("hello there", model)
    request.tools.add(function=gateway_pb2.FunctionTool(name="f", parameters_json_schema="{}"))
    async with AsyncClient(real, api_key="k1") as client:
        sent = await client.send(request)
        async for _ in (stream := client.stream_send(request)):
            pass
    assert sent.candidates[0].message.parts
    for response in (sent, stream.response):  # two calls: what is of one call only is left out
        response.ClearField("response_id")
        for attempt in response.route.attempts:
            attempt.ClearField("duration")
    assert stream.response == sent


async def test_errors_of_the_gateway_are_typed(real: str) -> None:
    """A key that is missing, a model that is not there, a provider's rate limit, and a stream that breaks off."""
    async with AsyncClient(real) as nobody:
        with pytest.raises(llmgateway.Unauthenticated):
            await nobody.chat("hi")
    async with AsyncClient(real, api_key="k1") as client:
        with pytest.raises(llmgateway.ModelNotFound):
            await client.select_model("nothing")
        with pytest.raises(llmgateway.RateLimited) as limited:
            await client.chat("hi", "echo/echo-limited")
        assert limited.value.retry_delay == 1
        assert [attempt.reason for attempt in limited.value.attempts] == ["PROVIDER_RATE_LIMITED"]
        stream = client.stream("one two three four five", "echo/echo-cut")
        with pytest.raises(llmgateway.StreamInterrupted):
            async for _ in stream:
                pass
        assert llmgateway.ChatReply(response=stream.partial).text == "one two three "


@pytest.mark.parametrize(
    ("example", "last"),
    [("chat.py", "ModelNotFound: MODEL_NOT_FOUND, retryable: False"), ("tools.py", "HELLO")],
)
async def test_the_examples_run(real: str, example: str, last: str) -> None:
    """As the README shows them."""
    file = Path(llmgateway.__file__).parents[2] / "examples" / example
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        env={**os.environ, "LLM_GATEWAY_ADDRESS": real, "LLM_GATEWAY_API_KEY": "k1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode().splitlines()[-1] == last
