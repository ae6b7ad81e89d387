"""A new OpenAI-compatible provider is one file, and one golden case: here it is added from a folder of its own."""

import asyncio
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from llmgateway import Client

from tests.conftest import ProcessFactory
from tests.support import vendors
from tests.support.gateway import environment
from tests.support.upstream import Upstream, chat, chat_stream, whole

ROOT = Path(__file__).parents[2]
FILE = '''
"""Acme: https://llm.acme.example/docs."""

from llm_gateway.protocols.openai_dialects import ChatDialect, without
from llm_gateway.providers.rows import hosted, known, openai

CHAT = ChatDialect(output_limit="max_completion_tokens", sampling=without("min_p"), cache_breakpoint="")
ROW = openai(
    CHAT,
    "https://llm.acme.example/v1",
    usual=hosted("ACME"),
    default_model="acme-large",
    known={"acme-": known("streaming tools", "vision", context=64_000)},
    aliases=("acmeai",),
)
'''
CASE = {
    "about": "A limit, as ACME takes it.",
    "model": "acme-large",
    "request": {
        "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "Hi"}}]}],
        "generation_config": {"max_output_tokens": 5, "min_p": 0.1},
    },
    "wire": {"model": "acme-large", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 5},
    "warnings": ["generation_config.min_p"],
}


@pytest.fixture
def added(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the folder of the file is one of the package's."""
    folder = tmp_path / "added"
    folder.mkdir()
    (folder / "acme.py").write_text(FILE)
    (tmp_path / "sitecustomize.py").write_text(
        f"import llm_gateway.providers as providers\nproviders.__path__.append({str(folder)!r})\n"
    )
    return {"PYTHONPATH": f"{tmp_path}:{ROOT}"}


async def test_one_file_adds_a_provider(
    gateway_process: ProcessFactory, upstream: Upstream, added: dict[str, str]
) -> None:
    """Its key in the environment configures it, also by another name; it is called in its dialect, whole and streamed, and listed with what is
    known of its models."""
    upstream.script(chat("hello"), chat_stream(3), path="/v1/chat/completions")
    upstream.script(whole(200, {"data": [{"id": "acme-large"}]}), path="/v1/models")
    variables = {
        "ACME_API_KEY": "acme-key-of-the-test",
        "ACME_BASE_URL": f"{upstream.url}/v1",
        "LLM_PROVIDER": "Acme AI",
    }
    gateway = gateway_process({}, {**added, **variables})

    def play() -> None:
        with Client(gateway.address) as client:
            assert client.chat("Hi", max_output_tokens=5, min_p=0.1).text == "hello"
            assert "".join(client.stream("Hi", model="acme/acme-large")) == "0 1 2 "
            [listed] = client.list_models("acme")
            assert (listed.model_id, listed.input_token_limit) == ("acme-large", 64_000)

    await asyncio.to_thread(play)
    sent = next(request for request in upstream.requests if request.path == "/v1/chat/completions")
    assert sent.headers["authorization"] == "Bearer acme-key-of-the-test"
    assert sent.json() == {
        "model": "acme-large",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 5,
    }


def test_the_docs_and_the_golden_cases_know_it_by_its_file(added: dict[str, str]) -> None:
    """The page of providers has its row and its variables, the sample its key, and a golden case names its dialect."""
    code = f"""
    from pathlib import Path
    from llm_gateway.protocols import openai_chat
    from tests.golden import runner
    from tests.support import dialects, provider_table

    page, sample = provider_table.table(), provider_table.sample(Path(".env.example").read_text())
    assert "| acme | chat | bearer | yes |" in page
    assert "| `acme` | `ACME_API_KEY` |" in page
    assert sample.count("#ACME_API_KEY=") == 1
    runner.check_request(openai_chat, dialects.CHAT.ACME, "acme", {CASE!r})
    """
    command = [sys.executable, "-c", dedent(code)]
    subprocess.run(command, env=environment(added), cwd=ROOT, check=True)


async def test_any_server_that_speaks_the_messages_api_is_a_provider(
    gateway_process: ProcessFactory, upstream: Upstream
) -> None:
    """Kind anthropic_compatible: by its variables, at an address with a path, with the version that compatible servers know."""
    upstream.script(whole(200, vendors.ANTHROPIC), path="/anthropic/v1/messages")
    variables = {
        "ANTHROPIC_COMPATIBLE_API_KEY": "compatible-key-of-the-test",
        "ANTHROPIC_COMPATIBLE_BASE_URL": f"{upstream.url}/anthropic",
    }
    gateway = gateway_process({}, variables)

    def play() -> None:
        with Client(gateway.address) as client:
            assert client.chat("Hi", model="anthropic-compatible/kimi", max_output_tokens=5).text == "hello"

    await asyncio.to_thread(play)
    sent = next(request for request in upstream.requests if request.method == "POST")
    assert (sent.headers["x-api-key"], sent.headers["anthropic-version"]) == (
        "compatible-key-of-the-test",
        "2023-06-01",
    )
