"""The conversations as data, and what their providers say as scripts of the scripted upstream.

A conversation is one file of `conversations/`:

    about       one sentence
    mode        "send" or "stream"
    request     SendRequest as proto JSON; its model or provider names one of `providers`
    options     StreamOptions as proto JSON, perhaps
    client      settings, all optional: api_key, deadline_ms, cancel_after, idle_ms, metadata, trace (see README.md)
    providers   provider id to {the provider's configuration, "answers": [answer, ...]}; an answer for each request, the last one stays
    newer       in place of providers: what a gateway newer than the clients says, see newer.py

An answer is one of

    {"sse": [data, ...]}            server-sent events; an object with a "type" also gets it as the event's name
    {"ndjson": [object, ...]}       one JSON object a line
    {"body": JSON or text}          whole; with "status" and "headers"
    {"hang": true}                  nothing at all

where a stream may have "then": "reset", "close" or "hang" in place of its proper end. `{"$repeat": [text, count]}` stands for a long text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from llmgateway.v1 import gateway_pb2

from tests.support import upstream
from tests.support.upstream import CLOSE, HANG, RESET, Pause, Script

FOLDER = Path(__file__).parent / "conversations"
API_KEY = "conformance-key"
_PRICES = {
    "*": {"input": 2, "output": 8, "cache_read": 0.5, "cache_write": 2.5}
}  # its own, so that no change of a price list is a difference
_FAULTS: Mapping[str, Script] = {
    "reset": (Pause(0.2), RESET),  # a reset takes with it what the gateway has not read yet
    "close": (CLOSE,),
    "hang": (HANG,),
}


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One conversation. id: its file's name."""

    id: str
    data: Mapping[str, Any]

    @property
    def newer(self) -> Any:
        """What the newer gateway says, or None where the real one answers."""
        return self.data.get("newer")

    @property
    def cancels(self) -> bool:
        """Whether the client cancels."""
        return bool(self.data.get("client", {}).get("cancel_after"))

    def provider(self, name: str, url: str) -> dict[str, Any]:
        """Configuration of one of its providers, which the gateway reaches at `url`."""
        settings = {key: value for key, value in self.data["providers"][name].items() if key != "answers"}
        return {"api_key": "none", "prices": _PRICES, **settings, "endpoint": url + settings.get("endpoint", "")}

    def scripts(self, name: str) -> list[Script]:
        """What one of its providers answers, request by request."""
        return [script(answer) for answer in self.data["providers"][name]["answers"]]

    @cached_property
    def _messages(self) -> tuple[str, str]:
        request = json_format.ParseDict(self.data["request"], gateway_pb2.SendRequest())
        options = json_format.ParseDict(self.data.get("options", {}), gateway_pb2.StreamOptions())
        return tuple(base64.b64encode(m.SerializeToString()).decode() for m in (request, options))  # type: ignore[return-value]

    def line(self, address: str) -> bytes:
        """The conversation as a runner reads it."""
        client = self.data.get("client", {})
        request, options = self._messages
        return (
            json.dumps(
                {
                    "id": self.id,
                    "address": address,
                    "mode": self.data["mode"],
                    "request": request,
                    "options": options,
                    "api_key": client.get("api_key", API_KEY),
                    "deadline_ms": client.get("deadline_ms", 0),
                    "cancel_after": client.get("cancel_after", 0),
                    "idle_ms": client.get("idle_ms", 0),
                    "metadata": client.get("metadata", {}),
                    "trace": client.get("trace", {}),
                }
            ).encode()
            + b"\n"
        )


def load(pattern: str = "*") -> list[Conversation]:
    """The conversations whose ids match, in order of their ids."""
    paths = sorted(FOLDER.glob(f"{pattern}.json"))
    return [Conversation(id=path.stem, data=json.loads(path.read_text())) for path in paths]


def script(answer: Mapping[str, Any]) -> Script:
    """One answer as steps of the scripted upstream."""
    headers = tuple(answer.get("headers", {}).items())
    if "hang" in answer:
        return (HANG,)
    if "body" in answer:
        body = _expanded(answer["body"])
        if isinstance(body, str):
            return upstream.whole(answer.get("status", 200), body.encode(), headers, "text/html")
        return upstream.whole(answer.get("status", 200), body, headers)
    if "sse" in answer:
        chunks = [_sse(item) for item in answer["sse"]]
        content_type = "text/event-stream"
    else:
        chunks = [json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in answer["ndjson"]]
        content_type = "application/x-ndjson"
    steps = upstream.stream(*chunks, headers=headers, content_type=content_type, end="then" not in answer)
    return (*steps, *_FAULTS[answer["then"]]) if "then" in answer else steps


def _sse(item: Any) -> bytes:
    name = item.get("type", "") if isinstance(item, dict) else ""
    return upstream.sse(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False), name)


def _expanded(body: Any) -> Any:
    if isinstance(body, dict):
        if "$repeat" in body:
            text, count = body["$repeat"]
            return text * count
        return {key: _expanded(value) for key, value in body.items()}
    return [_expanded(item) for item in body] if isinstance(body, list) else body
