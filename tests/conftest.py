"""Fixtures shared by all tests."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support import gateway as gateways
from tests.support import llama as llama_server
from tests.support import upstream as scripted
from tests.support.llama import Llama
from tests.support.upstream import Upstream

LLAMA_START_SECONDS = pytest.StashKey[float]()


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted HTTP server, see tests/support/upstream.py."""
    async with scripted.running() as server:
        yield server


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Llama]:
    """A real llama.cpp server with a tiny random model."""
    with llama_server.running(tmp_path_factory.mktemp("llama")) as server:
        pytestconfig.stash[LLAMA_START_SECONDS] = server.start_seconds
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How long the real model server took to start, when a test used it."""
    if LLAMA_START_SECONDS in config.stash:
        terminalreporter.write_line(f"llama.cpp: model written and served in {config.stash[LLAMA_START_SECONDS]:.2f} s")


GatewayFactory = Callable[[Mapping[str, Any]], Awaitable[gateways.Local]]
ProcessFactory = Callable[..., gateways.Process]


@pytest_asyncio.fixture
async def gateway_factory(tmp_path: Path) -> AsyncIterator[GatewayFactory]:
    """Starts gateways on this event loop: `await gateway_factory(config)`. They drain when the test ends."""
    async with AsyncExitStack() as stack:

        async def start(config: Mapping[str, Any]) -> gateways.Local:
            return await stack.enter_async_context(gateways.local(config, tmp_path))

        yield start


@pytest.fixture
def gateway_process(tmp_path: Path) -> Iterator[ProcessFactory]:
    """Starts gateways as users do, each in a process: `gateway_process(config, env=None)`. They get SIGTERM when the test ends."""
    with ExitStack() as stack:

        def start(config: Mapping[str, Any], env: Mapping[str, str] | None = None) -> gateways.Process:
            return stack.enter_context(gateways.process(config, tmp_path, env))

        yield start
