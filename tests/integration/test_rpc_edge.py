"""The RPC edge on real sockets: auth, parsing, admission, errors, health, reflection, TLS."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from grpc_reflection.v1alpha import reflection_pb2
from llm_gateway.telemetry import logs
from llmgateway import (
    TLS,
    AsyncClient,
    GatewayError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RateLimited,
    StreamInterrupted,
    Unavailable,
    make_request,
)
from llmgateway.v1 import gateway_pb2, gateway_pb2_grpc
from structlog import reset_defaults

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream

ECHO: dict[str, Any] = {"providers": {"echo": {"default_model": "echo"}}}
KEYED: dict[str, Any] = {**ECHO, "server": {"api_keys": ["correct-horse-battery"]}}
SEND = "/llmgateway.v1.LLMGateway/Send"


async def raw(address: str, method: str, body: bytes, *metadata: tuple[str, str]) -> grpc.aio.AioRpcError | bytes:
    """One unary call with these bytes as its request: the answer's bytes or the error."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(method)
        try:
            answer: bytes = await call(body, metadata=metadata, timeout=60)
            return answer
        except grpc.aio.AioRpcError as error:
            return error


def details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The google.rpc.Status in the trailers."""
    trailers = dict(error.trailing_metadata() or ())
    return status_pb2.Status.FromString(trailers["grpc-status-details-bin"])


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "correct-horse-battery"),),
        (("authorization", "Basic correct-horse-battery"),),
        (("authorization", "Bearer wrong"),),
        (("authorization", "Bearer correct-horse-battery "),),
        (("x-api-key", "correct-horse-battery"),),
        (("authorization", "Bearer wrong"), ("authorization", "Bearer correct-horse-battery")),
        (("authorization", "Bearer correct-horse-battery"), ("authorization", "Bearer correct-horse-battery")),
    ],
)
@pytest.mark.parametrize("method", ["Send", "StreamSend", "ListModels", "Health", "Nonsense"])
async def test_without_the_key_every_method_is_unauthenticated_before_its_bytes_are_parsed(
    gateway_factory: Callable[..., Any], metadata: tuple[tuple[str, str], ...], method: str
) -> None:
    """Bytes that are no message would be INVALID_ARGUMENT had they been parsed."""
    running = await gateway_factory(KEYED)
    error = await raw(running.address, f"/llmgateway.v1.LLMGateway/{method}", b"\xff\xff\xff", *metadata)
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_key_opens_and_the_scheme_is_not_case_sensitive(gateway_factory: Callable[..., Any]) -> None:
    """RFC 9110 section 11.1: the scheme is case-insensitive."""
    running = await gateway_factory(KEYED)
    request = make_request("hi", model="echo/echo").SerializeToString()
    for scheme in ("Bearer", "bearer"):
        answer = await raw(running.address, SEND, request, ("authorization", f"{scheme} correct-horse-battery"))
        assert isinstance(answer, bytes)
        assert gateway_pb2.SendResponse.FromString(answer).route.provider == "echo"


async def test_bytes_that_are_no_message_are_an_invalid_argument(gateway_factory: Callable[..., Any]) -> None:
    """gRPC's own answer would be UNKNOWN with an exception's text."""
    running = await gateway_factory(ECHO)
    error = await raw(running.address, SEND, b"\xff\xff\xff")
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "DecodeError" not in (error.details() or "")


async def test_machine_health_needs_no_key(gateway_factory: Callable[..., Any]) -> None:
    """Check, Watch and List answer probes; an unknown service is NOT_FOUND to Check and SERVICE_UNKNOWN to Watch."""
    running = await gateway_factory(KEYED)
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = machine_grpc.HealthStub(channel)
        for service in ("", "llmgateway.v1.LLMGateway"):
            answer = await stub.Check(machine_pb2.HealthCheckRequest(service=service), timeout=60)
            assert answer.status == machine_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(machine_pb2.HealthCheckRequest(service="nope"), timeout=60)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(machine_pb2.HealthCheckRequest(service="nope"))
        assert (await watch.read()).status == machine_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        watch.cancel()
        listed = await stub.List(machine_pb2.HealthListRequest(), timeout=60)
        assert listed.statuses["llmgateway.v1.LLMGateway"].status == machine_pb2.HealthCheckResponse.SERVING


REFLECTION = ["grpc.reflection.v1", "grpc.reflection.v1alpha"]


async def reflected(address: str, package: str, **asked: str) -> reflection_pb2.ServerReflectionResponse:
    """One question by one of the two versions, whose messages are the same on the wire."""
    async with grpc.aio.insecure_channel(address) as channel:
        ask: Any = channel.stream_stream(
            f"/{package}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        answer: reflection_pb2.ServerReflectionResponse = await ask(
            iter([reflection_pb2.ServerReflectionRequest(**asked)]), timeout=30
        ).read()
        return answer


@pytest.mark.parametrize("package", REFLECTION)
async def test_reflection_is_off_unless_configured(gateway_factory: Callable[..., Any], package: str) -> None:
    """Both versions."""
    running = await gateway_factory(ECHO)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reflected(running.address, package, list_services="")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("package", REFLECTION)
async def test_reflection_describes_services_messages_and_methods(
    gateway_factory: Callable[..., Any], package: str
) -> None:
    """What `grpcurl list` and `grpcurl describe` ask for, by either version; each service listed can be described."""
    running = await gateway_factory({**ECHO, "server": {"reflection": True}})
    listed = await reflected(running.address, package, list_services="")
    services = {service.name for service in listed.list_services_response.service}
    assert services == {
        "llmgateway.v1.LLMGateway",
        "grpc.health.v1.Health",
        *(f"{name}.ServerReflection" for name in REFLECTION),
    }
    for symbol in (*services, "llmgateway.v1.SendRequest", "llmgateway.v1.LLMGateway.Send"):
        found = await reflected(running.address, package, file_containing_symbol=symbol)
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(file)
            for file in found.file_descriptor_response.file_descriptor_proto
        ]
        assert symbol.startswith(files[0].package)
    missing = await reflected(running.address, package, file_containing_symbol="llmgateway.v1.LLMGateway.Nope")
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_all_violations_are_named_at_once_with_their_paths(gateway_factory: Callable[..., Any]) -> None:
    """Paths are those below the RPC's own request message."""
    running = await gateway_factory(ECHO)
    request = make_request("hi", model="echo/echo", temperature=-1)
    request.messages[0].parts.add()
    request.messages[0].parts.add().media.data = b"x"
    request.tools.add()
    with pytest.raises(InvalidArgument) as caught:
        await running.client.send(request)
    assert {v.field for v in caught.value.violations} == {
        "messages[0].parts[1]",
        "messages[0].parts[2].media.mime_type",
        "generation_config.temperature",
        "tools[0]",
    }
    with pytest.raises(InvalidArgument) as caught:
        await anext(running.client.stream_send(gateway_pb2.StreamSendRequest(request=request)).events())
    assert "request.tools[0]" in {v.field for v in caught.value.violations}


async def test_errors_carry_the_contracts_details(gateway_factory: Callable[..., Any], upstream: Upstream) -> None:
    """A rate limit: ErrorInfo, RetryInfo, QuotaFailure, RequestInfo and ProviderFailure, at most 4 KiB of trailers."""
    upstream.script(
        scripted.whole(
            429,
            {"error": {"message": "slow down " + "x" * 5000, "type": "requests", "code": "rate_limit_exceeded"}},
            [("retry-after", "30"), ("x-request-id", "req_42")],
        )
    )
    running = await gateway_factory({"providers": {"edge": gateways.provider(upstream.url)}})
    request = make_request("hi", model="edge/m").SerializeToString()
    error = await raw(running.address, SEND, request, ("x-request-id", "mine-1"))
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "slow down" not in (error.details() or "")
    status = details(error)
    kinds = [detail.type_url.rpartition(".")[2] for detail in status.details]
    assert kinds == ["ErrorInfo", "RetryInfo", "QuotaFailure", "RequestInfo", "ProviderFailure"]
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert (info.reason, info.metadata["provider"], info.metadata["providerStatus"]) == (
        "PROVIDER_RATE_LIMITED",
        "edge",
        "429",
    )
    trailers = error.trailing_metadata() or ()
    assert sum(len(k) + len(v) * 4 / 3 for k, v in trailers) < 4096
    with pytest.raises(RateLimited) as caught:
        await running.client.send(make_request("hi", model="edge/another"))
    assert caught.value.provider_failure is not None
    assert caught.value.provider_failure.provider_message.startswith("slow down")
    assert len(caught.value.provider_failure.provider_message.encode()) <= 512


async def test_no_secret_and_no_prompt_reaches_log_status_or_repr(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream
) -> None:
    """Canaries in the provider key, the caller's key, the prompt and the provider's own words."""
    upstream.script(
        scripted.whole(401, {"error": {"message": "Incorrect API key provided: sk-canaryprovider0123456789abcdef"}}),
        scripted.whole(500, b"boom canary-raw-provider-text"),
        scripted.whole(200, b"{not json canary-raw-provider-text"),
        scripted.chat(),
    )
    key = "sk-canaryprovider0123456789abcdef"
    config = {
        "server": {"api_keys": ["canary-caller-key"], "log": {"level": "debug"}},
        "providers": {"edge": gateways.provider(upstream.url, api_key=key)},
        "defaults": {"retry": {"max_attempts": 1}},
    }
    running = gateway_process(config)
    shown = ""
    options = [("grpc.enable_retries", 0)]
    async with AsyncClient(running.address, api_key="canary-caller-key", options=options) as client:
        for _ in range(3):
            with pytest.raises(GatewayError) as caught:
                await client.send(make_request("canary-prompt", model="edge/m"))
            shown += f"{caught.value!r} {caught.value.message} {caught.value.metadata}"
            assert caught.value.provider_failure is not None
            assert "canaryprovider" not in str(caught.value.provider_failure)
    assert len(running.rpcs(3)) == 3
    log = running.log.read_text()
    for canary in ("canaryprovider", "canary-caller-key", "canary-prompt", "canary-raw-provider-text"):
        assert canary not in log
        assert canary not in shown


async def test_unknown_names_are_not_found_and_say_what_there_is(gateway_factory: Callable[..., Any]) -> None:
    """A model, a provider, a page token."""
    running = await gateway_factory(ECHO)
    with pytest.raises(NotFound) as caught:
        await running.client.send(make_request("hi", model="nowhere/m"))
    assert caught.value.reason == "MODEL_NOT_FOUND"
    with pytest.raises(NotFound) as caught:
        await running.client.send(make_request("hi", provider="nowhere"))
    assert caught.value.reason == "PROVIDER_NOT_CONFIGURED"
    assert "echo" in caught.value.message


async def test_metadata_overrides_the_body_under_the_allow_list(gateway_factory: Callable[..., Any]) -> None:
    """x-llm-model and x-llm-provider win; what is not on the list is PERMISSION_DENIED; a repeated key is refused."""
    config = {
        "providers": {"a": {"kind": "echo", "default_model": "echo"}, "b": {"kind": "echo", "default_model": "echo"}},
        "default_provider": "a",
        "server": {"overrides": {"providers": ["b"]}},
    }
    running = await gateway_factory(config)
    request = make_request("hi", model="a/echo")
    response = await running.client.send(request, metadata=(("x-llm-provider", "b"), ("x-llm-model", "echo-tool")))
    assert (response.route.provider, response.route.model) == ("b", "echo-tool")
    with pytest.raises(PermissionDenied):
        await running.client.send(request, metadata=(("x-llm-provider", "a"),))
    with pytest.raises(PermissionDenied):
        await running.client.send(request, metadata=(("x-llm-model", "a/echo"),))
    with pytest.raises(InvalidArgument):
        await running.client.send(request, metadata=(("x-llm-provider", "b"), ("x-llm-provider", "a")))


@pytest.mark.parametrize("key", ["x-llm-model", "x-llm-provider", "x-llm-routing-key"])
async def test_a_name_in_metadata_has_the_limits_of_the_field(gateway_factory: Callable[..., Any], key: str) -> None:
    """One longer than `model` may be is refused, by the key."""
    running = await gateway_factory(ECHO)
    with pytest.raises(InvalidArgument) as caught:
        await running.client.send(make_request("hi"), metadata=((key, "x" * 1025),))
    assert key in str(caught.value)


async def test_beyond_the_global_limit_calls_are_refused_with_a_time_to_come_back(
    gateway_factory: Callable[..., Any], upstream: Upstream
) -> None:
    """Health still answers."""
    release = asyncio.Event()
    upstream.script((scripted.Until(release), *scripted.chat()))
    running = await gateway_factory(
        {"providers": {"edge": gateways.provider(upstream.url)}, "server": {"max_in_flight": 2}}
    )
    request = make_request("hi", model="edge/m")
    held = [asyncio.create_task(running.client.send(request)) for _ in range(2)]
    await upstream.seen(requests=2)
    with pytest.raises(Unavailable) as caught:
        await running.client.send(request)
    assert caught.value.reason == "GATEWAY_OVERLOADED"
    assert caught.value.retry_delay
    assert (await running.client.get_status()).in_flight == 2
    release.set()
    assert [r.route.provider for r in await asyncio.gather(*held)] == ["edge", "edge"]


async def test_mutual_tls(gateway_factory: Callable[..., Any], tmp_path: Path) -> None:
    """A client with a certificate of the configured authority is served, one without is not."""
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost", "127.0.0.1"), authority.issue_cert("client")
    files = {name: tmp_path / name for name in ("ca", "cert", "key", "client_cert", "client_key")}
    authority.cert_pem.write_to_path(files["ca"])
    server.cert_chain_pems[0].write_to_path(files["cert"])
    server.private_key_pem.write_to_path(files["key"])
    client.cert_chain_pems[0].write_to_path(files["client_cert"])
    client.private_key_pem.write_to_path(files["client_key"])
    tls = {"cert_file": str(files["cert"]), "key_file": str(files["key"]), "client_ca_file": str(files["ca"])}
    running = await gateway_factory({**ECHO, "server": {"tls": tls}})
    known = TLS(ca_file=files["ca"], cert_file=files["client_cert"], key_file=files["client_key"])
    async with AsyncClient(running.address, tls=known) as trusted:
        assert (await trusted.chat("over mTLS", model="echo/echo")).text == "over mTLS"
    async with AsyncClient(running.address, tls=TLS(ca_file=files["ca"]), timeout=60) as stranger:
        with pytest.raises(GatewayError):
            await stranger.chat("hi", model="echo/echo")
    async with grpc.aio.insecure_channel(running.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway_pb2_grpc.LLMGatewayStub(channel).Send(make_request("hi"), timeout=60)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_message_beyond_the_limit_is_refused_by_name_and_size(
    gateway_factory: Callable[..., Any], stream: bool, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The gateway's own reason, limit and size, and a line in the log."""
    logs.configure_logging("info")
    running = await gateway_factory({**ECHO, "server": {"max_message_bytes": "64KiB"}})
    request = make_request("x" * 100_000, model="echo/echo")
    size = request.ByteSize()
    whole = gateway_pb2.StreamSendRequest(request=request)
    events = running.client.stream_send(whole).events()
    with pytest.raises(InvalidArgument) as caught:
        await (anext(events) if stream else running.client.send(request))
    size = whole.ByteSize() if stream else size
    assert caught.value.reason == "REQUEST_TOO_LARGE"
    assert caught.value.message == (
        f"The request has {size:,} bytes; the gateway takes 65,536 (server.max_message_bytes)."
    )
    assert logs.flush(30)
    reset_defaults()
    assert b'"reason":"REQUEST_TOO_LARGE"' in capfdbinary.readouterr().err


async def test_a_message_of_twice_the_limit_is_refused_by_grpc(gateway_factory: Callable[..., Any]) -> None:
    """The hard bound on what is held in memory, without a reason of ours."""
    running = await gateway_factory({**ECHO, "server": {"max_message_bytes": "64KiB"}})
    with pytest.raises(GatewayError) as caught:
        await running.client.chat("x" * 140_000, model="echo/echo")
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")


async def test_an_oversized_error_stays_below_the_trailer_limit(gateway_factory: Callable[..., Any]) -> None:
    """Twenty violations with long paths."""
    running = await gateway_factory(ECHO)
    request = make_request("hi", model="echo/echo")
    for _ in range(60):
        request.messages[0].parts.add()
    error = await raw(running.address, SEND, request.SerializeToString())
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sum(len(k) + len(v) * 4 / 3 for k, v in error.trailing_metadata() or ()) < 4096


@pytest.mark.parametrize("given", ["two\nlines", "naïve", "x" * 129, "a b"])
async def test_a_request_id_that_metadata_cannot_carry_is_replaced(
    gateway_factory: Callable[..., Any], given: str
) -> None:
    """The call is answered, under an id of our own."""
    running = await gateway_factory(ECHO)
    request = make_request("hi", model="echo/echo")
    request.request_id = given
    async with grpc.aio.insecure_channel(running.address) as channel:
        call = gateway_pb2_grpc.LLMGatewayStub(channel).Send(request, timeout=60)
        assert (await call).candidates
        trailers = dict(await call.trailing_metadata() or ())
    assert trailers["x-request-id"] != given
    assert len(trailers["x-request-id"]) == 24


def _long_names() -> list[gateway_pb2.SendRequest]:
    requests = [make_request("hi", model=model) for model in ("echo/" + "x" * 20_000, "echo/" + "語" * 1000)]
    policies = [gateway_pb2.RoutingPolicy(required_specialisations=[name]) for name in ("x" * 20_000, "語" * 1000)]
    requests += [gateway_pb2.SendRequest(messages=requests[0].messages, model="echo/echo", routing=p) for p in policies]
    return requests


@pytest.mark.parametrize("request_", _long_names())
async def test_names_of_the_callers_do_not_fill_the_trailers(
    gateway_factory: Callable[..., Any], request_: gateway_pb2.SendRequest
) -> None:
    """Long ones are refused, and those that are let through are clipped, so that the error arrives."""
    running = await gateway_factory(ECHO)
    error = await raw(running.address, SEND, request_.SerializeToString())
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    )
    size = sum(len(k) + len(v) * 4 / 3 for k, v in error.trailing_metadata() or ()) + len(error.details() or "")
    assert size < 4096


@pytest.mark.parametrize(
    "field",
    [
        "reasoning.effort",
        "generation_config.service_tier",
        "tool_config.mode",
        "routing.strategy",
        "routing.unsupported_fields",
    ],
)
async def test_a_value_of_a_newer_contract_is_an_invalid_argument(
    gateway_factory: Callable[..., Any], upstream: Upstream, field: str
) -> None:
    """No wire format could render it, and dropping it would be silent."""
    running = await gateway_factory({"providers": {"edge": gateways.provider(upstream.url)}})
    request = make_request("hi", model="edge/m")
    message, name = field.split(".")
    setattr(getattr(request, message), name, 99)
    with pytest.raises(InvalidArgument) as caught:
        await running.client.send(request)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert not upstream.requests


async def test_a_cut_stream_is_an_error_with_the_usage_so_far(
    gateway_factory: Callable[..., Any], upstream: Upstream
) -> None:
    """Never OK: the client holds two events' text and is told so."""
    upstream.script((*scripted.stream(*scripted.numbered(2), end=False), scripted.RESET))
    running = await gateway_factory({"providers": {"edge": gateways.provider(upstream.url)}})
    stream = running.client.stream("hi", model="edge/m")
    pieces: list[str] = []

    async def read() -> None:
        async for piece in stream:
            pieces.append(piece)

    with pytest.raises(StreamInterrupted) as caught:
        await read()
    assert "".join(pieces) == "0 1 "
    assert caught.value.provider_failure is not None
    assert caught.value.provider_failure.events_sent >= 2
    assert not caught.value.retryable
    assert len(upstream.requests) == 1


async def test_a_limit_of_the_first_event_of_a_whole_answer_is_told_to_be_none(
    gateway_factory: Callable[..., Any],
) -> None:
    """Send warns, or refuses where the caller is strict; StreamSend keeps the limit and says nothing."""
    local = await gateway_factory({})
    request = make_request("hi", model="echo")
    request.routing.first_event_timeout.seconds = 5
    answer = await local.client.send(request)
    assert [(one.reason, one.field) for one in answer.warnings] == [("FIELD_DROPPED", "routing.first_event_timeout")]
    events = [
        event async for event in local.client.stream_send(gateway_pb2.StreamSendRequest(request=request)).events()
    ]
    assert not any(event.HasField("warning") for event in events)
    request.routing.unsupported_fields = gateway_pb2.RoutingPolicy.UNSUPPORTED_FIELDS_REJECT
    with pytest.raises(InvalidArgument) as caught:
        await local.client.send(request)
    assert [one.field for one in caught.value.violations] == ["routing.first_event_timeout"]


async def test_options_cannot_name_another_model(gateway_factory: Callable[..., Any], upstream: Upstream) -> None:
    """What `overrides`, limits and prices go by is the model that was routed; nothing is sent."""
    local = await gateway_factory({"providers": {"p": gateways.provider(upstream.url)}})
    request = make_request("hi", model="p/m")
    request.provider_options_json["p"] = '{"model": "dear", "temperature": 1}'
    with pytest.raises(InvalidArgument) as caught:
        await local.client.send(request)
    assert [one.field for one in caught.value.violations] == ['provider_options_json["p"].model']
    assert upstream.requests == []


def _hostile() -> dict[str, gateway_pb2.SendRequest]:
    digits, betas, offset, odd = (make_request("hi", "anthropic/claude-opus-5-5") for _ in range(4))
    digits.provider_options_json["anthropic"] = '{"a": ' + "9" * 5000 + "}"
    betas.provider_options_json["anthropic"] = '{"betas": ["a\\r\\nx-evil: 1"]}'
    offset.messages[0].parts.add().media.uri = "https://e.test/a.mp4"
    offset.messages[0].parts[1].media.start_offset.seconds = -(2**63)
    result = odd.messages[0].parts.add().tool_result
    result.tool_call_id = "c1"
    result.parts.add().text.text = "ok"
    odd.messages[0].parts[1].provider_options_json["anthropic"] = '{"content": [5]}'
    return {
        'provider_options_json["anthropic"]': digits,
        'provider_options_json["anthropic"].betas': betas,
        "messages[0].parts[1].media.start_offset": offset,
        'messages[0].parts[1].provider_options_json["anthropic"]': odd,
    }


@pytest.mark.parametrize("field", _hostile())
async def test_options_that_are_not_what_they_seem_are_invalid_arguments(
    gateway_factory: Callable[..., Any], upstream: Upstream, field: str
) -> None:
    """By Send and StreamSend: the path is told, and nothing reaches the provider."""
    running = await gateway_factory({"providers": {"anthropic": {"endpoint": upstream.url, "api_key": "k"}}})
    request = _hostile()[field]
    with pytest.raises(InvalidArgument) as whole:
        await running.client.send(request)
    with pytest.raises(InvalidArgument) as streamed:
        async for _ in running.client.stream_send(request):
            pass
    assert [one.field for one in whole.value.violations] == [field]
    assert [one.field.removeprefix("request.") for one in streamed.value.violations] == [field]
    assert not upstream.requests
