"""What a stream said before it broke reaches the caller, also when it came in the same bytes as the failure, and then the failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llmgateway import StreamInterrupted, make_request

from tests.conftest import GatewayFactory
from tests.faults.history import ask
from tests.support.aws import event_message
from tests.support.upstream import CLOSE, Pause, Raw, Step, Upstream, sse, stream, whole


def chunk(text: str, **more: Any) -> bytes:
    return sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}], **more})


def anthropic(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def line(**fields: Any) -> bytes:
    return json.dumps({"model": "m", **fields}).encode() + b"\n"


def delta(text: str) -> bytes:
    return event_message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


def candidate(text: str) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]}


def block(text: str) -> bytes:
    return anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def grown(text: str) -> bytes:
    name = "response.output_text.delta"
    return sse({"type": name, "item_id": "i", "output_index": 0, "content_index": 0, "delta": text}, name)


USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
COUNTS = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
FAILED = {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "boom"}, "output": []}
OPENED = anthropic(
    "message_start", message={"id": "m", "model": "m", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}
) + anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""})
EVENTS = "application/vnd.amazon.eventstream"

# kind: (configuration, content type, what says "hel", what says "lo", what fails, whether that holds usage)
SPOKEN: dict[str, tuple[dict[str, Any], str, bytes, bytes, bytes, bool]] = {
    "openai_compatible": (
        {}, "text/event-stream", chunk("hel"), chunk("lo"), sse({"error": {"message": "boom", "code": 500}, "usage": USAGE}), True,
    ),
    "openrouter": (
        {}, "text/event-stream", chunk("hel"),
        chunk("l"), chunk("o", error={"message": "boom", "code": 502}, usage=USAGE), True,
    ),
    "groq": ({}, "text/event-stream", chunk("hel"), chunk("lo"), sse({"x_groq": {"error": "boom", "usage": USAGE}, "choices": []}), True),
    "xai": (
        {"api": "responses"}, "text/event-stream", grown("hel"), grown("lo"),
        sse({"type": "response.failed", "response": {**FAILED, "usage": {"input_tokens": 7, "output_tokens": 5}}}), True,
    ),
    "anthropic": (
        {}, "text/event-stream", OPENED + block("hel"), block("lo"),
        anthropic("error", error={"type": "overloaded_error", "message": "boom"}), False,
    ),
    "gemini": (
        {}, "text/event-stream", sse(candidate("hel")), sse(candidate("l")),
        sse({**candidate("o"), "usageMetadata": COUNTS, "error": {"code": 503, "status": "UNAVAILABLE", "message": "boom"}}), True,
    ),
    "ollama": (
        {}, "application/x-ndjson", line(message={"content": "hel"}), line(message={"content": "l"}),
        line(message={"content": "o"}, error="boom", prompt_eval_count=7, eval_count=5), True,
    ),
    "bedrock": (
        {"region": "eu-west-1"}, EVENTS, event_message("messageStart", {"role": "assistant"}) + delta("hel"), delta("lo"),
        event_message("modelStreamErrorException", {"message": "boom"}, "exception"), False,
    ),
}  # fmt: skip


def configured(kind: str, upstream: Upstream, **more: Any) -> dict[str, Any]:
    settings = SPOKEN[kind][0]
    path = "/v1" if kind in ("openai_compatible", "openrouter", "groq", "xai") else ""
    provider = {"kind": kind, "endpoint": upstream.url + path, "api_key": "none", "models": ["m"], **settings, **more}
    return {"providers": {"p": provider}}


@pytest.mark.parametrize("after", [True, False], ids=["after content", "with the first content"])
@pytest.mark.parametrize("kind", SPOKEN)
async def test_text_in_the_same_bytes_as_an_error_is_delivered_and_then_the_error(
    gateway_factory: GatewayFactory, upstream: Upstream, kind: str, after: bool
) -> None:
    """In every wire format; the usage that the error's own chunk holds is what was used. Nothing is asked again."""
    _, content_type, hel, lo, failure, counted = SPOKEN[kind]
    steps: tuple[Step, ...] = (hel, Pause(0.05), lo + failure) if after else (hel + lo + failure,)
    upstream.script((*stream(content_type=content_type, end=False), *steps, CLOSE))
    running = await gateway_factory(configured(kind, upstream))
    seen = await ask(running.client, "p/m")
    assert (seen.text, seen.reason) == ("hello", "STREAM_INTERRUPTED")
    assert len(upstream.requests) == 1
    assert isinstance(seen.error, StreamInterrupted)
    assert seen.error.provider_failure is not None
    usage = seen.error.provider_failure.partial_usage
    assert usage.estimated is (not counted)
    if counted:
        assert (usage.input_tokens, usage.output_tokens) == (7, 5)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param((chunk("lo"), CLOSE), id="closed"),
        pytest.param((chunk("lo").rstrip(), CLOSE), id="closed inside an event"),
        pytest.param((chunk("lo"), Raw(b"no size\r\n"), CLOSE), id="broken framing"),
        pytest.param((chunk("lo") + sse({"id": "c", "choices": 5}),), id="an event out of format"),
        pytest.param((chunk("lo") + sse("x" * (17 << 20)),), id="an event too large"),
        pytest.param((chunk("lo"), Pause(30)), id="silence"),
    ],
)
async def test_text_before_a_break_is_delivered_and_then_the_failure(
    gateway_factory: GatewayFactory, upstream: Upstream, ending: tuple[Step, ...]
) -> None:
    """Whatever breaks the stream, and wherever its bytes were cut."""
    upstream.script((*stream(chunk("hel"), end=False), *ending))
    running = await gateway_factory(configured("openai_compatible", upstream, timeouts={"idle": "1s"}))
    seen = await ask(running.client, "p/m")
    assert (seen.text, seen.reason) == ("hello", "STREAM_INTERRUPTED")


WRONG: dict[str, bytes] = {
    "openai_compatible": sse({"id": "c", "choices": [{"index": 0, "delta": {"refusal": [{}]}}]}),
    "xai": sse({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": [{}]}),
    "anthropic": anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": [{}]}),
    "gemini": sse({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ["x"]}]}}]}),
    "ollama": line(message={"content": [{}]}),
    "bedrock": event_message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": {"x": 1}}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
async def test_text_before_a_text_of_another_type_is_delivered_and_then_a_documented_error(
    gateway_factory: GatewayFactory, upstream: Upstream, kind: str
) -> None:
    """In the same bytes, where texts are added to one another: nothing is lost, and it is the provider's fault, not ours."""
    _, content_type, hel, lo, _, _ = SPOKEN[kind]
    upstream.script((*stream(content_type=content_type, end=False), hel + lo + WRONG[kind], CLOSE))
    running = await gateway_factory(configured(kind, upstream))
    seen = await ask(running.client, "p/m")
    said = "hell" if kind in ("gemini", "ollama") else "hello"  # whose last letter comes with the failure
    assert (seen.text, seen.reason) == (said, "STREAM_INTERRUPTED")


async def test_names_and_bytes_of_another_type_do_no_harm(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """A model that is a number is told as text; `bytes` that are a number are none, not two billion of them."""
    score = {"token": "hello", "logprob": -0.5, "bytes": 2_000_000_000}
    answer = {"model": 5, "message": {"role": "assistant", "content": "hello"}, "logprobs": [score]}
    upstream.script(whole(200, {**answer, "done": True, "done_reason": "stop"}))
    running = await gateway_factory(configured("ollama", upstream))
    response = await running.client.send(make_request("hi", model="p/m"))
    assert response.route.response_model == "5"
    (part,) = response.candidates[0].message.parts
    assert part.text.text == "hello"
    (logprob,) = response.candidates[0].logprobs
    assert (logprob.token, logprob.raw_bytes) == ("hello", b"")


async def test_text_before_a_damaged_message_is_delivered(gateway_factory: GatewayFactory, upstream: Upstream) -> None:
    """An event stream whose checksum is wrong."""
    _, content_type, hel, lo, failure, _ = SPOKEN["bedrock"]
    upstream.script((*stream(content_type=content_type, end=False), hel + lo + failure[:-1] + b"?", CLOSE))
    running = await gateway_factory(configured("bedrock", upstream))
    seen = await ask(running.client, "p/m")
    assert (seen.text, seen.reason) == ("hello", "STREAM_INTERRUPTED")


async def test_the_end_mark_makes_an_answer_whole_although_the_connection_breaks_with_it(
    gateway_factory: GatewayFactory, upstream: Upstream
) -> None:
    """Nothing is missing then, so nothing failed."""
    end = sse({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]"
    upstream.script((*stream(chunk("hel"), end=False), chunk("lo") + end, CLOSE))
    running = await gateway_factory(configured("openai_compatible", upstream))
    seen = await ask(running.client, "p/m")
    assert (seen.text, seen.ok, seen.ended) == ("hello", True, True)
