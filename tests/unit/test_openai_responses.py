"""The Responses API, by golden cases and by its quirks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway.errors import ProviderError
from llm_gateway.protocols import openai_responses
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import guarded
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import gateway_pb2

from tests.golden import runner
from tests.support import dialects

MODULE = "openai_responses"
PROVIDER = "openai"
Case = dict[str, Any]


def dialect_of(case: Case) -> openai_responses.Dialect:
    found: openai_responses.Dialect = getattr(dialects.RESPONSES, case.get("dialect", "OPENAI"))
    return found


@pytest.mark.parametrize("case", runner.cases(MODULE, "request"))
def test_request_is_rendered_as_the_golden_case_says(case: Case) -> None:
    """Body, path, headers and warnings; or the fields for which it is refused."""
    runner.check_request(openai_responses, dialect_of(case), PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "response"))
def test_answer_is_read_as_the_golden_case_says(case: Case) -> None:
    """Whole answers, and streams however they are cut, fold to the expected response."""
    runner.check_response(openai_responses, dialect_of(case), PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "error_body"))
def test_error_is_classified_as_the_golden_case_says(case: Case) -> None:
    """Code, reason and delay."""
    runner.check_error(openai_responses, dialect_of(case), case)


def test_stream_and_whole_answer_of_one_case_agree() -> None:
    """fold(stream) == unary, wherever a case has both."""
    both = {str(found.id): found.values[0] for found in runner.cases(MODULE, "response")}
    stems = [stem.removesuffix("_stream") for stem in both if stem.endswith("_stream")]
    pairs = [stem for stem in stems if f"{stem}_unary" in both and both[f"{stem}_stream"]["response"]]
    assert len(pairs) >= 5
    for stem in pairs:
        assert both[f"{stem}_stream"]["response"] == both[f"{stem}_unary"]["response"]


def as_sent(item: dict[str, Any]) -> dict[str, Any]:
    """An item of an answer without what only answers hold."""
    without_status = item["type"] in ("function_call", "custom_tool_call")
    sent = {key: value for key, value in item.items() if key != "status" or not without_status}
    if item["type"] == "message":
        sent["content"] = [{key: value for key, value in part.items() if key != "logprobs"} for part in item["content"]]
    return sent


@pytest.mark.parametrize(
    "name", ["answer_text_stream", "answer_calls_unary", "answer_items_unary", "answer_refusal_unary"]
)
def test_an_answer_goes_back_item_by_item(name: str) -> None:
    """What the API gave is what it gets: the output's items are the next request's, but for what only answers hold."""
    case = next(found.values[0] for found in runner.cases(MODULE, "response") if found.id == name)
    if "stream" in case:
        events = [line for line in case["stream"].splitlines() if line.startswith("data:")]
        body = json.loads(events[-1][5:])["response"]
    else:
        body = case["response_body"]
    writer = EventWriter(PROVIDER)
    openai_responses.parse_response(json.dumps(body).encode(), writer, dialects.RESPONSES.OPENAI)
    folded = Accumulator()
    for event in writer.drain():
        folded.add(event)
    given_request = {"messages": [], "provider_options_json": {PROVIDER: '{"store":true}'}}
    rendering = runner.rendering({"request": given_request, "model": "gpt-5.5"}, dialects.RESPONSES.OPENAI, PROVIDER)
    rendering.request.messages.append(folded.response().candidates[0].message)
    sent = json.loads(openai_responses.render_request(rendering).body)["input"]
    assert sent == [as_sent(item) for item in body["output"]]
    assert rendering.notes.warnings == []


def test_text_and_calls_commit_and_progress_does_not() -> None:
    """The commit rule: created, in progress and the start of a message are nothing yet."""
    writer = EventWriter(PROVIDER)
    parser = openai_responses.stream_parser(writer, dialects.RESPONSES.OPENAI)
    for frame in (
        {"type": "response.created", "response": {"id": "r"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "id": "msg_1", "content": []},
        },
        {"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws"},
        {"type": "keepalive"},
    ):
        parser.feed("", json.dumps(frame).encode())
    assert not writer.committed
    parser.feed("", b'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}')
    assert writer.committed


def test_nothing_is_written_behind_the_end() -> None:
    """Whatever a proxy glues to a stream."""
    writer = EventWriter(PROVIDER)
    parser = openai_responses.stream_parser(writer, dialects.RESPONSES.OPENAI)
    parser.feed("", b'{"type":"response.completed","response":{"id":"r","output":[]}}')
    assert writer.done
    writer.drain()
    parser.feed("", b'{"type":"response.output_text.delta","output_index":0,"delta":"a"}')
    parser.feed("", b"[DONE]")
    assert writer.drain() == []


def test_models_are_those_of_the_chat_api() -> None:
    """One list serves both."""
    request = openai_responses.render_list_models("", dialects.RESPONSES.OPENAI)
    assert (request.method, request.path) == ("GET", "/models")
    page = openai_responses.parse_models(b'{"data":[{"id":"gpt-5","created":1}]}', dialects.RESPONSES.OPENAI)
    assert [model.model_id for model in page.models] == ["gpt-5"]


def test_a_cancelled_answer_says_so() -> None:
    """Cancelled on the server is an error of the candidate, with what there is."""
    writer = EventWriter(PROVIDER)
    openai_responses.parse_response(b'{"id":"r","status":"cancelled","output":[]}', writer, dialects.RESPONSES.OPENAI)
    finished = writer.finished()
    assert finished is not None
    assert (finished.finish_reason, finished.provider_finish_reason) == (gateway_pb2.FINISH_REASON_ERROR, "cancelled")


_KEYS = st.sampled_from([
    "type", "response", "output", "item", "output_index", "content_index", "summary_index", "delta", "id", "content", "text", "refusal",
    "summary", "encrypted_content", "call_id", "name", "arguments", "input", "annotations", "annotation", "logprobs", "usage", "status",
    "error", "code", "message", "incomplete_details", "reason", "input_tokens", "output_tokens_details", "service_tier", "created_at",
    "phase", "result", "start_index",
])  # fmt: skip
_TYPES = st.sampled_from([
    "response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta",
    "response.output_text.annotation.added", "response.refusal.delta", "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta", "response.function_call_arguments.delta", "response.function_call_arguments.done",
    "response.completed", "response.incomplete", "response.failed", "error", "message", "reasoning", "function_call", "output_text",
    "refusal", "image_generation_call", "custom_tool_call",
])  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _TYPES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=25,
)
_EVENT = st.fixed_dictionaries(
    {"type": _TYPES, "output_index": st.integers(0, 2) | _JSON},
    optional={
        "item": st.fixed_dictionaries({"type": _TYPES}, optional={"content": _JSON, "summary": _JSON, "id": st.text(max_size=3)}),
        "delta": _JSON, "response": _JSON, "annotation": _JSON, "content_index": _JSON, "arguments": _JSON, "logprobs": _JSON,
    },
)  # fmt: skip


@settings(max_examples=250)
@given(st.lists(_JSON | _EVENT, max_size=5))
def test_no_event_breaks_the_parser(values: list[Any]) -> None:
    """Whatever JSON comes, it is read or a ProviderError."""
    writer = EventWriter(PROVIDER)
    parser = openai_responses.stream_parser(writer, dialects.RESPONSES.OPENAI)
    ends = ("response.completed", "response.incomplete")
    try:
        for value in values:
            guarded(parser.feed, "", json.dumps(value).encode())
    except ProviderError:
        return
    parser.close()
    assert writer.done == any(isinstance(value, dict) and value.get("type") in ends for value in values)


@settings(max_examples=100)
@given(st.binary(max_size=200), _JSON)
def test_no_body_breaks_the_readers(body: bytes, value: Any) -> None:
    """Errors are always classified; what is no answer is a ProviderError."""
    assert isinstance(
        openai_responses.parse_error(500, runner.LowerCase(), body, dialects.RESPONSES.OPENAI), ProviderError
    )
    with pytest.raises((ProviderError, MalformedJson)):
        openai_responses.stream_parser(EventWriter(PROVIDER), dialects.RESPONSES.OPENAI).feed("", b"\x00" + body)
    writer = EventWriter(PROVIDER)
    try:
        guarded(openai_responses.parse_response, json.dumps(value).encode(), writer, dialects.RESPONSES.OPENAI)
    except ProviderError:
        return
    assert writer.done


# ---------------------------------------------------------------- streams that tell their items apart in other ways
Frames = list[dict[str, Any]]


def _ids_change(frames: Frames) -> Frames:
    """Every event names its item by an id of its own (Copilot, OpenRouter)."""
    for number, frame in enumerate(frames):
        for item in [frame, frame.get("item"), *frame.get("response", {}).get("output", ())]:
            for name in ("item_id", "id"):
                if isinstance(item, dict) and name in item:
                    item[name] = f"{number}-{item[name]}"
    return frames


def _no_ids(frames: Frames) -> Frames:
    for frame in frames:
        for item in [frame, frame.get("item"), *frame.get("response", {}).get("output", ())]:
            for name in ("item_id", "id"):
                if isinstance(item, dict):
                    item.pop(name, None)
    return frames


def _no_places(frames: Frames) -> Frames:
    """Ids alone tell items apart (llama.cpp)."""
    for frame in frames:
        frame.pop("output_index", None)
    return frames


def _all_first(frames: Frames) -> Frames:
    """Every item is counted as the first, one after another."""
    return [{**frame, "output_index": 0} if "output_index" in frame else frame for frame in frames]


def _without(*kinds: str) -> Any:
    def left(frames: Frames) -> Frames:
        return [frame for frame in frames if not frame["type"].endswith(kinds)]

    left.__name__ = "_without_" + "_".join(kinds)
    return left


def _no_repetition(frames: Frames) -> Frames:
    """The last event does not repeat the items."""
    for frame in frames:
        frame.get("response", {}).pop("output", None)
    return frames


def _said(answer: Case) -> list[str]:
    """Parts without what hangs on ids, or on events that are missing, in an order that does not depend on when an item ended."""
    parts = answer["candidates"][0]["message"]["parts"]
    for part in parts:
        for name in ("item_id", "phase", "provider_options_json"):
            part.pop(name, None)
        if "opaque" in part:
            part["opaque"]["json"] = {k: v for k, v in json.loads(part["opaque"]["json"]).items() if k != "id"}
    return [*sorted(map(json.dumps, parts)), answer["candidates"][0]["finish_reason"]]


@pytest.mark.parametrize("name", ["answer_text_stream", "answer_calls_stream", "answer_items_stream"])
@pytest.mark.parametrize(
    "change",
    [
        _ids_change, _no_ids, _no_places, _all_first, _without("item.done"), _without("item.added"), _without(".delta"),
        _without(".delta", ".done"), _no_repetition,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_an_item_comes_once_however_the_events_name_it(name: str, change: Any) -> None:
    """The answer is the same when ids change, or ids, places, deltas, beginnings or ends of items are missing."""
    case = next(found.values[0] for found in runner.cases(MODULE, "response") if found.id == name)
    frames = [json.loads(line[5:]) for line in case["stream"].splitlines() if line.startswith("data:")]
    lines = [f"data: {json.dumps(frame)}\n\n".encode() for frame in change(json.loads(json.dumps(frames)))]
    changed = runner.parse_stream(openai_responses, dialect_of(case), PROVIDER, lines)
    plain = [f"data: {json.dumps(frame)}\n\n".encode() for frame in frames]
    expected = runner.parse_stream(openai_responses, dialect_of(case), PROVIDER, plain)
    assert _said(changed) == _said(expected)
