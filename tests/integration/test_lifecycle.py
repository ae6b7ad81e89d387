"""Start, reload, drain, stop: the process as an operator sees it."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llmgateway import AsyncClient, Cancelled, NotFound, Unavailable, make_request
from llmgateway.errors import from_rpc_error
from llmgateway.v1 import gateway_pb2

from tests.faults.rig import until
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually, eventually_blocking

NO_RETRIES = [("grpc.enable_retries", 0)]


def edge(url: str, **server: Any) -> dict[str, Any]:
    """A gateway in front of the scripted upstream."""
    return {"server": server, "providers": {"edge": gateways.provider(url)}}


async def test_sigterm_with_100_live_streams_finishes_all_and_sends_new_ones_elsewhere(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream
) -> None:
    """Health turns NOT_SERVING at once; every stream ends whole; the same connection takes no call after the lame duck; the process ends
    by itself."""
    release = asyncio.Event()
    held = (*scripted.stream(*scripted.numbered(1), end=False), scripted.Until(release), *scripted.chat_stream(3)[1:])
    upstream.script(*(held,) * 100, scripted.chat())
    running = gateway_process(edge(upstream.url, lame_duck="300ms", shutdown_grace="300s"))
    async with AsyncClient(running.address, options=NO_RETRIES) as client:
        streams = [client.stream("hi", model="edge/m") for _ in range(100)]
        iterators = [aiter(stream) for stream in streams]
        assert [await anext(one) for one in iterators] == ["0 "] * 100
        async with grpc.aio.insecure_channel(running.address) as channel:
            watch = machine_grpc.HealthStub(channel).Watch(
                machine_pb2.HealthCheckRequest(service="llmgateway.v1.LLMGateway")
            )
            await told(watch, machine_pb2.HealthCheckResponse.SERVING)
            running.process.send_signal(signal.SIGTERM)
            await told(watch, machine_pb2.HealthCheckResponse.NOT_SERVING)
            with pytest.raises(Unavailable) as ended:
                await drained(watch)
        assert ended.value.reason == "GATEWAY_DRAINING"

        async def refused() -> bool:
            try:
                await client.chat("late", model="edge/m")
            except Cancelled:  # received and not yet begun when gRPC stopped; a client with retries asks again
                return False
            except Unavailable as error:
                return "connect" in str(error)
            raise AssertionError("a late call was served")

        await eventually(refused, "there is no connection any more")
        assert running.process.poll() is None
        release.set()

        async def rest(one: Any) -> str:
            return "".join([piece async for piece in one])

        texts = await asyncio.gather(*(rest(one) for one in iterators))
    assert texts == ["0 1 2 "] * 100
    assert await asyncio.to_thread(running.process.wait, 60) == 0


async def told(watch: Any, status: int) -> None:
    """A Watch is told this status; it may be told another one first, as at the start."""

    async def reads() -> bool:
        return bool((await watch.read()).status == status)

    await eventually(reads, f"a Watch is told {status}")


async def drained(call: Any) -> None:
    """Read a call, of a bare stub or of the client, to its end; raises the client library's error."""
    try:
        if hasattr(call, "read"):
            while await call.read() is not grpc.aio.EOF:
                pass
        else:
            async for _ in call:
                pass
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


@pytest.mark.parametrize("lame_duck", ["0s", "300s"])
async def test_a_second_sigterm_cuts_the_drain_short(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream, lame_duck: str
) -> None:
    """In every phase of it. The stream that still runs ends with UNAVAILABLE and says why, never as if whole."""
    upstream.script((*scripted.stream(*scripted.numbered(1), end=False), scripted.HANG))
    running = gateway_process(edge(upstream.url, lame_duck=lame_duck, shutdown_grace="300s"))
    async with AsyncClient(running.address, options=NO_RETRIES) as client:
        stream = aiter(client.stream("hi", model="edge/m"))
        assert await anext(stream) == "0 "
        running.process.send_signal(signal.SIGTERM)
        assert await until(lambda: '"draining"' in running.log.read_text(), 60)
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(Unavailable) as caught:
            await anext(stream)
    assert caught.value.reason == "GATEWAY_DRAINING"
    assert await asyncio.to_thread(running.process.wait, 60) == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_what_outlives_the_grace_is_told_why_it_ends(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream, stream: bool
) -> None:
    """shutdown_grace is over: UNAVAILABLE, GATEWAY_DRAINING; the provider call ends too."""
    upstream.script((*scripted.stream(*scripted.numbered(1), end=False), scripted.HANG))
    running = gateway_process(edge(upstream.url, lame_duck="0s", shutdown_grace="300ms"))
    async with AsyncClient(running.address, options=NO_RETRIES) as client:
        request = make_request("hi", model="edge/m")
        if stream:
            call = asyncio.create_task(
                drained(client.stream_send(gateway_pb2.StreamSendRequest(request=request)).events())
            )
        else:
            call = asyncio.create_task(client.send(request))  # type: ignore[arg-type]
        await upstream.seen(requests=1)
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(Unavailable) as caught:
            await call
    assert caught.value.reason == "GATEWAY_DRAINING"
    await upstream.seen(aborts=1)
    assert await asyncio.to_thread(running.process.wait, 60) == 0


async def test_open_watches_and_reflection_do_not_hold_the_exit(
    gateway_process: Callable[..., gateways.Process],
) -> None:
    """They last as long as their callers like; the process ends far ahead of its grace all the same, and tells them why."""
    config = {"server": {"reflection": True, "shutdown_grace": "300s"}, "providers": {"echo": {}}}
    running = gateway_process(config)
    async with grpc.aio.insecure_channel(running.address) as channel:
        watch = machine_grpc.HealthStub(channel).Watch(machine_pb2.HealthCheckRequest(service=""))
        await told(watch, machine_pb2.HealthCheckResponse.SERVING)
        reflection: Any = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")()
        await reflection.write(b"\x3a\x00")  # list_services
        await reflection.read()
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.process.wait, 60) == 0
        for call in (watch, reflection):
            with pytest.raises(Unavailable) as caught:
                await drained(call)
            assert caught.value.reason == "GATEWAY_DRAINING"


async def test_sighup_takes_a_new_configuration_and_refuses_a_wrong_one(tmp_path: Path, upstream: Upstream) -> None:
    """A stream under way keeps its provider; new calls use the new one; a wrong file changes nothing and is logged."""
    release = asyncio.Event()
    upstream.script(
        (*scripted.stream(*scripted.numbered(1), end=False), scripted.Until(release), *scripted.chat_stream(2)[1:])
    )
    with gateways.process(edge(upstream.url), tmp_path) as running:
        path = tmp_path / "gateway.yaml"
        async with AsyncClient(running.address, options=NO_RETRIES) as client:
            stream = aiter(client.stream("hi", model="edge/m"))
            assert await anext(stream) == "0 "
            before = (await client.get_status()).config_version
            settings = json.loads(path.read_text())
            path.write_text(json.dumps({**settings, "providers": {"echo": {"default_model": "echo"}}}))
            running.process.send_signal(signal.SIGHUP)

            async def changed() -> bool:
                return (await client.get_status()).config_version != before

            await eventually(changed, "the new configuration serves")
            assert (await client.chat("new", model="echo/echo")).text == "new"
            with pytest.raises(NotFound):
                await client.chat("old", model="edge/m")
            release.set()
            assert "".join([piece async for piece in stream]) == "0 1 "
            path.write_text('{"providers": {"echo": {"kind": "ecco"}}}')
            running.process.send_signal(signal.SIGHUP)
            await eventually(lambda: "configuration not reloaded" in running.log.read_text(), "the log says so")
            assert (await client.chat("still", model="echo/echo")).text == "still"


async def test_workers_share_a_port_and_a_dead_one_is_replaced(
    gateway_process: Callable[..., gateways.Process],
) -> None:
    """SIGKILL to one worker: calls go on, a new worker appears, SIGTERM ends all."""
    config = {"server": {"workers": 2}, "providers": {"echo": {"default_model": "echo"}}}
    running = gateway_process(config)

    def serving() -> int:
        return running.log.read_text().count('"event":"serving"')

    assert await until(lambda: serving() == 2, 120)
    first, _ = psutil.Process(running.process.pid).children()
    first.kill()
    assert await until(lambda: serving() == 3, 120)
    async with AsyncClient(running.address) as client:
        assert (await client.chat("on", model="echo/echo")).text == "on"
    running.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(running.process.wait, 60) == 0


async def test_workers_do_not_outlive_a_supervisor_that_was_killed(
    gateway_process: Callable[..., gateways.Process], upstream: Upstream
) -> None:
    """After kill -9 each drains and ends: the call under way is answered, the port is free."""
    gate = asyncio.Event()
    upstream.script((scripted.Until(gate), *scripted.chat("late")))
    running = gateway_process(edge(upstream.url, workers=2, shutdown_grace="120s"))
    assert await until(lambda: running.log.read_text().count('"event":"serving"') == 2, 120)
    workers = psutil.Process(running.process.pid).children()
    assert len(workers) == 2
    async with AsyncClient(running.address) as client:
        call = asyncio.create_task(client.chat("hi", model="edge/m"))
        await upstream.seen(requests=1)
        running.process.kill()
        assert await until(lambda: running.log.read_text().count('"event":"draining"') == 2, 120)
        gate.set()
        assert (await call).text == "late"
    await asyncio.to_thread(psutil.wait_procs, workers, 120)
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    assert running.log.read_text().count('"event":"supervisor ended"') == 2


def test_a_sigterm_that_comes_while_a_dead_worker_is_replaced_ends_all(tmp_path: Path) -> None:
    """The worker that would have taken its place is not started, or is told as well."""
    died = tmp_path / "died"
    with supervised(died) as process:
        eventually_blocking(died.exists, "the worker is dead")
        time.sleep(0.3)  # the supervisor looks every 0.1 s, and pauses for 1 s
        process.terminate()
        assert process.wait(120) == 0


def test_a_sigterm_that_comes_while_the_next_worker_is_started_reaches_it(tmp_path: Path) -> None:
    """In the middle of it: the dead one was told, and who comes in its place is told as well."""
    signalled = """
import os, signal, subprocess
real, count = subprocess.Popen, 0

def popen(*args, **options):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return real(*args, **options)

subprocess.Popen = popen
"""
    with supervised(tmp_path / "died", signalled) as process:
        assert process.wait(120) == 0


@contextmanager
def supervised(died: Path, before: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """A supervisor, after some lines of its own, of one worker: the first ends at once and makes this file, the next lasts as long as the supervisor."""
    worker = (
        f"import pathlib, sys; p = pathlib.Path({str(died)!r}); p.exists() and sys.stdin.read(); p.touch(); sys.exit(1)"
    )
    supervise = f"import os; from llm_gateway.app.workers import supervise; supervise(1, '127.0.0.1:1', ['-c', {worker!r}], os.environ)"
    with subprocess.Popen([sys.executable, "-c", f"{before}\n{supervise}"]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_wrong_configuration_ends_the_start_with_code_2_and_clear_lines(tmp_path: Path) -> None:
    """Every problem, with file, line and key."""
    path = tmp_path / "bad.yaml"
    path.write_text("providers:\n  edge: {kind: openai_compatible, endpoint: nowhere}\nserver: {lisen: 1}\n")
    result = subprocess.run(
        [sys.executable, "-m", "llm_gateway", "serve", "--config", str(path)],
        capture_output=True,
        text=True,
        env=gateways.environment(),
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "providers.edge.endpoint" in result.stderr
    assert "server.lisen" in result.stderr
    assert "listen" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    """Exit code 1, no traceback."""
    with gateways.process({"providers": {"echo": {}}}, tmp_path) as running:
        path = tmp_path / "second.yaml"
        path.write_text(json.dumps({"server": {"listen": running.address}, "providers": {"echo": {}}}))
        result = subprocess.run(
            [sys.executable, "-m", "llm_gateway", "serve", "--config", str(path)],
            capture_output=True,
            text=True,
            env=gateways.environment(),
            timeout=120,
            check=False,
        )
    assert result.returncode == 1
    assert "cannot listen" in result.stderr
    assert "Traceback" not in result.stderr


PLAIN = gateways.provider("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("provider", "loaded"),
    [({"kind": "echo"}, set()), (PLAIN, set()), ({**PLAIN, "proxy": "http://127.0.0.1:9"}, {"httpx", "httpcore"})],
    ids=["echo", "direct", "proxy"],
)
def test_serve_loads_no_library_that_it_does_not_use(
    gateway_process: Callable[..., gateways.Process], provider: dict[str, Any], loaded: set[str]
) -> None:
    """httpx and httpcore are for proxies, the SDK of OpenTelemetry for traces: each takes tens of milliseconds and megabytes of a start."""
    running = gateway_process({"providers": {"edge": provider}}, {"PYTHONPROFILEIMPORTTIME": "1"})
    told = re.findall(r"^import time:.*\| *([\w.]+)$", running.log.read_text(), re.MULTILINE)
    assert "llm_gateway.upstream.http.client" in told
    unused = ("httpx", "httpcore", "opentelemetry.sdk")
    assert {module for module in told if module in unused} == loaded
