"""Fixtures shared by all tests."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support import llama as llama_server
from tests.support import upstream as scripted
from tests.support.llama import Llama
from tests.support.upstream import Upstream


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted HTTP server, see tests/support/upstream.py."""
    async with scripted.running() as server:
        yield server


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    """A real llama.cpp server with a tiny random model; its start-up time is in the fixture's value."""
    with llama_server.running(tmp_path_factory.mktemp("llama")) as server:
        yield server
