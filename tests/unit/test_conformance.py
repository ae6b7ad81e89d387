"""The conformance suite itself: its data is whole, and it sees what differs."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from llmgateway.v1 import gateway_pb2

from tests.conformance import conversations, results
from tests.conformance.__main__ import EXPECTED


def _result(response: gateway_pb2.SendResponse, **fields: Any) -> dict[str, Any]:
    encoded = base64.b64encode(response.SerializeToString()).decode()
    whole = {"id": "a", "ok": True, "text": "", "events": [], "error": None, "truncated": False, "cancelled": False}
    return {**whole, "response": encoded, **fields}


def test_every_conversation_has_its_expected_result() -> None:
    """Fifty of each, by the same names; every request is a message of the contract."""
    played = conversations.load()
    assert [conversation.id for conversation in played] == sorted(json.loads(EXPECTED.read_text()))
    assert len(played) == 52
    for conversation in played:
        assert json.loads(conversation.line("127.0.0.1:1"))["request"]


def test_what_differs_from_run_to_run_is_left_out() -> None:
    """Ids, durations, the gateway's clock, and how deltas were batched."""
    one, other = gateway_pb2.SendResponse(response_id="1"), gateway_pb2.SendResponse(response_id="2")
    one.create_time.FromSeconds(int(time.time()))
    one.route.attempts.add(provider="p").duration.FromMilliseconds(5)
    other.route.attempts.add(provider="p").duration.FromMilliseconds(6)
    first = results.comparable(_result(one, events=["started", "part_delta", "usage", "part_delta"]), calls=1)
    second = results.comparable(_result(other, events=["started", "part_delta"]), calls=1)
    assert first == second


@pytest.mark.parametrize(
    ("field", "value"),
    [("text", "x"), ("ok", False), ("truncated", True), ("events", ["unknown"]), ("response", None)],
)
def test_a_field_that_differs_is_named(field: str, value: Any) -> None:
    """Each field of a result counts."""
    response = gateway_pb2.SendResponse(system_fingerprint="f")
    expected = results.comparable(_result(response), calls=1)
    seen = results.comparable({**_result(response), field: value}, calls=1)
    (difference,) = results.differences(expected, seen)
    assert difference.startswith(f"{field}: expected ")


def test_a_provider_time_and_a_call_more_are_differences() -> None:
    """A create_time of long ago is the provider's own; the calls that reached the provider count."""
    told, untold = gateway_pb2.SendResponse(), gateway_pb2.SendResponse()
    told.create_time.FromSeconds(1_700_000_000)
    found = results.differences(
        results.comparable(_result(told), calls=1), results.comparable(_result(untold), calls=2)
    )
    assert [line.partition(":")[0] for line in found] == ["calls", "response.create_time"]


def test_a_result_without_a_field_is_refused() -> None:
    """A runner that forgets one is at fault."""
    result = _result(gateway_pb2.SendResponse())
    del result["text"]
    with pytest.raises(ValueError, match="no text"):
        results.comparable(result, calls=1)
