"""The first call: one vendor's key in the environment, or two; names, addresses and their errors as a new user meets them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from llm_gateway.catalogue import catalogue
from llmgateway import GatewayError, make_request
from llmgateway.v1 import gateway_pb2, health_pb2

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support import vendors
from tests.support.upstream import Upstream, whole
from tests.support.waiting import PATIENCE, eventually


def listing(*models: str) -> scripted.Script:
    return whole(200, {"object": "list", "data": [{"id": model, "object": "model"} for model in models]})


def hosted(prefix: str, version: str = "/v1") -> tuple[str, str]:
    """Variables of key and address, the latter with {url}."""
    return f"{prefix}_API_KEY=k", f"{prefix}_BASE_URL={{url}}{version}"


CHAT = scripted.chat("hello")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that comes is in time, on any machine."""
    monkeypatch.setattr(catalogue, "PATIENCE", PATIENCE)


@pytest.mark.parametrize(
    ("variables", "answers", "path", "model"),
    [
        (hosted("ANTHROPIC", ""), {"/v1/messages": whole(200, vendors.ANTHROPIC)}, "/v1/messages", "claude-sonnet-5-5"),
        (("CLAUDE_API_KEY=k", "ANTHROPIC_BASE_URL={url}/v1"), {"/v1/messages": whole(200, vendors.ANTHROPIC)}, "/v1/messages", "claude-sonnet-5-5"),
        (hosted("OPENAI"), {"/v1/responses": whole(200, vendors.RESPONSE)}, "/v1/responses", "gpt-6.1-sol"),
        (hosted("GEMINI", ""), {"/v1beta/models/gemini-3.8-flash:generateContent": whole(200, vendors.GEMINI)}, "/v1beta/models/gemini-3.8-flash:generateContent", ""),
        (("GROK_API_KEY=k", "XAI_BASE_URL={url}/v1"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "grok-4.7"),
        (hosted("MISTRAL", ""), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "mistral-medium-latest"),
        (hosted("GROQ"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "openai/gpt-oss-120b"),
        (hosted("DEEPSEEK"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "deepseek-v4-flash"),
        (hosted("OPENROUTER"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "openrouter/auto"),
        (hosted("TOGETHER"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "openai/gpt-oss-120b"),
        (hosted("FIREWORKS"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "accounts/fireworks/models/gpt-oss-120b"),
        (hosted("CEREBRAS"), {"/v1/chat/completions": CHAT}, "/v1/chat/completions", "gpt-oss-120b"),
        (hosted("PERPLEXITY", ""), {"/chat/completions": CHAT}, "/chat/completions", "sonar"),
        (("AZURE_OPENAI_KEY=k", "AZURE_OPENAI_ENDPOINT={url}", "AZURE_OPENAI_DEPLOYMENT=mine"), {"/openai/v1/chat/completions": CHAT}, "/openai/v1/chat/completions", "mine"),
        (("LLM_PROVIDER=openai_compatible", "LLM_BASE_URL={url}/v1"), {"/v1/models": listing("only"), "/v1/chat/completions": CHAT}, "/v1/chat/completions", "only"),
        (("LLM_BASE_URL={url}/v1/chat/completions", "LLM_API_KEY=k"), {"/v1/models": listing("text-embedding-x", "only"), "/v1/chat/completions": CHAT}, "/v1/chat/completions", "only"),
        (("VLLM_BASE_URL={url}/v1",), {"/v1/models": listing("org/served"), "/v1/chat/completions": CHAT}, "/v1/chat/completions", "org/served"),
        (("OLLAMA_HOST={url}",), {
            "/api/tags": whole(200, {"models": [{"model": "a:1b", "name": "a:1b"}, {"model": "b:1b", "name": "b:1b"}]}),
            "/api/ps": whole(200, {"models": [{"model": "b:1b", "name": "b:1b"}]}),
            "/api/show": whole(200, {"capabilities": ["completion"]}),
            "/api/chat": whole(200, vendors.OLLAMA),
        }, "/api/chat", "b:1b"),
        (("LMSTUDIO_HOST={url}",), {
            "/api/v1/models": whole(200, {"models": [
                {"type": "llm", "key": "a", "loaded_instances": []},
                {"type": "llm", "key": "b", "loaded_instances": [{"id": "b", "config": {"context_length": 4096}}]},
            ]}),
            "/v1/chat/completions": CHAT,
        }, "/v1/chat/completions", "b"),
    ],
)  # fmt: skip
async def test_one_key_is_enough(
    upstream: Upstream,
    tmp_path: Path,
    variables: tuple[str, ...],
    answers: Mapping[str, scripted.Script],
    path: str,
    model: str,
) -> None:
    """A call that names nothing is served: by the kind's usual model, or by the one that is listed alone, or loaded."""
    for place, answer in answers.items():
        upstream.script(answer, path=place)
    env = dict(variable.format(url=upstream.url).split("=", 1) for variable in variables)
    async with gateways.local({}, tmp_path, env) as running:
        assert (await running.client.chat("Say hello")).text == "hello"
    asked = upstream.requests[-1]
    assert asked.path.partition("?")[0] == path
    assert asked.json().get("model", "") == model


def edge(url: str, **of: Any) -> dict[str, Any]:
    return {"kind": "openai_compatible", "endpoint": f"{url}/v1", "api_key": "none", **of}


def two(upstream: Upstream) -> dict[str, Any]:
    """Providers a and b at one upstream, below /a and /b; neither is declared to serve anything."""
    upstream.script(CHAT, path="/a/v1/chat/completions")
    upstream.script(CHAT, path="/b/v1/chat/completions")
    return {"providers": {name: edge(f"{upstream.url}/{name}") for name in "ab"}}


def lists(upstream: Upstream) -> list[str]:
    return [request.path for request in upstream.requests if request.path.endswith("/models")]


async def test_a_bare_name_is_the_model_of_the_provider_that_lists_it(gateway_factory: Any, upstream: Upstream) -> None:
    """Each list is asked for once, for all callers together, and not again for a name that is known."""
    upstream.script(listing("m", "both"), path="/a/v1/models")
    upstream.script(listing("n-20260101", "both"), path="/b/v1/models")
    running = await gateway_factory(two(upstream))
    replies = await asyncio.gather(*(running.client.chat("hi", name) for name in ["m", "n", "m", "n-20260101"] * 3))
    assert [reply.response.route.provider for reply in replies] == ["a", "b", "a", "b"] * 3
    assert sorted(lists(upstream)) == ["/a/v1/models", "/b/v1/models"]
    with pytest.raises(GatewayError, match="a/both, b/both") as caught:
        await running.client.chat("hi", "both")
    assert caught.value.reason == "INVALID_REQUEST"


async def test_a_list_that_cannot_be_read_makes_no_name_ambiguous(gateway_factory: Any, upstream: Upstream) -> None:
    """The other's list is enough; a name that nobody lists says what is like it and whose list is missing."""
    upstream.script(listing("mistral-small"), path="/a/v1/models")
    upstream.script(whole(500, {"error": {"message": "no"}}), path="/b/v1/models")
    running = await gateway_factory(two(upstream))
    assert (await running.client.chat("hi", "mistral-small")).response.route.provider == "a"
    with pytest.raises(GatewayError) as caught:
        await running.client.chat("hi", "mistral-smal")
    assert caught.value.reason == "MODEL_NOT_FOUND"
    assert "Did you mean a/mistral-small?" in str(caught.value)
    assert "Could not read the models of b" in str(caught.value)


async def test_the_default_model_is_the_default_providers(upstream: Upstream, tmp_path: Path) -> None:
    """LLM_PROVIDER and LLM_MODEL with two keys set; and LLM_MODEL alone finds its provider."""
    upstream.script(whole(200, vendors.ANTHROPIC), path="/v1/messages")
    upstream.script(listing("other"), path="/v1/models")
    upstream.script(CHAT, path="/v1/chat/completions")
    keys = {
        "ANTHROPIC_API_KEY": "k",
        "ANTHROPIC_BASE_URL": upstream.url,
        "MISTRAL_API_KEY": "k",
        "MISTRAL_BASE_URL": f"{upstream.url}/m",
    }
    upstream.script(listing("ministral-x"), path="/m/v1/models")
    upstream.script(CHAT, path="/m/v1/chat/completions")
    async with gateways.local({}, tmp_path, keys | {"LLM_PROVIDER": "Claude", "LLM_MODEL": "claude-new"}) as running:
        route = (await running.client.chat("hi")).response.route
        assert (route.provider, route.model) == ("anthropic", "claude-new")
    async with gateways.local({}, tmp_path, keys | {"LLM_MODEL": "ministral-x"}) as running:
        route = (await running.client.chat("hi")).response.route
        assert (route.provider, route.model) == ("mistral", "ministral-x")


async def test_without_a_default_three_models_are_named(gateway_factory: Any, upstream: Upstream) -> None:
    """And how one is named; a provider of deployments has none to name."""
    upstream.script(listing("a", "b", "c", "d"), path="/v1/models")
    azure = {"kind": "azure_openai", "endpoint": upstream.url, "api_key": "k"}
    running = await gateway_factory({"providers": {"edge": edge(upstream.url), "azure": azure}})
    with pytest.raises(GatewayError, match=r"lists 4 models, such as a, b, c\. Name one, as in --model edge/a"):
        await running.client.chat("hi", provider="edge")
    with pytest.raises(GatewayError, match="--model azure/DEPLOYMENT"):
        await running.client.chat("hi", provider="azure")


async def test_a_default_that_only_a_dead_server_could_name_says_so(gateway_factory: Any, upstream: Upstream) -> None:
    """The provider's failure is the answer, not a demand for a model."""
    upstream.script(whole(503, {"error": {"message": "no"}}), path="/v1/models")
    running = await gateway_factory({"providers": {"edge": edge(upstream.url)}})
    with pytest.raises(GatewayError, match="edge has no default model, and its models cannot be listed") as caught:
        await running.client.chat("hi")
    assert caught.value.reason == "PROVIDER_OVERLOADED"


async def test_a_model_of_one_provider_at_another_is_a_contradiction(gateway_factory: Any, upstream: Upstream) -> None:
    """Unless the other has a model of that very name."""
    upstream.script(listing("a/made", "m"), path="/b/v1/models")
    upstream.script(listing("m"), path="/a/v1/models")
    running = await gateway_factory(two(upstream))
    assert (await running.client.chat("hi", "a/made", "b")).response.route.model == "a/made"
    assert (await running.client.chat("hi", "b/m", "b")).response.route.model == "m"
    with pytest.raises(GatewayError, match="one of provider a, and the call names provider b") as caught:
        await running.client.chat("hi", "a/m", "b")
    assert caught.value.reason == "INVALID_REQUEST"
    with pytest.raises(GatewayError, match="one of provider a"):
        await running.client.send(make_request("hi", "a/m"), metadata=[("x-llm-provider", "b")])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (whole(404, b"<html>nginx</html>", content_type="text/html"), "404 from POST"),
        (whole(404, b""), "404 from POST"),
        (whole(404, {"detail": "Not Found"}), "404 from POST"),
        (whole(404, {"error": {"message": "Invalid URL (POST /x)", "type": "invalid_request_error"}}), "404 from POST"),
        (whole(405, {"detail": "Method Not Allowed"}), "405 from POST"),
        (whole(200, b"<html>an app</html>", content_type="text/html; charset=utf-8"), "200 from POST"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_a_wrong_base_url_is_told_from_a_missing_model(
    gateway_factory: Any, upstream: Upstream, answer: scripted.Script, told: str, stream: bool
) -> None:
    """By a call: what was asked where, and how the address is written; a model that is missing stays one."""
    upstream.script(answer, path="/oops/v1/messages")
    provider = {"kind": "anthropic", "endpoint": f"{upstream.url}/oops", "api_key": "k"}
    running = await gateway_factory({"providers": {"p": provider}})
    request = make_request("hi", "p/m")

    async def call() -> None:
        if stream:
            async for _ in running.client.stream_send(request):
                pass
        else:
            await running.client.send(request)

    with pytest.raises(GatewayError) as caught:
        await call()
    assert caught.value.reason == "PROVIDER_ENDPOINT_WRONG"
    assert f"{told} {upstream.url}/oops/v1/messages" in str(caught.value)
    assert "without /v1, as in https://api.anthropic.com" in str(caught.value)


async def test_a_missing_model_is_no_wrong_base_url(gateway_factory: Any, upstream: Upstream) -> None:
    """The provider's JSON speaks of the model."""
    body = {"type": "error", "error": {"type": "not_found_error", "message": "model: m"}}
    upstream.script(whole(404, body), path="/v1/messages")
    provider = {"kind": "anthropic", "endpoint": upstream.url, "api_key": "k"}
    running = await gateway_factory({"providers": {"p": provider}})
    with pytest.raises(GatewayError) as caught:
        await running.client.chat("hi", "p/m")
    assert caught.value.reason == "MODEL_NOT_FOUND"


async def test_what_stands_in_for_providers_is_not_well(tmp_path: Path) -> None:
    """Health says that nothing is configured; the embedded provider that was asked for is well."""
    async with gateways.local({}, tmp_path) as running:
        health = await running.client.get_status()
        assert health.status == health_pb2.HEALTH_STATUS_DEGRADED
        assert health.providers[0].last_error_reason == "NO_PROVIDER_CONFIGURED"
        assert "no provider is configured" in health.providers[0].last_error_cause
    async with gateways.local({"providers": {"echo": {}}}, tmp_path) as running:
        assert (await running.client.get_status()).status == health_pb2.HEALTH_STATUS_SERVING


def run(*arguments: str, env: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*gateways.ALONE, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=folder,
        env=gateways.environment(env),
        stdin=subprocess.DEVNULL,
    )


def test_a_file_without_a_provider_is_refused(tmp_path: Path) -> None:
    """One line and exit code 2; a key in the environment makes it whole."""
    (tmp_path / "gateway.yaml").write_text("server: {listen: '127.0.0.1:0'}\n")
    refused = run("serve", "--config", "gateway.yaml", env={}, folder=tmp_path)
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    assert "gateway.yaml: providers: holds no provider" in line
    assert (
        run("config", "check", "--config", "gateway.yaml", env={"CLAUDE_API_KEY": "k"}, folder=tmp_path).returncode == 0
    )


def test_a_file_of_variables_is_read_by_flag_or_by_name(tmp_path: Path) -> None:
    """The environment wins over it, and its mistakes are told by line, without a value."""
    (tmp_path / ".env").write_text("# keys\nexport OPENAI_API_KEY='k'  # mine\nLLM_GATEWAY_LISTEN=127.0.0.1:1\n")
    for arguments, env in (
        (("--env-file", ".env"), {}),
        ((), {"LLM_GATEWAY_ENV_FILE": ".env"}),
        (("--env-file", ".env"), {"LLM_GATEWAY_LISTEN": "127.0.0.1:2"}),
    ):
        found = run("config", "check", *arguments, env=env, folder=tmp_path)
        assert "providers: openai" in found.stdout, found.stderr
        assert f"127.0.0.1:{2 if 'LLM_GATEWAY_LISTEN' in env else 1}" in found.stdout
    (tmp_path / ".env").write_text("OPENAI_API_KEY='sk-hidden\nnot a line\n")
    wrong = run("config", "check", "--env-file", ".env", env={}, folder=tmp_path)
    assert wrong.returncode == 2
    assert ".env:1: OPENAI_API_KEY" in wrong.stderr
    assert "hidden" not in wrong.stderr


async def test_serving_the_stand_in_is_said_first(tmp_path: Path) -> None:
    """A warning before everything else, with what to do; and a .env in the folder that nobody named is pointed at."""
    (tmp_path / ".env").write_text("")
    process = await asyncio.create_subprocess_exec(
        *(*gateways.ALONE, "serve", "--listen", "127.0.0.1:0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env=gateways.environment(),
    )
    assert process.stderr is not None
    first = json.loads(await process.stderr.readline())
    process.terminate()
    await process.communicate()
    assert first["level"] == "warning"
    assert "no provider is configured" in first["event"]
    assert "--env-file .env" in first["advice"]


async def test_a_caller_that_leaves_stops_nobodys_asking(gateway_factory: Any, upstream: Upstream) -> None:
    """The first to need the lists is cancelled while they are asked for; the second is served by the same asking."""
    upstream.script((scripted.Pause(0.5), *listing("m")), path="/a/v1/models")
    upstream.script(listing("n"), path="/b/v1/models")
    running = await gateway_factory(two(upstream))
    first = asyncio.create_task(running.client.chat("hi", "m"))
    await eventually(lambda: lists(upstream), "a list is asked for")
    second = asyncio.create_task(running.client.chat("hi", "m"))
    first.cancel()
    assert (await second).response.route.provider == "a"
    assert sorted(lists(upstream)) == ["/a/v1/models", "/b/v1/models"]


async def test_fallback_models_are_found_in_the_lists_too(gateway_factory: Any, upstream: Upstream) -> None:
    """A policy's names mean what a request's name would."""
    upstream.script(listing("m"), path="/a/v1/models")
    upstream.script(listing("n"), path="/b/v1/models")
    config = two(upstream)
    upstream.script(whole(503, {"error": {"message": "no"}}), path="/dead/v1/chat/completions")
    config["providers"]["dead"] = edge(f"{upstream.url}/dead", models=["x"])
    running = await gateway_factory(config)
    request = make_request("hi", "dead/x")
    request.routing.CopyFrom(gateway_pb2.RoutingPolicy(fallback_models=["n"]))
    assert (await running.client.send(request)).route.provider == "b"
