"""Values that answers of several formats hold: times and log probabilities."""

from __future__ import annotations

import datetime
from typing import Any

from google.protobuf import timestamp_pb2
from llmgateway.v1 import gateway_pb2

from llm_gateway.protocols import json


def moment(value: Any) -> timestamp_pb2.Timestamp | None:
    """A time: RFC 3339 text, a date, or seconds since 1970; None for anything else."""
    if isinstance(value, str):
        found = timestamp_pb2.Timestamp()
        try:
            found.FromJsonString(value)
        except ValueError:
            try:
                day = datetime.datetime.fromisoformat(value)
            except ValueError:
                return None
            value = (day if day.tzinfo else day.replace(tzinfo=datetime.UTC)).timestamp()
        else:
            return found
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e11:
        return timestamp_pb2.Timestamp(seconds=int(value))
    return None


def set_moment(into: timestamp_pb2.Timestamp, value: Any) -> bool:
    """Set a time, and say whether there was one."""
    found = moment(value)
    if found is not None:
        into.CopyFrom(found)
    return found is not None


def logprob(raw: dict[str, Any], *, key: str = "logprob") -> gateway_pb2.TokenLogprob:
    """A token and its log probability, with the likeliest tokens in its position. key: the format's name for the number."""
    found = gateway_pb2.TokenLogprob(token=str(raw.get("token") or ""), raw_bytes=json.octets(raw.get("bytes")))
    if isinstance(raw.get(key), (int, float)):
        found.logprob = raw[key]
    found.top.extend(logprobs(raw.get("top_logprobs"), key=key))
    return found


def logprobs(raw: Any, *, key: str = "logprob") -> list[gateway_pb2.TokenLogprob]:
    """Those of a list; none where there is no list."""
    return [logprob(one, key=key) for one in raw or ()]
