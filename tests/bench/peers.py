"""`python -m tests.bench.peers` measures other gateways beside this one, in one run, and writes `build/bench-peers.json`.

Each peer is installed by a lock file into an environment of its own under `build` and runs as one worker process in
front of the same fake upstream, without authentication. Peers are called over HTTP, the only protocol that they offer.
"""

import argparse
import asyncio
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvloop
from llmgateway.v1.gateway_pb2_grpc import LLMGatewayStub

from tests.bench.http1 import LOOPBACK, Client
from tests.bench.load import Call, chat, connect, send, stream_chat, stream_send
from tests.bench.measure import SETTLE_S, Work, cpu_in_turns, print_table, write_json
from tests.bench.processes import BUILD, Running, accepts, free_port, running
from tests.bench.subjects import fake_upstream, gateway
from tests.bench.upstream import DELTAS, MODELS, PACED
from tests.support.environments import environment

PEERS = BUILD / "peers"
OURS = "llm-gateway"

# Portkey has no option for the address it listens on.
_LOOPBACK_ONLY = """data:text/javascript,
import net from "node:net";
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, host, ...rest) { return listen.call(this, port, "127.0.0.1", ...rest); };
"""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What `build/bench-peers.json` holds for each gateway; `unary_ratio` is its CPU per call over ours."""

    unary_cpu_us: float
    unary_ratio: float
    stream_cpu_us_per_delta: float
    rss_idle_mb: float
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another gateway that offers OpenAI chat completions."""

    name: str
    program: Path
    install: Callable[[], None]
    command: Callable[[int, int], list[str]]
    """The command that serves, from its own port and the upstream's."""
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Callable[[int], dict[str, str]] = lambda upstream_port: {}
    """Headers of every call, from the upstream's port."""
    calls: int
    """Unary calls a turn: enough to outweigh the 10 ms resolution of the CPU clock."""

    def serve(self, upstream_port: int) -> AbstractContextManager[Running]:
        """The peer as a running process; ready when it accepts, for each listens only once it can answer."""
        port = free_port()
        return running(self.name, self.command(port, upstream_port), port=port, ready=accepts, env=self.env)


_LITELLM_BIN = BUILD / "litellm-proxy" / "bin"


def _install_litellm() -> None:
    environment("litellm-proxy")


def _litellm_command(port: int, upstream_port: int) -> list[str]:
    models = [
        {
            "model_name": model,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": f"http://{LOOPBACK}:{upstream_port}/v1",
                "api_key": "none",
            },
        }
        for model in MODELS
    ]
    config = {
        "model_list": models,
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }
    path = BUILD / "bench" / "litellm.yaml"
    path.write_bytes(msgspec.yaml.encode(config))
    options = ["--config", str(path), "--host", LOOPBACK, "--port", str(port), "--num_workers", "1"]
    return [str(_LITELLM_BIN / "litellm"), *options]


_PORTKEY_SERVER = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


def _install_portkey() -> None:
    """By its lock file. With the newer @hono/node-server that Portkey's range lets npm choose, every stream is answered with status 500."""
    home = PEERS / "portkey"
    home.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).parent / "portkey" / file, home)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=home, check=True)


def _portkey_command(port: int, upstream_port: int) -> list[str]:
    return ["node", "--import", _LOOPBACK_ONLY, str(_PORTKEY_SERVER), f"--port={port}", "--headless"]


def _portkey_headers(upstream_port: int) -> dict[str, str]:
    return {
        "authorization": "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://{LOOPBACK}:{upstream_port}/v1",
    }


ALL = (
    Peer(
        name="litellm",
        program=_LITELLM_BIN / "litellm",
        install=_install_litellm,
        command=_litellm_command,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        calls=300,
    ),
    Peer(
        name="portkey",
        program=_PORTKEY_SERVER,
        install=_install_portkey,
        command=_portkey_command,
        headers=_portkey_headers,
        calls=1000,
    ),
)


async def bench(peers: list[Peer], rounds: int, calls: int, streams: int) -> None:
    """Runs the gateway and the peers in turns, prints the table and writes the file."""
    async with AsyncExitStack() as stack:
        upstream = stack.enter_context(fake_upstream())
        servers = {OURS: stack.enter_context(gateway("gateway", upstream.port))}
        stub = LLMGatewayStub(await stack.enter_async_context(connect(servers[OURS].port)))
        unary: dict[str, tuple[Call, int]] = {OURS: (send(stub), calls)}
        stream: dict[str, Call] = {OURS: stream_send(stub, PACED)}
        for peer in peers:
            server = servers[peer.name] = stack.enter_context(peer.serve(upstream.port))
            client = Client(server.port, peer.headers(upstream.port))
            stack.callback(client.close)
            unary[peer.name] = (chat(client), peer.calls)
            stream[peer.name] = stream_chat(client, PACED)
        await asyncio.sleep(SETTLE_S)
        rss_bytes = {name: server.rss_bytes() for name, server in servers.items()}
        unary_us = await cpu_in_turns(
            {name: Work(server=servers[name], call=call, count=count) for name, (call, count) in unary.items()}, rounds
        )
        stream_us = await cpu_in_turns(
            {n: Work(server=servers[n], call=call, count=streams, units=DELTAS) for n, call in stream.items()}, rounds
        )

    figures = {
        name: Figures(
            unary_cpu_us=unary_us[name],
            unary_ratio=unary_us[name] / unary_us[OURS],
            stream_cpu_us_per_delta=stream_us[name],
            rss_idle_mb=rss_bytes[name] / 1e6,
            start_s=server.start_s,
        )
        for name, server in servers.items()
    }
    write_json("bench-peers.json", figures)
    print_table(
        "Peers",
        ["", "CPU per call", "÷ ours", "CPU per delta", "÷ ours", "idle", "start"],
        [
            [
                name,
                f"{each.unary_cpu_us:.0f} µs",
                f"{each.unary_ratio:.1f}",
                f"{each.stream_cpu_us_per_delta:.0f} µs",
                f"{each.stream_cpu_us_per_delta / figures[OURS].stream_cpu_us_per_delta:.1f}",
                f"{each.rss_idle_mb:.0f} MB",
                f"{each.start_s:.1f} s",
            ]
            for name, each in figures.items()
        ],
    )
    print("  targets for the ratio of CPU per call: litellm ≥ 20, portkey ≥ 2.5")


def _installed(peer: Peer) -> bool:
    if not peer.program.exists():
        print(f"installing {peer.name} under {BUILD}", flush=True)
        try:
            peer.install()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{peer.name} is left out: it could not be installed ({error})")
            return False
    return True


def main() -> None:
    """Reads the command line, installs what is missing and measures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description="Measures other gateways.")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each gateway")
    parser.add_argument("--calls", type=int, default=2000, help="unary calls a turn to this gateway")
    parser.add_argument("--streams", type=int, default=50, help="streams a turn")
    options = parser.parse_args()
    installed = [peer for peer in ALL if _installed(peer)]
    uvloop.run(bench(installed, options.rounds, options.calls, options.streams))


if __name__ == "__main__":
    main()
