"""A call's metadata, which names providers, models, ids and earlier attempts: a route, or a documented error, and trailers that can be sent."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from llm_gateway.app.gateway import Gateway
from llm_gateway.config import load
from llm_gateway.errors import Code
from llm_gateway.rpc import telemetry as rpc_telemetry
from llm_gateway.rpc.answer import _ascii
from llm_gateway.rpc.chain import REQUEST_ID
from llm_gateway.rpc.server import AioRpc
from llm_gateway.telemetry import tracing
from llmgateway import make_request
from opentelemetry.context import Context

from tests.fuzz.engine import Target
from tests.fuzz.properties import KEY, guarded

CONFIG = {
    "server": {"api_keys": [KEY], "overrides": {"models": ["m", "a/b", "echo"]}},
    "providers": {
        "echo": {"default_model": "echo"},
        "edge": {"kind": "openai_compatible", "endpoint": "http://127.0.0.1:1/v1", "api_key": "none", "models": ["m", "a/b"], "default_model": "m"},
        "listed": {"kind": "openai_compatible", "endpoint": "http://127.0.0.1:1/v1", "api_key": "none"},
    },
    "routes": {"smart": {"targets": ["edge/m"], "fallbacks": ["echo/echo"]}, "split": {"targets": ["edge/m", "echo/echo"], "strategy": "least_loaded"}},
}  # fmt: skip


@functools.cache
def _gateway() -> Gateway:
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "gateway.yaml"
    path.write_text(json.dumps(CONFIG))
    return Gateway(load(str(path), {}))


class _Peer:
    def peer(self) -> str:
        return "ipv6:%5B::1%5D:5"


class _Details:
    """grpc.HandlerCallDetails has no constructor to call."""

    def __init__(self, method: str, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.method, self.invocation_metadata = method, metadata


def check(data: bytes) -> None:
    """A line holds a key and a value, which gRPC decodes as Latin-1 where it is not UTF-8."""
    pairs: list[tuple[str, str | bytes]] = []
    for line in data.split(b"\n"):
        name, _, value = line.partition(b": ")
        key = name.decode("ascii", "ignore").lower()
        pairs.append((key, value if key.endswith("-bin") else value.decode("latin-1")))
    details: Any = _Details("/llmgateway.v1.LLMGateway/Send", tuple(pairs))
    rpc = AioRpc(details)
    rpc.context = _Peer()
    assert REQUEST_ID.fullmatch(rpc.request_id)
    gateway = _gateway()
    guarded(functools.partial(gateway._auth.admit, rpc))
    service = gateway.service
    for stream in (False, True):
        route = guarded(lambda stream=stream: service._route(make_request("hi"), rpc, stream=stream, asked=True))  # type: ignore[misc]
        if route is not None:
            assert route.groups
            assert route.max_attempts >= 1
            assert all(" " <= letter <= "~" for target in route.groups[0] for letter in _ascii(target.model))
    attributes = rpc_telemetry._attributes(rpc, Code.OK, "")
    assert all(isinstance(value, str) or 0 <= value < 1 << 31 for value in attributes.values())
    tracing.W3C.extract(rpc.metadata, Context())


KEYS = (
    "x-llm-provider", "x-llm-model", "x-llm-routing-key", "x-llm-fallback", "x-request-id", "authorization", "grpc-previous-rpc-attempts", "traceparent", "tracestate",
    "x-llm-provider-bin", "x-llm-x",
)  # fmt: skip
VALUES = (
    "edge", "echo", "listed", "m", "edge/m", "listed/../m", "providers/edge/models/m", "smart", "split", "auto", "off", "openai/gpt", f"Bearer {KEY}", "Bearer x", "1", "0", "99",
    "9" * 5000, "\xb2", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b", "\xff", "m" * 1100, "/", "a/b", KEY,
)  # fmt: skip


def _seeds() -> list[bytes]:
    found = [f"{key}: {value}" for key in KEYS for value in VALUES]
    found += [
        "x-llm-provider: edge\nx-llm-model: m\nx-llm-fallback: off",
        f"authorization: Bearer {KEY}\nauthorization: Bearer x",
        "x-llm-model: m\nx-llm-model: m",
    ]
    return [text.encode("latin-1") for text in found]


TARGETS = (
    Target(
        name="metadata",
        check=check,
        make_seeds=_seeds,
        tokens=tuple(
            text.encode("latin-1")
            for text in (*(f"\n{key}: " for key in KEYS), *VALUES, "/", "..", "%2f", "models/", "providers/")
        ),
    ),
)
