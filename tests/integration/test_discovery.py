"""What the gateway finds out by itself, beside the calls: lists of models that change, servers that start and stop."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.app.lifecycle import on_hangup
from llm_gateway.app.reloading import Reload
from llm_gateway.app.watching import LocalServers
from llm_gateway.config import load
from llm_gateway.providers import lmstudio, ollama, plugins
from llmgateway import AsyncClient, GatewayError
from llmgateway.v1 import health_pb2, model_pb2

from tests.conftest import GatewayFactory
from tests.support.gateway import Local, configured, provider
from tests.support.upstream import Upstream, chat, running, whole
from tests.support.waiting import eventually

OFTEN = {"interval": "20ms", "local_interval": "20ms"}


def listing(*models: str) -> Any:
    return whole(200, {"object": "list", "data": [{"id": model, "object": "model"} for model in models]})


def asked(upstream: Upstream, path: str = "/v1/models") -> int:
    return sum(request.path == path for request in upstream.requests)


async def models(local: Local) -> dict[str, model_pb2.Model]:
    return {model.model_id: model for model in await local.client.list_models()}


async def test_lists_are_kept_fresh_without_a_call(
    gateway_factory: GatewayFactory, upstream: Upstream, tmp_path: Path
) -> None:
    """A provider whose models the file names is left alone; of a list that changes the old models are marked, then left out; after a reload only the
    new configuration asks, and at the end nobody."""
    upstream.script(listing("old"), path="/v1/models")
    upstream.script(whole(500, b"{}"), path="/named/v1/models")
    settings: dict[str, Any] = {
        "providers": {
            "p": provider(upstream.url),
            "named": provider(f"{upstream.url}/named"),
        },
        "discovery": OFTEN,
    }
    del settings["providers"]["p"]["models"]
    local = await gateway_factory(settings)
    await eventually(lambda: asked(upstream) > 3, "the list is asked for again and again")
    assert set(await models(local)) >= {"old", "m"}
    old = local.gateway._built.catalogue
    path = tmp_path / "next.yaml"
    settings["discovery"] = {"interval": "25ms", "local_interval": "0s"}
    path.write_text(json.dumps(configured(settings)))
    await local.gateway.reload(load(str(path), {}))
    upstream.script(listing("new"), path="/v1/models")

    async def only_new() -> bool:
        return "old" not in await models(local)

    await eventually(only_new, "the old model is left out")
    await eventually(lambda: not local.gateway._retiring, "the old configuration has retired")
    assert (old._timers, old._asking) == (None, {})
    assert asked(upstream, "/named/v1/models") == 1  # ListModels asked once, for what it says of `m`
    await local.gateway.stop()
    seen = asked(upstream)
    assert not local.gateway._built.catalogue._asking
    assert asked(upstream) == seen


async def test_a_list_that_fails_holds_up_no_call_and_opens_no_breaker(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """However often: the provider's calls go on, its circuit is closed, and its last list is what is known."""
    upstream.script(listing("m"), whole(500, b"{}"), path="/v1/models")
    upstream.script(chat("hello"), path="/v1/chat/completions")
    settings: dict[str, Any] = {"providers": {"p": provider(upstream.url)}, "discovery": OFTEN}
    del settings["providers"]["p"]["models"]
    local = await gateway_factory(settings)
    await eventually(lambda: asked(upstream) > 12, "the list has failed more often than a breaker stands")
    assert (await local.client.chat("hi", model="m")).text == "hello"
    found = await local.client.list_models()
    assert [model.model_id for model in found] == ["m"]
    assert list(found.unreachable) == ["p"]
    [view] = (await local.client.get_status()).providers
    assert (view.circuit_state, view.error_rate) == (health_pb2.CIRCUIT_STATE_CLOSED, 0.0)


async def test_ollama_tells_what_is_loaded_again_and_again_and_of_each_model_once(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """A model is asked for again when it was made anew."""
    upstream.script(whole(200, {"models": [{"model": "a", "modified_at": "2026-01-01T00:00:00Z"}]}), path="/api/tags")
    upstream.script(whole(200, {"models": []}), path="/api/ps")
    shown = {"capabilities": ["completion", "tools"], "model_info": {"llama.context_length": 8192}}
    upstream.script(whole(200, shown), path="/api/show")
    local = await gateway_factory(
        {"providers": {"p": {"kind": "ollama", "endpoint": upstream.url}}, "discovery": OFTEN}
    )
    await eventually(lambda: asked(upstream, "/api/ps") > 3, "what is loaded is asked for again and again")
    assert asked(upstream, "/api/show") == 1
    assert (await models(local))["a"].loaded is False
    upstream.script(whole(200, {"models": [{"model": "a"}]}), path="/api/ps")

    async def loaded() -> bool:
        return (await models(local))["a"].loaded

    await eventually(loaded, "the model is loaded")
    found = (await models(local))["a"]
    assert (found.input_token_limit, model_pb2.MODEL_CAPABILITY_TOOLS in found.capabilities) == (8192, True)
    upstream.script(whole(200, {"models": [{"model": "a", "modified_at": "2026-01-02T00:00:00Z"}]}), path="/api/tags")
    await eventually(lambda: asked(upstream, "/api/show") == 2, "the model that was made anew is asked for")


# ---------------------------------------------------------------- local servers that start and stop
class Machine:
    """Starts and stops its servers."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.ports = ports

    @asynccontextmanager
    async def runs(self, kind: str, scripts: Mapping[str, Any]) -> AsyncIterator[Upstream]:
        async with running(port=self.ports[kind]) as server:
            for path, script in scripts.items():
                server.script(script, path=path)
            yield server


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    """This machine, as far as Ollama and LM Studio go: their usual addresses are ports that no other test has."""
    ports = {}
    for kind, module in (("ollama", ollama), ("lmstudio", lmstudio)):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports[kind] = free.getsockname()[1]
        row = replace(module.ROW, base_url=f"http://127.0.0.1:{ports[kind]}")
        monkeypatch.setattr(module, "ROW", row)
    forget_kinds()
    yield Machine(ports)
    forget_kinds()


def forget_kinds() -> None:
    plugins.row.cache_clear()
    plugins.rows.cache_clear()


OLLAMA = {
    "/api/version": whole(200, {"version": "0.12"}),
    "/api/tags": whole(200, {"models": [{"model": "qwen3:8b", "modified_at": "2026-01-01T00:00:00Z"}]}),
    "/api/show": whole(200, {"capabilities": ["completion", "tools"], "model_info": {"qwen3.context_length": 40960}}),
    "/api/ps": whole(200, {"models": [{"model": "qwen3:8b"}]}),
    "/api/chat": whole(
        200,
        {
            "model": "qwen3:8b",
            "message": {"role": "assistant", "content": "hello"},
            "done": True,
            "done_reason": "stop",
        },
    ),
}
LMSTUDIO = {
    "/v1/models": whole(200, {"data": [{"id": "gemma"}]}),
    "/api/v1/models": whole(
        200,
        {
            "models": [
                {
                    "type": "llm",
                    "key": "gemma",
                    "max_context_length": 131072,
                    "loaded_instances": [{"id": "gemma", "config": {"context_length": 4096}}],
                    "capabilities": {"vision": True, "trained_for_tool_use": True},
                }
            ]
        },
    ),
}


async def test_local_servers_are_found_when_they_start_and_again_after_they_stopped(machine: Machine) -> None:
    """A gateway without a file and without a key starts as the echo; Ollama starts, and serves in its place; it stops, and stays as one that cannot
    be reached; it starts again. LM Studio is found beside it. Each with its models, their context and what is loaded."""
    local, sources = LocalServers(), config.Sources()

    def read(sources: config.Sources) -> config.Layered:
        local.begin()
        found = config.read(None, {}, local=local, sources=sources)
        server = config.Server(listen="127.0.0.1:0", lame_duck=0.0, shutdown_grace=0.0)
        often = config.Discovery(interval=0.02, local_interval=0.02)
        return lambda layer: msgspec.structs.replace(found(layer), server=server, discovery=often)

    found = read(sources)
    gateway = Gateway(found(None))
    reloading = Reload(gateway, read, sources, found, local=local)
    address = f"127.0.0.1:{await gateway.start()}"
    reloading.watch(on_hangup(reloading.hung_up))
    try:
        async with AsyncClient(address, timeout=120, options=[("grpc.enable_retries", 0)]) as client:

            async def state(provider: str) -> health_pb2.ProviderHealth | None:
                views = (await client.get_status()).providers
                return next((view for view in views if view.provider == provider), None)

            async def is_lost() -> bool:
                view = await state("ollama")
                return view is not None and view.status == health_pb2.HEALTH_STATUS_NOT_SERVING

            async def is_listed() -> bool:
                return "qwen3:8b" in [model.model_id for model in await client.list_models()]

            assert "repeat me" in (await client.chat("repeat me")).text
            async with machine.runs("ollama", OLLAMA):
                await eventually(is_listed, "Ollama is found")
                assert await state("echo") is None
                assert (await client.chat("hi")).text == "hello"
                [model] = await client.list_models()
                assert (model.loaded, model.input_token_limit, model.local) == (True, 40960, True)
            await eventually(is_lost, "Ollama is lost")
            view = await state("ollama")
            assert view is not None
            assert view.last_error_reason == "PROVIDER_UNAVAILABLE"
            assert view.last_error_cause == f"connection refused at 127.0.0.1:{machine.ports['ollama']}"
            with pytest.raises(GatewayError, match=r"connection refused at 127\.0\.0\.1:"):
                await client.chat("hi")
            await reloading.asked(False)  # a reload while it is away forgets nothing
            assert list(gateway.settings.providers) == ["ollama"]
            async with machine.runs("lmstudio", LMSTUDIO), machine.runs("ollama", OLLAMA):

                async def both() -> bool:
                    return {model.model_id for model in await client.list_models()} == {"qwen3:8b", "gemma"}

                await eventually(both, "both are found")

                async def answers() -> bool:
                    try:
                        return (await client.chat("hi", model="qwen3:8b")).text == "hello"
                    except GatewayError:  # its breaker may still be open
                        return False

                await eventually(answers, "Ollama answers again")
                gemma = next(model for model in await client.list_models() if model.model_id == "gemma")
                assert (gemma.loaded, gemma.input_token_limit) == (True, 4096)
    finally:
        for looking in (reloading._files, reloading._servers):
            if looking is not None:
                looking.interval = 0.0
        await gateway.stop()
