"""The processes under measurement: how they start, when they serve, what they have used."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.bench.http1 import LOOPBACK

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SERVICE = "llmgateway.v1.LLMGateway"
START_TIMEOUT_S = 90.0

Ready = Callable[[int], bool]
"""Whether the server on a port of loopback serves."""


class StartError(SystemExit):
    """A process ended, or did not serve in time: the run ends with this message."""


def free_port() -> int:
    """A port of loopback that nothing listened on a moment ago."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def health_serving(port: int) -> bool:
    """Check of `grpc.health.v1` answers SERVING; asked only of an open port, or gRPC would back off for a second."""
    if not accepts(port):
        return False
    with grpc.insecure_channel(f"{LOOPBACK}:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=1)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def accepts(port: int) -> bool:
    """Something listens on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process tree that serves."""

    port: int
    start_s: float
    """From spawning it to its first ready answer."""
    root: psutil.Process

    def _tree(self) -> list[psutil.Process]:
        return [self.root, *self.root.children(recursive=True)]

    def cpu_s(self) -> float:
        """User and system time used so far, children included."""
        times = [process.cpu_times() for process in self._tree()]
        return float(sum(each.user + each.system for each in times))

    def rss_bytes(self) -> int:
        """Resident memory, children included."""
        return sum(process.memory_info().rss for process in self._tree())


@contextmanager
def running(
    name: str, command: Sequence[str], *, port: int, ready: Ready, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Runs a server until the block ends; what it prints goes to `build/bench/NAME.log`."""
    log_path = BUILD / "bench" / f"{name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "LLM_"))}
    with log_path.open("wb") as log:
        spawned = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env={**inherited, **(env or {})}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        root = psutil.Process(process.pid)
        try:
            while not ready(port):
                if process.poll() is not None:
                    raise StartError(f"{name} ended with status {process.returncode}; see {log_path}")
                if time.perf_counter() - spawned > START_TIMEOUT_S:
                    raise StartError(f"{name} does not serve after {START_TIMEOUT_S:.0f} s; see {log_path}")
                time.sleep(0.005)
            yield Running(port=port, start_s=time.perf_counter() - spawned, root=root)
        finally:
            _stop(root)


def _stop(root: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        tree = [root, *root.children(recursive=True)]
        root.terminate()
        psutil.wait_procs(tree, timeout=3)
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(tree, timeout=3)
