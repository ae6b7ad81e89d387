"""Every channel argument of the server has its effect, and every client's keepalive lives with the server's."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llm_gateway import config
from llm_gateway.app.lifecycle import server_options
from llmgateway import AsyncClient, GatewayError, InvalidArgument, ResourceExhausted, make_request
from llmgateway.channel import channel_options
from llmgateway.v1 import gateway_pb2

from tests.support import gateway as gateways
from tests.support import http2
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import PATIENCE, eventually

Factory = Callable[..., Any]
ECHO: dict[str, Any] = {"providers": {"echo": {"default_model": "echo"}}}
CLIENTS = Path(__file__).parents[2] / "clients"


def serving(**server: Any) -> dict[str, Any]:
    return {**ECHO, "server": server}


def test_the_core_knows_every_channel_argument() -> None:
    """It ignores names that it does not know, which are in its binary if it does."""
    core = Path(cygrpc.__file__).read_bytes()
    ours = server_options(config.Server(max_connection_age=1.0))
    for name, _ in [*ours, *channel_options("127.0.0.1:1")]:
        assert name.encode() in core, name


# ---------------------------------------------------------------- pings
async def test_a_client_that_pings_too_often_is_sent_away_after_three_strikes(gateway_factory: Factory) -> None:
    """min_ping_interval and max_ping_strikes: the first ping is free, three bad ones are answered, the fifth ends it."""
    running = await gateway_factory(serving(keepalive={"min_ping_interval": "1h"}))
    assert await http2.pings(running.address, every=0.05, most=50) == (5, b"too_many_pings")


async def test_a_client_that_pings_no_more_often_than_allowed_stays(gateway_factory: Factory) -> None:
    """Without the argument, gRPC's own five minutes hold."""
    running = await gateway_factory(serving(keepalive={"min_ping_interval": "10ms"}))
    assert await http2.pings(running.address, every=0.05, most=30) == (30, b"")


@pytest.mark.parametrize("call", [False, True])
async def test_a_frozen_client_is_released(gateway_factory: Factory, upstream: Upstream, call: bool) -> None:
    """keepalive.time until the ping, keepalive.timeout until the connection ends, with a call under way and without: a minute less than
    gRPC's own time for the answer of a ping."""
    upstream.script((*scripted.stream(*scripted.numbered(1), end=False), scripted.HANG))
    keepalive = {"time": "500ms", "timeout": "500ms"}
    running = await gateway_factory(
        {"providers": {"edge": gateways.provider(upstream.url)}, "server": {"keepalive": keepalive}}
    )
    pinged, why = False, b""
    started = time.monotonic()
    async with http2.connect(running.address, frozen=True) as peer:
        if call:
            message = gateway_pb2.StreamSendRequest(request=make_request("hi", model="edge/m")).SerializeToString()
            peer.call("/llmgateway.v1.LLMGateway/StreamSend", message, running.address)
        async for frame in peer.frames():
            pinged |= frame.kind == http2.PING and not frame.flags & http2.ACK
            if frame.kind == http2.GOAWAY:
                why = frame.payload[8:]
    assert (pinged, why) == (True, b"ping_timeout")
    assert time.monotonic() - started < 30  # not 60
    if call:
        await upstream.seen(aborts=1)


async def test_without_permit_without_calls_an_idle_client_is_left_alone(gateway_factory: Factory) -> None:
    """Sixty times the time after which the others are pinged."""
    running = await gateway_factory(
        serving(keepalive={"time": "20ms", "timeout": "20ms", "permit_without_calls": False})
    )
    async with http2.connect(running.address, frozen=True) as peer:

        async def first_ping() -> None:
            async for frame in peer.frames():
                if frame.kind in (http2.PING, http2.GOAWAY) and not frame.flags & http2.ACK:
                    return

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first_ping(), 1.2)


# ---------------------------------------------------------------- the clients' pings
INTERVALS = {
    "python": ("python/src/llmgateway/channel.py", r'"grpc\.keepalive_time_ms", ([\d_]+)', 1000.0),
    "go": ("go/llmgateway/options.go", r"keepalive\.ClientParameters\{Time: (\d+) \* time\.Second", 1.0),
    "java": (
        "java/src/main/java/io/llmgateway/client/LlmGatewayClient.java",
        r"keepAliveTime\((\d+), TimeUnit\.SECONDS",
        1.0,
    ),
    "typescript": ("typescript/src/index.ts", r"pingIntervalMs: ([\d_]+)", 1000.0),
    "rust": ("rust/src/client.rs", r"KEEPALIVE_INTERVAL: Duration = Duration::from_secs\((\d+)\)", 1.0),
}
SCALE = 60.0
"""Ten minutes in ten seconds."""


def interval(language: str) -> float:
    """Seconds of silence after which a client pings, by its source."""
    path, pattern, per_second = INTERVALS[language]
    found = re.search(pattern, (CLIENTS / path).read_text())
    assert found is not None, f"{path} sets no keepalive"
    return int(found[1].replace("_", "")) / per_second


def scaled() -> dict[str, str]:
    """When the server pings and how often it may be pinged by default, in a sixtieth of the time. How long it waits for an answer stays:
    that is the machine's."""
    usual = config.Server().keepalive
    return {name: f"{getattr(usual, name) / SCALE * 1000:.0f}ms" for name in ("time", "min_ping_interval")}


async def test_every_clients_pings_are_allowed_for_ten_minutes_of_silence(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """The defaults of all five and the server's, sixty times as fast: on an idle connection and beside a stream that says nothing."""
    upstream.script((*scripted.stream(*scripted.numbered(1), end=False), scripted.HANG))
    running = await gateway_factory(
        {"providers": {"edge": gateways.provider(upstream.url)}, "server": {"keepalive": scaled()}}
    )
    message = gateway_pb2.StreamSendRequest(request=make_request("hi", model="edge/m")).SerializeToString()

    async def live(language: str, call: bool) -> str:
        async with http2.connect(running.address) as peer:
            if call:
                peer.call("/llmgateway.v1.LLMGateway/StreamSend", message, running.address)
            ended = ""

            async def read() -> None:
                nonlocal ended
                async for frame in peer.frames():
                    if frame.kind in (http2.GOAWAY, http2.RST_STREAM):
                        ended = f"{language}: {frame.payload!r}"
                ended = ended or f"{language}: closed"

            reading = asyncio.create_task(read())
            for _ in range(int(600 / interval(language))):
                await asyncio.sleep(interval(language) / SCALE)
                peer.ping()
            reading.cancel()
            return ended

    ended = await asyncio.gather(*(live(language, call) for language in INTERVALS for call in (False, True)))
    assert [one for one in ended if one] == []


async def test_the_python_client_is_silent_for_ten_minutes_and_lives(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """gRPC's own client with our options, sixty times as fast, reading a stream that pauses for ten minutes."""
    pause = scripted.Pause(600 / SCALE)
    upstream.script((*scripted.stream(*scripted.numbered(1), end=False), pause, *scripted.chat_stream(2)[1:]))
    timeouts = {"idle": "60s", "attempt": "60s"}
    running = await gateway_factory(
        {"providers": {"edge": gateways.provider(upstream.url, timeouts=timeouts)}, "server": {"keepalive": scaled()}}
    )
    quick = ("grpc.keepalive_time_ms", int(dict(channel_options(running.address))["grpc.keepalive_time_ms"] / SCALE))
    async with AsyncClient(running.address, options=[quick, ("grpc.use_local_subchannel_pool", 1)]) as client:
        assert "".join([piece async for piece in client.stream("hi", model="edge/m")]) == "0 0 1 "


async def test_the_python_client_leaves_a_frozen_server() -> None:
    """Its keepalive timeout holds for the answer of a ping too, for which gRPC alone waits a minute."""
    frozen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x00\x04\x01\x00\x00\x00\x00")  # SETTINGS, ACK
        await frozen.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    times = {"grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"}
    quick = [(name, int(value / SCALE)) for name, value in channel_options(address) if name in times]
    started = time.monotonic()
    async with server, AsyncClient(address, timeout=PATIENCE, options=[*quick, ("grpc.enable_retries", 0)]) as client:
        with pytest.raises(GatewayError) as caught:
            await client.chat("hi")
        frozen.set()
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - started < 30


# ---------------------------------------------------------------- sizes, bursts, age
async def test_requests_may_be_as_large_as_max_message_bytes(gateway_factory: Factory) -> None:
    """More than gRPC's own 4 MiB passes, more than the limit does not."""
    running = await gateway_factory(serving(max_message_bytes="6MiB"))
    assert len((await running.client.chat("x" * (5 << 20))).text) == 5 << 20
    with pytest.raises(InvalidArgument) as caught:
        await running.client.chat("x" * (7 << 20))
    assert caught.value.reason == "REQUEST_TOO_LARGE"


async def test_metadata_may_have_sixteen_kibibytes(gateway_factory: Factory) -> None:
    """gRPC's own limit of 8 KiB refuses some of what is larger; beyond a quarter more than ours all is refused."""
    running = await gateway_factory(serving())
    for _ in range(20):
        await running.client.chat("hi", metadata=(("x-large", "x" * 14_000),))
    with pytest.raises(ResourceExhausted):
        await running.client.chat("hi", metadata=(("x-large", "x" * 24_000),))


async def test_a_burst_that_the_loop_is_too_busy_for_waits(gateway_factory: Factory) -> None:
    """3,500 calls that gRPC holds while the event loop does something else: it would cancel at random from 1,000 on."""
    count = 3500
    running = await gateway_factory(serving(max_streams=count))
    connected, sent = threading.Event(), threading.Event()
    outcomes: list[grpc.StatusCode] = []

    def burst() -> None:
        with grpc.insecure_channel(running.address, options=[("grpc.enable_retries", 0)]) as channel:
            check = machine_grpc.HealthStub(channel).Check
            check(machine_pb2.HealthCheckRequest(), timeout=PATIENCE)
            connected.set()
            calls = [check.future(machine_pb2.HealthCheckRequest(), timeout=PATIENCE) for _ in range(count)]
            sent.set()
            outcomes.extend(call.code() for call in calls)

    thread = asyncio.create_task(asyncio.to_thread(burst))
    await eventually(lambda: connected.is_set() or thread.done(), "the client is connected")
    sent.wait(PATIENCE)  # the loop is busy
    time.sleep(1.0)
    await thread
    assert outcomes.count(grpc.StatusCode.OK) == count


async def test_further_calls_of_a_connection_wait_in_the_client(gateway_factory: Factory, upstream: Upstream) -> None:
    """max_streams: the third call begins when one of two ends; a client with another connection does not wait."""
    gate = asyncio.Event()
    upstream.script((scripted.Until(gate), *scripted.chat()))
    running = await gateway_factory(
        {"providers": {"edge": gateways.provider(upstream.url)}, "server": {"max_streams": 2}}
    )
    calls = [asyncio.create_task(running.client.chat("hi", model="edge/m")) for _ in range(3)]
    await upstream.seen(requests=2)
    other = ("grpc.use_local_subchannel_pool", 1)
    async with AsyncClient(running.address, options=[other]) as client:
        calls.append(asyncio.create_task(client.chat("hi", model="edge/m")))
        await upstream.seen(requests=3)
        assert (await client.get_status()).in_flight == 3
        gate.set()
        await asyncio.gather(*calls)
    assert len(upstream.requests) == 4


async def test_the_streams_that_a_connection_may_have_are_announced(gateway_factory: Factory) -> None:
    """SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2), by default; without the argument it is without limit."""
    running = await gateway_factory(serving())
    async with http2.connect(running.address) as peer:
        async for frame in peer.frames():
            if frame.kind == http2.SETTINGS:
                break
    announced = {
        int.from_bytes(frame.payload[at : at + 2]): frame.payload[at + 2 : at + 6]
        for at in range(0, len(frame.payload), 6)
    }
    assert int.from_bytes(announced[3]) == 1000


async def test_connections_beyond_the_limit_are_closed_as_they_come(gateway_factory: Factory) -> None:
    """max_connections: those that are there go on, and a place is free again when one of them leaves."""
    running = await gateway_factory(serving(max_connections=3))
    await running.client.chat("hi")  # the first

    async def taken(stack: AsyncExitStack) -> bool:
        peer = await stack.enter_async_context(http2.connect(running.address))
        return await anext(peer.frames(), None) is not None

    async with AsyncExitStack() as stack:
        assert [await taken(stack) for _ in range(4)] == [True, True, False, False]
        assert (await running.client.chat("hi")).text == "hi"
    async with AsyncExitStack() as stack:
        await eventually(lambda: taken(stack), "a place is free again")


async def test_an_old_connection_gets_goaway_and_time_to_finish(gateway_factory: Factory, upstream: Upstream) -> None:
    """max_connection_age: streams under way end whole, new calls go over new connections, nobody sees an error; max_connection_age_grace
    bounds how long."""
    gate = asyncio.Event()
    upstream.script(
        (*scripted.stream(*scripted.numbered(1), end=False), scripted.Until(gate), *scripted.chat_stream(2)[1:])
    )
    server = {"max_connection_age": "500ms", "max_connection_age_grace": "2s"}
    running = await gateway_factory({"providers": {"edge": gateways.provider(upstream.url)}, "server": server})
    message = gateway_pb2.StreamSendRequest(request=make_request("hi", model="edge/m")).SerializeToString()
    async with http2.connect(running.address) as peer:
        peer.call("/llmgateway.v1.LLMGateway/StreamSend", message, running.address)
        seen = []
        async for frame in peer.frames():
            if frame.kind == http2.GOAWAY:
                seen.append(frame.payload[8:])
    assert seen[0] == b"max_age"
    await upstream.seen(aborts=1)  # the grace was over before the stream
    gate.set()
