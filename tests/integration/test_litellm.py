"""LiteLLM as a provider: the real one in its child process against a scripted upstream."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from llm_gateway.errors import EndpointWrong
from llm_gateway.upstream import http
from llm_gateway.upstream.processes import litellm as child_of
from llmgateway import AsyncClient, GatewayError, InvalidArgument, StreamInterrupted, Unavailable
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.environments import litellm
from tests.support.processes import below, runs
from tests.support.upstream import HANG, Upstream, chat, chat_stream, event, sse, stream, whole
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.timeout(900),  # the first test may have to install LiteLLM
    pytest.mark.asyncio(
        loop_scope="module"
    ),  # LiteLLM takes seconds to start: one gateway and its child for most tests
]
KEY = "sk-" + "k" * 24
MODEL = "ll/openai/gpt-4o"
PROGRAM = "litellm_child.py"
HI = content_pb2.Part(text=content_pb2.TextPart(text="hi"))
HOSTS = (
    "api.openai.com", "api.anthropic.com", "api.cohere.com", "api.groq.com", "api.mistral.ai", "generativelanguage.googleapis.com",
    "bedrock-runtime.eu-west-1.amazonaws.com", "us-central1-aiplatform.googleapis.com", "oauth2.googleapis.com", "api.deepseek.com",
    "api.replicate.com", "api.cohere.ai",
)  # fmt: skip
PATIENT = 300  # seconds that a call may take which waits for LiteLLM to start, on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A gateway in front of LiteLLM in front of a scripted upstream. folder: where the child keeps its files."""

    client: AsyncClient
    upstream: Upstream
    folder: Path


def config(python: Path | str, upstream: Upstream, attempts: int = 1, **settings: Any) -> dict[str, Any]:
    options = {"python": str(python), "providers": ["openai"]}
    ll = {"kind": "litellm", "endpoint": f"{upstream.url}/v1", "api_key": KEY, "options": options, **settings}
    retry = {"max_attempts": attempts, "initial_backoff": "1s", "max_backoff": "1s", "budget_size": 1000}
    return {"providers": {"ll": ll}, "breaker": {"enabled": False}, "defaults": {"retry": retry}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """With secrets in the environment that are none of LiteLLM's. Every file is gone at the end."""
    python, configuration = litellm(), tmp_path_factory.mktemp("gateway")
    folder = Path(tempfile.mkdtemp())  # a socket's path is short
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("OPENAI_API_KEY", "ambient-key")
        patch.setenv("OPENAI_ORGANIZATION", "ambient-organization")
        async with (
            scripted.running() as upstream,
            gateways.local(config(python, upstream), configuration) as local,
        ):
            upstream.script(chat())
            await local.client.chat("hi", model=MODEL, timeout=PATIENT)
            yield Rig(client=local.client, upstream=upstream, folder=folder)
        assert os.listdir(folder) == []
    folder.rmdir()


@pytest.fixture
def rig(shared: Rig) -> Rig:
    """The shared rig as if it were new."""
    shared.upstream.requests.clear()
    return shared


def child() -> psutil.Process:
    """The running child."""
    (found,) = below(PROGRAM)
    return found


async def test_answers_and_streams_pass_through(rig: Rig) -> None:
    """Whole and streamed, with usage, from one child; LiteLLM takes the provider's name off the model."""
    first = child().pid
    rig.upstream.script(chat("hello"))
    reply = await rig.client.chat("hi", model=MODEL, temperature=0.0, max_output_tokens=7)
    assert reply.text == "hello"
    assert reply.response.candidates[0].finish_reason == gateway_pb2.FINISH_REASON_STOP
    assert reply.response.usage.total_tokens == 2
    rig.upstream.script(chat_stream(20))
    answer = rig.client.stream("hi", model=MODEL)
    assert "".join([text async for text in answer]) == "".join(f"{n} " for n in range(20))
    assert answer.response.usage.output_tokens == 20
    assert child().pid == first
    body = rig.upstream.requests[0].json()
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-4o", 0.0, 7)


async def test_a_child_holds_the_configured_key_only(rig: Rig) -> None:
    """Neither its environment nor its command line has a secret, ours or the configured one."""
    rig.upstream.script(chat())
    await rig.client.chat("hi", model=MODEL)
    (request,) = rig.upstream.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "openai-organization" not in request.headers
    process = child()
    assert not any("ambient" in value or KEY in value for value in process.environ().values())
    assert not any(KEY in word for word in process.cmdline())
    assert not any(name == "litellm" or name.startswith("litellm.") for name in sys.modules)


async def test_tools_come_back_as_calls(rig: Rig) -> None:
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
    rig.upstream.script(stream(*(sse(chunk) for chunk in chunks), b"data: [DONE]\n\n"))
    tool = gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f", parameters_json_schema='{"type": "object"}'))
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[HI])
    request = gateway_pb2.SendRequest(model=MODEL, messages=[message], tools=[tool])
    answer = rig.client.stream_send(request)
    async for _ in answer.events():
        pass
    (part,) = answer.response.candidates[0].message.parts
    assert (part.tool_call.name, part.tool_call.arguments_json) == ("f", '{"a": 1}')
    assert rig.upstream.requests[0].json()["tools"][0]["function"]["name"] == "f"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "PROVIDER_CREDENTIALS_REJECTED"),
        (404, "MODEL_NOT_FOUND"),
        (429, "PROVIDER_RATE_LIMITED"),
        (503, "PROVIDER_OVERLOADED"),
    ],
)
async def test_errors_keep_their_class(rig: Rig, status: int, reason: str) -> None:
    """The provider's status comes through LiteLLM's exceptions, without its words; nobody but the gateway retries."""
    rig.upstream.script(whole(status, {"error": {"message": f"no {KEY}", "type": "t", "code": None}}))
    with pytest.raises(GatewayError) as caught:
        await rig.client.chat("hi", model=f"{MODEL}-{status}")
    assert caught.value.reason == reason
    assert KEY not in f"{caught.value} {caught.value.provider_failure}"
    assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize(
    "options", ['{"api_base": "http://127.0.0.1:9"}', '{"mock_response": "x"}', '{"extra_headers": {"a": "b"}}']
)
async def test_a_caller_cannot_choose_where_a_key_goes(rig: Rig, options: str) -> None:
    """Options are the body's; an address among them is refused, and nothing is sent."""
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[HI])
    request = gateway_pb2.SendRequest(model=MODEL, messages=[message], provider_options_json={"ll": options})
    with pytest.raises(InvalidArgument):
        await rig.client.send(request)
    assert rig.upstream.requests == []


async def test_a_cancelled_call_is_cancelled_at_the_provider(rig: Rig) -> None:
    """Streamed and unary; the child goes on."""
    rig.upstream.script((*stream(event("a"), end=False), HANG), (HANG,), chat("still here"))
    async with rig.client.stream("hi", model=MODEL) as answer:
        async for _ in answer:
            break
    await rig.upstream.seen(requests=1, aborts=1)
    call = asyncio.ensure_future(rig.client.chat("hi", model=MODEL))
    await rig.upstream.seen(requests=2)
    call.cancel()
    await rig.upstream.seen(aborts=2)
    assert (await rig.client.chat("hi", model=MODEL)).text == "still here"


async def test_a_crash_is_an_error_of_the_calls_under_way(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9: a stream is interrupted, a call without content is unavailable, and the next one finds a new child."""
    monkeypatch.setattr(child_of, "BACKOFF", 2.0)  # time to find it cooling down, on any machine
    rig.upstream.script((*stream(event("a"), end=False), HANG), (HANG,), chat("again"))
    pieces = aiter(rig.client.stream("hi", model=MODEL))
    assert await anext(pieces) == "a"
    waiting = asyncio.ensure_future(rig.client.chat("hi", model=MODEL))
    await rig.upstream.seen(requests=2)
    killed = child()
    killed.send_signal(signal.SIGKILL)
    with pytest.raises(StreamInterrupted):
        await anext(pieces)
    with pytest.raises(Unavailable):
        await waiting
    assert await rig.client.health_check()
    with pytest.raises(Unavailable):  # it cools down for a moment
        await rig.client.chat("hi", model=MODEL)

    async def again() -> Any:
        with suppress(Unavailable):
            return await rig.client.chat("hi", model=MODEL, timeout=PATIENT)
        return None

    assert (await eventually(again, "it serves again", 2 * PATIENT)).text == "again"
    assert child().pid != killed.pid


async def test_a_crash_is_retried_by_the_gateway(rig: Rig) -> None:
    """With attempts left, a caller notices nothing but the time."""
    rig.upstream.script((HANG,), chat("again"))
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[HI])
    request = gateway_pb2.SendRequest(model=MODEL, messages=[message])
    request.routing.max_attempts = 10
    waiting = asyncio.ensure_future(rig.client.send(request, timeout=PATIENT))
    await rig.upstream.seen(requests=1)
    child().send_signal(signal.SIGKILL)
    assert (await waiting).candidates[0].message.parts[0].text.text == "again"


@pytest.mark.parametrize("allowed", [False, True], ids=["kept in", "let out"])
@pytest.mark.parametrize("way", ["an address in the model's name", "a redirect of the provider", "a local port"])
async def test_the_child_connects_to_listed_hosts_only(rig: Rig, way: str, allowed: bool) -> None:
    """Whatever asks it to, behind every other guard; the other host never sees a connection. Where all hosts are listed it does, so that this
    test would see one."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Seen\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1" if way == "a local port" else "127.0.0.2", 0) as server:
        place = "{}:{}".format(*server.sockets[0].getsockname()[:2])
        model = "openai/gpt-4o" if "redirect" in way else f"oobabooga/http://{place}"
        rig.upstream.script(whole(307, {}, [("location", f"http://{place}/v1/chat/completions")]))
        upstream = child_of.LiteLlm(
            python=str(litellm()),
            arguments={"api_base": f"{rig.upstream.url}/v1"} if "redirect" in way else {},
            hosts=["*"] if allowed else [rig.upstream.url],
            environment={},
            max_connections=1,
        )
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}).encode()
        try:
            headers = (("authorization", "Bearer k"),)
            if allowed:
                async with await upstream.send("POST", "/chat/completions", headers, body):
                    pass
            else:
                with pytest.raises(EndpointWrong) as caught:
                    await upstream.send("POST", "/chat/completions", headers, body)
                assert f"kept from a call: {place} is none of" in caught.value.message
        finally:
            await upstream.aclose()
    assert bool(connections) == allowed


async def test_the_hosts_of_providers_are_known(rig: Rig) -> None:
    """LiteLLM tells them; what it does not tell stands in a table. Ports are theirs too."""
    program = f"""
import importlib.util, litellm
spec = importlib.util.spec_from_file_location("child", {str(child_of.PROGRAM)!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
egress = child.Egress()
server = child.Server(litellm, {{"aws_region_name": "eu-west-1"}}, egress)
for maker in ("openai", "anthropic", "cohere", "groq", "mistral", "gemini", "bedrock", "vertex_ai", "ollama", "deepseek", "replicate"):
    server._allow(maker + "/m")
def allowed(host, port=443):
    try:
        egress.check(host, port)
    except child.NotAllowed:
        return False
    return True
hosts = {HOSTS!r}
print([host for host in hosts if not allowed(host)])
print([host for host in hosts if allowed(host, 22) or allowed("x." + host) or allowed(host + ".x")])
print(allowed("localhost", 11434), allowed("localhost", 6379), allowed("169.254.169.254", 80), allowed("openrouter.ai"))
"""
    ran = await asyncio.create_subprocess_exec(
        str(litellm()), "-c", program, stdout=asyncio.subprocess.PIPE, env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    )
    said, _ = await ran.communicate()
    assert said.decode().splitlines()[-3:] == ["[]", "[]", "True False False False"]


async def test_what_a_killed_gateway_leaves_of_it_is_ended_and_cleared(
    gateway_process: Callable[..., gateways.Process], rig: Rig, tmp_path: Path
) -> None:
    """After kill -9, with a call under way that never ends: the child and its folder."""
    with tempfile.TemporaryDirectory() as folder:
        rig.upstream.script((HANG,))
        process = gateway_process(config(litellm(), rig.upstream), {"TMPDIR": folder})
        async with AsyncClient(process.address) as client:
            call = asyncio.ensure_future(client.chat("hi", model=MODEL, timeout=PATIENT))
            await rig.upstream.seen(requests=1)
            (running,) = below(PROGRAM, psutil.Process(process.process.pid))
            process.process.kill()
            with pytest.raises(GatewayError):
                await call
        await eventually(lambda: not runs(running), "the child is gone")
        await eventually(lambda: not os.listdir(folder), "the folder is empty")


async def test_the_probe_costs_nothing(rig: Rig) -> None:
    """The child answers it; no request is made."""

    async def listed() -> bool:
        return not (await rig.client.list_models(refresh=True)).unreachable

    await eventually(listed, "it has cooled down after the crashes of other tests", PATIENT)
    assert rig.upstream.requests == []


async def test_an_interpreter_without_litellm_is_named(rig: Rig, tmp_path: Path) -> None:
    """One that cannot import it, one that is not there, and one that ends at once: unavailable, and said why."""
    ends = tmp_path / "ends"
    ends.write_text("#!/bin/sh\nexit 1\n")
    ends.chmod(0o755)
    for python, words in ((sys.executable, "install the extra"), (tmp_path / "none", "started"), (ends, "ended")):
        async with gateways.local(config(python, rig.upstream), tmp_path) as local:
            with pytest.raises(Unavailable) as caught:
                await local.client.chat("hi", model=MODEL)
            assert words in caught.value.message


async def test_no_place_for_the_childs_files_ends_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A call is refused as unreachable, and the next start, after the cooldown, finds what was fixed."""
    upstream = child_of.LiteLlm(python=str(tmp_path / "python"), arguments={}, environment={}, max_connections=1)
    monkeypatch.setattr(child_of, "BACKOFF", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        with pytest.raises(http.ConnectFailed, match="no folder"):
            await upstream.send("POST", "/", ())
    with pytest.raises(http.ConnectFailed, match="interpreter"):
        await upstream.send("POST", "/", ())
    await upstream.aclose()
