"""Rows G8 and G9: what reads bytes of a caller, and of a provider or an operator, fails in documented ways only."""

from __future__ import annotations

import asyncio

from tests.faults.rig import Rig, row
from tests.fuzz.__main__ import fuzz
from tests.fuzz.targets import TARGETS

CALLERS = ("render", "metadata")
SECONDS = 4.0


async def _failures(rig: Rig, targets: list[str]) -> float:
    found = []
    for name in targets:
        result = await asyncio.to_thread(fuzz, name, 0.5 if rig.quick else SECONDS)
        rig.note(f"{name}: {result.executions:,} inputs, {len(result.failures)} failures")
        found += [text for text, _ in result.failures]
        assert result.executions, f"{name} ran nothing"
    return rig.flaws(found)


@row("G8", star=True, most=0)
async def a_callers_bytes_are_a_request_or_refused_by_name(rig: Rig) -> float:
    """Fuzzed requests, by bytes and by fields, rendered for every API; metadata: anything else than a documented error, or more than 1 s."""
    return await _failures(rig, [name for name in TARGETS if name in CALLERS])


@row("G9", star=True, most=0)
async def a_providers_bytes_are_an_answer_or_its_error(rig: Rig) -> float:
    """Fuzzed answers, framings, HTTP, codings, retry hints, configuration, whole and byte by byte: failures."""
    return await _failures(rig, [name for name in TARGETS if name not in CALLERS])
