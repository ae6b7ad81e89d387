"""Every kind of provider at one scripted upstream, each below a path of its own, which answers in the format that it was asked in."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.providers import plugins

from tests.support import upstream as scripted
from tests.support.aws import event_message
from tests.support.upstream import DONE, END, Head, Request, Script, sse

SPECIAL: dict[str, dict[str, Any]] = {
    "azure_dated": {"kind": "azure_openai", "api": "chat", "api_version": "2024-10-21"},
    "azure_dated_responses": {"kind": "azure_openai", "api": "responses", "api_version": "2025-04-01-preview"},
    "vertex": {"project": "ours", "location": "us-east5", "publisher": "google"},
    "vertex_claude": {"kind": "vertex", "project": "ours", "location": "us-east5", "publisher": "anthropic"},
    "vertex_token": {"kind": "vertex", "project": "ours", "location": "us-east5", "publisher": "google"},
    "bedrock": {"region": "us-east-1"},
    "bedrock_signed": {"kind": "bedrock", "region": "us-east-1"},
}
SIGNED = {"access_key_id": "AKIDEXAMPLE"}


def kinds() -> dict[str, dict[str, Any]]:
    """Settings by name: all kinds that are called over HTTP, with each API that they can be told to use."""
    found: dict[str, dict[str, Any]] = {}
    for kind, row in plugins.rows().items():
        if row.apis and not row.transport:
            found[kind] = {"kind": kind, **({"api": "chat"} if "responses" in row.apis else {})}
            if "responses" in row.apis:
                found[f"{kind}_responses"] = {"kind": kind, "api": "responses"}
    for name, settings in SPECIAL.items():
        found[name] = {"kind": name, **settings}
    return found


def at(request: Request) -> str:
    """The name of the provider that a request is for; also where it came through a proxy."""
    return request.path.partition("/at/")[2].partition("/")[0]


def configured(url: str, secret: Callable[[str], str], model: str = "m") -> dict[str, dict[str, Any]]:
    """The section `providers`: each with a secret of its own, as a key or as a part of its credentials."""
    found: dict[str, dict[str, Any]] = {}
    for name, settings in kinds().items():
        provider = {**settings, "endpoint": f"{url}/at/{name}", "models": [model]}
        if name == "bedrock_signed":
            provider["credentials"] = {**SIGNED, "secret_access_key": secret(name), "session_token": secret(f"{name}2")}
        else:
            provider["api_key"] = f"ya29.{secret(name)}" if name == "vertex_token" else secret(name)
        found[name] = provider
    return found


# ---------------------------------------------------------------- answers
@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer says: its text, and what it calls itself and its model."""

    text: str
    name: str = "m"
    events: list[bytes] = field(default_factory=list)


def streams(request: Request) -> bool:
    """Whether the request asks for a stream."""
    if "stream" in request.path.rpartition("/")[2].lower():
        return True
    return request.method == "POST" and json.loads(request.body or b"{}").get("stream") is True


def wire(request: Request) -> str:
    """The format in which a request was made, by its path."""
    path = request.path.partition("?")[0]
    for end, name in (
        ("/chat/completions", "chat"),
        ("/responses", "responses"),
        ("/messages", "messages"),
        ("awPredict", "messages"),
        ("enerateContent", "gemini"),
        ("/converse", "bedrock"),
        ("/converse-stream", "bedrock"),
        ("/api/chat", "ollama"),
    ):
        if path.endswith(end):
            return name
    return "models"


def _chat(text: str, name: str) -> tuple[Any, list[bytes]]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    head = {"id": name, "created": 1, "model": name, "system_fingerprint": name}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    delta = {"index": 0, "delta": {"role": "assistant", "content": text}}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunk = {**head, "object": "chat.completion.chunk"}
    return (
        {**head, "object": "chat.completion", "choices": [choice], "usage": usage},
        [sse({**chunk, "choices": [delta]}), sse({**chunk, "choices": [end], "usage": usage}), DONE],
    )


def _responses(text: str, name: str) -> tuple[Any, list[bytes]]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": name, "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    whole = {"id": name, "object": "response", "created_at": 1, "model": name, "status": "completed", "output": [item]}
    whole["usage"] = usage
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"output_index": 0, "content_index": 0, "item_id": name}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **place, "delta": text},
        {"type": "response.output_text.done", **place, "text": text},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return whole, [sse(event, event["type"]) for event in events]


def _messages(text: str, name: str) -> tuple[Any, list[bytes]]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    whole: dict[str, Any] = {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": name,
        "content": [{"type": "text", "text": text}],
    }
    whole |= {"stop_reason": "end_turn", "usage": usage}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
    return whole, [sse(event, event["type"]) for event in events]


def _gemini(text: str, name: str) -> tuple[Any, list[bytes]]:
    content = {"role": "model", "parts": [{"text": text}]}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    head = {"modelVersion": name, "responseId": name, "usageMetadata": usage}
    whole = {**head, "candidates": [{"content": content, "finishReason": "STOP"}]}
    return whole, [sse({**head, "candidates": [{"content": content}]}), sse(whole)]


def _bedrock(text: str, _: str) -> tuple[Any, list[bytes]]:
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    message = {"role": "assistant", "content": [{"text": text}]}
    events = [
        event_message("messageStart", {"role": "assistant"}),
        event_message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}),
        event_message("contentBlockStop", {"contentBlockIndex": 0}),
        event_message("messageStop", {"stopReason": "end_turn"}),
        event_message("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]
    whole = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
    return whole, events


def _ollama(text: str, name: str) -> tuple[Any, list[bytes]]:
    part = {"model": name, "message": {"role": "assistant", "content": text}, "done": False}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 1}
    last = {"model": name, "message": {"role": "assistant", "content": ""}, **end}
    return {**part, **end}, [json.dumps(one).encode() + b"\n" for one in (part, last)]


_ANSWERS: dict[str, Callable[[str, str], tuple[Any, list[bytes]]]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
    "bedrock": _bedrock,
    "ollama": _ollama,
}
_STREAMS = {"ollama": "application/x-ndjson", "bedrock": "application/vnd.amazon.eventstream"}


def _models(name: str) -> Any:
    """A list of models as all formats have it at once."""
    one = {"id": name, "name": name, "model": name, "display_name": name, "modelId": name, "modelName": name}
    one |= {"displayName": name, "description": name, "owned_by": name}
    return {"data": [one], "models": [one], "modelSummaries": [one], "publisherModels": [one]}


def answer(request: Request, text: str, name: str = "m", *, first: int | None = None) -> Script:
    """An answer of this text, by a provider that calls itself, its answer and its model `name`. first: only so many events of a stream, and no
    end."""
    asked = wire(request)
    if asked == "models":
        return scripted.whole(200, _models(name))
    whole, events = _ANSWERS[asked](text, name)
    if not streams(request):
        return scripted.whole(200, whole)
    head = Head(200, (("content-type", _STREAMS.get(asked, "text/event-stream")),))
    return (head, *events, END) if first is None else (head, *events[:first])


def error_event(request: Request, words: str) -> bytes:
    """An error amid a stream."""
    error = {
        "type": "error",
        "error": {"message": words, "type": words, "code": words},
        "message": words,
        "code": words,
    }
    asked = wire(request)
    if asked == "bedrock":
        return event_message("internalServerException", {"message": words}, kind="exception")
    if asked == "ollama":
        return json.dumps({"error": words}).encode() + b"\n"
    return sse(error, "error")


def mirror(request: Request) -> str:
    """All that a request says."""
    head = "\n".join(f"{name}: {value}" for name, value in request.headers.items() if name != "content-length")
    return f"{head}\n{request.body.decode('utf-8', 'replace')}"


def credential(request: Request) -> str:
    """What authenticates a request, as it was sent."""
    names = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token", "proxy-authorization")
    return " ".join(request.headers[name] for name in names if name in request.headers)


def refusal(request: Request, status: int) -> Script:
    """An error that repeats all that it was sent, in every place that a format has for words."""
    words, sent = mirror(request), credential(request)
    error: dict[str, Any] = {
        "message": words,
        "type": sent,
        "code": sent,
        "status": sent,
        "param": sent,
        "metadata": {"raw": words},
    }
    error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": sent, "metadata": {"k": sent}}]
    body = {"type": "error", "error": error, "message": words, "__type": sent, "detail": words, "code": sent}
    headers = [(name, sent) for name in ("x-request-id", "request-id", "x-amzn-errortype", "x-amzn-requestid")]
    return scripted.whole(status, body, [*headers, ("retry-after", sent), ("x-should-retry", sent)])


def forms(secret: str) -> set[str]:
    """What of a secret must be nowhere: any ten characters of it, also in base64 at each of its three places."""
    texts = {secret, *(base64.b64encode(bytes(shift) + secret.encode()).decode()[4:-4] for shift in range(3))}
    return {text[at : at + 10] for text in texts for at in range(len(text) - 9)}
