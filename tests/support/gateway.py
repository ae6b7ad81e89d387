"""The gateway under test: in this process, or as the command that users start."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from llmgateway import AsyncClient

from tests.support.waiting import eventually_blocking

if TYPE_CHECKING:
    from llm_gateway.app.gateway import Gateway

START_SECONDS = 240.0  # on two cores under a load of 60 it took more than 120
STOP_SECONDS = 60.0
ALONE = (sys.executable, "-P", str(Path(__file__).with_name("alone.py")))
"""`llm-gateway` for tests without a file: it finds no Ollama and no LM Studio of the developer's."""
_OURS = ("LLM_", "OTEL_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "XAI_", "MISTRAL_", "OLLAMA_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A gateway in a process of its own."""

    address: str  # host:port
    log: Path  # its standard error, JSON lines
    process: "subprocess.Popen[bytes]"

    def rpcs(self, count: int) -> list[dict[str, Any]]:
        """The lines of RPCs in the log, once there are so many: they are written soon after the calls, not before."""

        def told() -> list[dict[str, Any]]:
            whole = self.log.read_text().rpartition("\n")[0]
            return [entry for entry in map(json.loads, whole.splitlines()) if entry["event"] == "rpc"]

        eventually_blocking(lambda: len(told()) >= count, f"the log has {count} lines of RPCs")
        return told()


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A gateway on this event loop, and a client of it that neither retries nor waits for long."""

    address: str
    gateway: "Gateway"
    client: AsyncClient


def kinds() -> frozenset[str]:
    """The kinds of provider that the gateway can serve."""
    from llm_gateway.providers import plugins

    return plugins.own()


def provider(url: str, **settings: Any) -> dict[str, Any]:
    """Configuration of an OpenAI-compatible provider at `url`, with model `m`."""
    return {"kind": "openai_compatible", "endpoint": f"{url}/v1", "api_key": "none", "models": ["m"], **settings}


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would configure a gateway, and with `extra`."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith(_OURS)}, **(extra or {})}


def configured(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with an ephemeral loopback port, a short shutdown and no request that no call made, unless it says otherwise."""
    server = {"listen": "127.0.0.1:0", "lame_duck": "0s", "shutdown_grace": "2s", **config.get("server", {})}
    return {"discovery": {"interval": "0s", "local_interval": "0s"}, **config, "server": server}


@asynccontextmanager
async def local(
    config: Mapping[str, Any], folder: Path, env: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Local]:
    """The gateway on this event loop, serving this configuration; it drains and closes at the end. options: of Gateway."""
    from llm_gateway.app.gateway import Gateway
    from llm_gateway.config import load

    path = folder / f"gateway-{uuid4().hex}.yaml"
    path.write_text(json.dumps(configured(config)))
    gateway = Gateway(load(str(path), env or {}), **options)
    address = f"127.0.0.1:{await gateway.start()}"
    try:
        async with AsyncClient(address, timeout=120, options=[("grpc.enable_retries", 0)]) as client:
            yield Local(address=address, gateway=gateway, client=client)
    finally:
        await gateway.stop()


@contextmanager
def process(
    config: Mapping[str, Any], folder: Path, env: Mapping[str, str] | None = None, *, module: str = "llm_gateway"
) -> Iterator[Process]:
    """`llm-gateway serve` (of this module) with this configuration, ready to be called; its files go to `folder`. SIGTERM at the end."""
    path, log = folder / "gateway.yaml", folder / "gateway.log"
    path.write_text(json.dumps(configured(config)))  # JSON is YAML
    command = [sys.executable, "-m", module, "serve", "--config", str(path)]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=environment(env)
        ) as server,
    ):
        try:
            yield Process(address=_listening(server, log), log=log, process=server)
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def _listening(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address, by the port in the log line that says that the gateway serves."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        for line in log.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == "serving":
                return f"127.0.0.1:{entry['port']}"
        if server.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"the gateway does not listen:\n{log.read_text()[-4000:]}")
