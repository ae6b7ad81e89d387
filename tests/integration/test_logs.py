"""The gateway while nobody reads its log: as a process, with a pipe for standard error."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llmgateway import make_request

from tests.support import gateway as gateways

CALLS = 10_000
AT_ONCE = 50
PATIENCE = 50.0


@pytest.mark.timeout(240)
@pytest.mark.no_cover
@pytest.mark.parametrize("workers", [1, 2])
async def test_calls_go_on_while_nobody_reads_standard_error(
    tmp_path: Path, workers: int, record_property: Callable[[str, object], None]
) -> None:
    """All are answered; what the pipe holds afterwards are whole lines, and they say how many were dropped."""
    path = tmp_path / "gateway.yaml"
    server = {"listen": "127.0.0.1:0", "workers": workers}
    path.write_text(json.dumps(gateways.configured({"providers": {"echo": {}}, "server": server})))
    read, write = os.pipe()
    command = [sys.executable, "-m", "llm_gateway", "serve", "--config", str(path)]
    with subprocess.Popen(command, stdout=write, stderr=write, env=gateways.environment()) as process:
        os.close(write)
        try:
            port = await asyncio.to_thread(_port, read)
            codes = await _call(f"127.0.0.1:{port}")
            assert codes == {grpc.StatusCode.OK: CALLS}
            logged, told = await asyncio.to_thread(_read, read)
            process.terminate()
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0  # a killed supervisor would leave its workers
        finally:
            process.kill()
            os.close(read)
    record_property("dropped", told)
    print(f"{workers} worker(s): {CALLS} calls OK, {logged} lines read afterwards, {told} dropped and counted")
    assert told > 0
    assert logged + told >= CALLS


def _port(pipe: int) -> int:
    """The port, by the line that says that the gateway serves; what follows it is left in the pipe."""
    line = b""
    while read := os.read(pipe, 1):
        line += read
        if line.endswith(b"\n"):
            entry = json.loads(line)
            if entry["event"] == "serving":
                return int(entry["port"])
            line = b""
    raise AssertionError(f"it ended without serving: {line!r}")


def _read(pipe: int) -> tuple[int, int]:
    """Calls logged, and lines told to be dropped, when both together are as many as there were calls."""
    logged = told = 0
    with open(pipe, "rb", closefd=False) as lines:
        for line in lines:
            entry = json.loads(line)
            logged += entry["event"] == "rpc"
            told += entry.get("lines", 0) if entry["event"] == "log lines dropped" else 0
            if logged + told >= CALLS:
                break
    return logged, told


async def _call(address: str) -> dict[Any, int]:
    """How CALLS calls end, AT_ONCE at a time, over as many connections as there may be workers to serve them."""
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(8)]
    await asyncio.gather(*(asyncio.wait_for(channel.channel_ready(), PATIENCE) for channel in channels))
    body = make_request("hi", model="echo/echo").SerializeToString()
    sends: list[Any] = [channel.unary_unary("/llmgateway.v1.LLMGateway/Send") for channel in channels]
    left = iter(range(CALLS))
    codes: dict[Any, int] = {}

    async def caller() -> None:
        for number in left:
            call = sends[number % len(sends)](body, timeout=PATIENCE)
            code = await call.code()
            codes[code] = codes.get(code, 0) + 1

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    await asyncio.gather(*(channel.close() for channel in channels))
    return codes
