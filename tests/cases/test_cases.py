"""Every case outside the project passes; see tests/cases."""

import json
from pathlib import Path

import pytest

from tests.cases import ABSENT, files
from tests.cases.replay import replay

CASES = [pytest.param(path, id=path.stem) for path in files()]
NONE = [pytest.param(None, id="none", marks=pytest.mark.skip(reason=ABSENT))]


@pytest.mark.parametrize("path", CASES or NONE)
async def test_an_input_that_once_failed_passes(path: Path) -> None:
    """Its checks hold."""
    assert await replay(json.loads(path.read_text())) == []
