"""Memory that is free goes back to the system: how the collector is set, and what is done after a burst."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from typing import Any

GROWN = 32 << 20
"""Bytes more than after the last time, from which giving back is worth a walk through the heaps (some 20 ms for 100 MB, in a thread)."""
PERIOD = 1.0
"""Seconds between two looks. A flood of WINDOW_UPDATE tears the heaps by 20 MB a second: gRPC's core reads into blocks of 64 KiB, and what
lies between them keeps glibc from giving them back by itself."""


def settle() -> None:
    """Keep the collector away from what lives as long as the process, and let it run less often: answers hold no reference cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


async def give_back() -> None:
    """From now on: what a burst has left behind goes back to the system. Returns at once where malloc is not glibc's."""
    trim = trimmer()
    if trim is None:
        return
    after = resident()
    while True:
        await asyncio.sleep(PERIOD)
        after = await trimmed(after, resident, trim)


async def trimmed(after: int, resident: Callable[[], int], trim: Callable[[], object]) -> int:
    """after: resident bytes when it was last trimmed. Trims if they have grown enough; returns what counts as `after` from now on."""
    now = resident()
    if now - after >= GROWN:
        await asyncio.to_thread(trim)
        return resident()
    return min(after, now)


def trimmer() -> Callable[[], object] | None:
    """glibc's malloc_trim, which gives back what is free in all heaps; None where there is none."""
    try:
        trim: Any = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return lambda: trim(0)


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
