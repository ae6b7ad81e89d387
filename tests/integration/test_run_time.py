"""Changes at run time: what is set above the file is served by at once, and costs nothing that is under way."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from llm_gateway import config
from llm_gateway.app import reloading
from llm_gateway.app.gateway import Gateway
from llm_gateway.app.reloading import Reload
from llm_gateway.config import ConfigError, Layer, Secret, StoredKey
from llmgateway import AsyncClient, GatewayError

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway with what changes it. path: its file."""

    gateway: Gateway
    client: AsyncClient
    reload: Reload
    path: Path

    def write(self, settings: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps(gateways.configured(settings)))

    async def refusal(self) -> str:
        return (await self.client.get_status()).config_refusal


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def start(settings: Mapping[str, Any], layer: Layer | None = None) -> AsyncIterator[Running]:
        path = tmp_path / "gateway.yaml"
        path.write_text(json.dumps(gateways.configured(settings)))

        def read(sources: config.Sources) -> config.Layered:
            sources.begin()
            return config.read(str(path), {}, sources=sources)

        sources = config.Sources()
        found = read(sources)
        layer = layer or Layer()
        served, left = config.settled(found, layer)
        gateway = Gateway(served)
        reload = Reload(gateway, read, sources, found, layer=layer, left=left)
        address = f"127.0.0.1:{await gateway.start()}"
        try:
            async with AsyncClient(address, timeout=120, options=[("grpc.enable_retries", 0)]) as client:
                yield Running(gateway=gateway, client=client, reload=reload, path=path)
        finally:
            await gateway.stop()

    return start


def keys(*texts: str, until: float | None = None) -> tuple[StoredKey, ...]:
    return tuple(StoredKey(name=text, key=Secret(f"key-{text}"), until=until) for text in texts)


def edge(upstream: Upstream, **settings: Any) -> dict[str, Any]:
    return {"edge": gateways.provider(upstream.url, **settings)}


ECHO: dict[str, Any] = {"echo": {"default_model": "echo"}}


async def test_what_is_set_serves_new_calls_at_once_and_those_under_way_keep_theirs(
    start: Callable[..., Any], upstream: Upstream
) -> None:
    """A provider and a route come and go under a stream, which finishes on the connection that it has."""
    gate = asyncio.Event()
    upstream.script(
        (*scripted.chat_stream(2)[:2], scripted.Until(gate), *scripted.chat_stream(2)[2:]), scripted.chat("hello")
    )
    async with start({"providers": ECHO}) as running:
        with pytest.raises(GatewayError):
            await running.client.chat("hi", model="edge/m")
        layer = Layer(revision=1, providers=edge(upstream), routes={"quick": {"targets": ["edge/m"]}})
        await running.reload.take(layer)
        stream = asyncio.create_task(collected(running.client, "quick"))
        await upstream.seen(requests=1)
        assert (await running.client.chat("hi", model="quick")).text == "hello"
        await running.reload.take(Layer(revision=2))
        with pytest.raises(GatewayError):
            await running.client.chat("hi", model="quick")
        gate.set()
        assert await stream == "0 1 "
        assert [*running.gateway.settings.providers] == ["echo"]


async def collected(client: AsyncClient, model: str) -> str:
    return "".join([piece async for piece in client.stream("hi", model=model)])


async def test_a_change_of_one_provider_keeps_health_and_connections_of_the_others(
    start: Callable[..., Any], upstream: Upstream
) -> None:
    """And of the same one, where it is called as before."""
    upstream.script(scripted.chat(), scripted.chat())
    async with start({"providers": edge(upstream)}) as running:
        await running.client.chat("hi", model="edge/m")
        [before] = running.gateway.service.snapshot.routing.providers["edge"].endpoints
        await running.reload.take(Layer(providers=ECHO, routes={"r": {"targets": ["edge/m"]}}))
        [after] = running.gateway.service.snapshot.routing.providers["edge"].endpoints
        assert (after.state, after.upstream) == (before.state, before.upstream)
        await running.client.chat("hi", model="r")
        assert upstream.connections == 1


async def test_a_preview_says_what_would_be_and_changes_nothing(start: Callable[..., Any], upstream: Upstream) -> None:
    """A wrong one is refused with its path, and neither log nor Health knows of it."""
    async with start({"providers": ECHO}) as running:
        would = await running.reload.preview(Layer(providers=edge(upstream)))
        assert [*would.providers] == ["echo", "edge"]
        with pytest.raises(
            ConfigError, match=r"run time: routes\.r\.targets\[0\]\.provider: 'nowhere/m' is not a configured"
        ):
            await running.reload.preview(Layer(routes={"r": {"targets": ["nowhere/m"]}}))
        with pytest.raises(ConfigError, match=r"run time: providers\.echo\.enabled: switches off the last provider"):
            await running.reload.preview(Layer(enabled={"echo": False}))
        assert [*running.gateway.settings.providers] == ["echo"]
        assert not await running.refusal()


async def test_a_reload_keeps_what_was_set_and_a_change_keeps_the_file_in_force(
    start: Callable[..., Any], upstream: Upstream
) -> None:
    """While the file is wrong changes are made above the one in force, and Health goes on telling of the wrong one, since when it did."""
    async with start({"providers": ECHO}) as running:
        await running.reload.take(Layer(providers=edge(upstream)))
        running.write({"providers": {**ECHO, "near": edge(upstream)["edge"]}})
        await running.reload.asked(check_only=False)
        assert [*running.gateway.settings.providers] == ["echo", "near", "edge"]
        running.path.write_text("providers: [")
        await running.reload.hung_up()
        told = await running.client.get_status()
        await running.reload.take(Layer(providers={"far": edge(upstream)["edge"]}))
        assert [*running.gateway.settings.providers] == ["echo", "near", "far"]
        again = await running.client.get_status()
        assert "is not valid YAML" in told.config_refusal == again.config_refusal
        assert told.config_refusal_time == again.config_refusal_time
        running.write({"providers": ECHO})
        await running.reload.hung_up()
        assert [*running.gateway.settings.providers] == ["echo", "far"]
        assert not await running.refusal()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"providers": ECHO}, "run time: routes.r.targets[0].provider: 'near/m' is not a configured provider"),
        (
            {"providers": {**ECHO, "near": {"kind": "echo"}}, "routes": {"f": {"targets": ["edge/m"]}}},
            "'edge/m' is not a configured provider",
        ),
        (
            {"providers": {**ECHO, "near": {"kind": "echo"}}, "routes": {"f": {"targets": ["echo/echo"]}}},
            "names only providers that are switched off; enable echo, or name one that is on",
        ),
    ],
)
async def test_a_file_that_does_not_go_with_what_was_set_is_refused(
    start: Callable[..., Any], upstream: Upstream, file: dict[str, Any], said: str
) -> None:
    """It lacks what a route needs, or needs itself what only the store knows, or what was switched off; all stays as it was."""
    layer = Layer(providers=edge(upstream), routes={"r": {"targets": ["near/m"]}}, enabled={"echo": False})
    async with start({"providers": {**ECHO, "near": {"kind": "echo"}}}, layer) as running:
        before = config.fingerprint(running.gateway.settings)
        running.write(file)
        with pytest.raises(ConfigError) as caught:
            await running.reload.asked(check_only=True)
        assert said in str(caught.value)
        await running.reload.hung_up()
        assert said in await running.refusal()
        assert config.fingerprint(running.gateway.settings) == before


async def test_what_is_wrong_at_the_start_is_left_out_told_and_no_obstacle(
    start: Callable[..., Any], upstream: Upstream
) -> None:
    """Other changes and reloads are taken, it is told until it is right, and it may not be set again as it is not."""
    layer = Layer(providers=edge(upstream), routes={"r": {"targets": ["gone/m"]}})
    async with start({"providers": ECHO}, layer) as running:
        assert ([*running.gateway.settings.providers], [*running.gateway.settings.routes]) == (["echo", "edge"], [])
        assert "run time: routes.r.targets[0].provider: 'gone/m'" in await running.refusal()
        more = Layer(providers=layer.providers, routes={**layer.routes, "q": {"targets": ["edge/m"]}})
        await running.reload.preview(more)
        await running.reload.take(more)
        running.write({"providers": ECHO, "routes": {"f": {"targets": ["echo/echo"]}}})
        await running.reload.asked(check_only=False)
        assert [*running.gateway.settings.routes] == ["f", "q"]
        assert "'gone/m'" in await running.refusal()
        with pytest.raises(ConfigError, match="lost/m"):
            await running.reload.preview(Layer(providers=layer.providers, routes={"r": {"targets": ["lost/m"]}}))
        running.write({"providers": {**ECHO, "gone": edge(upstream)["edge"]}})
        await running.reload.asked(check_only=False)
        assert [*running.gateway.settings.routes] == ["r", "q"]
        assert not await running.refusal()


async def test_a_key_leaves_when_its_time_is_over(
    start: Callable[..., Any], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without anything that happens: both are used during the overlap, then the new one alone; an end far away is looked at again and again."""
    monkeypatch.setattr(reloading, "LONGEST", 0.02)
    upstream.script(*[scripted.chat()] * 200)
    async with start({"providers": edge(upstream, api_key="of-the-file")}) as running:
        now = time.time()
        ends = now + 60
        for module in (reloading, config):
            monkeypatch.setattr(module, "time", lambda: now)
        both = keys("old", until=ends) + keys("new")
        await running.reload.take(Layer(keys={"edge": both}))
        await asyncio.sleep(0.1)  # looked at again and again
        assert [key.name for key in running.gateway.settings.providers["edge"].keys] == ["old", "new"]
        now = ends
        await eventually(lambda: len(running.gateway.settings.providers["edge"].keys) == 1, "the old key is gone")
        begun = len(upstream.requests)
        for _ in range(8):
            await running.client.chat("hi", model="edge/m")
        assert {request.headers["authorization"] for request in upstream.requests[begun:]} == {"Bearer key-new"}


async def test_files_that_hang_hold_up_no_change(start: Callable[..., Any], upstream: Upstream) -> None:
    """As on a network file system; what is read at last is served by under what was set meanwhile."""
    async with start({"providers": ECHO}) as running:
        text = running.path.read_text()
        running.path.unlink()
        os.mkfifo(running.path)
        reading = asyncio.create_task(running.reload.asked(check_only=False))
        await asyncio.sleep(0.05)
        await running.reload.take(Layer(providers=edge(upstream)))
        assert [*running.gateway.settings.providers] == ["echo", "edge"]
        assert not reading.done()
        await asyncio.to_thread(
            running.path.write_text, text.replace('"echo": {"default', '"more": {"kind": "echo", "default')
        )
        await reading
        assert [*running.gateway.settings.providers] == ["more", "edge"]


async def test_changes_under_load_fail_no_call(start: Callable[..., Any]) -> None:
    """A key rotated with an overlap twenty times while the provider accepts what is valid by then, and the other target switched off and on: streams
    under way finish."""
    async with scripted.running() as near, scripted.running() as far:
        near.script(scripted.chat_stream(4, every=0.01))
        far.script(scripted.chat_stream(4, every=0.01))
        file = {
            "providers": {
                "near": gateways.provider(near.url, api_key="of-the-file"),
                "far": gateways.provider(far.url),
            },
            "routes": {"r": {"targets": ["near/m", "far/m"]}, "f": {"targets": ["far/m"], "fallbacks": ["near/m"]}},
        }
        done: list[str] = []
        async with start(file) as running:
            stop = asyncio.Event()

            async def calls(model: str) -> None:
                while not stop.is_set():
                    done.append(await collected(running.client, model))

            callers = [asyncio.create_task(calls(model)) for model in ("r", "f") * 3]
            for number in range(20):
                rotated = keys(f"k{number - 1}", until=time.time() + 0.05) + keys(f"k{number}")
                enabled = {"far": False} if number % 2 else {}
                await running.reload.take(Layer(keys={"near": rotated}, enabled=enabled))
                begun, used = len(done), f"Bearer key-k{number}"
                await eventually(
                    lambda begun=begun, used=used: (
                        len(done) > begun + 3  # type: ignore[misc]
                        and any(request.headers["authorization"] == used for request in near.requests)
                    ),
                    "calls are answered, by the new key too",
                )
            stop.set()
            await asyncio.gather(*callers)
        assert {*done} == {"0 1 2 3 "}
