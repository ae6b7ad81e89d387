"""The rows of the scorecard that no clock decides, at the scale of a test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import bumpy, cancellation, delivery, lifecycle, policy, store, upstream  # noqa: F401 - they declare the rows
from tests.faults.rig import ROWS, Rig, Row
from tests.support.postgres import NoPostgres

pytestmark = pytest.mark.no_cover
FAULTS = [row for row in ROWS if not row.id.startswith("G")]
"""Those of section G are tests of tests/security."""


@pytest.mark.parametrize("row", [row for row in FAULTS if not row.timed and row.id != "C10"], ids=lambda row: row.id)
async def test_the_row_passes(row: Row, tmp_path: Path) -> None:
    """Its value is within its limit; C10's machines are tests of their own."""
    rig = Rig(folder=tmp_path, quick=True)
    try:
        value = await row.measure(rig)
    except NoPostgres as none:
        pytest.skip(str(none))
    assert row.passes(value), (row.about, value, rig.notes)


def test_the_scorecard_has_every_row() -> None:
    """The rows that the project promises, each once."""
    promised = [f"A{n}" for n in range(1, 8)] + [f"B{n}" for n in (*range(1, 12), 13)]
    promised += [f"C{n}" for n in (*range(1, 8), *range(9, 14))] + ["D1", "D2", "D4", "D5", "A9"]
    promised += [f"E{n}" for n in range(1, 12)]
    assert sorted(row.id for row in FAULTS) == sorted(promised)
