"""The command line against a scripted gateway, against the real one, and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health as machine
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llm_gateway.cli import connection, main
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2

from tests.support import scripted_gateway as scripted
from tests.support.scripted_gateway import Context, ScriptedGateway, answer, events, fail
from tests.support.waiting import eventually_blocking

COMMAND = [sys.executable, "-m", "llm_gateway"]
SOON = 120.0
"""Seconds that a test waits for what must come; far more than it needs."""


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own settings reaches the commands."""
    for name in list(os.environ):
        if name.startswith(("LLM_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedGateway]:
    with scripted.running() as server:
        monkeypatch.setenv("LLM_GATEWAY_ADDRESS", server.address)
        yield server


@pytest.fixture
def echo_file(tmp_path: Path) -> str:
    file = tmp_path / "gateway.yaml"
    file.write_text("server: {lame_duck: 0s}\nproviders: {echo: {kind: echo, default_model: echo}}\n")
    return str(file)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs beside the test, and not longer."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


# ---------------------------------------------------------------- chat
def test_chat_prints_the_answer_and_then_who_served(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer alone on standard output; what was asked is what the flags say."""
    monkeypatch.setenv("LLM_GATEWAY_API_KEY", "k1")
    flags = (
        "--model m --provider p --system brief --max-tokens 9 --temperature 0 --top-p 0.5 --seed 7 --stop . --stop !"
    )
    assert main(["chat", *flags.split(), "hello", "there"]) == 0
    out, err = capsys.readouterr()
    assert out == "Hello world\n"
    assert re.fullmatch(
        r"echo/echo-1, 1 attempt \| 3 tokens in, 2 out \| cost unknown \| first token after \d+\.\d\d s\n", err
    )
    (call,) = gateway.calls
    request = call.request.request
    assert call.metadata["authorization"] == "Bearer k1"
    assert (request.model, request.provider) == ("m", "p")
    assert [message.parts[0].text.text for message in request.messages] == ["brief", "hello there"]
    assert request.generation_config == gateway_pb2.GenerationConfig(
        max_output_tokens=9, temperature=0, top_p=0.5, seed=7, stop_sequences=[".", "!"]
    )


def test_chat_without_streaming_makes_a_unary_call(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same output but for the time to the first token, which nobody saw."""
    assert main(["chat", "--no-stream", "hi"]) == 0
    out, err = capsys.readouterr()
    assert out == "Hello world\n"
    assert "first token" not in err
    assert gateway.calls[0].method == "Send"


def test_chat_prints_the_whole_response_as_json(gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of the proto; standard output holds nothing else."""
    assert main(["chat", "--json", "hi"]) == 0
    response = json.loads(capsys.readouterr().out)
    assert response["route"]["provider"] == "echo"
    assert response["usage"]["total_tokens"] == "5"
    assert response["candidates"][0]["message"]["parts"] == [{"text": {"text": "Hello world"}}]


def test_chat_prints_a_refusal_and_warnings_but_no_reasoning(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says why the answer ended."""

    def refuse(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[gateway_pb2.StreamSendResponse]:
        yield gateway_pb2.StreamSendResponse(
            warning=gateway_pb2.Warning(field="generation_config.seed", message="left out\x1b[1m")
        )
        for index, part in enumerate(
            (
                content_pb2.Part(reasoning=content_pb2.ReasoningPart(text="hm")),
                content_pb2.Part(refusal=content_pb2.RefusalPart(text="I would ")),
            )
        ):
            yield gateway_pb2.StreamSendResponse(part_started=gateway_pb2.PartStarted(part_index=index, part=part))
        for index, text in ((0, "mm"), (1, "rather not.")):
            yield gateway_pb2.StreamSendResponse(part_delta=gateway_pb2.PartDelta(part_index=index, text=text))
        yield gateway_pb2.StreamSendResponse(
            candidate_completed=gateway_pb2.CandidateCompleted(finish_reason=gateway_pb2.FINISH_REASON_REFUSAL)
        )
        yield gateway_pb2.StreamSendResponse(completed=gateway_pb2.StreamCompleted())

    gateway.stream = refuse
    assert main(["chat", "hi"]) == 0
    out, err = capsys.readouterr()
    assert out == "I would rather not.\n"
    assert "warning: generation_config.seed: left out\u241b[1m\n" in err
    assert "ended by refusal" in err


def test_chat_reads_a_message_from_a_pipe(gateway: ScriptedGateway) -> None:
    """Without MESSAGE, and with - for it; nothing at all is wrong usage."""
    for arguments in (["chat"], ["chat", "-"]):
        run = subprocess.run([*COMMAND, *arguments], input="from a pipe\n", capture_output=True, text=True, check=True)
        assert run.stdout == "Hello world\n"
        assert gateway.calls[-1].request.request.messages[0].parts[0].text.text == "from a pipe"
    empty = subprocess.run([*COMMAND, "chat"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "no message" in empty.stderr


def test_chat_joins_its_argument_and_what_is_piped_in(gateway: ScriptedGateway, tmp_path: Path) -> None:
    """The argument first: `git diff | llm-gateway chat "Review this:"`; a redirected file is as good as a pipe, /dev/null is nothing."""

    def asked(*arguments: str, **given: Any) -> str:
        subprocess.run(
            [*COMMAND, "chat", *arguments], capture_output=True, text=True, check=True, timeout=SOON, **given
        )
        (part,) = gateway.calls[-1].request.request.messages[0].parts
        return str(part.text.text)

    assert asked("Summarise", "this:", input="the context\n") == "Summarise this:\n\nthe context"
    assert asked("Summarise:", "-", input="the context\n") == "Summarise:\n\nthe context"
    (tmp_path / "context").write_text("from a file")
    with (tmp_path / "context").open() as file:
        assert asked("Summarise:", stdin=file) == "Summarise:\n\nfrom a file"
    assert asked("Alone", stdin=subprocess.DEVNULL) == "Alone"
    assert asked("Alone", input="") == "Alone"


def test_files_go_along_as_text_or_as_media(gateway: ScriptedGateway, tmp_path: Path) -> None:
    """Texts join the message in their order; an image is known by its first bytes, audio by its name."""
    png, mp3 = b"\x89PNG\r\n\x1a\n\0\0", b"ID3\x04\0\0\xff\xfb"
    files = {"a.py": b"print(1)\n", "b.ts": b"let x = 1\n", "c.dat": png, "d.mp3": mp3, "e": b"%PDF-1.7\nplain"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    flags = [flag for name in files for flag in ("--file", str(tmp_path / name))]
    assert main(["chat", *flags, "Look:"]) == 0
    text, *media = gateway.calls[-1].request.request.messages[0].parts
    assert text.text.text == "Look:\n\nprint(1)\n\nlet x = 1"
    assert [(part.media.mime_type, part.media.filename, part.media.data) for part in media] == [
        ("image/png", "c.dat", png),
        ("audio/mpeg", "d.mp3", mp3),
        ("application/pdf", "e", files["e"]),
    ]


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("absent", None, "cannot be read: No such file or directory"),
        ("empty", b" \n", "is empty"),
        ("x.bin", b"\0\1\2", "is neither UTF-8 text nor an image, audio, video or PDF"),
        ("latin.txt", b"caf\xe9", "is neither UTF-8 text nor an image, audio, video or PDF"),
    ],
)
def test_a_file_that_no_model_could_take_is_wrong_usage(
    name: str, data: bytes | None, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is called."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert main(["chat", "--file", str(tmp_path / name), "hi"]) == 2
    assert capsys.readouterr().err == f"error: --file {tmp_path / name} {text}\n"


def test_chat_that_fails_says_so_on_one_line_and_exits_with_1(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the server says is cleaned before it is printed."""
    gateway.stream = lambda request, context: fail(
        context, grpc.StatusCode.NOT_FOUND, "no \x1b[2J model", error_details_pb2.ErrorInfo(reason="MODEL_NOT_FOUND")
    )
    assert main(["chat", "hi"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: no \u241b[2J model; `llm-gateway models` lists what there is\n")


def test_chat_keeps_what_came_of_a_stream_that_was_cut(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """But exits with 1."""
    gateway.stream = lambda request, context: (event for event in events("Half") if not event.HasField("completed"))
    assert main(["chat", "hi"]) == 1
    out, err = capsys.readouterr()
    assert out == "Half\n"
    assert err.startswith("error: the stream ended before the answer was whole")


@pytest.mark.parametrize("command", [["chat", "hi"], ["models"], ["health"]])
def test_without_a_gateway_the_commands_say_how_to_start_one(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a loopback address where nobody listens; those that wait for one to start say so."""
    monkeypatch.setenv("LLM_GATEWAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    monkeypatch.setattr(connection, "UNTOLD", 0.0)
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "nothing listens at 127.0.0.1:1; start one with `llm-gateway serve`" in said
    assert said.count("nothing listens at 127.0.0.1:1 yet; waiting") == (command != ["health"])


def test_ctrl_c_exits_with_130_and_cancels_the_call(gateway: ScriptedGateway) -> None:
    """What was printed stays."""

    def hang(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[gateway_pb2.StreamSendResponse]:
        for event in events("Hello"):
            yield event
            if event.HasField("part_delta"):
                assert gateway.calls[0].ended.wait(SOON)
                return

    gateway.stream = hang
    command = [*COMMAND, "chat", "hi"]
    with started(command) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"Hello"
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert gateway.calls[0].ended.wait(SOON)


def test_a_reader_that_leaves_gets_no_traceback(gateway: ScriptedGateway) -> None:
    """As in `llm-gateway chat hi | head -c 1`."""
    gateway.send = lambda request, context: answer("x" * 1_000_000)
    command = [*COMMAND, "chat", "--no-stream", "hi"]
    with started(command) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(SOON) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""


# ---------------------------------------------------------------- on a terminal
class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self.process = process
        self.screen = ""

    def until(self, text: str, seconds: float = SOON) -> str:
        """Read until the text appears; returns what came up to it."""
        end = time.monotonic() + seconds
        while text not in self.screen:
            left = end - time.monotonic()
            assert left > 0, self.screen
            if not select.select([self._descriptor], [], [], left)[0]:
                continue
            try:
                self.screen += os.read(self._descriptor, 4096).decode()
            except OSError:  # the other side is closed
                raise AssertionError(self.screen) from None
        seen, _, self.screen = self.screen.partition(text)
        return seen

    def rest(self) -> str:
        """What is on the screen once the command has ended."""
        with suppress(OSError):
            while select.select([self._descriptor], [], [], 0.1)[0] and (data := os.read(self._descriptor, 4096)):
                self.screen += data.decode()
        return self.screen

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def interrupt(self) -> int:
        """Press Ctrl-C at a prompt until the command ends; returns its exit code as a shell tells it. input() may miss a signal that comes
        too soon; one that comes while the interpreter already ends kills it, which a shell tells as 130 too."""
        for _ in range(int(SOON)):
            self.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                code = self.process.wait(1)
                return 128 - code if code < 0 else code
        raise AssertionError(self.screen)


@contextmanager
def terminal(*arguments: str, command: Sequence[str] = COMMAND, **variables: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    # A session of its own, with the terminal as its controlling one: Ctrl-C becomes SIGINT as for a person.
    takes_terminal = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    environment = {**os.environ, "TERM": "dumb", **variables}
    with subprocess.Popen(
        [sys.executable, "-c", takes_terminal, *command, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            with suppress(psutil.NoSuchProcess):
                for started in psutil.Process(process.pid).children(recursive=True):
                    started.kill()
            process.kill()
            os.close(ours)


def test_a_conversation_sends_all_turns_before_the_new_one(gateway: ScriptedGateway) -> None:
    """The model's turn goes back with its signature; a turn that failed is forgotten; Ctrl-D ends it well."""

    def converse(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[gateway_pb2.StreamSendResponse]:
        if len(gateway.calls) == 2:
            fail(context, grpc.StatusCode.INVALID_ARGUMENT, "not that")
        for event in events("Hello"):
            if event.HasField("part_completed"):
                event.part_completed.signature = b"s"
            yield event

    gateway.stream = converse
    with terminal("chat") as person:
        for words, answered in (("one", "first token"), ("two", "error: not that"), ("three", "first token")):
            person.until("> ")
            person.type(f"{words}\n")
            person.until(answered)
        person.until("> ")
        person.type("\x04")
        assert person.process.wait(SOON) == 0
    *_, last = gateway.calls
    said = [(m.role, m.parts[0].text.text, m.parts[0].signature) for m in last.request.request.messages]
    assert said == [
        (content_pb2.ROLE_USER, "one", b""),
        (content_pb2.ROLE_ASSISTANT, "Hello", b"s"),
        (content_pb2.ROLE_USER, "three", b""),
    ]


def test_ctrl_c_during_an_answer_ends_the_answer_only(gateway: ScriptedGateway) -> None:
    """At the prompt it ends the command, with 130, when it is pressed twice."""

    def hang(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[gateway_pb2.StreamSendResponse]:
        for event in events("Hello"):
            yield event
            if event.HasField("part_delta"):
                assert gateway.calls[0].ended.wait(SOON)
                return

    gateway.stream = hang
    with terminal("chat") as person:
        person.until("> ")
        person.type("hi\n")
        person.until("Hello")
        person.type("\x03")
        person.until("interrupted")
        person.until("> ")
        assert person.interrupt() == 130


def test_ctrl_c_at_the_prompt_says_how_to_leave(gateway: ScriptedGateway) -> None:
    """One that came too late for an answer does not end the conversation, and typing goes on."""
    with terminal("chat") as person:
        person.until("> ")
        for _ in range(
            int(SOON / 10)
        ):  # input() may miss a signal that comes too soon; the second that it takes ends the command
            person.type("\x03")
            with suppress(AssertionError):
                person.until("Ctrl-C again", 10)
                break
        person.until("> ")
        person.type("hi\n")
        person.until("first token")


def test_a_conversation_has_commands(gateway: ScriptedGateway) -> None:
    """Help, another model, a new start, an end; a word with slashes is a message, a command that does not exist is none."""
    with terminal("chat", "--model", "a/m", "--provider", "a") as person:
        for words, answered in (
            ("/help", "forget what was said"),
            ("/model", "a/m"),
            ("one", "first token"),
            ("/model b/n", "/model b/n"),
            ("two", "first token"),
            ("/clear", "/clear"),
            ("/hlep", "there is no command /hlep"),
            ("/etc/hosts has what?", "first token"),
        ):
            person.until("> ")
            person.type(f"{words}\n")
            person.until(answered)
        person.until("> ")
        person.type("/exit\n")
        assert person.process.wait(SOON) == 0
    requests = [call.request.request for call in gateway.calls]
    assert [(one.model, one.provider, len(one.messages)) for one in requests] == [
        ("a/m", "a", 1),
        ("b/n", "", 3),
        ("b/n", "", 1),
    ]


def test_an_answer_that_is_cut_does_not_end_the_conversation(gateway: ScriptedGateway) -> None:
    """What came of it stays on the screen, and is forgotten."""
    cut = iter([True])

    def stream(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[gateway_pb2.StreamSendResponse]:
        lost = next(cut, False)
        yield from (event for event in events("Half") if not (lost and event.HasField("completed")))

    gateway.stream = stream
    with terminal("chat") as person:
        for words, answered in (("one", "error: the stream ended before"), ("two", "first token")):
            person.until("> ")
            person.type(f"{words}\n")
            person.until(answered)
    assert len(gateway.calls[-1].request.request.messages) == 1


def thinking(request: gateway_pb2.StreamSendRequest, context: Context) -> Iterator[gateway_pb2.StreamSendResponse]:
    """Two deltas of reasoning, then text."""
    reasoning = content_pb2.Part(reasoning=content_pb2.ReasoningPart())
    bodies: tuple[dict[str, Any], ...] = (
        {"part_started": {"part": reasoning}},
        {"part_delta": {"text": "Hm,"}},
        {"part_delta": {"text": " well\x1b[2J"}},
        {"part_completed": {}},
        {"part_started": {"part_index": 1, "part": scripted.text("")}},
        {"part_delta": {"part_index": 1, "text": "Yes."}},
        {"part_completed": {"part_index": 1}},
        {"candidate_completed": {"finish_reason": gateway_pb2.FINISH_REASON_STOP}},
        {"completed": {}},
    )
    for body in bodies:
        yield gateway_pb2.StreamSendResponse(**body)


def test_reasoning_is_dimmed_on_a_terminal_and_left_out_elsewhere(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands on lines of its own; a terminal that cannot dim gets the answer alone, as a pipe does."""
    gateway.stream = thinking
    with terminal("chat", "hi", TERM="xterm") as person:
        screen = person.until("first token")
    assert screen.startswith("\x1b[2mHm,\x1b[0m\x1b[2m well\u241b[2J\x1b[0m\r\nYes.\r\n")
    for variables in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        with terminal("chat", "hi", **variables) as person:
            assert person.until("first token").startswith("Yes.\r\n")
    assert main(["chat", "hi"]) == 0
    assert capsys.readouterr().out == "Yes.\n"


def test_a_model_cannot_drive_the_terminal(gateway: ScriptedGateway) -> None:
    """Not even with an escape sequence that two deltas share."""
    gateway.stream = lambda request, context: events("a\x1b", "]0;owned\x07b\r\n", "c")
    with terminal("chat", "hi") as person:
        screen = person.until("first token")
    assert "\x1b" not in screen
    assert "\x07" not in screen
    assert "a\u241b]0;owned\u2407b" in screen


# ---------------------------------------------------------------- models and health
def test_models_are_a_table(gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]) -> None:
    """What is unknown is a dash; providers that did not answer are named on standard error."""
    priced = model_pb2.ModelPricing(input_nano_usd_per_million=2_500_000_000, output_nano_usd_per_million=0)
    gateway.models = lambda request, context: model_pb2.ListModelsResponse(
        models=[
            model_pb2.Model(
                provider="a",
                model_id="org/m",
                input_token_limit=1000,
                pricing=priced,
                capabilities=[model_pb2.MODEL_CAPABILITY_TOOLS],
                aliases=["smart"],
            ),
            model_pb2.Model(provider="b", model_id="n", deprecated=True),
        ],
        unreachable=["providers/c"],
    )
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["a/org/m", "1000", "-", "2.5", "0", "tools", "smart"],
        ["b/n", "(deprecated)", "-", "-", "-", "-", "-", "-"],
    ]
    assert err == "warning: did not answer: c\n"


def test_tables_fit_a_terminal_and_are_whole_in_a_pipe(
    gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model's name, which is copied, is shortened last."""
    name = "org/model-of-note"
    gateway.models = lambda request, context: model_pb2.ListModelsResponse(
        models=[
            model_pb2.Model(
                provider="provider",
                model_id=name,
                input_token_limit=1_000_000,
                capabilities=list(model_pb2.ModelCapability.values())[1:],
                aliases=["one-alias", "another-alias"],
            )
        ]
    )
    with terminal("models", COLUMNS="80") as person:
        person.process.wait(SOON)
        header, row = person.rest().splitlines()
    assert max(len(header), len(row)) <= 80
    assert row.startswith(f"provider/{name}  ")
    assert "…" in row
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "one-alias,another-alias" in out
    assert "…" not in out


def test_models_as_json_are_one_response(gateway: ScriptedGateway, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all pages, in the shape of the contract."""
    pages = {
        "": model_pb2.ListModelsResponse(models=[model_pb2.Model(name="x")], next_page_token="t"),
        "t": model_pb2.ListModelsResponse(models=[model_pb2.Model(name="y")], unreachable=["providers/c"]),
    }
    gateway.models = lambda request, context: pages[request.page_token]
    assert main(["models", "--json", "--provider", "p", "--refresh"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == {"models": [{"name": "x"}, {"name": "y"}], "unreachable": ["providers/c"]}
    assert (gateway.calls[0].request.provider, gateway.calls[0].request.refresh) == ("p", True)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (health_pb2.HEALTH_STATUS_SERVING, 0),
        (health_pb2.HEALTH_STATUS_DEGRADED, 0),
        (health_pb2.HEALTH_STATUS_NOT_SERVING, 1),
    ],
)
def test_health_exits_with_1_when_calls_are_not_taken(
    gateway: ScriptedGateway,
    capsys: pytest.CaptureFixture[str],
    status: health_pb2.HealthStatus.ValueType,
    code: int,
) -> None:
    """The table and the JSON say the same."""
    health = health_pb2.HealthResponse(status=status, version="1.2", in_flight=3)
    health.uptime.seconds = 90_061
    provider = health.providers.add(provider="a", deployment="eu", status=health_pb2.HEALTH_STATUS_SERVING)
    provider.circuit_state, provider.error_rate = health_pb2.CIRCUIT_STATE_HALF_OPEN, 0.25
    provider.p50_first_event.FromMilliseconds(450)
    provider.last_error_model, provider.last_error_cause = "m", "connection refused at 127.0.0.1:9"
    provider.last_error_time.FromSeconds(0)
    gateway.health = lambda request, context: health
    assert main(["health", "--probe"]) == code
    first, _, row, why = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"a/m, last error at \d\d:\d\d:\d\d: connection refused at 127\.0\.0\.1:9", why)
    name = health_pb2.HealthStatus.Name(status)
    assert first == f"{name.removeprefix('HEALTH_STATUS_')} | version 1.2 | up 1 day, 1:01:01 | 3 calls in flight"
    assert row.split() == ["a", "eu", "SERVING", "half_open", "25%", "0.45", "s", "-"]
    assert gateway.calls[0].request.probe
    assert main(["health", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["status"] == name


@contextmanager
def locked(status: machine_pb2.HealthCheckResponse.ServingStatus) -> Iterator[str]:
    """A gateway that refuses every call without a key, but answers grpc.health.v1; gives its address."""
    closed = ScriptedGateway()
    closed.health = lambda request, context: fail(context, grpc.StatusCode.UNAUTHENTICATED, "no key")
    servicer = machine.HealthServicer()
    servicer.set("llmgateway.v1.LLMGateway", status)
    with futures.ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        gateway_pb2_grpc.add_LLMGatewayServicer_to_server(closed, server)
        machine_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


@pytest.mark.parametrize(("status", "code"), [("SERVING", 0), ("NOT_SERVING", 1)])
def test_health_without_a_key_asks_what_everyone_may_ask(
    status: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A container's health check has no key of a caller. With a wrong key the answer is an error."""
    with locked(machine_pb2.HealthCheckResponse.ServingStatus.Value(status)) as address:
        assert main(["health", "--address", address]) == code
        assert capsys.readouterr().out == f"{status}\n"
        assert main(["health", "--address", address, "--api-key", "wrong"]) == 1
        assert "no key; set LLM_GATEWAY_API_KEY" in capsys.readouterr().err


# ---------------------------------------------------------------- the real gateway
def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SOON
    )


def test_chat_embedded_works_beside_an_exported_address(echo_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what the command advises when the gateway at that address does not answer."""
    monkeypatch.setenv("LLM_GATEWAY_ADDRESS", "127.0.0.1:1")
    done = run("chat", "--embedded", "--config", echo_file, "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_chat_embedded_says_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    """One line; it does not wait for a gateway that did not start."""
    (tmp_path / "ca.pem").write_text("no certificate")
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "providers: {edge: {kind: openai_compatible, endpoint: 'https://127.0.0.1:1', tls: {ca_file: ca.pem}}}"
    )
    done = run("chat", "--embedded", "--config", str(file), "hello")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "error:" in done.stderr


def test_chat_embedded_needs_no_running_gateway(echo_file: str) -> None:
    """The gateway lives as long as the command."""
    done = run("chat", "--embedded", "--config", echo_file, "hello", "there")
    assert (done.returncode, done.stdout) == (0, "hello there\n")
    assert re.match(r"echo/echo, 1 attempt \| 2 tokens in, 2 out \| \$0\.000000 \| first token", done.stderr)
    failed = run("chat", "--embedded", "--config", echo_file, "--model", "echo/echo-limited", "hi")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert re.fullmatch(r"error: .*try again in [\d.]+ s\n", failed.stderr)


def test_serve_serves_the_other_commands_until_it_is_told_to_stop(echo_file: str, tmp_path: Path) -> None:
    """On a socket of the file system, whose name is known before it starts; SIGTERM ends it with 0."""
    listen = f"unix:{tmp_path / 'socket'}"
    command = [*COMMAND, "serve", "--config", echo_file, "--listen", listen, "--reflection", "--log-level", "warning"]
    with started(command) as server:
        eventually_blocking(lambda: (tmp_path / "socket").exists() or server.poll() is not None, "its socket is there")
        assert server.poll() is None
        listed = run("models", "--address", listen, "--json")
        assert "providers/echo/models/echo" in {model["name"] for model in json.loads(listed.stdout)["models"]}
        assert run("health", "--address", listen, "--probe").stdout.startswith("SERVING | ")
        assert run("chat", "--address", listen, "hello").stdout == "hello\n"
        with grpc.insecure_channel(listen) as channel:
            ask: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
            )
            (services,) = ask(iter([b"\x3a\x00"]), timeout=SOON)  # list_services
            assert b"llmgateway.v1.LLMGateway" in services
        server.send_signal(signal.SIGTERM)
        assert server.wait(SOON) == 0
        assert server.stderr is not None
        assert server.stderr.read() == b""


def test_serve_says_when_it_cannot_listen(echo_file: str, gateway: ScriptedGateway) -> None:
    """The port is taken: exit code 1 and one line."""
    done = run("serve", "--config", echo_file, "--listen", gateway.address, "--log-level", "error")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: cannot listen")


def test_serve_in_the_background_of_a_terminal_keeps_out_of_what_runs_in_front(echo_file: str, tmp_path: Path) -> None:
    """`serve &`, then `chat`: no line for a call that went well; one that failed for the gateway's part is told, in words for people."""
    listen = f"unix:{tmp_path / 'socket'}"
    background = (
        "import subprocess, sys; subprocess.Popen(sys.argv[1:], process_group=0).wait()",
        *(*COMMAND, "serve", "--config", echo_file, "--listen", listen),
    )
    with terminal(command=[sys.executable, "-c", *background]) as screen:
        screen.until("serving")
        assert run("chat", "--address", listen, "hello").stdout == "hello\n"
        assert run("chat", "--address", listen, "--model", "echo/echo-fail", "hello").returncode == 1
        shown = screen.until("UNAVAILABLE")
    assert shown.count("rpc") == 1
    assert '"event"' not in shown
