"""Chat Completions: golden cases in both directions, and what must hold for any answer."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llm_gateway.errors import GatewayError, ProviderError
from llm_gateway.protocols import openai_chat
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import guarded

from tests.golden import runner
from tests.support import dialects

MODULE = "openai_chat"
Case = dict[str, Any]


def dialect_of(case: Case) -> openai_chat.Dialect:
    found: openai_chat.Dialect = getattr(dialects.CHAT, case.get("dialect", "GENERIC"))
    return found


@pytest.mark.parametrize("case", runner.cases(MODULE, "request"))
def test_a_request_reaches_the_wire(case: Case) -> None:
    """The rendered request is the golden one."""
    runner.check_request(openai_chat, dialect_of(case), "provider", case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "response_body") + runner.cases(MODULE, "stream"))
def test_an_answer_reaches_the_caller(case: Case) -> None:
    """The answer is the golden one, however a stream is cut."""
    runner.check_response(openai_chat, dialect_of(case), "provider", case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "status"))
def test_an_error_is_classified(case: Case) -> None:
    """An error answer becomes the golden class with its hints."""
    runner.check_error(openai_chat, dialect_of(case), case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "models_body"))
def test_a_model_list_is_read(case: Case) -> None:
    """A model list gives the golden models."""
    runner.check_models(openai_chat, dialect_of(case), case)


def as_stream(body: Case, sizes: list[int]) -> bytes:
    """The answer as a server would stream it, its texts in pieces of these sizes."""

    def pieces(text: str) -> list[str]:
        found, at = [], 0
        for size in [*sizes, len(text)]:
            if text[at : at + size]:
                found.append(text[at : at + size])
                at += size
        return found

    chunks: list[Case] = []
    head = {key: body[key] for key in ("id", "model", "created")}
    for choice in body["choices"]:
        message = choice["message"]
        deltas: list[Case] = [{"role": "assistant", "content": ""}]
        for name in ("reasoning_content", "content", "refusal"):
            deltas += [{name: piece} for piece in pieces(message.get(name) or "")]
        for index, call in enumerate(message.get("tool_calls") or []):
            name = call["function"]["name"]
            begun = {"index": index, "id": call["id"], "type": "function", "function": {"name": name, "arguments": ""}}
            deltas.append({"tool_calls": [begun]})
            for piece in pieces(call["function"]["arguments"]):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        chunks += [{"index": choice["index"], "delta": delta, "finish_reason": None} for delta in deltas]
        chunks.append({"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]})
    events = [{**head, "choices": [chunk]} for chunk in chunks] + [{**head, "choices": [], "usage": body["usage"]}]
    return (
        "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
messages = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "reasoning_content": texts,
        "content": texts | texts.map(lambda text: f"<think>{text}</think>{text}"),
        "refusal": texts,
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"name": st.text("abc", min_size=1, max_size=5), "arguments": texts.map(lambda t: json.dumps({"a": t}))}
            ).map(lambda function: {"type": "function", "function": function}),
            max_size=3,
        ),
    },
)


CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}


@given(
    st.lists(messages, min_size=1, max_size=2),
    st.sampled_from(["stop", "length", "tool_calls"]),
    st.lists(st.integers(1, 7), max_size=8),
)
@example(
    [{"role": "assistant", "content": "\n\n", "tool_calls": [CALL]}], "tool_calls", []
)  # may yet begin with <think>
@example([{"role": "assistant", "content": "\n", "refusal": "No."}], "stop", [])
@example([{"role": "assistant", "content": "<think>a</think>", "tool_calls": [CALL]}], "tool_calls", [3])
def test_a_stream_adds_up_to_the_whole_answer(found: list[Case], finish: str, sizes: list[int]) -> None:
    """What a server says piece by piece is what it would have said at once."""
    for message in found:
        for index, call in enumerate(message.get("tool_calls") or []):
            call["id"] = f"call_{index}"
    body = {
        "id": "c1",
        "model": "m",
        "created": 1700000000,
        "choices": [{"index": i, "message": message, "finish_reason": finish} for i, message in enumerate(found)],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
    dialect = dialects.CHAT.GENERIC
    whole = runner.parse_whole(openai_chat, dialect, "p", json.dumps(body).encode())
    assert runner.parse_stream(openai_chat, dialect, "p", [as_stream(body, sizes)]) == whole


names = st.sampled_from(
    ["choices", "delta", "message", "content", "index", "tool_calls", "function", "arguments", "name", "id", "error", "usage", "logprobs",
     "finish_reason", "reasoning", "reasoning_details", "annotations", "audio", "images", "x_groq", "prompt_tokens", "created", "type",
     "thinking", "code", "message", "data", "url_citation", "object", "token", "bytes", "content_filter_results", "service_tier"]
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)
chunks = st.fixed_dictionaries({"choices": st.lists(st.dictionaries(names, anything, max_size=4), max_size=2) | anything}, optional={
    "usage": anything, "error": anything, "id": anything, "created": anything, "x_groq": anything, "citations": anything,
})  # fmt: skip


@settings(max_examples=100)
@given(st.lists(chunks | anything, max_size=4))
def test_garbage_is_an_error_of_the_provider(values: list[Any]) -> None:
    """Whatever JSON a server sends, parsing ends in an answer or in a ProviderError."""
    for dialect in (dialects.CHAT.GENERIC, dialects.CHAT.OPENAI):
        parser = openai_chat.stream_parser(EventWriter("p"), dialect)
        with contextlib.suppress(ProviderError):
            for value in values:
                guarded(parser.feed, "", json.dumps(value).encode())
            guarded(parser.close)
        for value in values:
            with contextlib.suppress(ProviderError):
                guarded(openai_chat.parse_response, json.dumps(value).encode(), EventWriter("p"), dialect)
            assert isinstance(
                openai_chat.parse_error(400, runner.LowerCase(), json.dumps(value).encode(), dialect), ProviderError
            )
            with contextlib.suppress(ProviderError):
                guarded(openai_chat.parse_models, json.dumps(value).encode(), dialect)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_json_are_reported_as_such(data: bytes) -> None:
    """A frame that is not JSON raises MalformedJson, which the caller counts; a body that is not JSON raises a ProviderError."""
    with contextlib.suppress(ProviderError, MalformedJson):
        guarded(openai_chat.stream_parser(EventWriter("p"), dialects.CHAT.GENERIC).feed, "", data)
    with contextlib.suppress(GatewayError):
        guarded(openai_chat.parse_response, data, EventWriter("p"), dialects.CHAT.GENERIC)
    openai_chat.parse_error(500, runner.LowerCase(), data, dialects.CHAT.GENERIC)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (
            '{"choices":[{"index":0,"delta":{"content":"a"}}]}',
            '{"choices":[{"index":0,"delta":{"content":"\\u00e4\\n"}}]}',
            "aä\n",
        ),
        (
            '{"choices":[{"index":0,"delta":{"content":"a"}}]}',
            '{"choices":[{"index":0,"delta":{"content":"b","role":"c"}}]}',
            "ab",
        ),
        (
            '{"choices":[{"delta":{"content" : "a"},"index":0}]}',
            '{"choices":[{"delta":{"content" : "ß"},"index":0}]}',
            "aß",
        ),
        ('{"choices":[{"index":0,"delta":{"content":"a"}}]}', '{"choices":[{"index":0,"delta":{"content":""}}]}', "a"),
    ],
)
def test_chunks_alike_but_for_their_text_are_read_by_their_text(first: str, second: str, text: str) -> None:
    """The short way and the parser read the same text, escapes and other fields included."""
    stream = f"data: {first}\n\ndata: {second}\n\ndata: {first}\n\ndata: [DONE]\n\n".encode()
    answer = runner.parse_stream(openai_chat, dialects.CHAT.GENERIC, "p", [stream])
    assert answer["candidates"][0]["message"]["parts"] == [{"text": {"text": text + "a"}}]


def test_nothing_is_written_behind_the_end() -> None:
    """A chunk behind [DONE] is not part of the answer."""
    chunk = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    answer = runner.parse_stream(openai_chat, dialects.CHAT.GENERIC, "p", [f"{chunk}data: [DONE]\n\n{chunk}".encode()])
    assert answer["candidates"][0]["message"]["parts"] == [{"text": {"text": "a"}}]


def test_a_dated_azure_version_puts_the_deployment_into_the_path() -> None:
    """The deployment stands in the path, percent-encoded; the version itself is added by the caller."""
    case = {"request": {}, "model": "my/gpt"}
    outgoing = openai_chat.render_request(runner.rendering(case, dialects.CHAT.AZURE_OPENAI_DATED, "azure_openai"))
    assert outgoing.path == "/openai/deployments/my%2Fgpt/chat/completions"


def test_models_are_listed_by_get() -> None:
    """The list costs nothing: a GET without a body."""
    outgoing = openai_chat.render_list_models("", dialects.CHAT.MISTRAL)
    assert (outgoing.method, outgoing.path, outgoing.body) == ("GET", "/v1/models", b"")
