"""Rows E: starts, stops and restarts, and connections that live."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llm_gateway.app.workers import CONTROL, WORKER
from llm_gateway.store import master
from llmgateway import AsyncClient
from llmgateway.admin import AsyncAdminClient

from tests.faults.history import Outcome, ask, flaw
from tests.faults.rig import OPTIONS, Rig, Running, paced, provider, row, setting, upstreams
from tests.support import gateway as gateways
from tests.support import http2
from tests.support import upstream as scripted
from tests.support.upstream import HANG, Request, Script, Upstream
from tests.support.waiting import PATIENCE, eventually

SERVICE = "llmgateway.v1.LLMGateway"
ANEW = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 200)]
"""Instead of the names that a resolver would ask for again."""
ROUND_ROBIN = [("grpc.lb_policy_name", "round_robin"), *ANEW]


# ---------------------------------------------------------------- E1
@row("E1", star=True, most=0)
async def a_drain_loses_no_call(rig: Rig) -> float:
    """SIGTERM with 200 streams live and 200 more in the lame duck, 20 times: calls that failed, drains that did not end, late calls taken."""
    count, repeats = (20, 1) if rig.quick else (200, 20)
    pieces, worst, ended = 10, 0.0, 0.0
    wrong: list[str] = []
    async with scripted.running() as upstream:
        upstream.script(scripted.chat_stream(pieces, every=0.3))
        server = {"lame_duck": "1500ms", "shutdown_grace": "60s"}
        for _ in range(repeats):
            async with rig.process({"server": server, "providers": {"p": provider(upstream)}}) as gateway:
                live = [asyncio.create_task(ask(gateway.client, "p/m", timeout=60)) for _ in range(count)]
                await upstream.seen(requests=len(upstream.requests) + count)
                async with grpc.aio.insecure_channel(gateway.address, options=OPTIONS) as channel:
                    watch = machine_grpc.HealthStub(channel).Watch(machine_pb2.HealthCheckRequest(service=SERVICE))
                    await watch.read()
                    told = time.monotonic()
                    gateway.process.send_signal(signal.SIGTERM)
                    async with asyncio.timeout(PATIENCE):
                        while (await watch.read()).status != machine_pb2.HealthCheckResponse.NOT_SERVING:
                            pass
                    worst = max(worst, time.monotonic() - told)
                    live += [asyncio.create_task(ask(gateway.client, "p/m", timeout=60)) for _ in range(count)]
                    seen = await asyncio.gather(*live)
                    wrong += [flaw(one, pieces) or ("" if one.ok else f"{one.error}") for one in seen]
                    longest = max(one.started_at + one.seconds for one in seen)
                late = await ask(gateway.client, "p/m", timeout=5)
                wrong.append("" if late.code == "UNAVAILABLE" else f"late: {late.code}")
                gone = await asyncio.to_thread(gateway.process.wait, 120) == 0
                wrong.append("" if gone else "it did not end by itself")
                ended = max(ended, time.monotonic() - longest)
    rig.note(f"NOT_SERVING after {worst * 1000:.0f} ms, the end {ended:.2f} s after the last stream, at most")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- E2
class Replicas:
    """Gateways of which some are ready, as a Deployment has them."""

    def __init__(self, rig: Rig, config: dict[str, Any]) -> None:
        self._rig = rig
        self._config = config
        self._stack = AsyncExitStack()
        self.ready: list[Running] = []
        self.all: list[Running] = []

    async def start(self) -> Running:
        """One more."""
        running = await self._stack.enter_async_context(self._rig.process(self._config))
        self.all.append(running)
        return running

    async def replace(self, old: Running, new: Running) -> None:
        """What a rolling update does: the new one is ready, the old one is told to stop and found not ready a moment later."""
        self.ready.append(new)
        old.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        self.ready.remove(old)

    def request_ids(self) -> str:
        """The logs of all, in which every call that came to a gateway has its line."""
        return "".join(running.log.read_text() for running in self.all)

    async def __aenter__(self) -> Replicas:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def service(ready: Sequence[Running]) -> AsyncIterator[str]:
    """An address before the replicas, as kube-proxy makes it: each connection goes to one that is ready, and stays there."""
    turns = itertools.count()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = ready[next(turns) % len(ready)].address.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, back), pump(there, writer))

    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(forward(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@row("E2", most=0)
async def a_rolling_restart_goes_unnoticed(rig: Rig) -> float:
    """100 calls/s behind a Service and by round_robin while two replicas are replaced and long streams live: calls that failed.

    With our clients' options, and beside them with retries off: of those, one in 10,000 that no gateway ever saw is gRPC's.
    FAULTS_RESTART: seconds that it takes (30); streams last 0.6 of them.
    """
    seconds = 4.0 if rig.quick else setting("FAULTS_RESTART", 30)
    rate = 25 if rig.quick else 100
    pieces = 20
    async with upstreams(2) as (quick, slow):
        quick.script(scripted.chat("ok"))
        slow.script(scripted.chat_stream(pieces, every=0.6 * seconds / pieces))
        config = {
            "server": {"lame_duck": "1s", "shutdown_grace": f"{max(10, int(seconds))}s"},
            "providers": {"p": provider(quick), "s": provider(slow)},
        }
        async with Replicas(rig, config) as replicas:
            first, second, third, fourth = [await replicas.start() for _ in range(4)]
            replicas.ready += [first, second]
            addresses = ",".join(running.address for running in replicas.all)
            async with service(replicas.ready) as address, AsyncExitStack() as stack:

                async def client(to: str, *options: tuple[str, Any]) -> AsyncClient:
                    local = ("grpc.use_local_subchannel_pool", 1)
                    return await stack.enter_async_context(AsyncClient(to, timeout=30, options=[local, *options]))

                ours = [await client(address, *ANEW), await client(f"ipv4:{addresses}", *ROUND_ROBIN)]
                off = ("grpc.enable_retries", 0)
                plain = [await client(address, *ANEW, off), await client(f"ipv4:{addresses}", *ROUND_ROBIN, off)]
                numbers = itertools.count()

                def call(
                    clients: list[AsyncClient], name: str, **what: Any
                ) -> Callable[[], Coroutine[Any, Any, Outcome]]:
                    async def run() -> Outcome:
                        number = next(numbers)
                        metadata = (("x-request-id", f"{name}-{number}."),)
                        outcome = await ask(clients[number % 2], metadata=metadata, timeout=seconds + 30, **what)
                        outcome.text = outcome.text if what["stream"] else f"{name}-{number}."
                        return outcome

                    return run

                async def restart() -> None:
                    await asyncio.sleep(0.1 * seconds)
                    await replicas.replace(first, third)
                    await asyncio.sleep(0.3 * seconds)
                    await replicas.replace(second, fourth)

                restarting = asyncio.create_task(restart())
                unary = {"model": "p/m", "stream": False}
                mine, theirs, streams = await asyncio.gather(
                    paced(rate, seconds, call(ours, "ours", **unary)),
                    paced(rate, seconds, call(plain, "plain", **unary)),
                    paced(2, 0.5 * seconds, call([ours[0], plain[1]], "stream", model="s/m", stream=True)),
                )
                await restarting
            logs = replicas.request_ids()
    failed = [one for one in mine if not one.ok]
    residue = [one for one in theirs if not one.ok]
    seen = [one for one in residue if one.text in logs]
    rig.flaws(
        [
            f"{one.text} {one.error}: {'seen by' if one.text in logs else 'never came to'} a gateway"
            for one in (*failed, *residue)
        ]
    )
    broken = [
        flaw(one, pieces) or ("" if one.ok else f"stream: {one.code} {one.reason} {one.error}") for one in streams
    ]
    rig.note(
        f"{len(failed)} of {len(mine)} failed with our options, {len(residue)} of {len(theirs)} without retries"
        f" ({len(residue) - len(seen)} of them came to no gateway); {len(streams)} streams"
    )
    return len(failed) + len(seen) + max(0, len(residue) - max(1, len(theirs) // 10_000)) + rig.flaws(broken)


# ---------------------------------------------------------------- E3
@row("E3", most=1.0, timed=True)
async def a_stop_without_grace_is_told_at_once(rig: Rig) -> float:
    """A second SIGTERM, SIGKILL: most seconds until streams and calls end as UNAVAILABLE; another code, or a start that takes 2 s, counts 10."""
    worst = 0.0
    async with scripted.running() as upstream:
        config = {"server": {"lame_duck": "0s", "shutdown_grace": "60s"}, "providers": {"p": provider(upstream)}}
        for signals in ([signal.SIGTERM, signal.SIGTERM], [signal.SIGKILL]):
            started = time.monotonic()
            async with rig.process(config) as gateway:
                ready = time.monotonic() - started
                upstream.script((scripted.chat_stream(2)[0], *scripted.numbered(2), HANG))
                before = len(upstream.requests)
                calls = [asyncio.create_task(ask(gateway.client, "p/m", stream=n % 2 == 0)) for n in range(20)]
                await upstream.seen(requests=before + len(calls))
                await asyncio.sleep(0.2)
                told = time.monotonic()
                for number in signals:
                    gateway.process.send_signal(number)
                    await asyncio.sleep(0.1)
                seen = await asyncio.gather(*calls)
                took = max(one.started_at + one.seconds for one in seen) - told
                codes = {f"{one.code} {one.reason}" for one in seen}
                rig.note(f"{', '.join(n.name for n in signals)}: {took:.2f} s, {codes}; ready in {ready:.2f} s")
                if {one.code for one in seen} != {"UNAVAILABLE"} or ready > 2.0:
                    took = 10.0
                worst = max(worst, took)
    return worst


# ---------------------------------------------------------------- E4
@row("E4", most=0)
async def an_old_connection_is_left_without_an_error(rig: Rig) -> float:
    """Connections that last half as long as the streams on them, calls beside them: calls and streams that failed, or were made twice.

    With our clients' retries: a call that crosses the GOAWAY is never begun, and now and then gRPC's client does not make it again by itself.
    """
    seconds = 3.0 if rig.quick else 15.0
    pieces = 20
    async with upstreams(2) as (quick, slow):
        quick.script(scripted.chat("ok"))
        slow.script(scripted.chat_stream(pieces, every=2.0 / pieces))
        config = {
            "server": {"max_connection_age": "1s", "max_connection_age_grace": "60s"},
            "providers": {"p": provider(quick), "s": provider(slow)},
        }
        local = ("grpc.use_local_subchannel_pool", 1)
        async with rig.process(config) as gateway, AsyncClient(gateway.address, timeout=60, options=[local]) as client:
            calls, streams = await asyncio.gather(
                paced(50, seconds, lambda: ask(client, "p/m", stream=False)),
                paced(10, seconds, lambda: ask(client, "s/m", timeout=60)),
            )
            wrong = ["" if one.ok else f"{one.error}" for one in calls]
            wrong += [flaw(one, pieces) or ("" if one.ok else f"{one.error}") for one in streams]
            wrong += ["a call was made twice"] * (len(quick.requests) + len(slow.requests) - len(calls) - len(streams))
            async with http2.connect(gateway.address) as peer:
                goaway = [frame async for frame in peer.frames() if frame.kind == http2.GOAWAY]
            wrong.append("" if goaway else "an idle connection was closed without GOAWAY")
    rig.note(f"{len(calls)} calls, {len(streams)} streams")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- E5
@row("E5", most=0)
async def pings_are_answered_or_refused_as_configured(rig: Rig) -> float:
    """Ten pings a second where that is allowed and where it is not; our client beside them: connections and streams that ended wrongly."""
    count = 20 if rig.quick else 100
    wrong = []
    async with scripted.running() as upstream:
        pause = scripted.Pause(count / 10)
        upstream.script((scripted.chat_stream(2)[0], *scripted.numbered(1), pause, *scripted.chat_stream(2)[1:]))
        for least, why in (("50ms", b""), ("1h", b"too_many_pings")):
            config = {"server": {"keepalive": {"min_ping_interval": least}}, "providers": {"p": provider(upstream)}}
            async with rig.process(config) as gateway:
                beside = asyncio.create_task(ask(gateway.client, "p/m"))
                answers, told = await http2.pings(gateway.address, every=0.1, most=count)
                wrong.append("" if told == why else f"least {least}: {told!r} after {answers} answers")
                wrong.append("" if why or answers == count else f"{answers} of {count} pings answered")
                sane = await beside
                wrong.append("" if sane.ok and sane.text == "0 0 1 " else f"our client: {sane.error}")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- E6
class Load:
    """Streams of these models without end, while something changes, at an upstream that takes only the keys that are `valid`."""

    def __init__(self, upstream: Upstream, client: AsyncClient, models: Sequence[str], *, pieces: int = 5) -> None:
        self.valid: set[str] = set()
        self.seen: list[Outcome] = []
        self._upstream = upstream
        self._client = client
        self._models = models
        self._pieces = pieces
        self._begun = itertools.count()
        self._under_way: set[int] = set()
        upstream.answer = self._answer

    def _answer(self, request: Request) -> Script:
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return scripted.chat_stream(self._pieces, every=0.02)
        return scripted.whole(401, {"error": {"message": "no such key", "type": "invalid_request_error"}})

    async def _call(self) -> Outcome:
        number = next(self._begun)
        self._under_way.add(number)
        try:
            return await ask(self._client, self._models[number % len(self._models)], timeout=60)
        finally:
            self._under_way.discard(number)

    async def over(self) -> None:
        """Return when the calls that are under way now are over."""
        now = {*self._under_way}
        await eventually(lambda: not now & self._under_way, "the calls under way are over")

    async def only(self, *keys: str) -> None:
        """Take no other keys, once the calls that began before are over."""
        await self.over()
        self.valid = {*keys}

    async def during(self, changes: Coroutine[Any, Any, None], rate: float) -> list[str]:
        """What was wrong with the calls until all changes were made."""
        changing = asyncio.create_task(changes)
        while not changing.done():
            self.seen += await paced(rate, 0.5, self._call)
        await changing
        return [flaw(one, self._pieces) or ("" if one.ok else f"{one.error}") for one in self.seen]


def told(gateway: Running | gateways.Process, event: str) -> list[dict[str, Any]]:
    """The lines of the log that tell of this."""
    lines = gateway.log.read_text().rpartition("\n")[0].splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


async def _by_files(rig: Rig, turns: int, rate: float) -> tuple[list[str], int]:
    """Keys of callers and of a provider in the file, wrong files among them, and a provider's key in a file of its own."""
    secret, before = rig.folder / "secret", "the-first-key"
    secret.write_text(before)
    wrong = []
    async with scripted.running() as upstream:

        def config(turn: int) -> dict[str, Any]:
            keys = [{"name": "a", "key": "the-key-of-the-caller"}, {"name": "b", "key": f"another-key-{turn}"}]
            providers = {
                "p": provider(upstream, api_key=f"provider-key-{turn}"),
                "s": provider(upstream, api_key={"file": str(secret)}),
            }
            return {"server": {"api_keys": keys, "reload_interval": "100ms"}, "providers": providers}

        async with (
            rig.process(config(0)) as gateway,
            AsyncClient(gateway.address, api_key="the-key-of-the-caller", timeout=60, options=OPTIONS) as client,
        ):
            path = gateway.log.parent / "gateway.yaml"
            listen = json.loads(path.read_text())["server"]["listen"]
            load = Load(upstream, client, ["p/m", "s/m"])
            load.valid = {"provider-key-0", before}

            async def put(file: Path, text: str, event: str) -> None:
                count = len(told(gateway, event))
                new = file.with_suffix(".new")
                new.write_text(text)
                new.rename(file)
                await eventually(lambda: len(told(gateway, event)) > count, f"the log says: {event}")

            async def write(found: dict[str, Any], event: str) -> None:
                await put(path, json.dumps({**found, "server": {**found["server"], "listen": listen}}), event)

            async def rotate() -> None:
                last = before
                for turn in range(1, turns + 1):
                    await write({**config(turn), "no_such_key": 1}, "configuration not reloaded")
                    load.valid |= {f"provider-key-{turn}", f"secret-key-{turn}"}
                    await write(config(turn), "configuration reloaded")
                    await load.only(f"provider-key-{turn}", last, f"secret-key-{turn}")
                    last = f"secret-key-{turn}"
                    await put(secret, last, "configuration reloaded")
                    await load.only(f"provider-key-{turn}", last)

            wrong += await load.during(rotate(), rate)
            refused = len(told(gateway, "configuration not reloaded"))
            wrong.append("" if refused == turns else f"{refused} wrong files refused of {turns}")
    return wrong, len(load.seen)


async def _by_the_administration(rig: Rig, turns: int, rate: float) -> tuple[list[str], int]:
    """A provider's key with an overlap, and a provider off and on again whose calls go to a fallback."""
    key, wrong = "key-of-the-administration", list[str]()
    sealing = rig.folder / "master"
    master.write(str(sealing), master.new())
    async with upstreams(2) as (upstream, other):
        other.script(scripted.chat_stream(5, every=0.02))
        config = {
            "admin": {
                "listen": "127.0.0.1:0",
                "keys": [
                    {"name": "ops", "role": "admin", "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}
                ],
            },
            "store": {"directory": str(rig.folder / "data"), "master_key": {"file": str(sealing)}},
            "providers": {"p": provider(upstream, api_key="the-key-of-the-file"), "q": provider(other)},
            "routes": {"r": {"targets": ["q/m"], "fallbacks": ["p/m"]}},
            "default_provider": "p",
        }
        async with (
            rig.process(config) as gateway,
            AsyncAdminClient(f"127.0.0.1:{told(gateway, 'administration')[0]['port']}", api_key=key) as admin,
        ):
            load = Load(upstream, gateway.client, ["p/m", "r"])
            load.valid = {"the-key-of-the-file", "stored-key-0"}

            async def one_key() -> bool:
                return len(await admin.list_provider_keys("p")) == 1

            async def rotate() -> None:
                await admin.add_provider_key("p", "stored-key-0", name="main")
                await load.only("stored-key-0")
                for turn in range(1, turns + 1):
                    load.valid.add(f"stored-key-{turn}")
                    await admin.rotate_provider_key("p", "main", f"stored-key-{turn}", overlap=0.3)
                    if turn % 2:
                        await admin.disable_provider("q")
                        await load.over()
                        count = len(other.requests)
                        await load.over()
                        wrong.append("" if len(other.requests) == count else "a provider that is off was called")
                    else:
                        await admin.enable_provider("q")
                    await eventually(one_key, "the old key is gone")
                    await load.only(f"stored-key-{turn}")

            wrong += await load.during(rotate(), rate)
    return wrong, len(load.seen)


@row("E6", most=0)
async def a_new_configuration_costs_no_call(rig: Rig) -> float:
    """Keys rotated under load by the file, by a secret's file and at run time, each taken by the provider only while it must be, wrong files and a provider
    off and on among them: calls that failed, wrong files taken."""
    turns, rate = (2, 20) if rig.quick else (10, 50)
    wrong, calls = await _by_files(rig, turns, rate)
    more, beside = await _by_the_administration(rig, 2 * turns, rate)
    bad = rig.folder / "bad.yaml"
    bad.write_text("providers: {echo: {}}\nno_such_key: 1\n")
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(bad)]
    started = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=gateways.environment())
    _, said = await started.communicate()
    lines = [line for line in said.decode().splitlines() if line]
    right = started.returncode == 2 and len(lines) == 1 and "bad.yaml:2: no_such_key" in lines[0]
    wrong.append("" if right else f"a start with a wrong file: {started.returncode} {lines}")
    rig.note(
        f"{calls} calls and {turns} rotations each by the file and a secret's file; {beside} calls and {2 * turns} rotations at run time"
    )
    return rig.flaws([*wrong, *more])


# ---------------------------------------------------------------- E7
@row("E7", most=0)
async def health_tells_of_the_process_and_asks_no_provider(rig: Rig) -> float:
    """grpc.health.v1 while the only provider is up, down and the process drains: wrong states, provider calls, changes not told in 1 s."""
    wrong = []
    async with scripted.running() as upstream:
        upstream.script(scripted.whole(503, b"{}"))
        lame_duck = "4s" if rig.quick else "1s"  # beside other tests a second is too short for what is asked in it
        config = {"server": {"lame_duck": lame_duck}, "providers": {"p": provider(upstream)}}
        async with (
            rig.process(config) as gateway,
            grpc.aio.insecure_channel(gateway.address, options=OPTIONS) as channel,
        ):
            health = machine_grpc.HealthStub(channel)
            serving = machine_pb2.HealthCheckResponse.SERVING
            for provider_down in (False, True):
                if provider_down:
                    await asyncio.gather(*(ask(gateway.client, "p/m", timeout=2) for _ in range(10)))
                before = len(upstream.requests)
                for name in ("", SERVICE):
                    for _ in range(20):
                        status = (await health.Check(machine_pb2.HealthCheckRequest(service=name))).status
                        wrong.append(
                            "" if status == serving else f"{name!r} is {status}, provider down: {provider_down}"
                        )
                wrong += ["a check called a provider"] * (len(upstream.requests) - before)
            watch = health.Watch(machine_pb2.HealthCheckRequest(service=SERVICE))
            wrong.append("" if (await watch.read()).status == serving else "the watch does not begin with SERVING")
            told = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            changed = await asyncio.wait_for(watch.read(), 60)
            took = time.monotonic() - told
            wrong.append("" if changed.status == machine_pb2.HealthCheckResponse.NOT_SERVING else "no NOT_SERVING")
            alive = (await health.Check(machine_pb2.HealthCheckRequest())).status
            wrong.append("" if alive == serving else "the process is not alive while it drains")
            wrong.append("" if took < 1.0 or rig.quick else f"told after {took:.2f} s")
    rig.note(f"NOT_SERVING told after {took * 1000:.0f} ms")
    return rig.flaws(wrong)


# ---------------------------------------------------------------- E8
@row("E8", most=0)
async def a_control_process_that_is_killed_costs_no_call(rig: Rig) -> float:
    """The control process killed again and again under load, beside two workers: calls that failed, administrations that did not come back."""
    seconds, kills, rate = (4.0, 2, 20) if rig.quick else (30.0, 6, 50)
    key = "key-of-the-administration"
    keys = [{"name": "ops", "role": "admin", "hash": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}]
    pieces, wrong = 10, []
    async with scripted.running() as upstream:
        upstream.script(scripted.chat_stream(pieces, every=0.02))
        config = {
            "server": {"workers": 2},
            "admin": {"listen": "127.0.0.1:0", "keys": keys},
            "providers": {"p": provider(upstream)},
        }
        with gateways.process(config, rig.folder) as gateway:

            async def connected(count: int) -> None:
                await eventually(lambda: len(told(gateway, "worker connected")) >= count, "both connect")

            async def kill() -> None:
                for number in range(1, kills + 1):
                    await connected(2 * number)
                    [control] = [
                        c for c in psutil.Process(gateway.process.pid).children() if c.environ().get(WORKER) == CONTROL
                    ]
                    control.kill()

            killing = asyncio.create_task(kill())
            seen: list[Outcome] = []
            async with AsyncClient(gateway.address, timeout=120, options=OPTIONS) as client:
                while not killing.done():
                    seen += await paced(rate, seconds / kills, lambda: ask(client, "p/m", timeout=60))
            await killing
            await connected(2 * (kills + 1))
            wrong += [flaw(one, pieces) or ("" if one.ok else f"{one.error}") for one in seen]
            async with AsyncAdminClient(
                f"127.0.0.1:{told(gateway, 'administration')[0]['port']}", api_key=key
            ) as admin:
                wrong.append("" if (await admin.explain("p/m")).groups else "nothing is explained")
    rig.note(f"{len(seen)} calls, {kills} kills")
    return rig.flaws(wrong)
