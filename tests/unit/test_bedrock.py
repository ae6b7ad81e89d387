"""Converse and its event streams, by golden cases and by their quirks."""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway.errors import GatewayError, ProviderError, ProviderUnavailable, ResponseInvalid, StreamTruncated
from llm_gateway.protocols import bedrock, framing
from llm_gateway.protocols.bedrock.families import family_of
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import guarded

from tests.golden import runner
from tests.golden.runner import Case

PROVIDER = "bedrock"


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def message(payload: bytes, *headers: bytes) -> bytes:
    """One message of an event stream."""
    head = b"".join(headers)
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def event(name: str, payload: Any) -> bytes:
    kind = "exception" if name.endswith("Exception") else "event"
    return message(
        json.dumps(payload, ensure_ascii=False).encode(),
        header(f":{kind}-type", name),
        header(":content-type", "application/json"),
        header(":message-type", kind),
    )


def streamed(case: Case, size: int) -> Case:
    """The answer to the case's events, arriving in pieces of this size."""
    body = b"".join(event(name, payload) for name, payload in case["events"])
    frames, writer = framing.of(bedrock.framing), EventWriter(PROVIDER)
    parser = bedrock.stream_parser(writer, bedrock.BEDROCK)
    for at in range(0, len(body), size):
        for name, payload in frames.feed(body[at : at + size]):
            parser.feed(name, payload)
    assert frames.close() == []
    parser.close()
    if not writer.done:
        raise StreamTruncated
    return runner.fold(writer.drain(), writer)


@pytest.mark.parametrize("case", runner.cases("bedrock", "request"))
def test_request_is_rendered_as_the_golden_case_says(case: Case) -> None:
    """Body, path and warnings, or the fields refused."""
    runner.check_request(bedrock, bedrock.BEDROCK, PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases("bedrock", "response_body"))
def test_whole_answer_is_read_as_the_golden_case_says(case: Case) -> None:
    """Converse."""
    runner.check_response(bedrock, bedrock.BEDROCK, PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases("bedrock", "events"))
def test_stream_is_read_as_the_golden_case_says_however_it_is_cut(case: Case) -> None:
    """ConverseStream, in pieces of every size up to 40 bytes and whole."""
    for size in (*range(1, 40), 1 << 20):
        if "raises" in case:
            with pytest.raises(GatewayError) as caught:
                streamed(case, size)
            assert caught.value.reason == case["raises"]
        else:
            seen = streamed(case, size)
            assert {field: seen.get(field) for field in case["response"]} == case["response"]


def test_stream_and_whole_answer_of_one_case_agree() -> None:
    """fold(stream) == unary, wherever there is a pair."""
    found = {param.id: param.values[0] for param in runner.cases("bedrock", "response")}
    pairs = [name for name in found if name.endswith("_stream") and name.replace("_stream", "_unary") in found]
    assert len(pairs) >= 4
    for name in pairs:
        assert found[name]["response"] == found[name.replace("_stream", "_unary")]["response"]


@pytest.mark.parametrize("case", runner.cases("bedrock", "error_body"))
def test_error_is_classified_as_the_golden_case_says(case: Case) -> None:
    """By the exception's name and its words."""
    runner.check_error(bedrock, bedrock.BEDROCK, case)


@pytest.mark.parametrize("case", runner.cases("bedrock", "models_body"))
def test_models_are_read_as_the_golden_case_says(case: Case) -> None:
    """Foundation models and inference profiles."""
    runner.check_models(bedrock, bedrock.BEDROCK, case)


def test_profiles_follow_the_foundation_models_page_by_page() -> None:
    """The token tells the list and the page."""
    assert bedrock.render_list_models("", bedrock.BEDROCK).path == "/foundation-models?byOutputModality=TEXT"
    page = bedrock.parse_models(b'{"modelSummaries":[]}', bedrock.BEDROCK)
    assert bedrock.render_list_models(page.next, bedrock.BEDROCK).path == "/inference-profiles?maxResults=1000"
    page = bedrock.parse_models(b'{"inferenceProfileSummaries":[],"nextToken":"n/1"}', bedrock.BEDROCK)
    assert bedrock.render_list_models(page.next, bedrock.BEDROCK).path.endswith("&nextToken=n%2F1")
    assert bedrock.parse_models(b'{"inferenceProfileSummaries":[]}', bedrock.BEDROCK).next == ""


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("us.anthropic.claude-opus-5-5", "claude"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.nova-pro-v1:0", "never"),
        ("openai.gpt-oss-120b-1:0", "openai"),
        ("deepseek.r1-v1:0", "effort"),
    ],
)
def test_family_is_known_by_the_id(model: str, reasons: str) -> None:
    """Bare ids, profiles and ARNs."""
    assert family_of(model).reasons == reasons


def test_parts_of_an_answer_go_back_as_they_came() -> None:
    """Answer to request: every block of an assistant turn is the block that the model sent."""
    content = [
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "EqAB"}}},
        {"reasoningContent": {"redactedContent": "AQID"}},
        {"text": "A"},
        {"citationsContent": {"content": [{"text": "B"}], "citations": [{"location": {"web": {"url": "https://a"}}}]}},
        {"toolUse": {"toolUseId": "s", "name": "n", "type": "server_tool_use", "input": {"q": 1}}},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": [1, None]}}},
    ]
    body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
    parts = runner.parse_whole(bedrock, bedrock.BEDROCK, PROVIDER, json.dumps(body).encode())["candidates"][0][
        "message"
    ]["parts"]
    user = {"role": "ROLE_USER", "parts": [{"text": {"text": "x"}}]}
    case = {"request": {"messages": [user, {"role": "ROLE_ASSISTANT", "parts": parts}]}}
    rendering = runner.rendering(case, bedrock.BEDROCK, PROVIDER)
    assert json.loads(bedrock.render_request(rendering).body)["messages"][1]["content"] == content


# ---------------------------------------------------------------- event streams
def test_headers_of_every_type_are_passed_over() -> None:
    """Only strings matter."""
    others = b"".join(
        bytes([1]) + b"h" + bytes([kind]) + bytes(size)
        for kind, size in ((0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16))
    )
    data = message(b"{}", others, b"\x01b\x06\x00\x02ab", header(":event-type", "x"), header(":message-type", "event"))
    assert framing.of("eventstream").feed(data) == [("x", b"{}")]


def test_error_without_a_type_is_made_of_its_headers() -> None:
    """An error message has no payload."""
    data = message(
        b"", header(":message-type", "error"), header(":error-code", "Broken"), header(":error-message", "Why")
    )
    ((name, payload),) = framing.of("eventstream").feed(data)
    assert (name, json.loads(payload)) == ("error", {"code": "Broken", "message": "Why"})
    with pytest.raises(ProviderUnavailable):
        bedrock.stream_parser(EventWriter(PROVIDER), bedrock.BEDROCK).feed(name, payload)


@settings(max_examples=60)
@given(st.data())
def test_damaged_message_is_an_error(data: st.DataObject) -> None:
    """Any byte that changed on its way is found by a checksum, or leaves a message that never ends."""
    whole = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "abc"}})
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(ProviderError):
        framing.of("eventstream").feed(damaged)


def test_message_beyond_the_bound_is_refused_by_its_prelude() -> None:
    """Before it is held in memory."""
    prelude = struct.pack(">II", framing.MAX_FRAME + 1, 0)
    with pytest.raises(ResponseInvalid):
        framing.of("eventstream").feed(prelude + struct.pack(">I", zlib.crc32(prelude)))


_NAMES = [
    "contentBlockDelta",
    "contentBlockStart",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "messageStart",
    "error",
    "xException",
]
_FIELDS = ["contentBlockIndex", "delta", "start", "text", "toolUse", "input", "reasoningContent", "signature", "redactedContent",
           "citation", "toolResult", "image", "source", "bytes", "usage", "stopReason", "output", "message", "content", "location",
           "inputTokens", "cacheDetails", "serviceTier", "type", "toolUseId", "name", "format", "modelSummaries"]  # fmt: skip
_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=6) | st.sampled_from(["server_tool_use", "end_turn", "AQI="]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_FIELDS), inner | st.integers(0, 2), max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(_NAMES), _JSON), max_size=4))
def test_parser_survives_anything(events: list[tuple[str, Any]]) -> None:
    """Only ProviderError and MalformedJson come out, whatever goes in."""
    writer = EventWriter(PROVIDER)
    parser = bedrock.stream_parser(writer, bedrock.BEDROCK)
    for name, value in events:
        body = json.dumps(value).encode()
        with contextlib.suppress(ProviderError, MalformedJson):
            guarded(parser.feed, name, body)
        with contextlib.suppress(ProviderError, MalformedJson):
            guarded(bedrock.parse_response, body, EventWriter(PROVIDER), bedrock.BEDROCK)
        with contextlib.suppress(ProviderError, MalformedJson):
            guarded(bedrock.parse_models, body, bedrock.BEDROCK)
        bedrock.parse_error(400, runner.LowerCase(), body, bedrock.BEDROCK)
    parser.close()


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
        bedrock.render_request(runner.rendering(case, bedrock.BEDROCK, PROVIDER))
