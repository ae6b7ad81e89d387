"""Prices end to end: the process that reads the list, costs in answers, streams and spans, and routing by cost."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llm_gateway.app import gateway as app
from llm_gateway.app import lifecycle
from llm_gateway.catalogue.pricing.source import PriceListUnavailable
from llm_gateway.cli import main
from llm_gateway.config import discovery, load
from llm_gateway.rpc.health import SERVICE
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc, model_pb2
from structlog.testing import capture_logs

from tests.support import gateway as gateways
from tests.support.upstream import DONE, Script, Upstream, event, sse, stream, whole
from tests.support.waiting import eventually

if TYPE_CHECKING:
    Stub = gateway_pb2_grpc.LLMGatewayAsyncStub

GatewayFactory = Callable[[Mapping[str, Any]], Awaitable[gateways.Local]]
PATIENCE = 120.0
"""Seconds that the process which reads the list may take on a busy machine."""
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}
COST = 600 * 150 + 400 * 75 + 100 * 600  # gpt-4o-mini: 0.15, 0.075 and 0.60 USD for a million tokens


def openai(url: str, **settings: Any) -> dict[str, Any]:
    """OpenAI, at the scripted upstream."""
    return {"kind": "openai", "endpoint": f"{url}/v1", "api_key": "sk-test", "api": "chat", **settings}


def answer(**usage: Any) -> Script:
    """A whole answer with this usage."""
    message = {"role": "assistant", "content": "hello"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return whole(200, {"id": "c1", "model": "gpt-4o-mini-2024-07-18", "choices": choices, "usage": {**USAGE, **usage}})


def ask(model: str = "openai/gpt-4o-mini", **fields: Any) -> gateway_pb2.SendRequest:
    part = content_pb2.Part(text=content_pb2.TextPart(text="hi"))
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=[part])
    return gateway_pb2.SendRequest(model=model, messages=[message], **fields)


@pytest_asyncio.fixture
async def stub_of() -> "AsyncIterator[Callable[[str], Stub]]":
    """Stubs of gateways by address."""
    channels: list[grpc.aio.Channel] = []

    def make(address: str) -> "Stub":
        channels.append(grpc.aio.insecure_channel(address))
        return gateway_pb2_grpc.LLMGatewayStub(channels[-1])

    yield make
    for channel in channels:
        await channel.close()


async def test_a_served_call_has_its_cost_in_the_answer_and_in_the_spans(
    gateway_process: Callable[..., gateways.Process], stub_of: "Callable[[str], Stub]", upstream: Upstream
) -> None:
    """The gateway serves at once, unpriced; when the list is there the same call has cost and price id, and spans have both costs."""
    upstream.script(answer(cost=COST * 1.5 / 1e9))
    running = gateway_process({"providers": {"openai": openai(upstream.url)}}, {"OTEL_TRACES_EXPORTER": "console"})
    stub = stub_of(running.address)

    async def priced() -> gateway_pb2.SendResponse | None:
        answered: gateway_pb2.SendResponse = await stub.Send(ask())
        return answered if answered.usage.HasField("cost_nano_usd") else None

    response = await eventually(priced, "a call has its cost")
    assert response.usage.cost_nano_usd == COST
    assert response.usage.provider_cost_nano_usd == COST * 1.5
    assert response.usage.price_id.startswith("genai-prices-")
    assert response.usage.price_id.endswith(":openai:gpt-4o-mini")
    assert not response.route.HasField("total_usage")
    running.process.terminate()
    assert await asyncio.to_thread(running.process.wait, PATIENCE) == 0
    log = running.log.read_text()
    assert f'"llmgateway.cost.nano_usd": {COST}' in log
    assert f'"llmgateway.provider_cost.nano_usd": {round(COST * 1.5)}' in log
    assert log.count("cost differs from the provider's") == 1


@pytest.mark.parametrize("read", [True, False], ids=["read", "not read in time"])
async def test_health_says_serving_once_the_list_is_read(
    read: bool, stub_of: "Callable[[str], Stub]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for it has costs from the first call on; who does not is served; a list that takes too long is not waited for."""
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(gateways.configured({"providers": {"echo": {"default_model": "echo"}}})))
    gateway = app.Gateway(load(str(path), {}))
    loading = asyncio.Event()

    async def load_prices() -> None:
        await loading.wait()

    if not read:
        monkeypatch.setattr(lifecycle, "READY_WITHIN", 0.01)
    task = asyncio.create_task(load_prices())
    address = f"127.0.0.1:{await gateway.start(after=task)}"
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            watch = machine_grpc.HealthStub(channel).Watch(machine_pb2.HealthCheckRequest(service=SERVICE))
            if read:
                assert (await watch.read()).status == machine_pb2.HealthCheckResponse.NOT_SERVING
                assert (await stub_of(address).Send(ask("echo"))).candidates
                loading.set()

            async def serving() -> bool:
                return bool((await watch.read()).status == machine_pb2.HealthCheckResponse.SERVING)

            await eventually(serving, "a Watch is told SERVING")
            watch.cancel()
    finally:
        loading.set()
        await gateway.stop()


async def test_a_stream_has_its_cost_in_usage_and_completed_events(
    gateway_factory: GatewayFactory, stub_of: "Callable[[str], Stub]", upstream: Upstream
) -> None:
    """Both events have the same cost."""
    running = await gateway_factory({"providers": {"openai": openai(upstream.url)}})
    await running.gateway.load_prices()
    tail = sse({"id": "c", "model": "gpt-4o-mini", "choices": [], "usage": USAGE})
    upstream.script(stream(event("hi"), event("", "stop"), tail, DONE))
    call = stub_of(running.address).StreamSend(gateway_pb2.StreamSendRequest(request=ask()))
    events = [one async for one in call]
    costs = [one.usage.cost_nano_usd for one in events if one.HasField("usage")]
    assert [*costs, events[-1].completed.usage.cost_nano_usd] == [COST, COST]


async def test_what_a_failed_attempt_used_is_priced_and_added(
    gateway_factory: GatewayFactory, stub_of: "Callable[[str], Stub]", upstream: Upstream
) -> None:
    """The first attempt fails after its usage was told; the answer has the usage of the second and the sum of both."""
    running = await gateway_factory({"providers": {"openai": openai(upstream.url, api="responses")}})
    await running.gateway.load_prices()
    used = {"input_tokens": 10, "output_tokens": 7, "total_tokens": 17}
    head = {"id": "r", "object": "response", "model": "gpt-4o-mini", "usage": used}
    text = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    failure = {"status": "failed", "error": {"code": "server_error", "message": "x"}, "output": []}
    upstream.script(whole(200, head | failure), whole(200, head | {"status": "completed", "output": [text]}))
    response = await stub_of(running.address).Send(ask())
    cost = 10 * 150 + 7 * 600
    assert [one.usage.cost_nano_usd for one in response.route.attempts] == [cost, 0]
    assert response.usage.cost_nano_usd == cost
    total = response.route.total_usage
    assert (total.input_tokens, total.output_tokens, total.cost_nano_usd) == (20, 14, 2 * cost)


async def test_what_was_told_before_a_stream_broke_is_the_attempt_s(
    gateway_factory: GatewayFactory, stub_of: "Callable[[str], Stub]", upstream: Upstream
) -> None:
    """Claude tells its input first. An error before the first content leaves that usage, priced, with the failed attempt."""
    provider = {"kind": "anthropic", "endpoint": upstream.url, "api_key": "sk-test"}
    running = await gateway_factory({"providers": {"anthropic": provider}})
    await running.gateway.load_prices()
    usage = {"input_tokens": 50, "output_tokens": 1}
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": [],
        "usage": usage,
    }
    start = sse({"type": "message_start", "message": message}, "message_start")
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
    whole_message = message | {"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
    upstream.script(stream(start, sse(error, "error")), whole(200, whole_message))
    request = gateway_pb2.StreamSendRequest(request=ask("anthropic/claude-opus-4-5"))
    events = [one async for one in stub_of(running.address).StreamSend(request)]
    route = events[-1].completed.route
    assert route.attempts[0].usage.cost_nano_usd == 50 * 5000 + 25_000
    assert route.total_usage.cost_nano_usd == 2 * route.attempts[0].usage.cost_nano_usd


async def test_the_cheapest_target_is_chosen_once_prices_are_known(
    gateway_factory: GatewayFactory, stub_of: "Callable[[str], Stub]", upstream: Upstream
) -> None:
    """By this request's estimated tokens; a ceiling excludes what is dearer, and what has no known price."""
    targets = ["openai/gpt-5", "openai/gpt-4o-mini", "other/m"]
    running = await gateway_factory(
        {
            "providers": {"openai": openai(upstream.url), "other": gateways.provider(upstream.url)},
            "routes": {"cheap": {"targets": targets, "strategy": "lowest_cost"}},
        }
    )
    upstream.script(answer())
    stub = stub_of(running.address)
    ceiling = gateway_pb2.RoutingPolicy(max_cost_nano_usd=1_000_000)
    with pytest.raises(grpc.aio.AioRpcError, match="PRICE_UNKNOWN"):
        await stub.Send(ask("cheap", routing=ceiling))
    await running.gateway.load_prices()
    for _ in range(5):
        assert (await stub.Send(ask("cheap"))).route.model == "gpt-4o-mini"
    explained = gateway_pb2.RoutingPolicy(max_cost_nano_usd=1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Send(ask("cheap", routing=explained))
    assert "openai/gpt-5: TOO_EXPENSIVE" in str(caught.value.details())
    assert "other/m: PRICE_UNKNOWN" in str(caught.value.details())


async def test_models_are_listed_with_prices_and_reached_by_their_aliases(
    gateway_factory: GatewayFactory, stub_of: "Callable[[str], Stub]", upstream: Upstream
) -> None:
    """ListModels has price, abilities and other names; each of those names leads to the model."""
    models = {"gpt-4o-mini": {"aliases": ["small"]}}
    running = await gateway_factory(
        {
            "providers": {"openai": openai(upstream.url, model_info=models)},
            "routes": {"chat": {"targets": ["openai/small"]}},
        }
    )
    await running.gateway.load_prices()
    upstream.script(whole(200, {"data": [{"id": "gpt-4o-mini"}, {"id": "text-embedding-3-small"}]}), path="/v1/models")
    upstream.script(answer())
    stub = stub_of(running.address)
    request = model_pb2.ListModelsRequest(required_capabilities=[model_pb2.MODEL_CAPABILITY_TOOLS])
    (model,) = (await stub.ListModels(request)).models
    assert model.model_id == "gpt-4o-mini"
    assert model.pricing.input_nano_usd_per_million == 150_000_000
    assert list(model.aliases) == ["small", "chat"]
    for name in ("small", "openai/small", "chat"):
        assert (await stub.Send(ask(name))).route.model == "gpt-4o-mini"
    assert {request.json()["model"] for request in upstream.requests if request.method == "POST"} == {"gpt-4o-mini"}


async def test_without_the_extra_one_line_says_so_and_calls_are_served_unpriced(
    gateway_factory: GatewayFactory,
    stub_of: "Callable[[str], Stub]",
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cost unset, not 0."""

    async def none(_: Any) -> Any:
        raise PriceListUnavailable("It needs the extra.")

    monkeypatch.setattr(app, "load_pricelist", none)
    running = await gateway_factory({"providers": {"openai": openai(upstream.url)}})
    with capture_logs() as logs:
        await running.gateway.load_prices()
    assert [(line["event"], line["problem"]) for line in logs] == [("no price list", "It needs the extra.")]
    upstream.script(answer())
    response = await stub_of(running.address).Send(ask())
    assert not response.usage.HasField("cost_nano_usd")


async def test_a_gateway_that_bills_nobody_starts_no_process(
    gateway_factory: GatewayFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """echo and local servers need no list."""
    monkeypatch.setattr(app, "load_pricelist", None)
    running = await gateway_factory({"providers": {"echo": {"kind": "echo"}, "ollama": {"kind": "ollama"}}})
    await running.gateway.load_prices()


def test_the_gateway_s_own_process_never_imports_what_the_list_needs() -> None:
    """Neither genai-prices nor pydantic is there after the list was loaded."""
    program = """
import asyncio, sys
from llm_gateway import config
from llm_gateway.app import gateway as app
async def main():
    gateway = app.Gateway(config.Config(providers={"openai": config.Provider(kind="openai")}))
    await gateway.load_prices()
    return gateway.service.snapshot.routing.facts("openai", "gpt-5").rates
assert asyncio.run(main())
print(sorted({"genai_prices", "pydantic", "httpx2"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "[]\n"


# ---------------------------------------------------------------- llm-gateway estimate
@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider of the developer's own."""
    monkeypatch.setattr(discovery, "_probed", dict)
    for name in gateways.environment().keys() ^ os.environ.keys():
        monkeypatch.delenv(name)


def test_estimate_prices_a_model_of_a_provider_without_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens in and out, the tier that they fall in, as JSON."""
    arguments = ["--input-tokens", "300000", "--output-tokens", "0", "--json"]
    assert main(["estimate", "--model", "openai/gpt-6.1-sol", *arguments]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one.pop("price_id").endswith(":openai:gpt-6.1-sol:over-272000")
    assert one == {
        "model": "openai/gpt-6.1-sol",
        "input_tokens": 300_000,
        "output_tokens": 0,
        "cost_nano_usd": 1_200_000_000,
    }


def test_estimate_lists_every_target_of_a_route(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Fallbacks too; a message is estimated by its length; what is unknown says so."""
    config = tmp_path / "gateway.yaml"
    providers = {"own": {"kind": "openai_compatible", "endpoint": "http://127.0.0.1:9/v1", "api_key": "none"}}
    providers["own"]["prices"] = {"m": {"input": 1, "output": 2}}  # type: ignore[assignment]  # one value is a mapping
    config.write_text(
        json.dumps({"providers": providers, "routes": {"r": {"targets": ["own/m"], "fallbacks": ["own/n"]}}})
    )
    assert main(["estimate", "--model", "r", "--message", "x" * 400, "--config", str(config)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["own/m", "100", "500", "$0.0011", "config:own:m"], ["own/n", "100", "500", "unknown", "-"]]


@pytest.mark.parametrize("arguments", [["--model", "echo"], ["--model", "echo", "--input-tokens", "-1"]])
def test_estimate_needs_a_size(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and what would be right."""
    with pytest.raises(SystemExit, match="2"):
        main(["estimate", *arguments])
    assert "--input-tokens" in capsys.readouterr().err


def test_estimate_of_an_unknown_name_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["estimate", "--model", "nonsense", "--input-tokens", "1"]) == 2
    assert "providers: echo" in capsys.readouterr().err
