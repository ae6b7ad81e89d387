"""Results made comparable: messages decoded, what differs from run to run left out."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from google.protobuf import json_format, message
from llmgateway.v1 import gateway_pb2

LONG = 1000  # characters; a longer text is compared by its hash
_VOLATILE = frozenset({"response_id", "duration", "price_id"})
_BATCHED = frozenset(
    {"part_delta", "usage"}
)  # the gateway merges what arrives in one read, which is chance; the fold has what they say
_HOUR = 3600
_PORT = re.compile(r"\b127\.0\.0\.1:\d+")
"""Where a scripted provider listened: messages name it."""
FIELDS = ("id", "ok", "response", "text", "events", "error", "truncated", "cancelled")


def comparable(result: Mapping[str, Any], *, calls: int) -> dict[str, Any]:
    """What is compared of a runner's result. calls: requests that the providers, or the newer gateway, saw."""
    absent = [name for name in FIELDS if name not in result]
    if absent:
        raise ValueError(f"the result has no {', '.join(absent)}")
    seen = {name: result[name] for name in FIELDS}
    if seen["response"] is not None:
        seen["response"] = _decoded(seen["response"], gateway_pb2.SendResponse)
    if seen["error"] is not None:
        error = seen["error"] = dict(seen["error"])
        error["attempts"] = [_decoded(item, gateway_pb2.Attempt) for item in error["attempts"]]
        if error["code"] == "DEADLINE_EXCEEDED":  # whose clock is first, the client's or the gateway's, is chance
            seen["error"] = {"code": error["code"], "retryable": error["retryable"]}
        elif not error["reason"]:
            error["message"] = error["told"] = ""  # the words of a gRPC library
        else:
            told = error["told"].replace(error["message"].removesuffix("."), "…")  # the message is compared itself
            error["told"] = re.sub(r"request id \w+", "request id …", told)
    seen["events"] = [name for name, _ in groupby(name for name in seen["events"] if name not in _BATCHED)]
    seen["calls"] = calls
    return _shortened(seen)  # type: ignore[no-any-return]


def _decoded(text: str, kind: type[message.Message]) -> Any:
    decoded = kind.FromString(base64.b64decode(text, validate=True))
    if isinstance(decoded, gateway_pb2.SendResponse) and decoded.create_time.seconds > time.time() - _HOUR:
        decoded.ClearField("create_time")  # the gateway's clock; a provider's time is in the scripts, and old
    decoded.DiscardUnknownFields()  # some languages keep them, some do not
    found = json_format.MessageToDict(decoded, preserving_proto_field_name=True)
    return _without(found, _VOLATILE)


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        value = _PORT.sub("127.0.0.1:0", value)
        return (
            value
            if len(value) <= LONG
            else f"{len(value)} characters, SHA-256 {hashlib.sha256(value.encode()).hexdigest()}"
        )
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def differences(expected: Any, seen: Any, path: str = "") -> Iterator[str]:
    """Each field that differs, with what was expected and what was seen."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        for key in sorted(expected.keys() | seen.keys()):
            yield from differences(expected.get(key), seen.get(key), f"{path}.{key}" if path else key)
    elif isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        for index, (one, other) in enumerate(zip(expected, seen, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif expected != seen or type(expected) is not type(seen):
        yield f"{path}: expected {expected!r}, got {seen!r}"
