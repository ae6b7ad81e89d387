"""`python -m tests.faults [ID …]` measures the rows, one JSON line each, and writes `build/scorecard.json`. Exits 1 when a row fails.

Lines: {"id", "value", "limit", "pass"}; what went wrong goes to standard error. FAULTS_OUTAGE: seconds of the long outage (60).
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from llm_gateway import telemetry

from tests.faults import bumpy, cancellation, delivery, lifecycle, policy, upstream
from tests.faults.rig import ROWS, Rig

MODULES = (delivery, upstream, policy, bumpy, cancellation, lifecycle)
BUILD = Path(__file__).resolve().parents[2] / "build"


def main(wanted: list[str]) -> int:
    rows = sorted((row for row in ROWS if not wanted or row.id in wanted), key=lambda row: (row.id == "C9", row.id))
    results: list[dict[str, Any]] = []
    telemetry.configure_logging("critical")
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
        BUILD.mkdir(exist_ok=True)
        (BUILD / "scorecard.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0 if all(result["pass"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
