"""Fixtures shared by all tests."""

import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from structlog import reset_defaults

from tests.support import gateway as gateways
from tests.support import llama as llama_server
from tests.support import postgres as postgres_server
from tests.support import upstream as scripted
from tests.support.llama import Llama
from tests.support.postgres import NoPostgres, Postgres
from tests.support.upstream import Upstream

MOST_WORKERS = 4  # each holds a few hundred MB, and starts gateways of its own

# How fast examples are made and run is the machine's business.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


# A shell's background job ignores Ctrl-C, and so would every command that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What Hypothesis makes up is not measured: counting the lines of hundreds of examples takes longer than running them, and which
    lines they reach differs from run to run."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """`no_cover` holds for the processes that a test starts, too; and in a worker of xdist, where pytest-cov begins twice and pauses once."""
    if not item.get_closest_marker("no_cover"):
        return (yield)
    trace = sys.gettrace()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        sys.settrace(None)
        try:
            return (yield)
        finally:
            sys.settrace(trace)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: two workers for each core that this process may use, since a third of the tests' time is waiting."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * cores, MOST_WORKERS)


@pytest.fixture
def unanswered_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses: nobody listens, and nobody else can be given it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test runs in this process sets up its log, of errors only perhaps: the log of the next test is as if none had."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    reset_defaults()
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted HTTP server, see tests/support/upstream.py."""
    async with scripted.running() as server:
        yield server


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llama]:
    """A real llama.cpp server with a tiny random model."""
    with llama_server.running(tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL; who stops it starts it again."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server.running())
        except NoPostgres as none:
            pytest.skip(str(none))
        yield server


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
