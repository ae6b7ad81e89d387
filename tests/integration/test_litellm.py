"""LiteLLM as a provider: the real one in its child process against a scripted upstream."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from llmgateway import GatewayError, InvalidArgument, StreamInterrupted, Unavailable
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.conftest import GatewayFactory
from tests.support.environments import litellm
from tests.support.upstream import HANG, Upstream, chat, chat_stream, event, sse, stream, whole

pytestmark = pytest.mark.timeout(900)  # the first test may have to install LiteLLM
KEY = "sk-" + "k" * 24
MODEL = "ll/openai/gpt-4o"
PROGRAM = "litellm_child.py"
HI = content_pb2.Part(text=content_pb2.TextPart(text="hi"))


@pytest.fixture(scope="module")
def python() -> Path:
    """An interpreter with LiteLLM."""
    return litellm()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where children keep their files, and an environment with secrets that are none of theirs."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path.anchor + "tmp"))  # a socket's path is short
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("OPENAI_API_KEY", "ambient-key")
    monkeypatch.setenv("OPENAI_ORGANIZATION", "ambient-organization")
    return folder


def config(python: Path | str, upstream: Upstream, attempts: int = 1, **settings: Any) -> dict[str, Any]:
    options = {"python": str(python), **settings.pop("options", {})}
    ll = {"kind": "litellm", "endpoint": f"{upstream.url}/v1", "api_key": KEY, "options": options, **settings}
    return {"providers": {"ll": ll}, "defaults": {"retry": {"max_attempts": attempts}}}


def child() -> psutil.Process:
    """The running child."""
    (found,) = [one for one in psutil.Process().children() if any(PROGRAM in word for word in one.cmdline())]
    return found


async def test_answers_and_streams_pass_through(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path, temporary: Path
) -> None:
    """Whole and streamed, with usage, from one child; LiteLLM takes the provider's name off the model."""
    local = await gateway_factory(config(python, upstream))
    upstream.script(chat("hello"))
    reply = await local.client.chat("hi", model=MODEL, temperature=0.0, max_output_tokens=7)
    assert reply.text == "hello"
    assert reply.response.candidates[0].finish_reason == gateway_pb2.FINISH_REASON_STOP
    assert reply.response.usage.total_tokens == 2
    first = child().pid
    upstream.script(chat_stream(20))
    answer = local.client.stream("hi", model=MODEL)
    assert "".join([text async for text in answer]) == "".join(f"{n} " for n in range(20))
    assert answer.response.usage.output_tokens == 20
    assert child().pid == first
    body = upstream.requests[0].json()
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-4o", 0.0, 7)
    await local.gateway.stop()
    assert os.listdir(temporary) == []


async def test_a_child_holds_the_configured_key_only(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path
) -> None:
    """Neither its environment nor its command line has a secret, ours or the configured one."""
    upstream.script(chat())
    local = await gateway_factory(config(python, upstream))
    await local.client.chat("hi", model=MODEL)
    (request,) = upstream.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "openai-organization" not in request.headers
    process = child()
    assert not any("ambient" in value or KEY in value for value in process.environ().values())
    assert not any(KEY in word for word in process.cmdline())
    assert not any("litellm" == name or name.startswith("litellm.") for name in sys.modules)


async def test_tools_come_back_as_calls(gateway_factory: GatewayFactory, upstream: Upstream, python: Path) -> None:
    """A tool goes there and its call comes back, in pieces."""
    start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    deltas = [start, {"index": 0, "function": {"arguments": '{"a":'}}, {"index": 0, "function": {"arguments": " 1}"}}]
    chunks = [
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        for choice in (
            *({"index": 0, "delta": {"role": "assistant", "tool_calls": [delta]}} for delta in deltas),
            {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
        )
    ]
    upstream.script(stream(*(sse(chunk) for chunk in chunks), b"data: [DONE]\n\n"))
    local = await gateway_factory(config(python, upstream))
    tool = gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f", parameters_json_schema='{"type": "object"}'))
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[HI])
    request = gateway_pb2.SendRequest(model=MODEL, messages=[message], tools=[tool])
    answer = local.client.stream_send(request)
    async for _ in answer.events():
        pass
    (part,) = answer.response.candidates[0].message.parts
    assert (part.tool_call.name, part.tool_call.arguments_json) == ("f", '{"a": 1}')
    assert upstream.requests[0].json()["tools"][0]["function"]["name"] == "f"


async def test_errors_keep_their_class(gateway_factory: GatewayFactory, upstream: Upstream, python: Path) -> None:
    """The provider's status comes through LiteLLM's exceptions; nobody but the gateway retries."""
    local = await gateway_factory(config(python, upstream))
    for status, reason in (
        (401, "PROVIDER_CREDENTIALS_REJECTED"),
        (404, "MODEL_NOT_FOUND"),
        (429, "PROVIDER_RATE_LIMITED"),
        (503, "PROVIDER_OVERLOADED"),
    ):
        del upstream.requests[:]
        upstream.script(whole(status, {"error": {"message": f"no {KEY}", "type": "t", "code": None}}))
        with pytest.raises(GatewayError) as caught:
            await local.client.chat("hi", model=MODEL)
        assert caught.value.reason == reason
        assert KEY not in f"{caught.value} {caught.value.provider_failure}"
        assert len(upstream.requests) == 1
        local = await gateway_factory(config(python, upstream))


async def test_a_caller_cannot_choose_where_a_key_goes(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path
) -> None:
    """Options are the body's; an address among them is refused, and nothing is sent."""
    local = await gateway_factory(config(python, upstream))
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[HI])
    for options in ('{"api_base": "http://127.0.0.1:9"}', '{"mock_response": "x"}', '{"extra_headers": {"a": "b"}}'):
        request = gateway_pb2.SendRequest(model=MODEL, messages=[message], provider_options_json={"ll": options})
        with pytest.raises(InvalidArgument):
            await local.client.send(request)
    assert upstream.requests == []


async def test_a_cancelled_call_is_cancelled_at_the_provider(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path
) -> None:
    """Streamed and unary; the child goes on."""
    local = await gateway_factory(config(python, upstream))
    upstream.script((*stream(event("a"), end=False), HANG), (HANG,), chat("still here"))
    async with local.client.stream("hi", model=MODEL) as answer:
        async for _ in answer:
            break
    await upstream.seen(requests=1, aborts=1, seconds=60)
    call = asyncio.ensure_future(local.client.chat("hi", model=MODEL))
    await upstream.seen(requests=2, seconds=60)
    call.cancel()
    await upstream.seen(aborts=2, seconds=60)
    assert (await local.client.chat("hi", model=MODEL)).text == "still here"


async def test_a_crash_is_an_error_of_the_calls_under_way(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path
) -> None:
    """kill -9: a stream is interrupted, a call without content is unavailable, and the next one finds a new child."""
    local = await gateway_factory(config(python, upstream))
    upstream.script((*stream(event("a"), end=False), HANG), (HANG,), chat("again"))
    pieces = aiter(local.client.stream("hi", model=MODEL))
    assert await anext(pieces) == "a"
    waiting = asyncio.ensure_future(local.client.chat("hi", model=MODEL))
    await upstream.seen(requests=2, seconds=60)
    killed = child()
    killed.send_signal(signal.SIGKILL)
    with pytest.raises(StreamInterrupted):
        await anext(pieces)
    with pytest.raises(Unavailable):
        await waiting
    assert await local.client.health_check()
    while True:  # it rests for a moment; the test's time limit is the assertion
        try:
            reply = await local.client.chat("hi", model=MODEL)
            break
        except Unavailable:
            await asyncio.sleep(0.05)
    assert reply.text == "again"
    assert child().pid != killed.pid


async def test_a_crash_is_retried_by_the_gateway(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path
) -> None:
    """With attempts left, a caller notices nothing but the time."""
    settings = config(python, upstream, attempts=10)
    settings["defaults"]["retry"]["max_backoff"] = "1s"
    local = await gateway_factory(settings)
    upstream.script((HANG,), chat("again"))
    waiting = asyncio.ensure_future(local.client.chat("hi", model=MODEL))
    await upstream.seen(requests=1, seconds=60)
    child().send_signal(signal.SIGKILL)
    assert (await waiting).text == "again"


async def test_an_interpreter_without_litellm_is_named(
    gateway_factory: GatewayFactory, upstream: Upstream, tmp_path: Path
) -> None:
    """One that cannot import it, one that is not there, and one that ends at once: unavailable, and said why."""
    ends = tmp_path / "ends"
    ends.write_text("#!/bin/sh\nexit 1\n")
    ends.chmod(0o755)
    for python, words in ((sys.executable, "install the extra"), (tmp_path / "none", "started"), (ends, "ended")):
        local = await gateway_factory(config(python, upstream))
        with pytest.raises(Unavailable) as caught:
            await local.client.chat("hi", model=MODEL)
        assert words in caught.value.message
        with pytest.raises(Unavailable):
            await local.client.chat("hi", model=MODEL)


async def test_the_probe_starts_the_child_and_costs_nothing(
    gateway_factory: GatewayFactory, upstream: Upstream, python: Path
) -> None:
    """Declared models are listed; no request is made."""
    local = await gateway_factory(config(python, upstream, models=["openai/gpt-4o"]))
    models = await local.client.list_models()
    assert [model.model_id for model in models] == ["openai/gpt-4o"]
    assert not models.unreachable
    assert upstream.requests == []
