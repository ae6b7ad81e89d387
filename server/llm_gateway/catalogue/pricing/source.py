"""The price list, from a process that lives for half a second."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Collection

from llm_gateway.catalogue.pricing.pricelist import PriceList
from llm_gateway.errors import install_extra

LONGEST = 60.0
"""Seconds that the export may take on a busy machine."""
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "VIRTUAL_ENV")


class PriceListUnavailable(Exception):
    """There is no price list; the message says why, and what to do."""


async def load(lists: Collection[str]) -> PriceList:
    """The price lists of these providers (ids of genai-prices). The other process gets no secret: its environment is almost empty.

    Raises PriceListUnavailable. The process is gone when this returns, is cancelled, or raises.
    """
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        # Not asyncio's: uvloop forks, which runs gRPC's fork handlers under its live threads; Popen does without on Linux (vfork).
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own interpreter and module; it returns at once
            [sys.executable, "-m", "llm_gateway.catalogue.pricing.export", *sorted(lists)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise PriceListUnavailable(f"The process that reads it did not start ({error.strerror}).") from None
    reading = asyncio.create_task(asyncio.to_thread(process.communicate))
    try:
        async with asyncio.timeout(LONGEST):
            data, _ = await asyncio.shield(reading)
    except TimeoutError:
        raise PriceListUnavailable(f"The process that reads it took longer than {LONGEST:g} s.") from None
    finally:
        process.kill()  # does nothing to a process that has ended
        await reading
    if process.returncode == 3:
        raise PriceListUnavailable(f"It needs {install_extra('prices')}.")
    try:
        if process.returncode:
            raise ValueError
        return PriceList.decode(data)
    except ValueError:
        raise PriceListUnavailable("The installed release of genai-prices cannot be read.") from None
