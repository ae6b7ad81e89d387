"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
from llm_gateway.app import memory

TORN = """
import asyncio, ctypes
from llm_gateway.app.memory import Heaps, resident

def tear(count):
    blocks, pins = [], []
    for _ in range(count):
        blocks.append(bytearray(b"x" * 70_000))
        pins.append(bytearray(2000))
    full = resident()
    blocks.clear()
    return pins, full - resident()

heaps = Heaps(ctypes.CDLL(None))
asyncio.run(heaps.look(resident))
pins, freed = tear(1000)
torn = resident()
asyncio.run(heaps.look(resident))
print(freed, torn - resident(), tear(2000)[1])
"""


class Libc:
    """What is asked of the C library."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def malloc_trim(self, pad: int) -> None:
        self.asked.append(f"trim {pad}")

    def mallopt(self, what: int, value: int) -> None:
        self.asked.append(f"{what}: {value}")


async def test_a_burst_is_given_back_and_ends() -> None:
    """What has grown enough since the last time is trimmed, each time anew; a minute later large blocks are as before."""
    libc = Libc()
    heaps = memory.Heaps(libc)

    async def look(*sizes: int) -> None:
        left = iter(sizes)
        await heaps.look(lambda: next(left))

    for size in (100, 99, 98 + memory.GROWN):
        await look(size)
    assert libc.asked == []
    await look(99 + memory.GROWN, 70)
    burst = ["-3: 65536", "trim 0"]
    assert libc.asked == burst
    await look(69 + memory.GROWN)
    await look(70 + memory.GROWN, 80)
    assert libc.asked == burst * 2
    for _ in range(int(2 * memory.CALM / memory.PERIOD)):
        await look(80)
    assert libc.asked == [*burst * 2, "-3: 33554432", "-1: 67108864"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="malloc is not glibc's")
def test_a_torn_heap_goes_back_and_is_torn_no_more() -> None:
    """70 MB in blocks like those that gRPC's core reads into, small ones between them: freeing gives little back; a look does, and what
    finds no room in the heaps afterwards goes back by itself."""
    ran = subprocess.run([sys.executable, "-c", TORN], capture_output=True, check=True, text=True)
    freed, trimmed, freed_later = map(int, ran.stdout.split())
    assert freed < 20_000_000
    assert trimmed > 50_000_000
    assert freed_later > 50_000_000
