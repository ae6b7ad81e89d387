"""Memory that is free goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest
from llm_gateway.app import memory

TORN = """
import asyncio
from llm_gateway.app.memory import resident, trimmed, trimmer

blocks, pins = [], []
start = resident()
for _ in range(1000):
    blocks.append(bytearray(b"x" * 70_000))
    pins.append(bytearray(2000))
full = resident()
blocks.clear()
torn = resident()
asyncio.run(trimmed(start, resident, trimmer()))
print(full - torn, torn - resident())
"""


async def test_a_burst_is_given_back_once() -> None:
    """What has grown enough since the last time is trimmed; a size that stays, or falls, is not."""
    trims: list[int] = []
    sizes = iter(
        [100, 100 + memory.GROWN - 1, 100 + memory.GROWN, 150, 150 + memory.GROWN - 1, 120, 120 + memory.GROWN, 130]
    )
    after, seen = 100, []
    for _ in range(6):
        after = await memory.trimmed(after, lambda: next(sizes), lambda: trims.append(1))
        seen.append((after, len(trims)))
    assert seen == [(100, 0), (100, 0), (150, 1), (150, 1), (120, 1), (130, 2)]


@pytest.mark.skipif(memory.trimmer() is None, reason="malloc is not glibc's")
def test_a_torn_heap_goes_back() -> None:
    """70 MB in blocks like those that gRPC's core reads into, small ones between them: freeing alone gives little back, trimming the rest."""
    ran = subprocess.run([sys.executable, "-c", TORN], capture_output=True, check=True, text=True)
    freed, trimmed = map(int, ran.stdout.split())
    assert freed < 20_000_000
    assert trimmed > 50_000_000
