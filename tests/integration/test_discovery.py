"""What the gateway finds out by itself, beside the calls: lists of models that change, servers that start and stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_gateway.config import load
from llmgateway.v1 import health_pb2, model_pb2

from tests.conftest import GatewayFactory
from tests.support.gateway import Local, configured, provider
from tests.support.upstream import Upstream, chat, whole
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
