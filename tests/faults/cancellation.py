"""Rows D: cancelled calls, abandoned clients, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
from llmgateway import AsyncClient, make_request
from llmgateway.v1 import gateway_pb2, gateway_pb2_grpc

from tests.faults.history import ask
from tests.faults.rig import OPTIONS, Rig, Running, paced, provider, quantile, row, until, upstreams
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import HANG, Head, Script, Upstream, numbered

SMALL = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535)]
"""A client with HTTP/2's own initial window; grpc's takes up to 16 MB that nobody reads, in its own memory."""
EVENT_STREAM = Head(200, (("content-type", "text/event-stream"),))
MID_STREAM: Script = (EVENT_STREAM, *numbered(2), HANG)
LEAVER = """
import asyncio, sys
from llmgateway import AsyncClient
async def main():
    async with AsyncClient(sys.argv[1], timeout=60) as client:
        async for piece in client.stream("hi", model="p/m"):
            print(piece, flush=True)
asyncio.run(main())
"""


async def _cancelled(client: AsyncClient, upstream: Upstream, script: Script, *, stream: bool) -> float:
    """Seconds from cancelling a call to the close of its provider connection."""
    upstream.script(script)
    before, gone = len(upstream.requests), len(upstream.aborts)
    call = asyncio.create_task(ask(client, "p/m", stream=stream))
    await upstream.seen(requests=before + 1)
    if script is MID_STREAM:
        await until(lambda: upstream.requests[-1].sent > 0, 5)
    await asyncio.sleep(0.02)
    cancelled = time.monotonic()
    call.cancel()
    await upstream.seen(aborts=gone + 1)
    return (upstream.requests[-1].aborted or 0.0) - cancelled


async def _without_call(rig: Rig, gateway: gateways.Local, upstream: Upstream, model: str, script: Script) -> float:
    """Seconds from cancelling a call that waits (in a queue, between attempts) until the gateway has forgotten it; no call may follow."""
    upstream.script(script)
    holding = asyncio.create_task(ask(gateway.client, model)) if model == "q/m" else None
    if holding is not None:
        await upstream.seen(requests=len(upstream.requests) + 1)
    base = gateway.gateway.admission.in_flight
    call = asyncio.create_task(ask(gateway.client, model))
    await until(lambda: gateway.gateway.admission.in_flight > base, 5)
    await asyncio.sleep(0.1)
    sent = len(upstream.requests)
    cancelled = time.monotonic()
    call.cancel()
    await until(lambda: gateway.gateway.admission.in_flight == base, 5)
    seconds = time.monotonic() - cancelled
    await asyncio.sleep(0.3)
    if len(upstream.requests) != sent:
        rig.note(f"{model}: a provider call began after the cancellation")
        seconds = 10.0
    if holding is not None:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    return seconds


@row("D1", star=True, most=50.0, timed=True)
async def a_cancelled_call_ends_its_provider_call(rig: Rig) -> float:
    """Cancelled before the head, before and after content, unary, in a backoff, in a queue, by deadline, by a dead client: p99 in ms."""
    repeats = 3 if rig.quick else 15
    phases: dict[str, list[float]] = {}
    async with upstreams(1) as (upstream,):
        config = {
            "providers": {
                "p": provider(upstream),
                "q": provider(upstream, limits={"concurrency": 1, "queue": 10, "queue_timeout": "30s"}),
            },
            "defaults": {"retry": {"initial_backoff": "20s", "max_backoff": "20s", "budget_size": 10_000}},
            "breaker": {"enabled": False},
        }
        async with rig.local(config) as gateway:
            client = gateway.client

            def phase(name: str, script: Script, stream: bool = True) -> tuple[str, Callable[[], Awaitable[float]]]:
                return name, lambda: _cancelled(client, upstream, script, stream=stream)

            for name, run in (
                phase("before the head", (HANG,)),
                phase("before content", (EVENT_STREAM, HANG)),
                phase("mid-stream", MID_STREAM),
                phase("unary", (HANG,), False),
                phase("unary, half a body", (Head(200, (("content-type", "application/json"),)), b"{", HANG), False),
                ("backoff", lambda: _without_call(rig, gateway, upstream, "p/m", scripted.whole(503, b"{}"))),
                ("queue", lambda: _without_call(rig, gateway, upstream, "q/m", (HANG,))),
            ):
                phases[name] = [await run() for _ in range(repeats if "backoff" not in name else 3)]
            phases["deadline"] = [await _by_deadline(client, upstream) for _ in range(3)]
            phases["closed channel"] = [await _closed(gateway.address, upstream) for _ in range(3)]
            phases["killed client"] = [await _killed(gateway.address, upstream) for _ in range(1 if rig.quick else 3)]
            crowd = 20 if rig.quick else 100
            upstream.script(MID_STREAM)
            live = [asyncio.create_task(ask(client, "p/m")) for _ in range(crowd)]
            await upstream.seen(requests=len(upstream.requests) + crowd)
            crowded = [await _cancelled(client, upstream, MID_STREAM, stream=True) for _ in range(repeats)]
            for task in live:
                task.cancel()
            await asyncio.gather(*live, return_exceptions=True)
            forgotten = await until(lambda: gateway.gateway.admission.in_flight == 0, 2)
    rig.note(
        ", ".join(f"{name} {max(values) * 1000:.1f}" for name, values in phases.items())
        + f" ms at most; among {crowd} streams {max(crowded) * 1000:.1f}"
    )
    worst = max(quantile(values, 0.99) for values in phases.values()) * 1000
    return worst if forgotten and max(crowded) <= 0.25 else 1000.0


async def _by_deadline(client: AsyncClient, upstream: Upstream) -> float:
    upstream.script((HANG,))
    gone = len(upstream.aborts)
    started = time.monotonic()
    await ask(client, "p/m", timeout=0.3)
    await upstream.seen(aborts=gone + 1)
    return (upstream.aborts[-1].aborted or 0.0) - started - 0.3


async def _closed(address: str, upstream: Upstream) -> float:
    upstream.script(MID_STREAM)
    before, gone = len(upstream.requests), len(upstream.aborts)
    async with AsyncClient(address, timeout=30, options=OPTIONS) as client:
        call = asyncio.create_task(ask(client, "p/m"))
        await upstream.seen(requests=before + 1)
        await asyncio.sleep(0.05)
        left = time.monotonic()
    await upstream.seen(aborts=gone + 1)
    await asyncio.gather(call, return_exceptions=True)
    return (upstream.requests[-1].aborted or 0.0) - left


async def _killed(address: str, upstream: Upstream) -> float:
    """kill -9 of a client: the kernel closes its socket."""
    upstream.script(MID_STREAM)
    gone = len(upstream.aborts)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LEAVER, address, stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    await process.stdout.readline()
    killed = time.monotonic()
    process.kill()
    await upstream.seen(aborts=gone + 1)
    await process.wait()
    return (upstream.requests[-1].aborted or 0.0) - killed


async def _storm(gateway: Running, upstream: Upstream, count: int) -> None:
    """So many streams, each cancelled before or after its first content."""
    places = asyncio.Semaphore(50)

    async def one(number: int) -> None:
        async with places:
            call = asyncio.create_task(ask(gateway.client, "p/m"))
            await asyncio.sleep(0.005 + (number % 5) * 0.01)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    upstream.script(scripted.chat_stream(1000, every=0.01))
    await asyncio.gather(*(one(number) for number in range(count)))


@row("D2", star=True, most=10.0, timed=True)
async def a_storm_of_cancellations_leaves_nothing(rig: Rig) -> float:
    """1,000 cancelled streams after as many to warm up: MB that the gateway grew by; calls, tasks or sockets left after 1 s count 1,000."""
    count = 100 if rig.quick else 1000
    async with upstreams(1) as (upstream,), rig.process({"providers": {"p": provider(upstream)}}) as gateway:
        await ask(gateway.client, "p/none", timeout=1)
        await _storm(gateway, upstream, count)
        await asyncio.sleep(1.0)
        base, tasks = gateway.rss(), gateway.figures()["tasks"]
        await _storm(gateway, upstream, count)
        await asyncio.sleep(1.0)
        grown = gateway.rss() - base
        status = await gateway.client.get_status()
        left = gateway.figures()["tasks"] - tasks
    rig.note(
        f"{base:.1f} MB, grown by {grown:.2f} MB; {left:g} more tasks, {status.in_flight} calls, {upstream.open_connections} sockets"
    )
    clean = left <= 2 and status.in_flight == 0 and upstream.open_connections == 0
    return grown if clean else 1000.0


@row("D4", star=True, most=1.0, timed=True)
async def clients_that_do_not_read_cost_little(rig: Rig) -> float:
    """100 streams that nobody reads, from a fast provider: MB for each; no pause upstream, slowed others or no end by then count 1,000."""
    count = 10 if rig.quick else 100
    text = scripted.event("x" * 4000)
    script: Script = (EVENT_STREAM, *(text,) * 20_000, HANG)
    async with upstreams(2) as (fast, usual):
        usual.script(scripted.chat_stream(3))
        config = {"providers": {"p": provider(fast), "u": provider(usual)}, "server": {"send_timeout": "15s"}}
        async with rig.process(config) as gateway:
            call = lambda: ask(gateway.client, "u/m")  # noqa: E731
            await paced(20, 1, call)
            before = [one.seconds for one in await paced(20, 3, call)]
            base = gateway.rss()
            fast.script(script)
            async with grpc.aio.insecure_channel(gateway.address, options=[*OPTIONS, *SMALL]) as channel:
                stub = gateway_pb2_grpc.LLMGatewayStub(channel)
                request = gateway_pb2.StreamSendRequest(request=make_request("hi", model="p/m"))
                unread = [stub.StreamSend(request) for _ in range(count)]
                await fast.seen(requests=count)
                sent: list[int] = []
                for _ in range(60):
                    await asyncio.sleep(0.5)
                    if sent == (sent := [one.sent for one in fast.requests]):
                        break
                grown = (gateway.rss() - base) / count
                after = [one.seconds for one in await paced(20, 3, call)]
                paused = [one.sent for one in fast.requests] == sent
                dropped = await until(lambda: len(fast.aborts) == count, 30)
                for one in unread:
                    one.cancel()
    p50 = (quantile(before, 0.5), quantile(after, 0.5))
    p99 = (quantile(before, 0.99), quantile(after, 0.99))
    rig.note(
        f"{grown:.3f} MB each, {max(sent) / 1e6:.1f} MB taken of a provider, paused {paused}, dropped {dropped};"
        f" others p50 {p50[0] * 1000:.1f} → {p50[1] * 1000:.1f} ms, p99 {p99[0] * 1000:.1f} → {p99[1] * 1000:.1f} ms"
    )
    return grown if paused and dropped and p50[1] <= 1.1 * p50[0] + 0.002 else 1000.0


def spans(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects among the lines of a log that are spans."""
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except ValueError:
            at += 1
            continue
        at = end
        if isinstance(found, dict) and "context" in found and "kind" in found:
            yield found


@row("D5", star=True, most=0)
async def every_span_ends_once_in_its_trace(rig: Rig) -> float:
    """Good, failed, broken and cancelled calls, each with a trace of its own: spans missing, doubled or elsewhere, and warnings in the log."""
    count = 4 if rig.quick else 25
    wrong: list[str] = []
    async with upstreams(2) as (primary, fallback):
        fallback.script(scripted.chat_stream(3))
        config = {
            "providers": {"p": provider(primary), "f": provider(fallback)},
            "routes": {
                "r": {
                    "targets": ["p/m"],
                    "fallbacks": ["f/m"],
                    "retry": {"initial_backoff": "1ms", "max_backoff": "1ms"},
                }
            },
            "breaker": {"enabled": False},
        }
        traces: list[str] = []
        env = {"OTEL_TRACES_EXPORTER": "console", "PYTHONWARNINGS": "default", "PYTHONASYNCIODEBUG": "0"}
        async with rig.process(config, env) as gateway:
            for number in range(count):
                cases: list[tuple[Script, bool]] = [
                    (scripted.chat_stream(3), False),
                    (scripted.whole(503, b"{}"), False),
                    ((EVENT_STREAM, *numbered(2), scripted.RESET), False),
                    (MID_STREAM, True),
                    ((HANG,), True),
                ]
                for script, cancel in cases:
                    primary.script(script)
                    trace = os.urandom(16).hex()
                    traces.append(trace)
                    metadata = (("traceparent", f"00-{trace}-{os.urandom(8).hex()}-01"),)
                    before = len(primary.requests)
                    call = asyncio.create_task(
                        ask(gateway.client, "r", stream=number % 2 == 0 or cancel, metadata=metadata)
                    )
                    if cancel:
                        await primary.seen(requests=before + 1)
                        await asyncio.sleep(0.02)
                        call.cancel()
                    await asyncio.gather(call, return_exceptions=True)
            log = gateway.log
            await asyncio.sleep(0.3)
    text = log.read_text()
    found = list(spans(text))
    ids = [span["context"]["span_id"] for span in found]
    wrong += [f"span {span_id} ended twice" for span_id in ids if ids.count(span_id) > 1]
    servers = {
        span["context"]["trace_id"].removeprefix("0x"): span for span in found if span["kind"].endswith("SERVER")
    }
    wrong += [f"no SERVER span of trace {trace}" for trace in traces if trace not in servers]
    for span in found:
        trace = span["context"]["trace_id"].removeprefix("0x")
        if trace not in servers:
            wrong.append(f"{span['name']} is in no caller's trace")
        elif span["kind"].endswith("CLIENT") and span["parent_id"] != servers[trace]["context"]["span_id"]:
            wrong.append(f"{span['name']} is not below its call")
        if not span["end_time"]:
            wrong.append(f"{span['name']} has not ended")
    clients = sum(span["kind"].endswith("CLIENT") for span in found)
    expected = len(primary.requests) + len(fallback.requests)
    wrong.append("" if clients == expected else f"{clients} CLIENT spans of {expected} provider calls")
    wrong += [
        f"the log says: {word}"
        for word in ("detach", "never retrieved", "Traceback", "nclosed", "was destroyed")
        if word in text
    ]
    return rig.flaws(wrong)
