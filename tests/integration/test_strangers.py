"""What costs nothing to send takes nothing from the others: streams that last, messages that do not come, answers that nobody reads."""

import asyncio
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llm_gateway.app import lifecycle
from llm_gateway.config import load
from llm_gateway.rpc import admission
from llmgateway import AsyncClient, Unauthenticated, make_request
from llmgateway.v1 import gateway_pb2

from tests.integration.test_rpc_edge import details
from tests.support import gateway as gateways
from tests.support import http2
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

Factory = Callable[..., Any]
ECHO: dict[str, Any] = {"providers": {"echo": {"default_model": "echo"}}}
SERVICE = "llmgateway.v1.LLMGateway"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
STREAM_SEND = f"/{SERVICE}/StreamSend"
POOL = [("grpc.use_local_subchannel_pool", 1)]


async def first(watch: Any) -> Any:
    """Its first status, or the error that it ended with."""
    try:
        return (await watch.read()).status
    except grpc.aio.AioRpcError as error:
        return error


async def serving(address: str) -> Any:
    """What a Watch on a connection of its own is told first."""
    async with grpc.aio.insecure_channel(address, options=POOL) as channel:
        return await asyncio.wait_for(first(machine_grpc.HealthStub(channel).Watch(ask())), 30)


def ask() -> machine_pb2.HealthCheckRequest:
    return machine_pb2.HealthCheckRequest(service=SERVICE)


# ---------------------------------------------------------------- Watches
async def test_a_watch_that_nobody_reads_holds_up_neither_watches_nor_the_stop(
    gateway_process: Callable[..., gateways.Process],
) -> None:
    """Its client's window is shut (RFC 9113 section 6.9.2): others are told, NOT_SERVING too, and no line says that something broke."""
    running = gateway_process({**ECHO, "server": {"lame_duck": "300ms"}})
    async with http2.connect(running.address) as peer:
        peer.send(http2.SETTINGS, struct.pack(">HI", http2.INITIAL_WINDOW_SIZE, 0))
        peer.call(WATCH, ask().SerializeToString(), running.address)
        peer.ping()
        async for frame in peer.frames():
            if frame.kind == http2.PING:
                break
        async with grpc.aio.insecure_channel(running.address, options=POOL) as channel:
            watch = machine_grpc.HealthStub(channel).Watch(ask())
            assert (await asyncio.wait_for(watch.read(), 30)).status == machine_pb2.HealthCheckResponse.SERVING
            running.process.terminate()
            assert (await asyncio.wait_for(watch.read(), 30)).status == machine_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.to_thread(running.process.wait, 60)
    events = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert [event for event in events if event["level"] == "error"] == []


async def test_a_connection_has_so_many_watches_and_the_next_is_told(gateway_factory: Factory) -> None:
    """RESOURCE_EXHAUSTED with a reason; other connections watch on, and a place is free when a Watch ends."""
    running = await gateway_factory(ECHO)
    up = machine_pb2.HealthCheckResponse.SERVING
    async with grpc.aio.insecure_channel(running.address, options=POOL) as channel:
        stub = machine_grpc.HealthStub(channel)
        watches = [stub.Watch(ask()) for _ in range(admission.WATCHES_A_CONNECTION)]
        assert [await first(watch) for watch in watches] == [up] * len(watches)
        error = await first(stub.Watch(ask()))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert b"TOO_MANY_WATCHES" in details(error).SerializeToString()
        assert "100 Watches" in error.details()
        assert await serving(running.address) == up
        watches.pop().cancel()

        async def free() -> bool:
            return not isinstance(await first(stub.Watch(ask())), grpc.aio.AioRpcError)

        await eventually(free, "a place is free again")


async def test_clients_of_a_unix_socket_do_not_share_the_places_of_one_connection(
    gateway_factory: Factory,
) -> None:
    """gRPC calls all of them `unix:`; who has a hundred Watches leaves the others theirs."""
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        listen = f"unix:{folder}/socket"
        await gateway_factory({**ECHO, "server": {"listen": listen}})
        up = machine_pb2.HealthCheckResponse.SERVING
        async with grpc.aio.insecure_channel(listen, options=POOL) as channel:
            stub = machine_grpc.HealthStub(channel)
            watches = [stub.Watch(ask()) for _ in range(admission.WATCHES_A_CONNECTION)]
            assert [await first(watch) for watch in watches] == [up] * len(watches)
            assert await serving(listen) == up


async def test_all_watches_together_are_bounded_also_those_that_ask_for_nothing(
    gateway_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Watch whose message never comes counts; Check is answered all the while; when the connection goes, so do they."""
    monkeypatch.setattr(admission, "WATCHES_AT_ONCE", 5)
    running = await gateway_factory(ECHO)
    async with http2.connect(running.address) as peer:
        # One may be refused because the Watch that asks holds its permit just then, so there is another with every question.
        for number in range(1000):
            peer.call(WATCH, None, running.address, stream=1 + 2 * number)
            if number >= 4 and isinstance(refused := await serving(running.address), grpc.aio.AioRpcError):
                break
        assert isinstance(refused, grpc.aio.AioRpcError)
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with grpc.aio.insecure_channel(running.address, options=POOL) as channel:
            assert (await machine_grpc.HealthStub(channel).Check(ask())).status == 1

    async def free() -> bool:
        return not isinstance(await serving(running.address), grpc.aio.AioRpcError)

    await eventually(free, "the places are free again")


# ---------------------------------------------------------------- messages that do not come
async def test_of_too_many_calls_without_a_message_the_oldest_ends_and_probes_are_answered(
    gateway_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads of Check cost nothing to send; each beyond the limit ends the one that has waited longest, with a status."""
    monkeypatch.setattr(admission, "PROBES_AT_ONCE", 3)
    running = await gateway_factory(ECHO)
    ended: dict[int, bytes] = {}
    async with http2.connect(running.address) as peer:
        for number in range(5):
            peer.call(CHECK, None, running.address, stream=1 + 2 * number)
        async for frame in peer.frames():
            if frame.kind == http2.HEADERS and frame.flags & http2.END_STREAM:
                ended[frame.stream] = frame.payload
            if len(ended) == 2:
                break
        assert sorted(ended) == [1, 3]
        assert b"3 later calls of health have begun." in ended[1]
        async with grpc.aio.insecure_channel(running.address, options=POOL) as channel:
            assert (await machine_grpc.HealthStub(channel).Check(ask())).status == 1
        peer.message(ask().SerializeToString(), stream=9)
        async for frame in peer.frames():
            if frame.stream == 9 and frame.kind == http2.DATA:
                break


async def test_calls_without_a_message_do_not_hold_up_the_stop(
    gateway_process: Callable[..., gateways.Process],
) -> None:
    """They are ended with the GOAWAY, as Watches are; what is under way would have five minutes."""
    running = gateway_process({**ECHO, "server": {"shutdown_grace": "300s"}})
    async with http2.connect(running.address) as peer:
        peer.call(CHECK, None, running.address)
        peer.ping()
        async for frame in peer.frames():
            if frame.kind == http2.PING:
                break
        running.process.terminate()
        await asyncio.to_thread(running.process.wait, 120)


async def test_who_never_acknowledges_our_settings_is_disconnected(
    gateway_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No limit of ours binds such a peer; who acknowledges them stays."""
    monkeypatch.setattr(lifecycle, "SETTINGS_WITHIN", 0.5)
    running = await gateway_factory(ECHO)
    async with http2.connect(running.address) as good:
        reading = asyncio.create_task(anext(frame async for frame in good.frames() if frame.kind == http2.GOAWAY))
        host, _, port = running.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(http2.PREFACE + http2.encoded(http2.SETTINGS))
        while await reader.read(1 << 16):
            pass
        writer.close()
        assert not reading.done()
        reading.cancel()


# ---------------------------------------------------------------- revoked keys
def keyed(upstream: Upstream, *keys: str) -> dict[str, Any]:
    return {"providers": {"edge": gateways.provider(upstream.url)}, "server": {"api_keys": list(keys)}}


async def revoke(running: gateways.Local, folder: Path, settings: dict[str, Any]) -> None:
    path = folder / "again.yaml"
    path.write_text(json.dumps(gateways.configured(settings)))
    await running.gateway.reload(load(str(path), {}))


async def test_the_streams_of_a_revoked_key_end_with_the_reload(
    gateway_factory: Factory, upstream: Upstream, tmp_path: Path
) -> None:
    """UNAUTHENTICATED, and its provider call is ended; a stream by another key ends whole."""
    gate = asyncio.Event()
    pending = (*scripted.stream(*scripted.numbered(1), end=False), scripted.Until(gate), *scripted.chat_stream(2)[1:])
    upstream.script(pending)
    running = await gateway_factory(keyed(upstream, "stays-a-key", "goes-a-key"))
    async with (
        AsyncClient(running.address, api_key="stays-a-key", options=POOL) as stays,
        AsyncClient(running.address, api_key="goes-a-key", options=POOL) as goes,
    ):
        kept, ended = aiter(stays.stream("hi", model="edge/m")), aiter(goes.stream("hi", model="edge/m"))
        assert [await anext(kept), await anext(ended)] == ["0 ", "0 "]
        whole = asyncio.create_task(goes.chat("hi", model="edge/m"))
        await upstream.seen(requests=3)
        await revoke(running, tmp_path, keyed(upstream, "stays-a-key"))
        with pytest.raises(Unauthenticated) as caught:
            await anext(ended)
        assert caught.value.reason == "CALLER_UNAUTHENTICATED"
        with pytest.raises(Unauthenticated):
            await whole
        await upstream.seen(aborts=2)
        gate.set()
        assert "".join([piece async for piece in kept]) == "0 1 "


async def test_a_call_begun_by_a_key_that_is_revoked_before_its_message_comes_is_refused(
    gateway_factory: Factory, upstream: Upstream, tmp_path: Path
) -> None:
    """The metadata were right once; the provider is not called."""
    running = await gateway_factory(keyed(upstream, "goes-a-key"))
    message = gateway_pb2.StreamSendRequest(request=make_request("hi", model="edge/m")).SerializeToString()
    async with http2.connect(running.address) as peer:
        peer.call(STREAM_SEND, None, running.address, authorization="Bearer goes-a-key")
        await eventually(lambda: running.gateway.admission.admitted, "the call has begun")
        await revoke(running, tmp_path, keyed(upstream, "stays-a-key"))
        peer.message(message)
        async for frame in peer.frames():
            if frame.kind == http2.HEADERS and frame.flags & http2.END_STREAM:
                break
    assert b"The API key is not known." in frame.payload
    assert upstream.requests == []


# ---------------------------------------------------------------- the log
FORGED = b'{"event":"rpc","level":"info","method":"Send","code":"OK","forged":true}'


@pytest.mark.parametrize("env", [{}, {"GRPC_VERBOSITY": "INFO"}, {"GRPC_VERBOSITY": "DEBUG", "GRPC_TRACE": "http"}])
async def test_a_peers_words_are_no_lines_of_the_log(
    gateway_process: Callable[..., gateways.Process], env: dict[str, str]
) -> None:
    """gRPC's core writes the text of a GOAWAY as it came: not at all, or where the operator wants its lines, inside one of ours."""
    running = gateway_process(ECHO, env)
    async with http2.connect(running.address) as peer:
        peer.send(http2.GOAWAY, struct.pack(">II", 0, 2) + b"\n" + FORGED + b"\n\x1b[31m")
        peer.ping()
    async with AsyncClient(running.address) as client:
        await client.chat("hi")
    running.rpcs(1)
    running.process.terminate()
    await asyncio.to_thread(running.process.wait, 60)
    lines = running.log.read_bytes().splitlines()
    [serving] = [number for number, line in enumerate(lines) if b'"serving"' in line]
    told = [json.loads(line) for line in lines[serving:]]
    assert [line for line in told if "forged" in line] == []
    assert [line["event"] for line in told if "forged" in str(line)][:1] == (["standard error"] if env else [])
