"""Giving free memory back to the system: the garbage collector's settings, and what is done during and after a burst."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from typing import Any

GROWN = 24 << 20
"""Growth in bytes since the last time that makes a walk through the heaps worthwhile (some 20 ms for 100 MB, in a thread)."""
PERIOD = 0.2
"""Seconds between two looks."""
CALM = 60.0
"""Seconds without such growth after which large blocks come from the heaps again."""
LARGE = 64 << 10
"""Bytes from which a block is mapped separately during a burst. gRPC's core reads into blocks of a little over 64 KiB; what lies between them in a
heap keeps glibc from giving them back: up to 100 MB a second in a flood of WINDOW_UPDATE. Mapping costs a large request a tenth of its CPU."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = 32 << 20  # glibc's own limit on thresholds


def settle() -> None:
    """Exempt what lives as long as the process from garbage collection, and collect less often: answers hold no reference cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


async def give_back() -> None:
    """Give back what bursts leave behind, until cancelled. Returns at once where malloc is not glibc's."""
    try:
        heaps = Heaps(ctypes.CDLL(None))
    except (AttributeError, OSError, TypeError):
        return
    while True:
        await asyncio.sleep(PERIOD)
        await heaps.look(resident)


class Heaps:
    """glibc's malloc, by its functions malloc_trim and mallopt."""

    def __init__(self, libc: Any) -> None:
        """Raises AttributeError for another C library."""
        self._trim, self._set = libc.malloc_trim, libc.mallopt
        self._after = 1 << 62
        self._calm = 0.0
        self._burst = False

    async def look(self, resident: Callable[[], int]) -> None:
        """If the process has grown enough since the last time, give back what is free, and keep large blocks out of the heaps."""
        now = resident()
        if now - self._after >= GROWN:
            self._calm, self._burst = 0.0, True
            self._set(_MMAP_THRESHOLD, LARGE)
            await asyncio.to_thread(self._trim, 0)
            self._after = resident()  # at once: what is torn again meanwhile counts
            return
        self._after = min(self._after, now)
        self._calm += PERIOD
        if self._burst and self._calm >= CALM:
            self._burst = False
            self._set(_MMAP_THRESHOLD, _LARGEST)
            self._set(_TRIM_THRESHOLD, 2 * _LARGEST)


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
