"""Rows of `make security` that no clock decides, at the scale of a test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rig import ROWS, Rig, Row
from tests.security import atrest, bombs, callers, fuzzing, isolation, keys, secrets, strangers, transport  # noqa: F401 - they declare the rows

pytestmark = pytest.mark.no_cover
ELSEWHERE = {
    "G7": "takes long for what it adds to the tests of names, options and metadata: `make security` runs it",
    "G8": "tests/fuzz replays the same targets",
    "G9": "tests/fuzz replays the same targets",
}
"""Rows that cost more than they would add here, and why."""
SECURITY = [row for row in ROWS if row.id.startswith("G") and not row.timed]


@pytest.mark.parametrize("row", [row for row in SECURITY if row.id not in ELSEWHERE], ids=lambda row: row.id)
async def test_the_row_passes(row: Row, tmp_path: Path) -> None:
    """Its value is within its limit."""
    rig = Rig(folder=tmp_path, quick=True)
    value = await row.measure(rig)
    assert row.passes(value), (row.about, value, rig.notes)


def test_what_is_tested_elsewhere_is_a_row() -> None:
    """No reason outlives its row."""
    assert ELSEWHERE.keys() <= {row.id for row in SECURITY}
