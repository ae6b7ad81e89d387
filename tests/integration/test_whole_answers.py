"""An answer is whole when every candidate asked for has ended; what is missing of a whole one is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llmgateway import StreamInterrupted, make_request
from llmgateway.v1 import gateway_pb2

from tests.support import upstream as scripted
from tests.support.upstream import DONE, Upstream, sse

Factory = Callable[..., Any]


def said(text: str, index: int, finish: str | None = None) -> bytes:
    return sse({"id": "1", "choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]})


def generated(text: str, index: int, finish: str | None = None) -> bytes:
    more = {"finishReason": finish} if finish else {}
    counts = {"promptTokenCount": 1, "candidatesTokenCount": 2}
    return sse(
        {"candidates": [{"index": index, "content": {"parts": [{"text": text}]}, **more}], "usageMetadata": counts}
    )


USAGE = sse({"id": "1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
CUT = {
    "one of two, then the end mark": ("chat", (said("a", 0), said("", 0, "stop"), USAGE, DONE)),
    "one of two, then the end": ("chat", (said("a", 0), said("", 0, "stop"), USAGE)),
    "the second breaks off": ("chat", (said("a", 0), said("b", 1), said("", 0, "stop"), USAGE, DONE)),
    "generateContent, one of two": ("gemini", (generated("a", 0), generated("", 0, "STOP"))),
    "generateContent, the second breaks off": (
        "gemini",
        (generated("a", 0), generated("b", 1), generated("", 0, "STOP")),
    ),
}
WHOLE = {
    "chat": (said("a", 0), said("b", 1), said("", 1, "stop"), said("", 0, "length"), USAGE, DONE),
    "gemini": (generated("a", 0), generated("b", 1, "STOP"), generated("", 0, "STOP")),
}


async def start(gateway_factory: Factory, upstream: Upstream) -> Any:
    common = {"api_key": "k", "models": ["gemini-2.0-flash"]}
    providers = {
        "chat": {"kind": "openai_compatible", "endpoint": f"{upstream.url}/v1", **common},
        "gemini": {"kind": "gemini", "endpoint": upstream.url, **common},
        "anthropic": {"kind": "anthropic", "endpoint": upstream.url, **common},
    }
    return (await gateway_factory({"providers": providers, "defaults": {"retry": {"max_attempts": 1}}})).client


async def completed(client: Any, provider: str, count: int = 2) -> gateway_pb2.SendResponse:
    """The final response of a stream."""
    request = make_request("hi", model=f"{provider}/gemini-2.0-flash", candidate_count=count)
    options = gateway_pb2.StreamOptions(include_final_response=True)
    call = client.stream_send(gateway_pb2.StreamSendRequest(request=request, options=options))
    events = [event async for event in call.events()]
    response: gateway_pb2.SendResponse = events[-1].completed.response
    return response


@pytest.mark.parametrize("name", CUT)
async def test_a_stream_with_fewer_candidates_than_asked_for_was_cut(
    gateway_factory: Factory, upstream: Upstream, name: str
) -> None:
    """Whatever end mark it bears; the caller holds part of an answer."""
    provider, events = CUT[name]
    client = await start(gateway_factory, upstream)
    upstream.script(scripted.stream(*events))
    with pytest.raises(StreamInterrupted, match="of 2 candidates"):
        await completed(client, provider)


@pytest.mark.parametrize("provider", WHOLE)
async def test_a_stream_in_which_every_candidate_ends_is_whole(
    gateway_factory: Factory, upstream: Upstream, provider: str
) -> None:
    """In any order; no warning."""
    client = await start(gateway_factory, upstream)
    upstream.script(scripted.stream(*WHOLE[provider]))
    response = await completed(client, provider)
    assert [one.message.parts[0].text.text for one in response.candidates] == ["a", "b"]
    assert not response.warnings


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_body_with_fewer_candidates_is_an_answer_with_a_warning(
    gateway_factory: Factory, upstream: Upstream, stream: bool
) -> None:
    """Nothing of it was lost on the way: its provider does not do what it was asked for. In answer to a stream it would be cut."""
    client = await start(gateway_factory, upstream)
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    upstream.script(
        scripted.whole(200, {"id": "1", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    )
    if stream:
        response = await completed(client, "chat")
    else:
        response = await client.send(make_request("hi", model="chat/gemini-2.0-flash", candidate_count=2))
    assert response.candidates[0].message.parts[0].text.text == "a"
    (warning,) = response.warnings
    assert (warning.reason, warning.field) == ("CANDIDATES_MISSING", "generation_config.candidate_count")


async def test_a_provider_that_gives_one_answer_only_owes_no_second(
    gateway_factory: Factory, upstream: Upstream
) -> None:
    """candidate_count was left out of its request, which a warning says; its one answer is whole."""
    client = await start(gateway_factory, upstream)
    start_ = {"id": "m", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}
    upstream.script(
        scripted.stream(
            sse({"type": "message_start", "message": start_}),
            sse({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}}),
            sse({"type": "content_block_stop", "index": 0}),
            sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
            sse({"type": "message_stop"}),
        )
    )
    response = await completed(client, "anthropic")
    assert [one.message.parts[0].text.text for one in response.candidates] == ["a"]
    assert [warning.reason for warning in response.warnings] == ["FIELD_DROPPED"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_usage_says_so(gateway_factory: Factory, upstream: Upstream, stream: bool) -> None:
    """A warning; the answer stands."""
    client = await start(gateway_factory, upstream)
    if stream:
        upstream.script(scripted.stream(said("a", 0), said("", 0, "stop"), DONE))
        response = await completed(client, "chat", count=1)
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
        upstream.script(scripted.whole(200, {"id": "1", "choices": [choice]}))
        response = await client.send(make_request("hi", model="chat/gemini-2.0-flash"))
    assert response.candidates[0].message.parts[0].text.text == "a"
    assert [warning.reason for warning in response.warnings] == ["USAGE_MISSING"]
    assert not response.HasField("usage")
