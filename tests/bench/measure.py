"""CPU per unit of work, in turns."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec

from tests.bench.load import Call, repeat
from tests.bench.processes import BUILD, Running

WARM_UP_CALLS = 300
SETTLE_S = 1.0
"""How long a process that has just started, or just got its load, is left alone before its memory is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`count` calls to a server, each worth `units` units of work."""

    server: Running
    call: Call
    count: int
    units: int = 1
    settle: Callable[[], Awaitable[object]] | None = None
    """Waits for what the calls leave to do, an export say, which counts as part of the work."""

    async def cpu_us(self) -> float:
        """CPU microseconds of the server per unit of work."""
        before = self.server.cpu_s()
        await self._run(self.count)
        return (self.server.cpu_s() - before) * 1e6 / (self.count * self.units)

    async def warm_up(self) -> None:
        """Opens connections and fills caches."""
        await self._run(min(self.count, WARM_UP_CALLS))

    async def _run(self, count: int) -> None:
        await repeat(self.call, count)
        if self.settle is not None:
            await self.settle()


async def cpu_in_turns(works: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """CPU microseconds per unit of each work: the median of the rounds, in each of which every work has its turn."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        await work.warm_up()
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(await work.cpu_us())
    return {name: median(values) for name, values in taken.items()}


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table, its first column aligned left and the others right."""
    lines = [head, *rows]
    first, *others = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}")
    for label, *cells in lines:
        line = [f"  {label:<{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True))]
        print("  ".join(line).rstrip())


def write_json(name: str, content: object) -> None:
    """Writes `build/NAME`."""
    BUILD.mkdir(exist_ok=True)
    (BUILD / name).write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
