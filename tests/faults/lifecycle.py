"""Rows E: starts, stops and restarts, and connections that live."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from llmgateway import AsyncClient

from tests.faults.history import Outcome, ask, flaw
from tests.faults.rig import Rig, Running, paced, provider, row, setting, upstreams
from tests.support import upstream as scripted

SERVICE = "llmgateway.v1.LLMGateway"
ANEW = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 200)]
"""Instead of the names that a resolver would ask for again."""
ROUND_ROBIN = [("grpc.lb_policy_name", "round_robin"), *ANEW]


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
