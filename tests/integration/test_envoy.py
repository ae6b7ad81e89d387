"""gRPC-Web, JSON and gRPC through a real Envoy with the configuration of deploy/envoy, in front of a real gateway."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from llmgateway import AsyncClient
from llmgateway.v1 import gateway_pb2

from tests.support import envoy
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import HANG, Upstream

ROOT = Path(__file__).parents[2]
WEB = ROOT / "tests" / "conformance" / "runners" / "typescript" / "web.mjs"


@contextmanager
def _started(config: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """The URL of Envoy in front of a gateway with this configuration, both in processes of their own."""
    try:
        envoy.binary()
    except envoy.NoEnvoy as none:
        pytest.skip(str(none))
    with gateways.process(config, folder) as gateway, envoy.started(gateway.address, folder) as running:
        yield f"http://{running.address}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Envoy in front of a gateway with the embedded provider."""
    with _started({"providers": {"echo": {"kind": "echo"}}}, tmp_path_factory.mktemp("envoy")) as found:
        yield found


def _post(url: str, method: str, body: Any) -> httpx.Response:
    return httpx.post(f"{url}/llmgateway.v1.LLMGateway/{method}", json=body, trust_env=False)


def _request(model: str, text: str = "one two three") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": text}}]}]}


async def _web(*arguments: str) -> Any:
    """What the TypeScript client for browsers says."""
    node = shutil.which("node")
    if node is None or not (ROOT / "clients" / "typescript" / "dist").exists():
        pytest.skip("no Node.js, or no built TypeScript client; make test-clients builds it")
    process = await asyncio.create_subprocess_exec(node, str(WEB), *arguments, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)


async def test_the_typescript_client_streams_over_grpc_web(url: str) -> None:
    """Whole and in pieces, word by word, to its proper end."""
    seen = await _web(url, "echo/echo-slow")
    assert seen == {"text": "one two three", "pieces": ["one ", "two ", "three"], "error": None, "finish": 1}


async def test_grpc_web_keeps_the_details_of_an_error(url: str) -> None:
    """Reason, delay and attempts reach the browser."""
    seen = await _web(url, "echo/echo-limited")
    assert seen["error"] == {
        "code": "RESOURCE_EXHAUSTED",
        "reason": "PROVIDER_RATE_LIMITED",
        "retryDelayMs": 1000,
        "attempts": 3,
    }


async def test_leaving_a_grpc_web_stream_closes_the_connection_to_the_provider(
    upstream: Upstream, tmp_path: Path
) -> None:
    """Through Envoy and the gateway to the provider, which would have gone on for ever."""
    upstream.script((*scripted.stream(scripted.event("one "), end=False), HANG))
    with _started({"providers": {"p": gateways.provider(upstream.url)}}, tmp_path) as address:
        seen = await _web(address, "p/m", "cancel")
        assert seen["pieces"] == ["one "]
        await upstream.seen(aborts=1)


def test_json_is_an_answer_by_the_names_of_the_protos(url: str) -> None:
    """POST to the method's path, snake_case fields, 64-bit numbers as strings."""
    answer = _post(url, "Send", _request("echo/echo"))
    assert answer.status_code == 200
    assert answer.json()["candidates"][0]["message"]["parts"] == [{"text": {"text": "one two three"}}]
    assert answer.json()["usage"]["output_tokens"] == "3"


def test_a_json_stream_is_one_event_a_line_up_to_completed(url: str) -> None:
    """Each line is JSON by itself; the last one is the terminal."""
    answer = _post(url, "StreamSend", {"request": _request("echo/echo")})
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(event["part_delta"]["text"] for event in events if "part_delta" in event) == "one two three"
    assert "completed" in events[-1]


def test_a_broken_json_stream_ends_without_completed(url: str) -> None:
    """What a reader of JSON must look for, as the README says."""
    answer = _post(url, "StreamSend", {"request": _request("echo/echo-cut", "one two three four")})
    assert not any("completed" in json.loads(line) for line in answer.text.splitlines())


def test_a_json_error_has_the_http_status_and_the_details(url: str) -> None:
    """google.rpc.Status with ErrorInfo, RetryInfo and the gateway's own detail."""
    answer = _post(url, "Send", _request("echo/echo-limited"))
    assert answer.status_code == 429
    details = {detail["@type"].rpartition("/")[2]: detail for detail in answer.json()["details"]}
    assert details["google.rpc.ErrorInfo"]["reason"] == "PROVIDER_RATE_LIMITED"
    assert details["google.rpc.RetryInfo"]["retry_delay"] == "1s"
    assert len(details["llmgateway.v1.ProviderFailure"]["attempts"]) == 3


def test_pages_of_the_configured_origin_may_call_and_others_may_not(url: str) -> None:
    """CORS: the preflight is answered for the origin in envoy.yaml only."""
    for origin, allowed in (("http://localhost:3000", True), ("http://elsewhere.example", False)):
        headers = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,x-grpc-web",
        }
        answer = httpx.options(f"{url}/llmgateway.v1.LLMGateway/Send", headers=headers, trust_env=False)
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


async def test_grpc_passes_through(url: str) -> None:
    """The same port serves clients that speak gRPC."""
    async with AsyncClient(url.removeprefix("http://")) as client:
        reply = await client.chat("hi", "echo/echo")
    assert reply.text == "hi"
    assert reply.finish_reason == gateway_pb2.FINISH_REASON_STOP


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_curl_examples_of_the_readme_work(url: str) -> None:
    """Run as they stand but for the port: an answer, a whole stream, a typed error."""
    examples = re.findall(r"```sh\n(.*?)```", (envoy.DEPLOY / "README.md").read_text(), re.DOTALL)
    printed = [
        subprocess.run(
            ["bash", "-c", example.replace("http://127.0.0.1:8080", url)],
            env={**os.environ, "no_proxy": "*"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for example in examples
    ]
    whole, streamed, error = printed
    assert json.loads(whole)["candidates"][0]["message"]["parts"] == [{"text": {"text": "Say hello."}}]
    assert "completed" in json.loads(streamed.splitlines()[-1])
    assert json.loads(error)["code"] == 3
