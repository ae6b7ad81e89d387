"""Rows G8 and G9: what reads bytes of a caller, and of a provider or an operator, fails in documented ways only."""

from __future__ import annotations

import asyncio

from tests.faults.rig import Rig, row
from tests.fuzz.__main__ import Result, fuzz
from tests.fuzz.targets import TARGETS

CALLERS = ("render", "metadata")
SECONDS = 4.0


async def _failures(rig: Rig, targets: list[str]) -> float:
    at_once = asyncio.Semaphore(2)

    async def fuzzed(name: str) -> Result:
        async with at_once:
            return await asyncio.to_thread(fuzz, name, 0.5 if rig.quick else SECONDS)

    results = await asyncio.gather(*map(fuzzed, targets))
    for result in results:
        rig.note(f"{result.target}: {result.executions:,} inputs, {len(result.failures)} failures")
    silent = [f"{result.target} ran nothing" for result in results if not result.executions]
    return rig.flaws([*silent, *(text for result in results for text, _ in result.failures)])


@row("G8", star=True, most=0)
async def a_callers_bytes_are_a_request_or_refused_by_name(rig: Rig) -> float:
    """Fuzzed requests, by bytes and by fields, rendered for every API; metadata: anything else than a documented error, or more than 1 s."""
    return await _failures(rig, [name for name in TARGETS if name in CALLERS])


@row("G9", star=True, most=0)
async def a_providers_bytes_are_an_answer_or_its_error(rig: Rig) -> float:
    """Fuzzed answers, framings, HTTP, codings, retry hints, configuration, whole and byte by byte: failures."""
    return await _failures(rig, [name for name in TARGETS if name not in CALLERS])
