"""Waiting for what must come true, with an end: what never did is said."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 120.0
"""Seconds that only a hang takes, on any machine; less than a test may take, whose limit does not know what was waited for."""


async def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What the condition gives, or what is awaited of it, once that is true. Fails with `what` when it never was."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if inspect.isawaitable(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not in {seconds:g} s: {what}") from None


def eventually_blocking(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The same for a test without an event loop."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds:g} s: {what}")
        time.sleep(0.01)
    return found
