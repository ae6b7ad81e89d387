"""Measures rows, prints each as a line, and keeps what was measured last of every row in `build/scorecard.json`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_gateway.telemetry import logs

from tests.faults.rig import ROWS, Rig

SCORECARD = Path(__file__).resolve().parents[2] / "build" / "scorecard.json"


def measure(wanted: Sequence[str], among: tuple[str, ...] = ("",)) -> int:
    """The declared rows whose ids begin like one `among`, or those wanted: {"id", "value", "limit", "pass"} each; what went wrong goes to
    standard error. Returns the exit code. The file is written when all were measured; it keeps the rows that were not."""
    declared = [row for row in ROWS if (row.id in wanted if wanted else row.id.startswith(among))]
    rows = sorted(declared, key=lambda row: (row.id == "C9", row.id))
    results: list[dict[str, Any]] = []
    logs.configure_logging("critical")
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(folder=Path(folder))
        for row in rows:
            started = time.monotonic()
            rig.notes.clear()
            rig.row = row.id
            try:
                value = float(asyncio.run(row.measure(rig)))
            except BaseExceptionGroup as errors:
                value = float("nan")
                rig.note(f"{errors}: {errors.exceptions[0]!r}")
            except Exception as error:  # a row that breaks has failed; the others still count
                value = float("nan")
                rig.note(f"{type(error).__name__}: {error}")
            passed = row.passes(value)
            shown = None if value != value else round(value, 4)
            results.append({"id": row.id, "value": shown, "limit": row.limit, "pass": passed})
            print(json.dumps(results[-1]), flush=True)
            seconds = time.monotonic() - started
            print(f"  {row.id} {'★ ' if row.star else ''}{seconds:.1f} s: {row.about}", file=sys.stderr, flush=True)
            for note in rig.notes:
                print(f"    {note}", file=sys.stderr, flush=True)
    if not wanted:
        _keep(results)
    return 0 if all(result["pass"] for result in results) else 1


def _keep(results: list[dict[str, Any]]) -> None:
    measured = {result["id"] for result in results}
    before = json.loads(SCORECARD.read_text()) if SCORECARD.exists() else []
    kept = [*(result for result in before if result["id"] not in measured), *results]
    SCORECARD.parent.mkdir(exist_ok=True)
    SCORECARD.write_text(json.dumps(sorted(kept, key=lambda result: str(result["id"])), indent=1) + "\n")
