"""docs/calling.md stays true: its tables name the metadata and trailers that there are, its fields exist, its code runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llmgateway import make_request
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc

from tests.support import gateway as gateways

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "calling.md").read_text()
SERVER = ROOT / "server" / "llm_gateway"
EDGE = ("rpc/*.py", "telemetry/tracing.py")
"""Where metadata is read and trailers are written."""
_KEY = re.compile(r"\"(authorization|traceparent|(?:x|grpc)(?:-[a-z]+)+)\"")


def keys(title: str) -> set[str]:
    """The keys in the first column of the table below a title."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_the_tables_hold_every_key_that_the_server_knows_and_no_other() -> None:
    """By what stands in its code, where metadata is read and trailers are written; `tracestate` goes with `traceparent`."""
    known = {key for glob in EDGE for path in SERVER.glob(glob) for key in _KEY.findall(path.read_text())}
    assert "x-llm-model" in known
    assert keys("Request metadata") | keys("Response trailers") == known | {"tracestate"}


def trailers(address: str, method: str, request: Any) -> set[str]:
    """The trailers of one call, whether it succeeds or fails."""
    with grpc.insecure_channel(address) as channel:
        stub = gateway_pb2_grpc.LLMGatewayStub(channel)
        call: Any
        if method == "Send":
            try:
                _, call = stub.Send.with_call(request, timeout=60)
            except grpc.RpcError as error:
                call = error
        else:
            call = stub.StreamSend(gateway_pb2.StreamSendRequest(request=request), timeout=60)
            assert list(call)
        return {key for key, _ in call.trailing_metadata()}


def test_the_trailers_are_those_of_the_table(gateway_process: Callable[..., gateways.Process]) -> None:
    """Whole answers in one piece and as a stream have those of a success, failures those of a failure."""
    running = gateway_process({"providers": {"echo": {}}})
    table = keys("Response trailers")
    failing = {"grpc-status-details-bin", "grpc-retry-pushback-ms"}
    for method in ("Send", "StreamSend"):
        assert trailers(running.address, method, make_request("hi", "echo/echo")) == table - failing
    seen = trailers(running.address, "Send", make_request("hi", "echo/echo-limited"))
    assert {"x-request-id", "grpc-status-details-bin"} <= seen <= {"x-request-id"} | failing


def test_the_fields_of_the_page_are_in_the_contract() -> None:
    """Every name of a request's field that the page mentions."""
    request = gateway_pb2.SendRequest.DESCRIPTOR
    policy = gateway_pb2.RoutingPolicy.DESCRIPTOR
    for name in re.findall(r"`routing\.(\w+)", PAGE):
        assert name in policy.fields_by_name, name
    assert set(re.findall(r"`cache_config\.(\w+)", PAGE)) <= set(gateway_pb2.CacheConfig.DESCRIPTOR.fields_by_name)
    for name in ("model", "provider", "request_id", "end_user_id", "conversation_id", "provider_options_json"):
        assert f"`{name}`" in PAGE
        assert name in request.fields_by_name
    for name in ("required_specialisations", "max_cost_nano_usd", "local_only", "excluded_providers", "max_attempts"):
        assert f"`{name}`" in PAGE
        assert name in policy.fields_by_name
    assert "cache_control" in content_pb2.Part.DESCRIPTOR.fields_by_name
    for name in re.findall(r"STRATEGY_\w+|UNSUPPORTED_FIELDS_\w+", PAGE):
        assert name in policy.enum_values_by_name


@pytest.mark.parametrize("page", ["calling.md", "telemetry.md", "errors.md"])
def test_the_readme_leads_to_every_page_for_callers_and_operators(page: str) -> None:
    """A page that nothing links is a page that nobody reads."""
    assert f"(docs/{page})" in (ROOT / "README.md").read_text()


def test_the_code_of_the_page_runs(gateway_process: Callable[..., gateways.Process]) -> None:
    """Against a route of the embedded provider."""
    target = {"provider": "echo", "model": "echo"}
    running = gateway_process({"providers": {"echo": {}}, "routes": {"smart": {"targets": [target]}}})
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert "127.0.0.1:50051" in code
    result = subprocess.run(
        [sys.executable, "-c", code.replace("127.0.0.1:50051", running.address)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("echo ")
