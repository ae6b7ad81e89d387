"""The Messages API, by golden cases and by its quirks."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway.errors import GatewayError, ProviderError, ProviderOverloaded
from llm_gateway.protocols import anthropic
from llm_gateway.protocols.anthropic.rules import BY_MODEL, UNKNOWN, rules_of
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import Rendering, guarded
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.golden import runner
from tests.golden.runner import Case
from tests.support import dialects

PROVIDER = "anthropic"


def dialect(case: Case) -> anthropic.Dialect:
    found: anthropic.Dialect = getattr(dialects.MESSAGES, case.get("dialect", "ANTHROPIC"))
    return found


def event(**value: Any) -> bytes:
    return json.dumps(value).encode()


def text_delta(text: str, index: int = 0) -> bytes:
    return event(type="content_block_delta", index=index, delta={"type": "text_delta", "text": text})


@pytest.mark.parametrize("case", runner.cases("anthropic", "request"))
def test_request_is_rendered_as_the_golden_case_says(case: Case) -> None:
    """Body, path, headers and warnings, or the fields refused."""
    runner.check_request(anthropic, dialect(case), PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases("anthropic", "response_body") + runner.cases("anthropic", "stream"))
def test_answer_is_read_as_the_golden_case_says(case: Case) -> None:
    """Whole and streamed answers, each stream cut at every place."""
    if "request" not in case:
        runner.check_response(anthropic, dialect(case), PROVIDER, case)


def test_stream_and_whole_answer_of_one_case_agree() -> None:
    """fold(stream) == unary, wherever there is a pair."""
    found = {param.id: param.values[0] for param in runner.cases("anthropic", "response")}
    pairs = [name for name in found if name.endswith("_stream") and name.replace("_stream", "_unary") in found]
    assert len(pairs) >= 5
    for name in pairs:
        assert found[name]["response"] == found[name.replace("_stream", "_unary")]["response"]


@pytest.mark.parametrize("case", runner.cases("anthropic", "error_body"))
def test_error_is_classified_as_the_golden_case_says(case: Case) -> None:
    """Class, code, delay and the provider's id of the request."""
    runner.check_error(anthropic, dialect(case), case)


@pytest.mark.parametrize("case", runner.cases("anthropic", "models_body"))
def test_models_are_read_as_the_golden_case_says(case: Case) -> None:
    """Limits, modalities and capabilities."""
    runner.check_models(anthropic, dialect(case), case)


def test_model_pages_follow_each_other() -> None:
    """The last id of a page asks for the next one; Vertex AI has page tokens."""
    page = anthropic.parse_models(b'{"data":[],"has_more":true,"last_id":"a/b"}', anthropic.ANTHROPIC)
    assert page.next == "a/b"
    assert anthropic.render_list_models(page.next, anthropic.ANTHROPIC).path == "/v1/models?limit=1000&after_id=a%2Fb"
    assert anthropic.parse_models(b'{"data":[],"has_more":false,"last_id":"a"}', anthropic.ANTHROPIC).next == ""
    body = b'{"publisherModels":[{"name":"publishers/anthropic/models/claude-opus-5-5"}],"nextPageToken":"t"}'
    vertex = anthropic.parse_models(body, dialects.MESSAGES.VERTEX)
    assert ([model.model_id for model in vertex.models], vertex.next) == (["claude-opus-5-5"], "t")
    assert anthropic.render_list_models("t", dialects.MESSAGES.VERTEX).path.endswith("?pageSize=100&pageToken=t")


@pytest.mark.parametrize(
    ("model", "family", "version"),
    [
        ("claude-opus-5-5", "opus", (5, 5)),
        ("us.anthropic.claude-opus-4-6-v1:0", "opus", (4, 6)),
        ("claude-opus-4-1@20250805", "opus", (4, 1)),
        ("claude-sonnet-4-20250514", "sonnet", (4, 0)),
        ("claude-3-7-sonnet-20250219", "sonnet", (3, 7)),
        ("anthropic.claude-3-haiku-20240307-v1:0", "haiku", (3, 0)),
        ("anthropic/claude-sonnet-4.5", "sonnet", (4, 5)),
        ("claude-opus-7", "opus", (5, 5)),
        ("claude-fable-5-2", "fable", (5, 1)),
    ],
)
def test_rules_follow_the_model_however_a_platform_spells_it(model: str, family: str, version: tuple[int, int]) -> None:
    """An unlisted model follows the newest one before it."""
    assert rules_of(model) is BY_MODEL[family][version]


def test_unknown_models_are_not_held_to_any_rule() -> None:
    """What is no Claude goes through."""
    assert rules_of("MiniMax-M3") is UNKNOWN


def test_caller_json_keeps_its_spelling_on_the_way_out() -> None:
    """Numbers and key order of schemas, arguments and opaque blocks."""
    request = gateway_pb2.SendRequest()
    request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "x"
    turn = request.messages.add(role=content_pb2.ROLE_ASSISTANT)
    turn.parts.add().tool_call.CopyFrom(content_pb2.ToolCall(id="a", name="f", arguments_json='{"z":1.50,"a":1e3}'))
    block = content_pb2.OpaquePart(provider=PROVIDER, type="x", json='{"type":"x","n":2.00,"b":[1E2]}')
    turn.parts.add().opaque.CopyFrom(block)
    request.tools.add().function.CopyFrom(
        gateway_pb2.FunctionTool(name="f", parameters_json_schema='{"type":"object","z":1.0,"a":2}')
    )
    given_ = Rendering(
        request=request, model="m", stream=True, provider=PROVIDER, kind=PROVIDER, dialect=anthropic.ANTHROPIC
    )
    body = anthropic.render_request(given_).body
    for text in (b'{"z":1.50,"a":1e3}', b'"n":2.00,"b":[1E2]', b'{"type":"object","z":1.0,"a":2}'):
        assert text in body


def test_parts_of_an_answer_go_back_as_they_came() -> None:
    """Answer to request: every block of an assistant turn is the block that the model sent."""
    content = [
        {"type": "thinking", "thinking": "", "signature": "EqAB+/="},
        {"type": "redacted_thinking", "data": "b64+/="},
        {"type": "text", "text": "A", "citations": [{"type": "page_location", "cited_text": "w", "document_index": 0}]},
        {"type": "server_tool_use", "id": "srv", "name": "web_fetch", "input": {"url": "https://a"}},
        {"type": "web_fetch_tool_result", "tool_use_id": "srv", "content": {"type": "x"}},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, None]}, "caller": {"type": "direct"}},
    ]
    writer = EventWriter(PROVIDER)
    anthropic.parse_response(json.dumps({"content": content, "type": "message"}).encode(), writer, anthropic.ANTHROPIC)
    parts = runner.fold(writer.drain(), writer)["candidates"][0]["message"]["parts"]
    case = {
        "request": {
            "messages": [
                {"role": "ROLE_USER", "parts": [{"text": {"text": "x"}}]},
                {"role": "ROLE_ASSISTANT", "parts": parts},
            ]
        }
    }
    body = anthropic.render_request(runner.rendering(case, anthropic.ANTHROPIC, PROVIDER)).body
    assert json.loads(body)["messages"][1]["content"] == content


def test_text_commits_and_what_comes_before_it_does_not() -> None:
    """The commit rule: message_start, usage, pings and an empty block may still be thrown away."""
    writer = EventWriter(PROVIDER)
    parser = anthropic.stream_parser(writer, anthropic.ANTHROPIC)
    parser.feed("message_start", event(type="message_start", message={"id": "m", "usage": {"input_tokens": 3}}))
    parser.feed("ping", event(type="ping"))
    parser.feed(
        "content_block_start", event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    )
    assert not writer.committed
    parser.feed("content_block_delta", text_delta("a"))
    assert writer.committed


def test_usage_of_a_cut_stream_is_known() -> None:
    """What message_start said stands when nothing came after it."""
    writer = EventWriter(PROVIDER)
    parser = anthropic.stream_parser(writer, anthropic.ANTHROPIC)
    usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}
    parser.feed("message_start", event(type="message_start", message={"id": "m", "usage": usage}))
    assert writer.usage is not None
    assert (writer.usage.input_tokens, writer.usage.output_tokens) == (7, 1)


def test_error_event_carries_the_request_id_and_the_words() -> None:
    """For the provider's support."""
    parser = anthropic.stream_parser(EventWriter(PROVIDER), anthropic.ANTHROPIC)
    with pytest.raises(ProviderOverloaded) as caught:
        parser.feed(
            "error", event(type="error", error={"type": "overloaded_error", "message": "Busy"}, request_id="req_1")
        )
    assert (caught.value.provider_request_id, caught.value.provider_message) == ("req_1", "Busy")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = st.sampled_from(
    ["type", "index", "delta", "content_block", "message", "usage", "error", "content", "text", "partial_json", "citation",
     "signature", "thinking", "stop_reason", "stop_details", "id", "model", "input", "name", "cache_creation", "server_tool_use"]
)  # fmt: skip
_TYPES = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "error",
     "text", "tool_use", "thinking", "text_delta", "input_json_delta", "citations_delta", "signature_delta", "server_tool_use"]
)  # fmt: skip
_EVENTS = st.recursive(
    _JSON | _TYPES,
    lambda inner: st.dictionaries(_FIELDS, inner | _TYPES | st.integers(0, 2), max_size=5),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.lists(_EVENTS, max_size=4))
def test_parser_survives_anything(events: list[Any]) -> None:
    """Only ProviderError and MalformedJson come out, whatever goes in."""
    writer = EventWriter(PROVIDER)
    parser = anthropic.stream_parser(writer, anthropic.ANTHROPIC)
    for value in events:
        with contextlib.suppress(ProviderError, MalformedJson):
            guarded(parser.feed, "", json.dumps(value).encode())
        with contextlib.suppress(ProviderError, MalformedJson):
            guarded(anthropic.parse_response, json.dumps(value).encode(), EventWriter(PROVIDER), anthropic.ANTHROPIC)
        with contextlib.suppress(ProviderError, MalformedJson):
            guarded(anthropic.parse_models, json.dumps(value).encode(), anthropic.ANTHROPIC)
        anthropic.parse_error(400, runner.LowerCase(), json.dumps(value).encode(), anthropic.ANTHROPIC)
    writer.end()


@settings(max_examples=100)
@given(st.binary(max_size=40), st.integers(100, 599))
def test_errors_and_answers_survive_any_bytes(body: bytes, status: int) -> None:
    """parse_error never raises."""
    anthropic.parse_error(status, runner.LowerCase(), body, anthropic.ANTHROPIC)
    with contextlib.suppress(ProviderError, MalformedJson):
        guarded(anthropic.parse_response, body, EventWriter(PROVIDER), anthropic.ANTHROPIC)


_OPTIONS = st.dictionaries(
    st.sampled_from(["role", "content", "type", "text", "messages", "betas", "thinking", "name", "tools", "input"]),
    _JSON,
    max_size=3,
).map(json.dumps)


@settings(max_examples=100)
@given(_OPTIONS, _OPTIONS, _OPTIONS, _OPTIONS)
def test_options_of_any_shape_are_merged_or_refused(request: str, message: str, part: str, tool: str) -> None:
    """The caller's own JSON never breaks the rendering."""
    text = {"text": {"text": "x"}, "provider_options_json": {PROVIDER: part}, "cache_control": {}}
    turns = [
        {"role": role, "parts": [text, text], "provider_options_json": {PROVIDER: message}}
        for role in ("ROLE_USER", "ROLE_USER", "ROLE_ASSISTANT", "ROLE_SYSTEM", "ROLE_ASSISTANT")
    ]
    tools = [
        {"function": {"name": "f"}, "provider_options_json": {PROVIDER: tool}},
        {"provider_tool": {"type": "web_search", "options_json": tool}},
    ]
    case = {
        "request": {"messages": turns, "tools": tools, "provider_options_json": {PROVIDER: request}},
        "model": "claude-opus-4-5",
    }
    with contextlib.suppress(GatewayError):
        anthropic.render_request(runner.rendering(case, anthropic.ANTHROPIC, PROVIDER))
