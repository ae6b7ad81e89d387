"""Reload: what a new configuration changes at once, and what it leaves to the calls that began before it."""

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from llm_gateway import config
from llm_gateway.app.lifecycle import on_hangup
from llm_gateway.app.reloading import Reload
from llm_gateway.config import load
from llm_gateway.telemetry import redaction
from llmgateway import AsyncClient, GatewayError, Unauthenticated

from tests.integration.test_plugin import package, row
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

ECHO: dict[str, Any] = {"providers": {"echo": {"default_model": "echo"}}}


def read(folder: Path, settings: Mapping[str, Any]) -> config.Config:
    """The configuration as the gateway would read it again."""
    path = folder / "again.yaml"
    path.write_text(json.dumps(gateways.configured(settings)))
    return load(str(path), {})


async def test_a_call_that_backs_off_during_a_reload_is_tried_again_where_it_began(
    gateway_factory: Callable[..., Any], upstream: Upstream, tmp_path: Path
) -> None:
    """Its provider is gone from the new configuration; its connections stay until the call is over, and no longer."""
    upstream.script(scripted.whole(503, b"{}", [("retry-after", "0.3")]), scripted.chat("again"))
    running = await gateway_factory({"providers": {"edge": gateways.provider(upstream.url)}})
    call = asyncio.create_task(running.client.chat("hi", model="edge/m"))
    await upstream.seen(requests=1)
    await running.gateway.reload(read(tmp_path, ECHO))
    assert (await call).text == "again"
    await eventually(lambda: not upstream.open_connections, "its connections are closed")


async def test_callers_keys_and_the_limit_of_calls_follow_a_reload(
    gateway_factory: Callable[..., Any], tmp_path: Path
) -> None:
    """A key that was taken out opens nothing any more."""
    running = await gateway_factory({**ECHO, "server": {"api_keys": ["old-key"], "max_in_flight": 5}})
    settings = read(tmp_path, {**ECHO, "server": {"api_keys": ["new-key"], "max_in_flight": 7}})
    await running.gateway.reload(settings)
    async with AsyncClient(running.address, api_key="new-key") as client:
        assert (await client.chat("hi", model="echo/echo")).text == "hi"
    async with AsyncClient(running.address, api_key="old-key") as client:
        with pytest.raises(Unauthenticated):
            await client.chat("hi", model="echo/echo")
    assert running.gateway.admission.limit == 7


async def test_a_rotated_key_is_redacted_until_the_last_call_by_it_is_over_and_forgotten_then(
    gateway_factory: Callable[..., Any], upstream: Upstream, tmp_path: Path
) -> None:
    """A provider that echoes it late is still not heard; a hundred rotations leave one key to look for."""

    def rotated(number: int) -> dict[str, Any]:
        return {"providers": {"edge": gateways.provider(upstream.url, api_key=f"rotated-key-{number}")}}

    before = len(redaction._held)
    gate = asyncio.Event()
    refusal = {"error": {"message": "of rotated-key-0", "type": "invalid_request_error"}}
    upstream.script((scripted.Until(gate), *scripted.whole(400, refusal)))
    running = await gateway_factory(rotated(0))
    call = asyncio.create_task(running.client.chat("hi", model="edge/m"))
    await upstream.seen(requests=1)
    for number in range(1, 101):
        await running.gateway.reload(read(tmp_path, rotated(number)))
    gate.set()
    with pytest.raises(GatewayError) as caught:
        await call
    assert caught.value.provider_failure is not None
    assert caught.value.provider_failure.provider_message == "of [redacted]"
    await eventually(
        lambda: (
            redaction.without_known("rotated-key-0 rotated-key-100") == "rotated-key-0 [redacted]"
            and len(redaction._held) <= before + 1
        ),
        "the keys of old configurations are forgotten",
    )


def states(gateway: Any) -> list[Any]:
    """What is known of the health of edge's endpoints."""
    return [endpoint.state for endpoint in gateway.service.snapshot.routing.providers["edge"].endpoints]


async def test_health_is_kept_for_what_stays_and_forgotten_for_what_changes(
    gateway_factory: Callable[..., Any], upstream: Upstream, tmp_path: Path
) -> None:
    """A new key does not inherit the cooldown of the old one; a new address and other breaker settings begin anew."""
    one = {"providers": {"edge": gateways.provider(upstream.url, api_key="one")}}
    running = await gateway_factory(one)
    [first] = states(running.gateway)
    await running.gateway.reload(read(tmp_path, one))
    assert states(running.gateway) == [first]
    await running.gateway.reload(
        read(tmp_path, {"providers": {"edge": gateways.provider(upstream.url, api_key="two")}})
    )
    [second] = states(running.gateway)
    assert second.key is not first.key
    assert second.server is first.server
    await running.gateway.reload(read(tmp_path, {**one, "breaker": {"consecutive_failures": 1}}))
    [third] = states(running.gateway)
    assert third.server is not first.server
    await running.gateway.reload(read(tmp_path, {"providers": {"edge": gateways.provider("http://127.0.0.1:9")}}))
    [fourth] = states(running.gateway)
    assert fourth.server is not third.server


async def test_a_connection_outlives_the_configurations_that_call_by_it_and_their_calls_and_no_longer(
    gateway_factory: Callable[..., Any], upstream: Upstream, tmp_path: Path
) -> None:
    """The second configuration has it from the first, the third has none: the call of the first, which is the last one, is still answered."""
    gate = asyncio.Event()
    upstream.script((scripted.Until(gate), *scripted.chat("first")), scripted.chat("second"), scripted.chat("third"))
    one = {"providers": {"edge": gateways.provider(upstream.url)}}
    running = await gateway_factory(one)
    first = asyncio.create_task(running.client.chat("hi", model="edge/m"))
    await upstream.seen(requests=1)
    for number in (1, 2):
        routes = {f"route-{number}": {"targets": ["edge/m"]}}
        await running.gateway.reload(read(tmp_path, {**one, "routes": routes}))
        await running.client.chat("hi", model=f"route-{number}")
    assert upstream.connections == 2  # one is busy
    await running.gateway.reload(read(tmp_path, ECHO))
    gate.set()
    assert (await first).text == "first"
    await upstream.idle()


async def test_what_has_its_credentials_from_elsewhere_is_made_anew(
    gateway_factory: Callable[..., Any], tmp_path: Path
) -> None:
    """A reload is how an operator has files and profiles read again that the configuration does not show."""
    settings = {"providers": {"bedrock": {"region": "eu-west-1"}, "edge": gateways.provider("http://127.0.0.1:9")}}
    running = await gateway_factory(settings)

    def upstreams() -> list[object]:
        providers = running.gateway.service.snapshot.routing.providers
        return [providers[name].endpoints[0].upstream for name in ("bedrock", "edge")]

    before = upstreams()
    await running.gateway.reload(read(tmp_path, settings))
    assert [old is new for old, new in zip(before, upstreams(), strict=True)] == [False, True]


async def test_a_connection_that_stays_is_priced_by_the_configuration_in_force(
    gateway_factory: Callable[..., Any], upstream: Upstream, tmp_path: Path
) -> None:
    """It is its price list that is read anew."""
    settings = {"providers": {"edge": gateways.provider(upstream.url)}}
    running = await gateway_factory(settings)
    [before] = running.gateway.service.snapshot.routing.providers["edge"].endpoints
    await running.gateway.reload(read(tmp_path, settings))
    [after] = running.gateway.service.snapshot.routing.providers["edge"].endpoints
    assert after.upstream is before.upstream
    assert after.upstream.price.prices is running.gateway._built.prices


async def test_files_that_were_only_checked_are_still_to_be_taken(
    gateway_factory: Callable[..., Any], tmp_path: Path
) -> None:
    """A reload that validates alone does not make the watcher believe that they are in force."""
    running = await gateway_factory(ECHO)
    file, sources = tmp_path / "file", config.Sources()

    def reading(seen: config.Sources) -> config.Layered:
        seen.begin()
        seen.read(str(file))
        settings: config.Config = running.gateway.settings
        return lambda _: settings

    file.write_text("one")
    reload = Reload(running.gateway, reading, sources, reading(sources))
    file.write_text("two")
    await reload.asked(check_only=True)
    assert sources.seen() != sources.now()
    await reload.asked(check_only=False)
    assert sources.seen() == sources.now()


async def test_two_addresses_in_one_region_have_health_and_names_of_their_own(
    gateway_factory: Callable[..., Any], upstream: Upstream
) -> None:
    """One that is dead does not take the other with it."""
    places = [{"url": "http://127.0.0.1:9/v1", "region": "eu"}, {"url": f"{upstream.url}/v1", "region": "eu"}]
    edge = {"kind": "openai_compatible", "endpoints": places, "api_key": "none", "models": ["m"]}
    upstream.script(scripted.chat())
    running = await gateway_factory({"providers": {"edge": edge}})
    for _ in range(20):
        await running.client.chat("hi", model="edge/m")
    dead, alive = states(running.gateway)
    assert not alive.last_failure
    assert dead.in_flight == alive.in_flight == 0
    seen = [one.deployment for one in (await running.client.get_status()).providers]
    assert seen == ["eu-1", "eu-2"]


async def test_the_uptime_is_that_of_the_gateway_not_of_its_configuration(
    gateway_factory: Callable[..., Any], tmp_path: Path
) -> None:
    """A reload does not begin it anew."""
    running = await gateway_factory(ECHO)
    await asyncio.sleep(0.05)
    await running.gateway.reload(read(tmp_path, ECHO))
    uptime = (await running.client.get_status()).uptime.ToTimedelta().total_seconds()
    assert uptime >= 0.05


async def test_a_sighup_during_a_reload_is_followed_by_another_one() -> None:
    """The file may have changed after it was read; several signals are one."""
    begun, go = asyncio.Event(), asyncio.Event()
    times = 0

    async def reload() -> None:
        nonlocal times
        times += 1
        begun.set()
        await go.wait()

    on_hangup(reload)
    signal.raise_signal(signal.SIGHUP)
    await begun.wait()
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    await asyncio.sleep(0.01)
    go.set()
    await eventually(lambda: times >= 2, "it is read again")
    await asyncio.sleep(0.05)
    assert times == 2
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def test_a_reload_knows_the_kinds_of_plugins_and_says_what_needs_a_restart(tmp_path: Path) -> None:
    """The file that was good at the start is good again; the address stays."""
    site = package(tmp_path, "good", "good", "good:ROW", row())
    plugged = {"providers": {"good": {"api_key": "none"}}}
    with gateways.process(plugged, tmp_path, {"PYTHONPATH": str(site)}) as running:
        changed = gateways.configured({**plugged, "server": {"shutdown_grace": "3s", "max_in_flight": 9}})
        (tmp_path / "gateway.yaml").write_text(json.dumps(changed))
        running.process.send_signal(signal.SIGHUP)
        for words in ("configuration reloaded", "settings need a restart", '"settings":["server.shutdown_grace"]'):
            await eventually(lambda words=words: words in running.log.read_text(), f"the log says: {words}")  # type: ignore[misc]


async def test_callers_go_by_the_names_of_their_keys_in_the_log(
    gateway_process: Callable[..., gateways.Process],
) -> None:
    """A key without a name is numbered; nothing of the key itself is written."""
    keys = [{"name": "billing", "key": "secret-of-billing"}, "secret-without-name"]
    running = gateway_process({**ECHO, "server": {"api_keys": keys}})
    for key in ("secret-of-billing", "secret-without-name"):
        async with AsyncClient(running.address, api_key=key) as client:
            await client.chat("hi", model="echo/echo")
    async with AsyncClient(running.address, api_key="secret-unknown") as client:
        with pytest.raises(GatewayError):
            await client.chat("hi", model="echo/echo")
    assert [line.get("principal") for line in running.rpcs(3)] == ["billing", "key-2", None]
