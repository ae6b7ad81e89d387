"""Claude Code as a provider: the real command against a scripted Messages API, and commands that misbehave."""

import asyncio
import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from llm_gateway.config import ConfigError
from llm_gateway.upstream.processes import claude_code as upstream_claude
from llmgateway import AsyncClient, GatewayError, StreamInterrupted, Unavailable
from llmgateway.v1 import content_pb2, gateway_pb2, health_pb2

from tests.conftest import GatewayFactory, ProcessFactory
from tests.support.environments import claude_code
from tests.support.processes import below, runs
from tests.support.upstream import CLOSE, HANG, Until, Upstream, sse, stream, whole
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(900)  # the first test may have to fetch the command
KEY = "sk-ant-" + "k" * 24


@pytest.fixture(scope="module")
def command() -> Path:
    """The real command."""
    return claude_code()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where processes keep their files, and an environment with secrets that are none of theirs."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "ambient-token")
    monkeypatch.setenv("ANTHROPIC_MODEL", "ambient-model")
    return folder


def provider(command: Path, url: str = "http://127.0.0.1:9", **options: Any) -> dict[str, Any]:
    return {
        "providers": {
            "cc": {
                "kind": "claude_code",
                "endpoint": url,
                "api_key": KEY,
                "options": {"command": str(command), **options},
            }
        },
        "defaults": {"retry": {"max_attempts": 1}},
    }


def event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def message(*pieces: str) -> list[bytes]:
    """The events of a streamed message, its text in these pieces, up to and without its end."""
    start: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 3},
    }
    return [
        event("message_start", message=start),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece}) for piece in pieces),
    ]


END_OF_MESSAGE = (
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7}),
    event("message_stop"),
)
HELLO = stream(*message("Hello", " there"), *END_OF_MESSAGE)


def said(text: str) -> content_pb2.Part:
    return content_pb2.Part(text=content_pb2.TextPart(text=text))


def asking(text: str, *more: content_pb2.Part) -> gateway_pb2.SendRequest:
    question = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[said(text), *more])
    return gateway_pb2.SendRequest(model="cc/opus", messages=[question])


async def gone(command: Path) -> None:
    """Return when no process of this command is left below this one."""
    await eventually(lambda: not below(str(command)), f"the processes of {command.name} are gone")


async def cleared(folder: Path) -> None:
    """Return when nothing is left in the folder."""
    await eventually(lambda: not os.listdir(folder), "the folder is empty")


# ---------------------------------------------------------------- the real command
async def test_an_answer_comes_with_usage_and_cost(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path, temporary: Path
) -> None:
    """Unary: text, reason, inclusive tokens and what the command says that it cost; nothing stays behind."""
    upstream.script(HELLO)
    local = await gateway_factory(provider(command, upstream.url))
    reply = await local.client.chat("Hi", model="cc/claude-opus-5-5", max_output_tokens=77)
    response = reply.response
    assert reply.text == "Hello there"
    assert response.candidates[0].finish_reason == gateway_pb2.FINISH_REASON_STOP
    assert (response.usage.input_tokens, response.usage.output_tokens) == (13, 7)
    assert response.usage.provider_cost_nano_usd > 0
    assert response.route.response_model == "claude-opus-5-5"
    await gone(command)
    await cleared(temporary)
    (request,) = upstream.requests
    body = request.json()
    assert body["model"] == "claude-opus-5-5"
    assert body["max_tokens"] == 77
    assert body["messages"][0]["content"][0]["text"] == "Hi"


async def test_a_process_holds_the_configured_key_and_no_tools(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path, temporary: Path
) -> None:
    """Neither tokens of our environment nor our paths reach the API, and the model is given no tool."""
    upstream.script(HELLO)
    local = await gateway_factory(provider(command, upstream.url))
    await local.client.chat("Hi", model="cc/opus", system_prompt="Be brief: \N{SNOWMAN}")
    (request,) = upstream.requests
    assert request.headers["x-api-key"] == KEY
    assert "authorization" not in request.headers
    assert "ambient" not in request.body.decode()
    assert str(temporary) not in request.body.decode()
    assert os.getcwd() not in request.body.decode()
    assert request.json()["tools"] == []
    assert "Be brief: \N{SNOWMAN}" in [block["text"] for block in request.json()["system"]]


async def test_pieces_arrive_while_the_model_speaks(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path
) -> None:
    """The second piece is held back until the first has been read."""
    read = asyncio.Event()
    events = message("Hello", " there")
    upstream.script((*stream(*events[:-1], end=False), Until(read), *stream(events[-1], *END_OF_MESSAGE)[1:]))
    local = await gateway_factory(provider(command, upstream.url))
    answer = local.client.stream("Hi", model="cc/opus")
    pieces = []
    async for piece in answer:
        pieces.append(piece)
        read.set()
    assert pieces == ["Hello", " there"]
    assert answer.response.usage.provider_cost_nano_usd > 0


async def test_a_conversation_and_an_image_reach_the_model(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path
) -> None:
    """Earlier turns as a transcript, with a warning; the image as an image."""
    upstream.script(HELLO)
    local = await gateway_factory(provider(command, upstream.url))
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c4890000000d49444154789c6360f8cf500f0003860180"
        "5a34 7d6b0000000049454e44ae426082".replace(" ", "")
    )
    image = content_pb2.Part(media=content_pb2.MediaPart(data=pixel, mime_type="image/png"))
    request = asking("What is it?", image)
    request.messages.insert(0, content_pb2.Message(role=content_pb2.ROLE_USER, parts=[said("First")]))
    request.messages.insert(1, content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=[said("Yes?")]))
    response = await local.client.send(request)
    assert [warning.field for warning in response.warnings] == ["messages"]
    blocks = upstream.requests[0].json()["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["text", "text", "image"]
    assert "<user>\nFirst\n</user>" in blocks[0]["text"]


async def test_an_answer_by_a_schema_is_the_tools_input(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path
) -> None:
    """The command's hidden tool takes the answer; the caller sees text."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "StructuredOutput", "input": {}}
    events = [
        message()[0],
        event("content_block_start", index=0, content_block=call),
        event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"b": 1}'}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 7}),
        event("message_stop"),
    ]
    upstream.script(stream(*events), HELLO)
    local = await gateway_factory(provider(command, upstream.url))
    schema = '{"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}'
    request = asking("Hi")
    request.output_format.json_schema.schema_json = schema
    response = await local.client.send(request)
    assert json.loads(response.candidates[0].message.parts[0].text.text) == {"b": 1}
    assert response.candidates[0].finish_reason == gateway_pb2.FINISH_REASON_STOP
    assert not response.candidates[0].message.parts[0].HasField("tool_call")


async def test_a_cancelled_call_leaves_no_process(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path, temporary: Path
) -> None:
    """The whole group ends, the API sees it, and the files are removed."""
    upstream.script((*stream(*message("Hello"), end=False), HANG))
    local = await gateway_factory(provider(command, upstream.url))
    async with local.client.stream("Hi", model="cc/opus") as answer:
        async for _ in answer:
            break
    await upstream.seen(aborts=1)
    await gone(command)
    await cleared(temporary)


async def test_a_deadline_ends_the_process(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path, temporary: Path
) -> None:
    """A model that says nothing is waited for as long as the caller waits."""
    upstream.script((HANG,))
    local = await gateway_factory(provider(command, upstream.url))
    with pytest.raises(GatewayError) as caught:
        await local.client.chat("Hi", model="cc/opus", timeout=3)
    assert caught.value.code.name == "DEADLINE_EXCEEDED"
    await gone(command)
    await cleared(temporary)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (401, "authentication_error", "PROVIDER_CREDENTIALS_REJECTED"),
        (404, "not_found_error", "MODEL_NOT_FOUND"),
        (429, "rate_limit_error", "PROVIDER_RATE_LIMITED"),
        (529, "overloaded_error", "PROVIDER_OVERLOADED"),
    ],
)
async def test_an_error_of_the_api_is_the_calls(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path, status: int, kind: str, reason: str
) -> None:
    """`is_error` decides, and no key is in what the caller is told."""
    upstream.script(whole(status, {"type": "error", "error": {"type": kind, "message": f"no, {KEY}"}}))
    local = await gateway_factory(provider(command, upstream.url))
    with pytest.raises(GatewayError) as caught:
        await local.client.chat("Hi", model="cc/opus")
    assert caught.value.reason == reason
    assert KEY not in str(caught.value)
    assert KEY not in str(caught.value.provider_failure)


async def test_an_answer_asked_for_twice_is_an_interruption(
    gateway_factory: GatewayFactory, upstream: Upstream, command: Path
) -> None:
    """The command asks again when a stream breaks; the caller is not given two halves of two answers."""
    other = {
        "id": "msg_2",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [{"type": "text", "text": "other"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    read = asyncio.Event()
    upstream.script((*stream(*message("Hello"), end=False), Until(read), CLOSE), whole(200, other))
    local = await gateway_factory(provider(command, upstream.url))
    pieces = aiter(local.client.stream("Hi", model="cc/opus"))
    assert await anext(pieces) == "Hello"
    read.set()
    with pytest.raises(StreamInterrupted):
        await anext(pieces)


async def test_the_probe_asks_for_the_version(gateway_factory: GatewayFactory, command: Path, tmp_path: Path) -> None:
    """A command that is there lists models and is healthy, without a call; one that is not is unreachable."""
    config = provider(command)
    config["providers"]["absent"] = {"kind": "claude_code", "options": {"command": str(tmp_path / "none")}}
    local = await gateway_factory(config)
    models = await local.client.list_models()
    assert "opus" in [model.model_id for model in models if model.provider == "cc"]
    assert list(models.unreachable) == ["absent"]
    with pytest.raises(Unavailable):
        await local.client.chat("Hi", model="absent/opus")
    status = await local.client.get_status("cc", probe=True)
    assert status.providers[0].status == health_pb2.HEALTH_STATUS_SERVING


async def test_a_bound_that_is_no_number_is_a_problem_of_the_configuration(gateway_factory: GatewayFactory) -> None:
    """The gateway does not start with it."""
    for processes in (0, "many", True):
        with pytest.raises(ConfigError, match=r"options\.processes"):
            await gateway_factory(provider(Path("claude"), processes=processes))


# ---------------------------------------------------------------- commands that misbehave
ANSWER = [
    {"type": "system", "subtype": "init", "tools": []},
    {"type": "assistant", "message": {"id": "1", "model": "m", "content": [{"type": "text", "text": "Hello"}]}},
    {"type": "result", "is_error": False, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}},
]
Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a shell script that stands in for the command; `answer` in it prints a whole answer."""

    def write(script: str) -> Path:
        path = tmp_path / "command"
        lines = "\n".join(map(json.dumps, ANSWER))
        path.write_text(f"#!/bin/sh\nanswer() {{\ncat <<'END'\n{lines}\nEND\n}}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


async def test_what_a_process_started_ends_with_it(
    gateway_factory: GatewayFactory, program: Program, temporary: Path
) -> None:
    """A grandchild that ignores SIGTERM goes with the group."""
    command = program("trap '' TERM HUP\n(trap '' TERM HUP; while :; do sleep 1; done) &\nwhile :; do sleep 1; done")
    local = await gateway_factory(provider(command))
    call = asyncio.ensure_future(local.client.chat("Hi", model="cc/opus"))
    await eventually(lambda: len(below(str(command))) == 2, "the process has a child")
    call.cancel()
    await gone(command)
    await cleared(temporary)


async def test_what_a_killed_gateway_leaves_is_ended_and_cleared(
    gateway_process: ProcessFactory, program: Program, tmp_path: Path
) -> None:
    """After kill -9: the process of a call under way, its child, and its folder."""
    pids, folder = tmp_path / "pids", tmp_path / "files"
    folder.mkdir()
    command = program(
        f"read line\n(while :; do sleep 1; done) &\necho $$ $! > {pids}.new; mv {pids}.new {pids}\nwhile :; do sleep 1; done"
    )
    process = gateway_process(provider(command), {"TMPDIR": str(folder)})
    async with AsyncClient(process.address) as client:
        call = asyncio.ensure_future(client.chat("Hi", model="cc/opus"))
        await eventually(pids.exists, "the process has a child")
        process.process.kill()
        with pytest.raises(GatewayError):
            await call
    started = [int(pid) for pid in pids.read_text().split()]
    await eventually(lambda: not any(map(runs, started)), "both processes are gone")
    await cleared(folder)


async def test_the_answer_does_not_wait_for_the_exit(gateway_factory: GatewayFactory, program: Program) -> None:
    """A process that lives on after its result is not waited for, and ended with the gateway."""
    command = program("answer; sleep 600")
    local = await gateway_factory(provider(command))
    assert (await local.client.chat("Hi", model="cc/opus")).text == "Hello"
    await local.gateway.stop()
    await gone(command)


async def test_processes_at_once_are_bounded(gateway_factory: GatewayFactory, program: Program, tmp_path: Path) -> None:
    """With one permit, three calls run one after the other; each notes how many ran beside it."""
    running = tmp_path / "running"
    running.mkdir()
    command = program(
        f"touch {running}/$$; ls {running} | wc -l >> {tmp_path}/most; sleep 0.1; rm {running}/$$; answer"
    )
    local = await gateway_factory(provider(command, processes=1))
    replies = await asyncio.gather(*(local.client.chat("Hi", model="cc/opus") for _ in range(3)))
    assert [reply.text for reply in replies] == ["Hello"] * 3
    assert (tmp_path / "most").read_text().split() == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo \"error: unknown option '--tools='\" >&2; exit 1", "NOT_SUPPORTED_BY_PROVIDER"),
        ("echo ambient-secret >&2; exit 3", "PROVIDER_UNAVAILABLE"),
        ("answer | head -2; exit 3", "STREAM_TRUNCATED"),
        ("kill -9 $$", "PROVIDER_UNAVAILABLE"),
        ('echo \'{"type": "assistant", "message": 7}\'; answer', "PROVIDER_RESPONSE_INVALID"),
    ],
)
async def test_a_command_that_fails_is_an_error_of_the_call(
    gateway_factory: GatewayFactory, program: Program, script: str, reason: str
) -> None:
    """Whatever it does, and without a word of its standard error."""
    local = await gateway_factory(provider(program(script)))
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            await local.client.chat("Hi", model="cc/opus")
        assert caught.value.reason == reason
        assert "ambient-secret" not in f"{caught.value} {caught.value.provider_failure}"


async def test_no_place_for_its_files_is_an_error_of_the_call(
    gateway_factory: GatewayFactory, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is unavailable, not a bug, and gives its permit back: with one permit the next call is served."""
    local = await gateway_factory(provider(program("answer"), processes=1))
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        with pytest.raises(Unavailable):
            await local.client.chat("Hi", model="cc/opus")
    assert (await local.client.chat("Hi", model="cc/opus")).text == "Hello"


def test_a_process_that_has_closed_its_input_is_heard_all_the_same(program: Program, temporary: Path) -> None:
    """uvloop raises RuntimeError for the pipe; what the process says, or that it ended, is the answer."""

    async def said(script: str) -> tuple[bool, bytes]:
        process = upstream_claude._Process(tempfile.mkdtemp(), lambda *_: None)
        await process.start(str(program(script)), [], {}, None)
        await eventually(
            lambda: process._lost.is_set() or (process._chunks and process._exited.is_set()), "the process has ended"
        )
        spoke = await process.exchange(b"x" * (1 << 20))
        data = await process.receive() if spoke else await process.failure()
        await process.end(0.0)
        return spoke, data

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(said("exec 0<&-; echo late")) == (True, b"late\n")
        assert runner.run(said("exec 0<&-; echo no >&2; exit 3")) == (False, b"no\n")


async def test_no_call_loses_its_process_to_grpcs_fork_handlers(
    gateway_process: ProcessFactory, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 48 processes started beside live calls, each answers; with the handlers some ended before they began."""
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)
    running = gateway_process(provider(program("answer")))
    async with AsyncClient(running.address, timeout=60) as client:
        for _ in range(8):
            replies = await asyncio.gather(*(client.chat("Hi", model="cc/opus") for _ in range(6)))
            assert [reply.text for reply in replies] == ["Hello"] * 6


async def test_output_is_bounded(gateway_factory: GatewayFactory, program: Program) -> None:
    """A line without an end, and noise on standard error, are cut off."""
    command = program('(yes noise >&2 &); printf \'{"type":"system","x":"\'; yes x | tr -d \'\\n\'')
    local = await gateway_factory(provider(command))
    with pytest.raises(GatewayError) as caught:
        async for _ in local.client.stream("Hi", model="cc/opus"):
            pass
    assert caught.value.reason == "PROVIDER_RESPONSE_INVALID"
    await gone(command)
