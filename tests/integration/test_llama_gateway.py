"""A real model behind the gateway's own process, asked by the command line: `llm-gateway chat` in front of llama.cpp."""

import signal
import subprocess
import sys

import pytest
from llmgateway import Client
from llmgateway.v1 import gateway_pb2

from tests.conftest import ProcessFactory
from tests.support.gateway import Process, environment, provider
from tests.support.llama import MODEL, WORDS, Llama
from tests.support.waiting import eventually_blocking

ENDLESS = 60_000
"""Tokens; an answer so long is never read to its end."""
DIALECTS = ("chat", "responses", "messages")


@pytest.fixture
def gateway(gateway_process: ProcessFactory, llama: Llama) -> Process:
    """One provider for each dialect that the model's server speaks."""
    return gateway_process(
        {
            "providers": {
                "chat": provider(llama.url, models=[MODEL]),
                "responses": provider(llama.url, models=[MODEL], api="responses"),
                "messages": {"kind": "anthropic", "endpoint": llama.url, "api_key": "none", "models": [MODEL]},
            }
        }
    )


def chat(gateway: Process, *arguments: str) -> "subprocess.Popen[str]":
    """The command, with its output in pipes."""
    command = [sys.executable, "-m", "llm_gateway", "chat", *arguments]
    env = environment({"LLM_GATEWAY_ADDRESS": gateway.address})
    return subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_command_prints_what_the_model_says(gateway: Process, dialect: str) -> None:
    """Nine words on standard output; who served and how many tokens on standard error."""
    with chat(gateway, "--model", f"{dialect}/{MODEL}", "--max-tokens", "9", "Hello") as command:
        out, err = command.communicate(timeout=120)
    assert command.returncode == 0, err
    assert len(out.split()) == 9
    assert set(out.split()) <= set(WORDS)
    assert f"{dialect}/{MODEL}" in err
    assert "9 out" in err


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_command_prints_while_the_model_speaks_and_ends_it(gateway: Process, llama: Llama, dialect: str) -> None:
    """A word is there while the server generates; Ctrl-C frees the server's slot long before the token limit."""
    with chat(gateway, "--model", f"{dialect}/{MODEL}", "--max-tokens", str(ENDLESS), "Hello") as command:
        try:
            assert command.stdout is not None
            assert command.stdout.read(1)
            assert llama.busy() == 1
            command.send_signal(signal.SIGINT)
            assert command.wait(120) == 130
        finally:
            command.kill()
    eventually_blocking(lambda: not llama.busy(), "the server's slot is free")


@pytest.mark.parametrize(
    ("dialect", "reason"),
    [
        ("chat", gateway_pb2.FINISH_REASON_MAX_TOKENS),
        ("responses", gateway_pb2.FINISH_REASON_STOP),  # llama.cpp says "completed" there, whatever ended it
        ("messages", gateway_pb2.FINISH_REASON_MAX_TOKENS),
    ],
)
def test_a_whole_answer_has_its_reason_and_tokens(
    gateway: Process, dialect: str, reason: gateway_pb2.FinishReason.ValueType
) -> None:
    """Unary: the token limit, by the server's own count."""
    with Client(gateway.address) as client:
        response = client.chat("Hello", model=f"{dialect}/{MODEL}", max_output_tokens=9).response
    assert response.candidates[0].finish_reason == reason
    assert response.usage.output_tokens == 9
    assert response.usage.input_tokens > 0
