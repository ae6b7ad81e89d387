"""What the gateway finds out by itself, beside the calls: lists of models that change, servers that start and stop."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from llm_gateway import cli, config
from llm_gateway.app.gateway import Gateway
from llm_gateway.app.lifecycle import on_hangup
from llm_gateway.app.reloading import Reload
from llm_gateway.app.watching import LocalServers
from llm_gateway.config import load
from llm_gateway.providers import lmstudio, ollama, plugins
from llm_gateway.routing.explain import explain, request_for
from llm_gateway.upstream.http import Resolver
from llmgateway import AsyncClient, GatewayError
from llmgateway.v1 import health_pb2, model_pb2

from tests.conftest import GatewayFactory
from tests.support import gateway as gateways
from tests.support.gateway import Local, configured, provider
from tests.support.upstream import CLOSE, DONE, Until, Upstream, chat, event, running, stream, whole
from tests.support.waiting import PATIENCE, eventually

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
    upstream.script(listing("m"), path="/named/v1/models")  # which is not asked for again soon, as one that failed is
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
async def machine() -> AsyncIterator[Machine]:
    """This machine, as far as Ollama and LM Studio go: their usual addresses are ports that no other test has."""
    ports = {}
    with ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        for kind, module in (("ollama", ollama), ("lmstudio", lmstudio)):
            held = stack.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(("127.0.0.1", 0))
            ports[kind] = held.getsockname()[1]
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
                refused = (
                    f"connection refused at 127.0.0.1:{machine.ports['ollama']}"  # not the end of a list under way
                )
                return view is not None and view.last_error_cause == refused

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
            assert (view.status, view.last_error_reason) == (
                health_pb2.HEALTH_STATUS_NOT_SERVING,
                "PROVIDER_UNAVAILABLE",
            )
            with pytest.raises(GatewayError, match=r"connection refused at 127\.0\.0\.1:\d+.*`ollama serve` starts it"):
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


async def test_what_answers_at_the_start_is_told_by_the_log(tmp_path: Path, unanswered_port: int) -> None:
    """On standard error, as every line is; the first reading comes before there is a log."""
    program = """
import sys
from dataclasses import replace
from llm_gateway.cli import main
from llm_gateway.providers import lmstudio, ollama
for module in (ollama, lmstudio):
    module.ROW = replace(module.ROW, base_url=sys.argv.pop(1))
sys.exit(main())
"""
    async with running() as server:
        for path, script in OLLAMA.items():
            server.script(script, path=path)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, server.url, f"http://127.0.0.1:{unanswered_port}"),
            *("serve", "--listen", "127.0.0.1:0"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=gateways.environment(),
            cwd=tmp_path,
        )
        assert process.stderr is not None
        events: dict[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while not {"serving", "local servers found"} <= events.keys():
                    line = json.loads(await process.stderr.readline())
                    events[line["event"]] = line
        finally:
            process.terminate()
            out, _ = await process.communicate()
    assert events["local servers found"]["kinds"] == ["ollama"]
    assert out == b""


# ---------------------------------------------------------------- names with several addresses
class Fleet:
    """A name, and a server at each of three addresses; DNS tells some of them, again and again."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.resolver = Resolver(self.look_up, ttl=0.02)
        self.servers: dict[str, Upstream] = {}

    def look_up(self, host: str) -> list[tuple[int, str]]:
        assert host == "fleet.test"
        if not self.told:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, address) for address in self.told]

    def calls(self) -> Counter[str]:
        """Calls of models that each address has had."""
        return Counter(
            {
                address: sum(request.method == "POST" for request in server.requests)
                for address, server in self.servers.items()
            }
        )


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet()
    async with AsyncExitStack() as stack:
        port = 0
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            server = await stack.enter_async_context(running(host=address, port=port))
            fleet.servers[address], port = server, server.port
            server.script(chat("hello"), path="/v1/chat/completions")
            server.script(listing("m"), path="/v1/models")
        yield fleet


def of_fleet(fleet: Fleet, **settings: Any) -> dict[str, Any]:
    port = next(iter(fleet.servers.values())).port
    return {"providers": {"fleet": provider(f"http://fleet.test:{port}", resolve="all", **settings)}}


async def shown(local: Local) -> list[str]:
    return [view.deployment for view in (await local.client.get_status()).providers]


async def are_shown(local: Local, *addresses: str) -> None:
    async def done() -> bool:
        return await shown(local) == list(addresses)

    await eventually(done, f"the endpoints are {addresses}")


async def test_each_address_of_a_name_is_an_endpoint_that_comes_and_goes_with_dns(fleet: Fleet, tmp_path: Path) -> None:
    """Calls are spread over those that DNS tells; one that it does not tell any more gets no call, but ends those it has; a name that is not found
    is said so, and nothing changes when a look-up fails. The name stays the Host."""
    async with gateways.local(of_fleet(fleet), tmp_path, resolver=fleet.resolver) as local:
        with pytest.raises(GatewayError, match=r"fleet\.test"):
            await local.client.chat("hi", model="m")
        fleet.told = ["127.0.0.2", "127.0.0.1"]
        await are_shown(local, "127.0.0.1", "127.0.0.2")
        for _ in range(60):
            await local.client.chat("hi", model="m")
        spread = fleet.calls()
        assert spread["127.0.0.3"] == 0
        assert min(spread["127.0.0.1"], spread["127.0.0.2"]) > 10
        assert {r.headers["host"] for s in fleet.servers.values() for r in s.requests} == {
            f"fleet.test:{s.port}" for s in fleet.servers.values()
        }
        [group] = explain(local.gateway.service.snapshot.routing, request_for("fleet/m")).groups
        assert [(to.deployment, to.share) for to in sorted(group, key=lambda to: to.deployment)] == [
            ("127.0.0.1", 0.5),
            ("127.0.0.2", 0.5),
        ]

        rest = asyncio.Event()
        slow = stream(event("a"), end=False)
        for server in fleet.servers.values():
            server.script(
                (*slow, Until(rest), event("b", None), event("", "stop"), DONE, *stream()[1:]),
                path="/v1/chat/completions",
            )
        fleet.told = ["127.0.0.1"]
        await are_shown(local, "127.0.0.1")
        under_way = aiter(local.client.stream("hi", model="m"))
        assert await anext(under_way) == "a"
        fleet.told = ["127.0.0.3"]
        await are_shown(local, "127.0.0.3")
        rest.set()
        assert [text async for text in under_way] == ["b"]
        before = fleet.calls()
        fleet.servers["127.0.0.3"].script(chat("hello"), path="/v1/chat/completions")
        for _ in range(5):
            await local.client.chat("hi", model="m")
        assert fleet.calls() - before == Counter({"127.0.0.3": 5})
        fleet.told = []
        await asyncio.sleep(0.1)  # some look-ups fail
        assert await shown(local) == ["127.0.0.3"]
        await eventually(lambda: not local.gateway._retiring, "what was replaced has retired")


async def test_each_address_has_its_own_health_and_permits(fleet: Fleet, tmp_path: Path) -> None:
    """One that breaks is left out, the others serve; each takes as many calls at once as the provider's limits say. A change of DNS and a reload
    leave what is known."""
    settings = of_fleet(fleet, limits={"concurrency": 1, "queue": 0})
    fleet.told = list(fleet.servers)
    async with gateways.local(settings, tmp_path, resolver=fleet.resolver) as local:
        await are_shown(local, *fleet.servers)
        fleet.servers["127.0.0.2"].script((CLOSE,), path="/v1/chat/completions")

        async def left_out() -> bool:
            assert (await local.client.chat("hi", model="m")).text == "hello"
            views = (await local.client.get_status()).providers
            states = {view.deployment: view.circuit_state for view in views}
            assert states["127.0.0.1"] == states["127.0.0.3"] == health_pb2.CIRCUIT_STATE_CLOSED
            return states["127.0.0.2"] != health_pb2.CIRCUIT_STATE_CLOSED

        await eventually(left_out, "the address that breaks is left out")
        state = {
            one.deployment: one.state for one in local.gateway.service.snapshot.routing.providers["fleet"].endpoints
        }
        fleet.told = ["127.0.0.3", "127.0.0.2"]
        await are_shown(local, "127.0.0.2", "127.0.0.3")
        kept = {
            one.deployment: one.state for one in local.gateway.service.snapshot.routing.providers["fleet"].endpoints
        }
        assert kept == {address: state[address] for address in ("127.0.0.2", "127.0.0.3")}
        await local.gateway.reload(local.gateway.settings)
        assert await shown(local) == ["127.0.0.2", "127.0.0.3"]

        rest = asyncio.Event()
        for server in fleet.servers.values():
            server.script((Until(rest), *chat("hello")), path="/v1/chat/completions")
        fleet.told = list(fleet.servers)
        await are_shown(local, *fleet.servers)
        before = fleet.calls()
        calls = [asyncio.create_task(local.client.chat("hi", model="m")) for _ in range(2)]
        await eventually(lambda: sum((fleet.calls() - before)[one] for one in fleet.servers) >= 2, "both have begun")
        begun = fleet.calls() - before
        assert max(begun.values()) == 1
        rest.set()
        assert [(await call).text for call in calls] == ["hello", "hello"]


def test_explain_and_the_check_of_providers_look_the_name_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unanswered_port: int
) -> None:
    """Without a gateway: each of the addresses by itself."""
    port = unanswered_port
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"providers": {"p": provider(f"http://localhost:{port}", resolve="all")}}))
    assert cli.main(["explain", "--json", "--config", str(path), "--model", "p/m"]) == 0
    [[first, *_]] = json.loads(capsys.readouterr().out)["groups"]
    assert first["deployment"] in {"127.0.0.1", "::1"}
    assert cli.main(["providers", "check", "--json", "--config", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)[0]["endpoint"] == first["deployment"]
