"""What a failed call says: provider, model and cause, to the caller, in the log line and in Health."""

import asyncio
import datetime
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from llm_gateway.telemetry import logs
from llmgateway import GatewayError, make_request
from llmgateway.v1 import gateway_pb2, health_pb2
from structlog import reset_defaults

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import HANG, Upstream

Factory = Callable[..., Awaitable[gateways.Local]]
Lines = Callable[[], list[dict[str, Any]]]
ONCE = {"retry": {"max_attempts": 1}}


@pytest.fixture
def lines(capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Lines]:
    """The log lines of the calls so far."""
    logs.configure_logging("info")

    def read() -> list[dict[str, Any]]:
        assert logs.flush(30)
        entries = [json.loads(line) for line in capfdbinary.readouterr().err.splitlines()]
        return [entry for entry in entries if entry["event"] == "rpc"]

    yield read
    reset_defaults()


@pytest.fixture
def dead() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else gets."""
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def failure(running: gateways.Local, model: str = "edge/m", **fields: Any) -> GatewayError:
    """The error of a Send."""
    request = make_request("hi", model=model)
    request.MergeFrom(gateway_pb2.SendRequest(**fields))
    with pytest.raises(GatewayError) as caught:
        await running.client.send(request)
    return caught.value


def config(url: str, *, defaults: Mapping[str, Any] = ONCE, **settings: Any) -> dict[str, Any]:
    return {"providers": {"edge": gateways.provider(url, **settings)}, "defaults": defaults}


async def test_a_provider_that_is_down_is_named_with_its_address_everywhere(
    gateway_factory: Factory, lines: Lines, dead: int
) -> None:
    """Status message, attempts, log line and Health: provider, model, and "connection refused at host:port"."""
    cause = f"connection refused at 127.0.0.1:{dead}"
    running = await gateway_factory(config(f"http://127.0.0.1:{dead}"))
    error = await failure(running)
    assert error.message == f"edge/m: The provider cannot be reached: {cause}."
    assert error.provider_failure is not None
    assert [attempt.cause for attempt in error.provider_failure.attempts] == [cause]
    [line] = lines()
    assert {key: line[key] for key in ("provider", "model", "endpoint", "cause", "stream", "attempts", "level")} == {
        "provider": "edge",
        "model": "m",
        "endpoint": f"127.0.0.1:{dead}",
        "cause": cause,
        "stream": False,
        "attempts": 1,
        "level": "warning",
    }
    health = (await running.client.get_status()).providers[0]
    assert (health.last_error_cause, health.last_error_model) == (cause, "m")
    assert health.status == health_pb2.HEALTH_STATUS_NOT_SERVING
    assert health.last_error_time.seconds > 0


async def test_the_cause_outlives_the_breaker(gateway_factory: Factory, lines: Lines, dead: int) -> None:
    """Once calls are held back the error still says what the last failure was, and how many there were, for other models too."""
    running = await gateway_factory(config(f"http://127.0.0.1:{dead}"))
    for _ in range(5):
        await failure(running)
    lines()
    for model in ("edge/m", "edge/another"):
        error = await failure(running, model)
        assert error.message.startswith(f"{model}: Calls are held back for ")
        assert error.message.endswith(f" s after 5 failures; the last one: connection refused at 127.0.0.1:{dead}.")
    for line in lines():
        assert line["provider"] == "edge"
        assert line["cause"].endswith(f"connection refused at 127.0.0.1:{dead}")


async def test_a_name_that_does_not_resolve_is_named(gateway_factory: Factory) -> None:
    """RFC 6761: `.invalid` never resolves."""
    error = await failure(await gateway_factory(config("http://nowhere.invalid:81")))
    assert error.message == "edge/m: The provider cannot be reached: name does not resolve: nowhere.invalid:81."


@pytest.mark.parametrize(
    ("names", "options", "trusted", "said"),
    [
        (("127.0.0.1",), {"not_after": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)}, True, "has expired"),
        (("elsewhere.example",), {}, True, "is for another host (by its subjectAltName; a common name does not count)"),
        (("127.0.0.1",), {}, False, "is signed by a CA that is not trusted"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_said(
    gateway_factory: Factory, tmp_path: Path, names: tuple[str, ...], options: dict[str, Any], trusted: bool, said: str
) -> None:
    """Expired, for another host, of an unknown authority."""
    authority = trustme.CA()
    files = {name: str(tmp_path / name) for name in ("identity.pem", "ca.pem")}
    authority.issue_cert(*names, **options).private_key_and_cert_chain_pem.write_to_path(files["identity.pem"])
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(files["ca.pem"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["identity.pem"])
    async with scripted.running(tls=context) as upstream:
        running = await gateway_factory(config(upstream.url, tls={"ca_file": files["ca.pem"]}))
        error = await failure(running)
        assert error.message == (
            f"edge/m: The provider cannot be reached: certificate {said} at 127.0.0.1:{upstream.port}."
        )


async def test_a_server_without_tls_is_named(gateway_factory: Factory) -> None:
    """https where http is spoken."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(await gateway_factory(config(f"https://127.0.0.1:{port}")))
    assert error.message == f"edge/m: The provider cannot be reached: no TLS is spoken at 127.0.0.1:{port}."


async def test_a_handshake_that_does_not_end_says_its_limit(gateway_factory: Factory, upstream: Upstream) -> None:
    """A server that waits for more than a ClientHello."""
    url = upstream.url.replace("http:", "https:")
    error = await failure(await gateway_factory(config(url, timeouts={"connect": "200ms"})))
    assert error.message == (
        "edge/m: Connecting to the provider took too long: "
        f"no TLS connection to 127.0.0.1:{upstream.port} within 0.2 s."
    )


async def test_a_status_is_named_and_raw_words_are_not(
    gateway_factory: Factory, upstream: Upstream, lines: Lines
) -> None:
    """HTTP 503: the number is in the message and the line, the provider's words in ProviderFailure alone."""
    upstream.script(scripted.whole(503, {"error": {"message": "shard canary-17 is down"}}))
    running = await gateway_factory(config(upstream.url))
    error = await failure(running)
    assert error.message == "edge/m: The provider is overloaded (HTTP 503)."
    assert error.provider_failure is not None
    assert error.provider_failure.provider_message == "shard canary-17 is down"
    [line] = lines()
    assert line["cause"] == "the provider is overloaded (HTTP 503)"
    assert "canary-17" not in json.dumps(line)


async def test_a_key_in_the_path_of_an_address_is_not_told(
    gateway_factory: Factory, upstream: Upstream, lines: Lines
) -> None:
    """Some servers are told apart by a secret path; a wrong one is named without it."""
    upstream.script(scripted.whole(404, b"<html>", content_type="text/html"))
    secret = "Abcdefghij0123456789Abcdefghij0123456789"
    running = await gateway_factory(config(f"{upstream.url}/{secret}"))
    error = await failure(running)
    assert error.reason == "PROVIDER_ENDPOINT_WRONG"
    assert f"HTTP 404 from POST {upstream.url}/[redacted]/v1/chat/completions" in error.message
    assert secret not in f"{error!r}{error.message}{lines()}"


async def test_a_configured_secret_is_told_by_nobody_whatever_it_looks_like(
    gateway_factory: Factory, upstream: Upstream, lines: Lines
) -> None:
    """A provider that echoes the key and a header's value in its words, its code and its request id."""
    error = {
        "message": "bad key open-sesame of tenant mellon-friend",
        "code": "open-sesame",
        "type": "invalid_request_error",
    }
    upstream.script(scripted.whole(400, {"error": error}, headers=[("x-request-id", "r-mellon-friend")]))
    provider = {"kind": "openai_compatible", "endpoint": f"{upstream.url}/v1", "models": ["m"]}
    secrets = {"api_key": "open-sesame", "headers": {"x-tenant-token": "mellon-friend"}}
    running = await gateway_factory({"providers": {"edge": {**provider, **secrets}}})
    told = await failure(running)
    assert "bad key [redacted] of tenant [redacted]" in told.message
    assert told.provider_failure is not None
    everything = f"{told!r}{told.message}{told.provider_failure}{lines()}"
    assert "open-sesame" not in everything
    assert "mellon-friend" not in everything


async def test_words_that_are_the_callers_to_act_on_are_told(
    gateway_factory: Factory, upstream: Upstream, lines: Lines
) -> None:
    """A refused request says why, redacted, to the caller; the log does not."""
    words = "top_logprobs requires logprobs; key sk-abcdefghijklmnop1234"
    upstream.script(scripted.whole(400, {"error": {"message": words, "type": "invalid_request_error"}}))
    error = await failure(await gateway_factory(config(upstream.url)))
    assert error.message == (
        "edge/m: The provider refused the request (HTTP 400): top_logprobs requires logprobs; key [redacted]."
    )
    assert lines()[0]["cause"] == "the provider refused the request (HTTP 400)"


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("ollama", "Run `ollama pull llama9:8b`."),
        ("lmstudio", "Run `lms get llama9:8b`, and `lms load llama9:8b` unless LM Studio loads models by itself."),
        ("vllm", "Start vLLM with it: `vllm serve llama9:8b`."),
        ("llama_cpp", "Start llama-server with it (`-m FILE --alias llama9:8b`, or `-hf REPO`)."),
        ("azure_openai", "Name a deployment of the Azure resource, which need not be called as its model is."),
    ],
)
async def test_a_missing_model_says_how_to_get_it(
    gateway_factory: Factory, upstream: Upstream, kind: str, advice: str
) -> None:
    """Servers that the operator runs have no model but those that were put there."""
    upstream.script(scripted.whole(404, {"error": {"message": "model not found"}}))
    provider = {"kind": kind, "endpoint": upstream.url, "api_key": "none"}
    running = await gateway_factory({"providers": {"own": provider}, "defaults": ONCE})
    error = await failure(running, "own/llama9:8b")
    assert error.message == (
        f"own/llama9:8b: The provider does not know the model (HTTP 404): model not found. {advice}"
    )


async def test_a_rejected_key_says_where_it_was_found(tmp_path: Path, upstream: Upstream) -> None:
    """The variable or the key of the file, never the value; of several keys the one that was tried."""
    upstream.script(scripted.whole(401, {"error": {"message": "invalid x-api-key", "type": "authentication_error"}}))
    settings = {"kind": "anthropic", "endpoint": upstream.url}
    providers = {
        "one": {**settings, "api_key": "${CLAUDE_KEY}"},
        "two": {**settings, "api_key": "literal-value"},
        "three": {**settings, "api_keys": [{"key": "${FIRST:-value-0}", "name": "first"}]},
        "none": {**settings, "api_key": "none"},
    }
    env = {"CLAUDE_KEY": "value-of-variable"}
    async with gateways.local({"providers": providers, "defaults": ONCE}, tmp_path, env) as running:
        said = {name: (await failure(running, f"{name}/claude")).message for name in providers}
    start = "claude: The provider rejected the gateway's credentials (HTTP 401). "
    assert said == {
        "one": f"one/{start}The key is that of CLAUDE_KEY (providers.one.api_key).",
        "two": f"two/{start}The key is that of providers.two.api_key.",
        "three": f"three/{start}The key is that of FIRST (providers.three.api_keys[0].key).",
        "none": f"none/{start}No key was sent; set providers.none.api_key.",
    }


async def test_every_target_is_told_with_its_cause_in_one_line(
    gateway_factory: Factory, upstream: Upstream, dead: int
) -> None:
    """A dead provider, and one that answers 500."""
    upstream.script(scripted.whole(500, b""))
    providers = {"a": gateways.provider(f"http://127.0.0.1:{dead}"), "b": gateways.provider(upstream.url)}
    route = {
        "targets": [{"provider": "a", "model": "m"}],
        "fallbacks": [{"provider": "b", "model": "m"}],
        "retry": {"max_attempts": 2},
    }
    error = await failure(await gateway_factory({"providers": providers, "routes": {"both": route}}), "both")
    assert error.reason == "ALL_ROUTES_FAILED"
    assert error.message == (
        f"Every target of the route failed: a/m: connection refused at 127.0.0.1:{dead}; "
        "b/m: the provider failed (HTTP 500)."
    )


@pytest.mark.parametrize(
    ("limit", "stream", "cause"),
    [
        ("attempt", False, "no whole answer within 0.2 s, the attempt limit"),
        ("first_event", True, "no content within 0.2 s, the first-event limit"),
        ("total", False, "no whole answer within 0.2 s, the route's limit"),
    ],
)
async def test_a_timeout_says_which_limit_it_was(
    gateway_factory: Factory, upstream: Upstream, limit: str, stream: bool, cause: str
) -> None:
    """Attempt, first event, and the whole call."""
    upstream.script((HANG,))
    running = await gateway_factory(config(upstream.url, defaults={**ONCE, "timeouts": {limit: "200ms"}}))
    request = make_request("hi", model="edge/m")
    events = running.client.stream_send(gateway_pb2.StreamSendRequest(request=request)).events()
    with pytest.raises(GatewayError) as caught:
        await (anext(events) if stream else running.client.send(request))
    assert caught.value.message == f"edge/m: The provider did not answer within the limits set for it: {cause}."


async def test_silence_in_a_stream_says_how_long(gateway_factory: Factory, upstream: Upstream, lines: Lines) -> None:
    """The idle limit, after content."""
    upstream.script((*scripted.stream(scripted.event("one"), end=False), HANG))
    running = await gateway_factory(config(upstream.url, timeouts={"idle": "200ms"}))
    request = gateway_pb2.StreamSendRequest(request=make_request("hi", model="edge/m"))
    with pytest.raises(GatewayError) as caught:
        async for _ in running.client.stream_send(request).events():
            pass
    cause = "no content for 0.2 s, the idle limit"
    assert caught.value.message == f"edge/m: The provider's stream broke after content was sent: {cause}."
    [line] = lines()
    assert (line["cause"], line["endpoint"], line["stream"]) == (cause, f"127.0.0.1:{upstream.port}", True)
    assert line["first_event_ms"] > 0


async def test_a_line_of_a_success_says_how_it_was_served(
    gateway_factory: Factory, upstream: Upstream, lines: Lines, dead: int
) -> None:
    """Route, fallback, time to the first event, stream or not, finish reason."""
    providers = {"a": gateways.provider(f"http://127.0.0.1:{dead}"), "b": gateways.provider(upstream.url)}
    route = {"targets": [{"provider": "a", "model": "m"}], "fallbacks": [{"provider": "b", "model": "m"}]}
    running = await gateway_factory({"providers": providers, "routes": {"both": route}})
    upstream.script(scripted.chat("one"))
    await running.client.send(make_request("hi", model="b/m"))
    upstream.script(scripted.stream(scripted.event("one"), scripted.event("", "length"), scripted.DONE))
    request = gateway_pb2.StreamSendRequest(request=make_request("hi", model="both"))
    async for _ in running.client.stream_send(request).events():
        pass
    unary, streamed = lines()
    assert (unary["stream"], unary["fallback"], unary["finish_reason"]) == (False, False, "stop")
    assert "route" not in unary
    assert "first_event_ms" not in unary
    assert (streamed["route"], streamed["stream"], streamed["fallback"]) == ("both", True, True)
    assert (streamed["provider"], streamed["finish_reason"]) == ("b", "max_tokens")
    assert 0 < streamed["first_event_ms"] <= streamed["duration_ms"]
    assert "cause" not in streamed
    assert "endpoint" not in streamed
