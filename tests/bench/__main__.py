"""`python -m tests.bench` prints the gateway's figures beside their targets and writes `build/bench.json`.

CPU is the user and system time of the gateway's processes alone, over a number of checked calls after a warm-up; the
load and the fake upstream are other processes. Floor and gateway take turns, so that a change in the machine's pace
meets both. Targets, not assertions: a wrong answer ends the run, a missed target does not.
"""

import argparse
import asyncio
from contextlib import AsyncExitStack
from statistics import median, quantiles

import msgspec
import uvloop
from llmgateway.v1.gateway_pb2_grpc import LLMGatewayStub

from tests.bench.http1 import Client
from tests.bench.load import chat, connect, latencies, repeat, send, silent_streams, stream_send
from tests.bench.measure import SETTLE_S, WARM_UP_CALLS, Work, cpu_in_turns, print_table, write_json
from tests.bench.processes import Running
from tests.bench.sink import span_sink
from tests.bench.subjects import NAMED, fake_upstream, floor, gateway, traced
from tests.bench.upstream import BACK_TO_BACK, DELTAS, PACED

STARTS = 3
IDLE_STREAMS = 200
RATE = 100.0


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Two percentiles, milliseconds."""

    p50: float
    p99: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What `build/bench.json` holds."""

    floor_cpu_us: float
    unary_cpu_us: float
    unary_ratio: float
    traced_unary_ratio: float
    named_40_messages_ratio: float
    stream_cpu_us_per_delta: float
    added_latency_ms: Percentiles
    start_s: float
    rss_idle_mb: float
    rss_per_stream_kb: float


async def added_latency(server: Running, upstream: Running, seconds: float) -> Percentiles:
    """Through the gateway minus straight to the upstream, percentile by percentile; both are called in turn."""
    client = Client(upstream.port)
    async with connect(server.port) as channel:
        calls = [send(LLMGatewayStub(channel)), chat(client)]
        for call in calls:
            await repeat(call, int(RATE))
        through, straight = [quantiles(taken, n=100) for taken in await latencies(calls, RATE, seconds)]
    client.close()
    return Percentiles(p50=(through[49] - straight[49]) * 1e3, p99=(through[98] - straight[98]) * 1e3)


async def memory(server: Running) -> tuple[float, float]:
    """Resident memory of a gateway that has just started, MB, and per open silent stream, kB."""
    await asyncio.sleep(SETTLE_S)
    idle = server.rss_bytes()
    async with connect(server.port) as channel:
        stub = LLMGatewayStub(channel)
        async with silent_streams(stub, 2):
            before = server.rss_bytes()
        async with silent_streams(stub, IDLE_STREAMS):
            await asyncio.sleep(SETTLE_S)
            per_stream = (server.rss_bytes() - before) / IDLE_STREAMS
    return idle / 1e6, per_stream / 1e3


async def bench(rounds: int, calls: int, streams: int, seconds: float) -> None:
    """Runs everything, prints the table and writes the file."""
    started: list[tuple[float, float, float]] = []
    async with AsyncExitStack() as stack:
        upstream = stack.enter_context(fake_upstream())
        for _ in range(STARTS):
            with gateway("gateway", upstream.port) as server:
                started.append((server.start_s, *await memory(server)))
        start_s, rss_idle_mb, rss_per_stream_kb = map(median, zip(*started, strict=True))

        sink = await stack.enter_async_context(span_sink())
        bare = stack.enter_context(floor())
        ours = stack.enter_context(gateway("gateway", upstream.port))
        exporting = stack.enter_context(gateway("gateway-traced", upstream.port, traced(sink.port)))
        bare_stub, stub, traced_stub = [
            LLMGatewayStub(await stack.enter_async_context(connect(server.port))) for server in (bare, ours, exporting)
        ]
        works = {
            "floor": Work(server=bare, call=send(bare_stub), count=calls),
            "unary": Work(server=ours, call=send(stub), count=calls),
            "traced": Work(server=exporting, call=send(traced_stub), count=calls, settle=sink.quiet),
            "named": Work(server=ours, call=send(stub, NAMED, turns=20), count=calls),
            "paced": Work(server=ours, call=stream_send(stub, PACED), count=streams, units=DELTAS),
            "burst": Work(server=ours, call=stream_send(stub, BACK_TO_BACK), count=streams, units=DELTAS),
            "paced floor": Work(server=bare, call=stream_send(bare_stub, PACED), count=streams, units=DELTAS),
            "burst floor": Work(server=bare, call=stream_send(bare_stub, BACK_TO_BACK), count=streams, units=DELTAS),
        }
        cpu_us = await cpu_in_turns(works, rounds)
        traced_calls = min(calls, WARM_UP_CALLS) + rounds * calls
        latency = await added_latency(ours, upstream, seconds)

    figures = Figures(
        floor_cpu_us=cpu_us["floor"],
        unary_cpu_us=cpu_us["unary"],
        unary_ratio=cpu_us["unary"] / cpu_us["floor"],
        traced_unary_ratio=cpu_us["traced"] / cpu_us["floor"],
        named_40_messages_ratio=cpu_us["named"] / cpu_us["unary"],
        stream_cpu_us_per_delta=cpu_us["paced"],
        added_latency_ms=latency,
        start_s=start_s,
        rss_idle_mb=rss_idle_mb,
        rss_per_stream_kb=rss_per_stream_kb,
    )
    write_json("bench.json", figures)
    print_table(
        "Gateway",
        ("", "measured", "target"),
        [
            ("floor: bare grpc.aio Send, CPU", f"{figures.floor_cpu_us:.0f} µs", ""),
            ("Send, CPU", f"{figures.unary_cpu_us:.0f} µs", ""),
            ("Send ÷ floor", f"{figures.unary_ratio:.2f}", "≤ 2.4"),
            ("Send with exported spans ÷ floor", f"{figures.traced_unary_ratio:.2f}", "≤ 3.0"),
            ("  CLIENT spans received per call", f"{sink.client_spans / traced_calls:.2f}", "1.00"),
            ("Send of 40 messages by a named route ÷ Send", f"{figures.named_40_messages_ratio:.2f}", "≤ 1.6"),
            ("StreamSend, 2 ms between deltas, CPU per delta", f"{cpu_us['paced']:.1f} µs", "≤ 60 µs"),
            ("  bare grpc.aio", f"{cpu_us['paced floor']:.1f} µs", ""),
            ("StreamSend, deltas back to back, CPU per delta", f"{cpu_us['burst']:.1f} µs", "≤ 60 µs"),
            ("  bare grpc.aio", f"{cpu_us['burst floor']:.1f} µs", ""),
            (f"added latency at {RATE:.0f} Send/s, p50", f"{latency.p50:.2f} ms", "≤ 1.5 ms"),
            (f"added latency at {RATE:.0f} Send/s, p99", f"{latency.p99:.2f} ms", "≤ 10 ms"),
            ("start to SERVING", f"{start_s:.2f} s", "≤ 1.0 s"),
            ("resident memory, idle", f"{rss_idle_mb:.0f} MB", "≤ 90 MB"),
            ("resident memory per open silent stream", f"{rss_per_stream_kb:.0f} kB", "≤ 60 kB"),
        ],
    )


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each subject")
    parser.add_argument("--calls", type=int, default=2000, help="unary calls a turn")
    parser.add_argument("--streams", type=int, default=100, help="streams a turn")
    parser.add_argument("--seconds", type=float, default=15, help="how long to measure latency")
    options = parser.parse_args()
    uvloop.run(bench(options.rounds, options.calls, options.streams, options.seconds))


if __name__ == "__main__":
    main()
