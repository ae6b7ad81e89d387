"""`python -m tests.bench` prints the gateway's figures beside their targets and writes `build/bench.json`.

CPU is user and system time of the gateway's processes alone, from before to after a number of checked calls, after a warm-up; the load
and the fake upstream are other processes. Floor and gateway take turns, so that a change in the machine's pace meets both; each figure is
the median of the rounds.
"""

import argparse
import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median, quantiles

import msgspec
import uvloop
from llmgateway.v1 import gateway_pb2_grpc

from tests.bench import load
from tests.bench.http1 import Client
from tests.bench.processes import BUILD, Running
from tests.bench.sink import SpanSink, span_sink
from tests.bench.subjects import fake_upstream, floor, gateway, traced
from tests.bench.upstream import BACK_TO_BACK, DELTAS, PACED

WARM_UP_CALLS = 300
IDLE_STREAMS = 200
SETTLE_S = 1.0
LATENCY_RATE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    label: str
    measured: str
    target: str = ""


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds through the gateway minus straight to the upstream, percentile by percentile."""

    p50: float
    p99: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What `build/bench.json` holds; times are CPU microseconds unless named otherwise."""

    floor_cpu_us: float
    unary_cpu_us: float
    unary_ratio: float
    traced_unary_ratio: float
    stream_cpu_us_per_delta: float
    added_latency_ms: Latency
    start_s: float
    rss_idle_mb: float
    rss_per_stream_kb: float


async def cpu_us(server: Running, call: load.Call, count: int) -> float:
    """CPU of a server per call, over `count` calls."""
    before = server.cpu_s()
    await load.repeat(call, count)
    return (server.cpu_s() - before) * 1e6 / count


async def cpu_by_turns(
    subjects: Mapping[str, tuple[Running, load.Call, int]], rounds: int
) -> dict[str, float]:
    """CPU per call of each subject: median of the rounds, in each of which every subject has its turn."""
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for _, call, count in subjects.values():
        await load.repeat(call, min(count, WARM_UP_CALLS))
    for _ in range(rounds):
        for name, (server, call, count) in subjects.items():
            taken[name].append(await cpu_us(server, call, count))
    return {name: median(values) for name, values in taken.items()}
