"""What holds for every wire format there is: any valid request becomes a valid HTTP request, or is refused with reasons, and what a
provider says piece by piece adds up to what it would have said at once."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st
from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols import anthropic, claude_code, gemini, ollama, openai_responses
from llm_gateway.protocols import json as json_text
from llm_gateway.protocols.wire import OWNED, Outgoing, Rendering, WireFormat, render
from llm_gateway.rpc.validation import validate
from llm_gateway.upstream.http.h1 import render_head
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.golden import runner
from tests.support import dialects
from tests.support.apis import APIS, SETTINGS, check_rendered
from tests.support.requests import requests

Json = dict[str, Any]

MODELS = (
    "model", "a model/\N{SNOWMAN}?#", "gpt-5.5", "o3-mini", "gpt-4o", "claude-opus-5-5", "claude-3-5-haiku-20241022", "gemini-3-flash",
    "gemini-2.5-pro", "gemma-3", "mistral-large", "gpt-oss:20b", "qwen3:8b", "deepseek-reasoner", "us.anthropic.claude-sonnet-4-5-v1:0",
    "amazon.nova-pro-v1:0", "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x",
)  # fmt: skip


def check_refused(violations: Sequence[Violation]) -> None:
    assert violations
    assert all(violation.field and violation.description for violation in violations)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(request=requests(), model=st.sampled_from(MODELS), stream=st.booleans())
def test_any_valid_request_is_rendered_or_refused_with_reasons(
    request: gateway_pb2.SendRequest, model: str, stream: bool
) -> None:
    """Everywhere: the body is JSON by RFC 8259, path and headers can be sent, notes name fields, and the request stays as it was."""
    try:
        validate(request)
    except InvalidRequest:
        reject()
    before = request.SerializeToString(deterministic=True)
    for kind, name, wire, dialect in APIS:
        note(name)
        rendering = Rendering(
            request=request,
            model=model,
            stream=stream,
            provider="provider",
            kind=kind,
            dialect=dialect,
            settings=SETTINGS,
        )
        try:
            outgoing = wire.render_request(rendering)
        except InvalidRequest as refused:
            check_refused(refused.violations)
        else:
            check_rendered(outgoing, rendering)
        assert request.SerializeToString(deterministic=True) == before


def test_nothing_that_is_no_json_is_embedded() -> None:
    """What a model wrote is written anew where only lenient readers take it; what a caller wrote is refused before."""
    assert bytes(json_text.raw_object(' {"b": 1.0, "a": 1e999}')) == b' {"b": 1.0, "a": 1e999}'
    assert bytes(json_text.raw_object('{"a": NaN, "b": [Infinity]}')) == b'{"a":null,"b":[null]}'
    assert json.loads(bytes(json_text.raw_object('{"a": "\\ud800"}'))) == {"a": "\ufffd"}
    for text in ("", "[1]", "{", "null", '{"a": 1} x', "[" * 100_000):
        with pytest.raises(json_text.MalformedJson):
            json_text.raw_object(text)
    request = gateway_pb2.SendRequest(messages=[content_pb2.Message(role=content_pb2.ROLE_USER)])
    request.output_format.json_schema.schema_json = '{"a": NaN}'
    with pytest.raises(InvalidRequest) as caught:
        validate(request)
    assert [violation.reason for violation in caught.value.violations] == ["INVALID_JSON"]


# ---------------------------------------------------------------- answers
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says: (kind, text) of "text", "reasoning" and "call", whose text is the arguments. No two texts of a kind meet."""

    said: list[tuple[str, str]]
    sizes: list[int]

    def pieces(self, text: str) -> list[str]:
        """The text in pieces of these sizes, the last one as long as it takes."""
        found, at = [], 0
        for size in (*self.sizes, len(text)):
            if text[at : at + size]:
                found.append(text[at : at + size])
                at += size
        return found


def _apart(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [one for at, one in enumerate(said) if at == 0 or one[0] == "call" or one[0] != said[at - 1][0]]


said = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
calls = st.dictionaries(said, said | st.integers(), max_size=2).map(json.dumps)
answers = st.builds(
    Answer,
    said=st.lists(
        st.tuples(st.just("text"), said) | st.tuples(st.just("reasoning"), said) | st.tuples(st.just("call"), calls),
        min_size=1,
        max_size=4,
    ).map(_apart),
    sizes=st.lists(st.integers(1, 7), max_size=6),
)


def sse(*events: Json) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def lines(*events: Json) -> bytes:
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def messages(answer: Answer) -> tuple[Json, list[Json]]:
    """(whole message, events) of the Messages API."""
    head = {"id": "m1", "type": "message", "role": "assistant", "model": "m"}
    usage = {"input_tokens": 3, "output_tokens": 4}
    blocks: list[Json] = []
    events: list[Json] = [
        {"type": "message_start", "message": {**head, "content": [], "usage": {**usage, "output_tokens": 0}}}
    ]
    for index, (kind, text) in enumerate(answer.said):
        if kind == "text":
            block, name, field = {"type": "text", "text": text}, "text_delta", "text"
            start: Json = {"text": ""}
        elif kind == "reasoning":
            block = {"type": "thinking", "thinking": text, "signature": "c2ln"}
            start, name, field = {"thinking": "", "signature": ""}, "thinking_delta", "thinking"
        else:
            block = {"type": "tool_use", "id": f"t{index}", "name": "f", "input": json.loads(text)}
            start, name, field = {"input": {}}, "input_json_delta", "partial_json"
        blocks.append(block)
        deltas: list[Json] = [{"type": name, field: piece} for piece in answer.pieces(text)]
        if kind == "reasoning":
            deltas.append({"type": "signature_delta", "signature": "c2ln"})
        events += [
            {"type": "content_block_start", "index": index, "content_block": {**block, **start}},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
    return {**head, "content": blocks, **end, "usage": usage}, events


def of_anthropic(answer: Answer) -> tuple[bytes, bytes]:
    whole, events = messages(answer)
    return json.dumps(whole).encode(), sse(*events)


def of_claude_code(answer: Answer) -> tuple[bytes, bytes]:
    said = [one for one in answer.said if one[0] != "call"] or [("text", "a")]
    whole, events = messages(replace(answer, said=said))
    init: Json = {"type": "system", "subtype": "init", "tools": []}
    result: Json = {"type": "result", "is_error": False, "stop_reason": "end_turn", "usage": whole["usage"]}
    result["total_cost_usd"] = 0.25
    blocks: list[Json] = [
        {"type": "assistant", "message": {**whole, "content": [block], "stop_reason": None}}
        for block in whole["content"]
    ]
    return lines(init, *blocks, result), lines(
        init, *({"type": "stream_event", "event": event} for event in events), *blocks, result
    )


def of_gemini(answer: Answer) -> tuple[bytes, bytes]:
    def part(kind: str, text: str) -> Json:
        if kind == "call":
            return {"functionCall": {"id": "c", "name": "f", "args": json.loads(text)}}
        return {"text": text, "thought": True} if kind == "reasoning" else {"text": text}

    def chunk(parts: list[Json], **more: Any) -> Json:
        return {**head, "candidates": [{"content": {"role": "model", "parts": parts}, **more}]}

    head: Json = {"responseId": "r1", "modelVersion": "m"}
    tail = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}}
    pieces = [
        part(kind, piece) for kind, text in answer.said for piece in ([text] if kind == "call" else answer.pieces(text))
    ]
    whole = chunk([part(*one) for one in answer.said], finishReason="STOP") | tail
    return json.dumps(whole).encode(), sse(*(chunk([piece]) for piece in pieces), chunk([], finishReason="STOP") | tail)


def of_ollama(answer: Answer) -> tuple[bytes, bytes]:
    head = {"model": "m", "created_at": "2026-05-04T20:01:02Z"}
    tail = {"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}
    fields = {"reasoning": "thinking", "text": "content"}
    message: Json = {"role": "assistant", "content": ""}
    pieces: list[Json] = []
    for kind in ("reasoning", "text"):
        text = next((text for one, text in answer.said if one == kind), "")
        if text:
            message[fields[kind]] = text
            pieces += [{fields[kind]: piece} for piece in answer.pieces(text)]
    called: list[Json] = [
        {"id": f"c{index}", "function": {"name": "f", "arguments": json.loads(text)}}
        for index, (kind, text) in enumerate(answer.said)
        if kind == "call"
    ]
    if called:
        message["tool_calls"] = called
        pieces += [{"tool_calls": [call]} for call in called]
    chunks = ({**head, "message": {"role": "assistant", "content": "", **piece}, "done": False} for piece in pieces)
    return json.dumps({**head, "message": message, **tail}).encode(), lines(
        *chunks, {**head, "message": {"role": "assistant", "content": ""}, **tail}
    )


def of_responses(answer: Answer) -> tuple[bytes, bytes]:
    head: Json = {"id": "r1", "object": "response", "created_at": 1770000000, "model": "m"}
    events: list[Json] = [{"type": "response.created", "response": {**head, "status": "in_progress", "output": []}}]
    items: list[Json] = []
    for index, (kind, text) in enumerate(answer.said):
        if kind == "text":
            content = {"type": "output_text", "text": text, "annotations": []}
            item: Json = {"type": "message", "id": f"i{index}", "role": "assistant", "content": [content]}
            name, where = "response.output_text.delta", {"content_index": 0}
            empty: Json = {"content": []}
        elif kind == "reasoning":
            item = {"type": "reasoning", "id": f"i{index}", "summary": [{"type": "summary_text", "text": text}]}
            empty, name, where = {"summary": []}, "response.reasoning_summary_text.delta", {"summary_index": 0}
        else:
            item = {"type": "function_call", "id": f"i{index}", "call_id": f"c{index}", "name": "f", "arguments": text}
            empty, name, where = {"arguments": ""}, "response.function_call_arguments.delta", {}
        items.append(item)
        place = {"output_index": index}
        events += [
            {"type": "response.output_item.added", "item": {**item, **empty}, **place},
            *({"type": name, "item_id": item["id"], "delta": piece, **place, **where} for piece in answer.pieces(text)),
            {"type": "response.output_item.done", "item": item, **place},
        ]
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    whole = {**head, "status": "completed", "output": items, "usage": usage}
    return json.dumps(whole).encode(), sse(*events, {"type": "response.completed", "response": whole})


@pytest.mark.parametrize(
    ("wire", "dialect", "spoken"),
    [
        pytest.param(anthropic, anthropic.ANTHROPIC, of_anthropic, id="anthropic"),
        pytest.param(claude_code, anthropic.ANTHROPIC, of_claude_code, id="claude_code"),
        pytest.param(gemini, gemini.GEMINI, of_gemini, id="gemini"),
        pytest.param(ollama, ollama.OLLAMA, of_ollama, id="ollama"),
        pytest.param(openai_responses, dialects.RESPONSES.OPENAI, of_responses, id="openai_responses"),
    ],
)
@settings(max_examples=60)
@given(answer=answers, cut=st.integers(1, 400))
def test_a_stream_adds_up_to_the_whole_answer(
    wire: WireFormat, dialect: Any, spoken: Callable[[Answer], tuple[bytes, bytes]], answer: Answer, cut: int
) -> None:
    """Parts, signatures, calls, reason and usage, however the text and the bytes are cut; Chat Completions has a test of its own."""
    body, stream = spoken(answer)
    whole = runner.parse_whole(wire, dialect, "p", body)
    assert whole["candidates"][0]["finish_reason"]
    assert whole["usage"]["total_tokens"] == "7"
    chunks = [stream[at : at + cut] for at in range(0, len(stream), cut)]
    assert in_text(runner.parse_stream(wire, dialect, "p", chunks)) == in_text(whole)


def in_text(answer: Json) -> Json:
    """The answer with arguments as values: their white space is the model's in a stream and the server's in a whole answer."""
    for part in answer["candidates"][0]["message"]["parts"]:
        if "tool_call" in part:
            part["tool_call"]["arguments_json"] = json.loads(part["tool_call"]["arguments_json"])
    return answer


@pytest.mark.parametrize(("kind", "label", "wire", "dialect"), APIS, ids=[label for _, label, _, _ in APIS])
def test_options_replace_nothing_that_a_call_is_routed_priced_and_read_by(
    kind: str, label: str, wire: WireFormat, dialect: Any
) -> None:
    """In every wire format, addressed to the kind, the provider or its API: refused with the path of the option."""
    asked = {
        "model": "m2",
        "models": ["m2"],
        "fallback_model": "m2",
        "stream": True,
        "n": 2,
        "messages": [{}],
        "input": "x",
    }
    asked |= {"contents": [{}], "background": True, "deferred": True}
    assert asked.keys() == OWNED.keys()
    message = content_pb2.Message(
        role=content_pb2.ROLE_USER, parts=[content_pb2.Part(text=content_pb2.TextPart(text="hi"))]
    )
    for name, value in asked.items():
        for address in (kind, "p", "p/api"):
            request = gateway_pb2.SendRequest(messages=[message])
            request.provider_options_json[address] = json.dumps({name: value})
            rendering = Rendering(
                request=request,
                model="m",
                stream=False,
                provider="p",
                kind=kind,
                dialect=dialect,
                settings=SETTINGS,
                api="api",
            )
            with pytest.raises(InvalidRequest) as caught:
                wire.render_request(rendering)
            assert [one.field for one in caught.value.violations] == [f'provider_options_json["{address}"].{name}']


def test_options_inside_litellms_extra_body_are_options_too() -> None:
    """It lays them over the body."""
    message = content_pb2.Message(
        role=content_pb2.ROLE_USER, parts=[content_pb2.Part(text=content_pb2.TextPart(text="hi"))]
    )
    request = gateway_pb2.SendRequest(messages=[message])
    request.provider_options_json["litellm"] = '{"extra_body": {"model": "m2", "x": 1}}'
    wire, dialect = next((wire, dialect) for kind, _, wire, dialect in APIS if kind == "litellm")
    rendering = Rendering(request=request, model="m", stream=False, provider="litellm", kind="litellm", dialect=dialect)
    with pytest.raises(InvalidRequest) as caught:
        wire.render_request(rendering)
    assert [one.field for one in caught.value.violations] == ['provider_options_json["litellm"].extra_body.model']


NO_NAMES = (
    "..", ".", "../admin", "a/../b", "a/..", "a/./b", "a//b", "/a", "a/", "%2e%2e/a", "a%2Fb", "a?key=1", "a#b", "a;b", "a b", "a\\b", "a\x00",
    "a\r\nb", "\N{SNOWMAN}", "models/../x", "publishers/../../x",
    "projects/other/locations/global/endpoints/1", "models/projects/other/locations/global/endpoints/1", "x/projects/other/models/y", "projects/",
)  # fmt: skip


def greeting(wire: WireFormat, dialect: Any, kind: str, model: str, **more: Any) -> Outgoing:
    """A request that says hi to a model."""
    message = content_pb2.Message(
        role=content_pb2.ROLE_USER, parts=[content_pb2.Part(text=content_pb2.TextPart(text="hi"))]
    )
    request = gateway_pb2.SendRequest(messages=[message], **{"model": f"p/{model}", **more.pop("request", {})})
    given = {**SETTINGS, **more}
    return wire.render_request(
        Rendering(request=request, model=model, stream=True, provider="p", kind=kind, dialect=dialect, settings=given)
    )


def test_a_name_that_is_none_reaches_no_path() -> None:
    """Whatever puts the model into its path refuses steps up, queries, fragments, escapes and other projects, and names the field;
    everything else has the model in the body, where it is text."""
    in_path = set()
    for kind, label, wire, dialect in APIS:
        fixed = greeting(wire, dialect, kind, "m1").path
        if fixed == greeting(wire, dialect, kind, "m2").path:
            assert {greeting(wire, dialect, kind, model).path for model in NO_NAMES if "\0" not in model} == {fixed}
            continue
        in_path.add(kind)
        for model in NO_NAMES:
            with pytest.raises(InvalidRequest) as caught:
                greeting(wire, dialect, kind, model)
            assert [one.field for one in caught.value.violations] == ["model"], (label, model)
    assert in_path == {"gemini", "vertex", "bedrock", "azure_openai"}


def test_a_fallbacks_name_that_is_none_is_told_at_the_fallback() -> None:
    """The field is the one that has the name."""
    fallbacks = {"model": "p/m", "routing": gateway_pb2.RoutingPolicy(fallback_models=["p/m2", "p/../x"])}
    with pytest.raises(InvalidRequest) as caught:
        greeting(gemini, gemini.GEMINI, "gemini", "../x", request=fallbacks)
    assert [one.field for one in caught.value.violations] == ["routing.fallback_models[1]"]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("projects/project/locations/global/endpoints/1", frozenset[str]()),
        ("projects/other/locations/global/endpoints/1", frozenset({"projects/other/locations/global/endpoints/1"})),
    ],
)
def test_a_resource_of_the_configured_project_or_that_the_file_names_is_called(
    model: str, named: frozenset[str]
) -> None:
    """What the operator chose is not refused."""
    path = greeting(gemini, dialects.GEMINI.VERTEX, "vertex", model, named=named).path
    assert path == f"/v1beta1/{model}:streamGenerateContent?alt=sse"


def _deep(levels: int) -> str:
    return '{"a":' + "[" * levels + "]" * levels + "}"


HOSTILE = {
    "digits": '{"a": ' + "9" * 5000 + "}",
    "bounds of digits": '{"type": "object", "minItems": ' + "9" * 5000 + "}",
    "exponent": '{"a": 1e999}',
    "NaN": '{"a": NaN}',
    "surrogate": '{"a": "\\ud800"}',
    "deep": _deep(99),
    "deeper": _deep(500),
    "near the end of the stack": _deep(960),
    "beyond the stack": _deep(100_000),
    "deep schema": '{"anyOf": [' * 300 + "{}" + "]}" * 300,
    "half": '{"a":',
    "wide and half": '{"a": [' + "[]," * 500,
    "no object": "[1]",
    "nothing": "",
    "NUL": '{"a": "\0"}',
}
"""Texts of JSON that are not what they seem."""


def hostile_requests(text: str, kind: str) -> Iterator[tuple[str, gateway_pb2.SendRequest]]:
    """(field, a request that has the text there), for every field of JSON text that there is."""

    def fresh(role: content_pb2.Role.ValueType = content_pb2.ROLE_USER) -> Any:
        request = gateway_pb2.SendRequest()
        part = request.messages.add(role=role).parts.add()
        part.text.text = "hi"
        return request, part

    request, _ = fresh()
    request.provider_options_json[kind] = text
    yield "provider_options_json", request
    request, _ = fresh()
    request.messages[0].provider_options_json[kind] = text
    yield "messages[0].provider_options_json", request
    request, part = fresh()
    part.provider_options_json[kind] = text
    yield "messages[0].parts[0].provider_options_json", request
    request, part = fresh()
    part.text.citations.add(uri="https://e.test", title="t", cited_text="c", provider_json=text)
    yield "messages[0].parts[0].text.citations[0].provider_json", request
    request, part = fresh(content_pb2.ROLE_ASSISTANT)
    part.opaque.MergeFrom(content_pb2.OpaquePart(provider=kind, type="x", json=text))
    yield "messages[0].parts[0].opaque.json", request
    for executed in (False, True):
        request, part = fresh(content_pb2.ROLE_ASSISTANT)
        part.tool_call.MergeFrom(
            content_pb2.ToolCall(id="c1", name="f", arguments_json=text, provider_executed=executed)
        )
        result = request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
        result.MergeFrom(content_pb2.ToolResult(tool_call_id="c1", name="f", is_error=executed))
        result.parts.add().text.text = text
        yield "messages[0].parts[0].tool_call.arguments_json", request
    for strict in (False, True):
        request, _ = fresh()
        request.tools.add().function.MergeFrom(
            gateway_pb2.FunctionTool(name="f", parameters_json_schema=text, strict=strict)
        )
        yield "tools[0].function.parameters_json_schema", request
        request, _ = fresh()
        request.output_format.json_schema.MergeFrom(
            gateway_pb2.JsonSchemaFormat(name="f", schema_json=text, strict=strict)
        )
        yield "output_format.json_schema.schema_json", request
    request, _ = fresh()
    request.tools.add().provider_tool.MergeFrom(gateway_pb2.ProviderTool(type="web_search", options_json=text))
    yield "tools[0].provider_tool.options_json", request
    request, _ = fresh()
    request.tools.add(provider_options_json={kind: text}).function.name = "f"
    yield "tools[0].provider_options_json", request


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_that_is_not_what_it_seems_is_sent_as_json_or_refused_by_its_path(text: str) -> None:
    """In every field that holds JSON, for every API: nothing else comes of it, whatever reads, merges or writes it."""
    for kind, label, wire, dialect in APIS:
        for model in ("model", "claude-opus-5-5", "gpt-5.5"):
            for field, request in hostile_requests(text, kind):
                rendering = Rendering(
                    request=request,
                    model=model,
                    stream=False,
                    provider="p",
                    kind=kind,
                    dialect=dialect,
                    settings=SETTINGS,
                )
                try:
                    validate(request)
                    outgoing = wire.render_request(rendering)
                    assert render_head(outgoing.method, outgoing.path, "", outgoing.headers, len(outgoing.body))
                    outgoing.body.decode()
                except InvalidRequest as refused:
                    fields = [violation.field for violation in refused.violations]
                    assert any(one.startswith(field.partition(".")[0]) for one in fields), (label, field, fields)


NO_BETAS = ("a\r\nx-evil: 1", "a\0", "\N{SNOWMAN}", "a b", ["a,b"], ["a\nb"], [5], [None], {"a": 1}, 7, True)


@pytest.mark.parametrize("betas", NO_BETAS, ids=repr)
@pytest.mark.parametrize("key", ["betas", "anthropic_beta"])
def test_betas_that_no_header_can_hold_are_refused_by_their_path(key: str, betas: Any) -> None:
    """Line ends, NUL, what is not ASCII, and what is no text: the option is named, with the address that it stands under."""
    for kind, _, wire, dialect in APIS:
        if wire is anthropic:
            options = {kind: "{}", "p": json.dumps({key: betas})}
            with pytest.raises(InvalidRequest) as caught:
                greeting(wire, dialect, kind, "claude-opus-5-5", request={"provider_options_json": options})
            assert [one.field for one in caught.value.violations] == [f'provider_options_json["p"].{key}']
            options = {kind: json.dumps({key: [" a-1 ", "", "b"]})}
            assert greeting(wire, dialect, kind, "claude-opus-5-5", request={"provider_options_json": options})


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\0", "\N{SNOWMAN}"])
def test_a_cache_key_that_no_header_can_hold_is_told_and_left_out(value: str) -> None:
    """Where it would be a header."""
    for kind, _, wire, dialect in APIS:
        outgoing = greeting(
            wire, dialect, kind, "m", request={"cache_config": gateway_pb2.CacheConfig(cache_key=value)}
        )
        assert render_head(outgoing.method, outgoing.path, "", outgoing.headers, len(outgoing.body))


ODD: tuple[Json, ...] = (
    {"text": 5}, {"content": 5}, {"content": [5]}, {"content": "x"}, {"content": [{}]}, {"parts": 5}, {"parts": {}}, {"parts": "x"},
    {"toolResult": 5}, {"input": -1.5}, {"type": [5]}, {"role": {}}, {"tool_calls": 5}, {"cache_control": 5}, {"function": []},
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_options_of_a_type_that_a_part_cannot_have_are_sent_or_refused_by_their_path(odd: Json) -> None:
    """On each message, part, part of a result and tool, for every API: whatever the wire format does with the field afterwards."""
    told = []
    for kind, label, wire, dialect in APIS:
        for place in range(10):
            request = gateway_pb2.SendRequest()
            request.messages.add(role=content_pb2.ROLE_SYSTEM).parts.add().text.text = "hi"
            request.messages.add(role=content_pb2.ROLE_USER).parts.add().text.text = "hi"
            call = content_pb2.ToolCall(id="c1", name="f", arguments_json="{}")
            request.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add().tool_call.CopyFrom(call)
            result = request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
            result.MergeFrom(content_pb2.ToolResult(tool_call_id="c1", name="f"))
            result.parts.add().text.text = "ok"
            request.tools.add().function.MergeFrom(gateway_pb2.FunctionTool(name="f", parameters_json_schema="{}"))
            holders: list[Any] = [*request.messages, *(message.parts[0] for message in request.messages)]
            holders += [result.parts[0], request.tools[0]]
            holders[place].provider_options_json["p"] = json.dumps(odd)
            rendering = Rendering(
                request=request, model="m", stream=False, provider="p", kind=kind, dialect=dialect, settings=SETTINGS
            )
            try:
                render(wire, rendering)
            except InvalidRequest as refused:
                told += [(label, place, one.field) for one in refused.violations]
    assert all('provider_options_json["p"]' in field for _, _, field in told), told


def test_a_bug_of_a_wire_format_stays_one() -> None:
    """Options are blamed only where the request without them can be rendered."""

    class Broken:
        def render_request(self, rendering: Rendering) -> Outgoing:
            raise TypeError

    wire: Any = Broken()
    request = gateway_pb2.SendRequest(provider_options_json={"p": "{}"})
    rendering = Rendering(request=request, model="m", stream=True, provider="p", kind="p", dialect=None)
    with pytest.raises(TypeError):
        render(wire, rendering)


def _results(request: gateway_pb2.SendRequest, count: int, message: content_pb2.Message) -> None:
    """So many calls of one id in one turn, and their results, each in a message of its own."""
    calls = request.messages.add(role=content_pb2.ROLE_ASSISTANT).parts
    for number in range(count):
        calls.add().tool_call.MergeFrom(content_pb2.ToolCall(id="c !", name=f"f{number}", arguments_json="{}"))
    for number in reversed(range(count)):
        result = request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
        result.MergeFrom(content_pb2.ToolResult(tool_call_id="c !", name=f"f{number}"))
        result.parts.add().text.text = "ok"


def _allowed(request: gateway_pb2.SendRequest, count: int, message: content_pb2.Message) -> None:
    for number in range(count):
        request.tools.add().function.MergeFrom(gateway_pb2.FunctionTool(name=f"f{number}", parameters_json_schema="{}"))
        request.tool_config.allowed_tool_names.append(f"f{number}")


def _documents(request: gateway_pb2.SendRequest, count: int, message: content_pb2.Message) -> None:
    for _ in range(count):
        document = content_pb2.MediaPart(mime_type="application/pdf", data=b"1", filename="same.pdf")
        message.parts.add().media.CopyFrom(document)


def _instructions(request: gateway_pb2.SendRequest, count: int, message: content_pb2.Message) -> None:
    for _ in range(count):
        request.messages.add(role=content_pb2.ROLE_DEVELOPER).parts.add().text.text = "hi"


def _breakpoints(request: gateway_pb2.SendRequest, count: int, message: content_pb2.Message) -> None:
    for _ in range(count):
        part = request.messages.add(role=content_pb2.ROLE_USER).parts.add()
        part.text.text = " "
        part.cache_control.SetInParent()


@pytest.mark.no_cover
@pytest.mark.parametrize("fill", [_results, _allowed, _documents, _instructions, _breakpoints])
def test_eight_times_as_much_takes_some_eight_times_as_long(
    fill: Callable[[gateway_pb2.SendRequest, int, content_pb2.Message], None],
) -> None:
    """Of what once took the square: processor time, so that a busy machine does not matter; a square takes 64 times as long."""
    formats = {id(wire): (kind, wire, dialect) for kind, label, wire, dialect in APIS if "dated" not in label}.values()

    def seconds(count: int, kind: str, wire: WireFormat, dialect: Any) -> float:
        request = gateway_pb2.SendRequest()
        message = request.messages.add(role=content_pb2.ROLE_USER)
        message.parts.add().text.text = "hi"
        fill(request, count, message)
        rendering = Rendering(
            request=request,
            model="claude-opus-5-5",
            stream=True,
            provider="p",
            kind=kind,
            dialect=dialect,
            settings=SETTINGS,
        )
        best = math.inf
        for _ in range(3):
            begun = time.process_time()
            validate(request)
            with suppress(InvalidRequest):
                wire.render_request(rendering)
            best = min(best, time.process_time() - begun)
        return best

    for kind, wire, dialect in formats:
        assert seconds(2400, kind, wire, dialect) < 24 * seconds(300, kind, wire, dialect), kind
