"""`python -m tests.fuzz [--seconds N] [--jobs N] [--seed N] [TARGET …]` fuzzes the targets, or those whose names begin so, each in a process of its own.

A line a target: executions, new cases (inputs that led to lines where none had led; the next run begins with them), failures. A failure is
written to `tests/fuzz/corpus/<target>/`, as small as it gets, and shown in base64. Exits 1 when there is one. With a seed the inputs are the
same each time, as far as the time reaches.
"""

from __future__ import annotations

import argparse
import base64
import json
import mmap
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz import engine
from tests.fuzz.targets import TARGETS

SHOWN = 3000
"""Bytes of an input that are shown."""
MOST_MEMORY = 4 << 30
STUCK_SECONDS = 60
"""Of processor time beyond the run's: an input is in a loop that no signal of ours gets into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    target: str
    executions: int
    new: int
    seconds: float
    failures: list[tuple[str, Path]]


# ---------------------------------------------------------------- the process of one target
def play(name: str, seconds: float, current: Path, seed: int | None) -> dict[str, Any]:
    """Fuzz a target in this process. current: holds the input that is run, for one that ends the process."""
    _bound(seconds)
    target = TARGETS[name]
    folder = engine.FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    before = [path.read_bytes() for path in sorted(folder.iterdir())]
    with current.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:

        def note(data: bytes) -> None:
            page[:8] = len(data).to_bytes(8, "big")
            page[8 : 8 + len(data)] = data

        run = engine.Run(target, random.Random(seed), note)
        run.play(seconds, before=before)
    for data in run.new:
        (folder / engine.name_of(data)).write_bytes(data)
    return {
        "executions": run.executions,
        "new": len(run.new),
        "failures": [
            (found.kind, found.text, base64.b64encode(found.data).decode()) for found in run.failures.values()
        ],
    }


def _bound(seconds: float) -> None:
    """An input for which more is taken fails: memory, or processor time that nothing interrupts."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    most = int(seconds) + STUCK_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))


# ---------------------------------------------------------------- all of them
def fuzz(name: str, seconds: float, seed: int | None = None) -> Result:
    """Fuzz a target in a process of its own, which it may end."""
    engine.FOUND.mkdir(parents=True, exist_ok=True)
    current = engine.FOUND / f"{name}.{os.getpid()}.current"
    current.write_bytes(bytes(8 + engine.MOST_BYTES))
    command = [sys.executable, "-m", "tests.fuzz", "--play", name, "--seconds", str(seconds), "--current", str(current)]
    env = dict(os.environ)
    if seed is not None:
        command += ["--seed", str(seed)]
        env["PYTHONHASHSEED"] = str(seed)
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    ended = f"the process ended with {done.returncode}: {done.stderr[-300:].strip()}" if done.returncode else ""
    held = current.read_bytes()
    current.unlink()
    if ended:
        data = held[8 : 8 + int.from_bytes(held[:8], "big")]
        told: dict[str, Any] = {
            "executions": 0,
            "new": 0,
            "failures": [("ended", ended, base64.b64encode(data).decode())],
        }
    else:
        told = json.loads(done.stdout.splitlines()[-1])
    failures = []
    for kind, text, coded in told["failures"]:
        path = engine.keep(name, base64.b64decode(coded))
        failures.append((f"{kind}: {text}\n    {path}\n    base64: {coded[:SHOWN]}", path))
    return Result(
        target=name, executions=told["executions"], new=told["new"], seconds=time.monotonic() - began, failures=failures
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--play", help=argparse.SUPPRESS)
    parser.add_argument("--current", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.play:
        print(json.dumps(play(given.play, given.seconds, given.current, given.seed)))
        return 0
    chosen = [name for name in TARGETS if not given.targets or name.startswith(tuple(given.targets))]
    if not chosen:
        print(f"No target begins so; there are: {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    failed = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for result in pool.map(lambda name: fuzz(name, given.seconds, given.seed), chosen):
            failed += len(result.failures)
            shown = f"{result.target:<26} {result.executions:>9,} executions {result.new:>6,} new cases {len(result.failures):>3} failures {result.seconds:>6.1f} s"
            print(shown, flush=True)
            for text, _ in result.failures:
                print(f"  {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
