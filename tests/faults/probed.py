"""`python -m tests.faults.probed …`: the command `llm-gateway`, which also writes how late its event loop runs, and how many tasks it has.
`… floor PORT`: the bare servicer of `make bench` instead, for what gRPC itself takes.

PROBE names the file, rewritten five times a second: {"max": …, "p999": …, "tasks": …, "count": …, "late": …}; lags in seconds since SIGUSR1 came, or the start.
A lag is CPU time of the loop's thread, so that it tells of the gateway and not of what else the machine is doing.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop
from llm_gateway import cli
from llm_gateway.app import main as app

from tests.bench import floor

PERIOD = 0.005
KEPT = 200_000
LATE = 0.05  # seconds


async def probe(path: Path) -> None:
    """Sleep for PERIOD over and over; what the loop works longer than that before it wakes the sleeper is lag."""
    loop = asyncio.get_running_loop()
    lags: list[float] = []
    loop.add_signal_handler(signal.SIGUSR1, lags.clear)
    written = loop.time()
    while True:
        before = time.thread_time()
        await asyncio.sleep(PERIOD)
        lags.append(max(0.0, time.thread_time() - before - PERIOD))
        del lags[:-KEPT]
        if loop.time() - written > 0.2:
            written = loop.time()
            ordered = sorted(lags)
            figures = {
                "max": ordered[-1],
                "p999": ordered[int(len(ordered) * 0.999)],
                "tasks": len(asyncio.all_tasks()),
                "count": len(ordered),
                "late": sum(lag > LATE for lag in ordered),
            }
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(figures))
            fresh.replace(path)


async def probed(serving: Coroutine[Any, Any, None]) -> None:
    """Until the server ends."""
    task = asyncio.create_task(probe(Path(os.environ["PROBE"])))
    try:
        await serving
    finally:
        task.cancel()


def main() -> int:
    if sys.argv[1] == "floor":
        uvloop.run(probed(floor.serve(int(sys.argv[2]))))
    serve = app.run
    app.run = lambda settings, **more: probed(serve(settings, **more))
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
