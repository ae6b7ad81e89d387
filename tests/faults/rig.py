"""What the rows of the scorecard stand on: how a row is declared, and the gateway, upstreams and clients that it uses."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from llmgateway import AsyncClient

from tests.bench import subjects
from tests.faults.history import Outcome
from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

OPTIONS = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its measure returns the value that `most` or `least` limits."""

    id: str
    star: bool
    about: str
    measure: Callable[[Rig], Coroutine[Any, Any, float]]
    most: float | None
    least: float | None
    timed: bool

    def passes(self, value: float) -> bool:
        if math.isnan(value):
            return False
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    @property
    def limit(self) -> str:
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"


ROWS: list[Row] = []


def row(
    name: str, *, star: bool = False, most: float | None = None, least: float | None = None, timed: bool = False
) -> Callable[[Callable[[Rig], Coroutine[Any, Any, float]]], Callable[[Rig], Coroutine[Any, Any, float]]]:
    """Declares a row. timed: its value depends on the machine, so it is no test."""

    def declare(measure: Callable[[Rig], Coroutine[Any, Any, float]]) -> Callable[[Rig], Coroutine[Any, Any, float]]:
        about = (measure.__doc__ or "").split("\n")[0]
        ROWS.append(Row(id=name, star=star, about=about, measure=measure, most=most, least=least, timed=timed))
        return measure

    return declare


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway process with its lag probe."""

    client: AsyncClient
    process: psutil.Process
    address: str
    log: Path
    probe: Path

    def rss(self) -> float:
        """Resident MB."""
        return float(self.process.memory_info().rss) / 1e6

    def figures(self) -> dict[str, float]:
        """What the probe wrote last."""
        found: dict[str, float] = json.loads(self.probe.read_text())
        return found

    def forget_lag(self) -> None:
        self.process.send_signal(signal.SIGUSR1)


@dataclass(slots=True, kw_only=True)
class Rig:
    """quick: the scale of a test run. notes: what went wrong, for people. row: which is measured. lags: row and figures of each
    gateway process."""

    folder: Path
    quick: bool = False
    notes: list[str] = field(default_factory=list)
    lags: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    row: str = ""

    def note(self, text: str) -> None:
        self.notes.append(text[:400])

    def flaws(self, found: Sequence[str]) -> float:
        """How many of these are not empty; the first ones are noted."""
        wrong = [text for text in found if text]
        for text in wrong[:8]:
            self.note(text)
        return float(len(wrong))

    @asynccontextmanager
    async def local(self, config: Mapping[str, Any]) -> AsyncIterator[gateways.Local]:
        """A gateway on this loop."""
        async with gateways.local(config, self.folder) as running:
            yield running

    @asynccontextmanager
    async def process(self, config: Mapping[str, Any], env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
        """A gateway in a process of its own; its lag counts for C9."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        probe = folder / "probe.json"
        with gateways.process(
            config, folder, {"PROBE": str(probe), **(env or {})}, module="tests.faults.probed"
        ) as started:
            async with self._probed(started.address, started.process.pid, started.log, probe) as running:
                try:
                    yield running
                finally:
                    await asyncio.sleep(0.25)
                    if started.process.poll() is None:
                        self.lags.append((self.row, running.figures()))

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[Running]:
        """A bare grpc.aio server with the same probe: what gRPC itself takes."""
        probe = Path(tempfile.mkdtemp(dir=self.folder)) / "probe.json"
        with subjects.floor("tests.faults.probed", "floor", env={"PROBE": str(probe)}) as started:
            async with self._probed(f"127.0.0.1:{started.port}", started.root.pid, probe, probe) as running:
                yield running

    @asynccontextmanager
    async def _probed(self, address: str, pid: int, log: Path, probe: Path) -> AsyncIterator[Running]:
        async with AsyncClient(address, timeout=120, options=OPTIONS) as client:
            running = Running(client=client, process=psutil.Process(pid), address=address, log=log, probe=probe)
            await eventually(probe.exists, "the probe has written its figures")
            running.forget_lag()
            yield running


@asynccontextmanager
async def upstreams(count: int) -> AsyncIterator[list[Upstream]]:
    """So many scripted upstreams."""
    if not count:
        yield []
        return
    async with scripted.running() as first, upstreams(count - 1) as others:
        yield [first, *others]


def provider(upstream: Upstream | str, **settings: Any) -> dict[str, Any]:
    return gateways.provider(upstream if isinstance(upstream, str) else upstream.url, **settings)


def attempts(count: int) -> dict[str, Any]:
    return {"retry": {"max_attempts": count}}


async def paced(rate: float, seconds: float, call: Callable[[], Awaitable[Outcome]]) -> list[Outcome]:
    """Open loop: `rate` calls a second for so long, whether or not they are answered; the histories in order of their start."""
    loop = asyncio.get_running_loop()
    start, tasks = loop.time(), []
    for number in range(int(rate * seconds)):
        delay = start + number / rate - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        tasks.append(asyncio.ensure_future(call()))
    return list(await asyncio.gather(*tasks))


def quantile(values: Sequence[float], share: float) -> float:
    """nan when there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else math.nan


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.01)
    return True


def setting(name: str, default: float) -> float:
    """A number of the environment, such as FAULTS_OUTAGE."""
    return float(os.environ.get(name, default))
