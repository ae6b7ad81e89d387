"""The fake upstream, the floor and the gateway, each a process that serves until its block ends."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.bench.http1 import LOOPBACK
from tests.bench.processes import BUILD, Running, accepts, free_port, health_serving, running
from tests.bench.upstream import BACK_TO_BACK, MODELS

NAMED = "named"
"""A route of the gateway's."""


@contextmanager
def fake_upstream() -> Iterator[Running]:
    """The fake upstream."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.upstream", str(port)]
    with running("upstream", command, port=port, ready=accepts) as server:
        yield server


@contextmanager
def floor(*command: str, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The bare `grpc.aio` servicer; command: what runs it, where that is another module."""
    port = free_port()
    command = (sys.executable, "-m", *(command or ("tests.bench.floor",)), str(port))
    with running("floor", command, port=port, ready=health_serving, env=env) as server:
        yield server


@contextmanager
def gateway(name: str, upstream_port: int, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The gateway as its default configuration makes it, with the fake upstream as provider `edge`."""
    port = free_port()
    config = {
        "server": {"listen": f"{LOOPBACK}:{port}"},
        "providers": {
            "edge": {
                "kind": "openai_compatible",
                "endpoint": f"http://{LOOPBACK}:{upstream_port}/v1",
                "api_key": "none",
                "models": list(MODELS),
            }
        },
        "routes": {NAMED: {"targets": [f"edge/{BACK_TO_BACK}"]}},
    }
    path = BUILD / "bench" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.yaml.encode(config))
    with running(
        name, [*_llm_gateway(), "serve", "--config", str(path)], port=port, ready=health_serving, env=env
    ) as server:
        yield server


def traced(sink_port: int) -> dict[str, str]:
    """Environment that exports every span to a sink on loopback, soon enough to count in the turn that made it."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{sink_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


def _llm_gateway() -> list[str]:
    """The console script beside this interpreter, else the module."""
    script = shutil.which("llm-gateway", path=Path(sys.executable).parent)
    return [script] if script else [sys.executable, "-m", "llm_gateway"]
