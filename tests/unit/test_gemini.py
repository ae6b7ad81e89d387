"""Gemini's generateContent, by golden cases and by its quirks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway.errors import ProviderError, RateLimited
from llm_gateway.protocols import callids, framing, gemini
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import guarded
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import content_pb2, model_pb2

from tests.golden import runner
from tests.support import dialects

MODULE = PROVIDER = "gemini"
Case = dict[str, Any]


def dialect_of(case: Case) -> gemini.Dialect:
    found: gemini.Dialect = getattr(dialects.GEMINI, case.get("dialect", "GEMINI"))
    return found


def chunk(*parts: dict[str, Any], **candidate: Any) -> bytes:
    """One SSE event of an answer."""
    body = {"candidates": [{"content": {"parts": list(parts)}, **candidate}]}
    return b"data: " + json.dumps(body).encode() + b"\r\n\r\n"


def streamed(*pieces: bytes) -> EventWriter:
    """A writer that a stream was read into, to its close."""
    writer = EventWriter(PROVIDER)
    parser, frames = gemini.stream_parser(writer, gemini.GEMINI), framing.Sse()
    for event, data in [frame for piece in pieces for frame in frames.feed(piece)] + frames.close():
        parser.feed(event, data)
    parser.close()
    return writer


def parts_of(writer: EventWriter) -> Any:
    """Parts of the first candidate."""
    folded = Accumulator()
    for event in writer.drain():
        folded.add(event)
    return folded.response().candidates[0].message.parts


@pytest.mark.parametrize("case", runner.cases(MODULE, "request"))
def test_request_is_rendered_as_the_golden_case_says(case: Case) -> None:
    """Body, path, headers and warnings; or the fields for which it is refused."""
    runner.check_request(gemini, dialect_of(case), PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "response"))
def test_answer_is_read_as_the_golden_case_says(case: Case) -> None:
    """Whole answers, and streams however they are cut, fold to the expected response."""
    runner.check_response(gemini, dialect_of(case), PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "error_body"))
def test_error_is_classified_as_the_golden_case_says(case: Case) -> None:
    """Code, reason and delay."""
    runner.check_error(gemini, dialect_of(case), case)


def test_stream_and_whole_answer_of_one_case_agree() -> None:
    """fold(stream) == unary, wherever a case has both."""
    both = {str(found.id): found.values[0] for found in runner.cases(MODULE, "response")}
    pairs = [
        stem.removesuffix("_stream")
        for stem in both
        if f"{stem.removesuffix('_stream')}_unary" in both and "_stream" in stem
    ]
    assert len(pairs) > 5
    for stem in pairs:
        assert both[f"{stem}_stream"]["response"] == both[f"{stem}_unary"]["response"]


def test_arguments_keep_the_spelling_of_numbers() -> None:
    """1.50 and 1e3 stay what they are, in a stream, in a whole answer and in an array."""
    raw = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"b": 1.50, "a": 1e3, "c": 12345678901234567890123}}}]},"finishReason":"STOP"}]}'
    expected = '{"b":1.50,"a":1e3,"c":12345678901234567890123}'
    whole = EventWriter(PROVIDER)
    gemini.parse_response(raw, whole, gemini.GEMINI)
    several = EventWriter(PROVIDER)
    gemini.parse_response(b"[" + raw + b"]", several, gemini.GEMINI)
    for writer in (whole, several, streamed(b"data: " + raw + b"\n\n")):
        assert parts_of(writer)[0].tool_call.arguments_json == expected


def test_schema_and_arguments_keep_their_spelling_on_the_way_out() -> None:
    """Key order and numbers of the caller's JSON text reach the provider."""
    case = {
        "request": {
            "messages": [
                {"role": "ROLE_USER", "parts": [{"text": {"text": "x"}}]},
                {
                    "role": "ROLE_ASSISTANT",
                    "parts": [{"tool_call": {"id": "a", "name": "f", "arguments_json": '{"z":1.50,"a":1e3}'}}],
                },
            ],
            "tools": [{"function": {"name": "f", "parameters_json_schema": '{"type":"object","default":1.0}'}}],
        }
    }
    body = gemini.render_request(runner.rendering(case, gemini.GEMINI, PROVIDER)).body
    assert b'"args":{"z":1.50,"a":1e3}' in body
    assert b'"parametersJsonSchema":{"type":"object","default":1.0}' in body


def test_signature_goes_back_byte_for_byte() -> None:
    """Answer to request: the base64 of a signature is the same again, whichever alphabet it came in."""
    writer = streamed(chunk({"functionCall": {"name": "f"}, "thoughtSignature": "-_-_"}, finishReason="STOP"))
    part = parts_of(writer)[0]
    assert part.signature == b"\xfb\xff\xbf"
    request = {"messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "x"}}]}, {"role": "ROLE_ASSISTANT"}]}
    rendering = runner.rendering({"request": request}, gemini.GEMINI, PROVIDER)
    rendering.request.messages[1].parts.append(part)
    wire = json.loads(gemini.render_request(rendering).body)["contents"][1]["parts"][0]
    assert wire == {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "+/+/"}


def test_stream_without_a_finish_reason_is_not_at_its_end() -> None:
    """The caller sees that it was cut."""
    assert not streamed(chunk({"text": "a"})).done
    assert streamed(chunk({"text": "a"}), chunk(finishReason="STOP")).done


def test_usage_of_a_cut_stream_is_reported() -> None:
    """The counts are cumulative: the last ones stand, though nothing ended."""
    writer = streamed(
        *(
            b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":%d}}\n\n'
            % n
            for n in (1, 2, 3)
        )
    )
    assert not writer.done
    assert writer.usage is not None
    assert (writer.usage.input_tokens, writer.usage.output_tokens) == (3, 3)


@pytest.mark.parametrize(
    "error",
    [
        b'data: {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}\r\n\r\n',
        b'{\n  "error": {\n    "code": 429,\n    "message": "slow down",\n    "status": "RESOURCE_EXHAUSTED"\n  }\n}\n',
        b'[{\n  "error": {\n    "code": 429,\n    "message": "slow down",\n    "status": "RESOURCE_EXHAUSTED"\n  }\n}\n]\n',
    ],
    ids=["event", "bare", "list"],
)
def test_error_in_a_stream_is_raised_in_every_form(error: bytes) -> None:
    """As an event, and as pretty-printed JSON without a field name."""
    with pytest.raises(RateLimited) as caught:
        streamed(chunk({"text": "a"}), error)
    assert caught.value.provider_message == "slow down"


def test_text_commits_and_an_empty_chunk_does_not() -> None:
    """The commit rule."""
    writer = EventWriter(PROVIDER)
    parser = gemini.stream_parser(writer, gemini.GEMINI)
    parser.feed("", b'{"usageMetadata":{"trafficType":"ON_DEMAND"},"responseId":"r"}')
    parser.feed("", b'{"candidates":[{"content":{"role":"model","parts":[{"text":""}]}}]}')
    assert not writer.committed
    parser.feed("", b'{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]}}]}')
    assert writer.committed


def test_made_up_ids_are_recognised() -> None:
    """And differ from answer to answer."""
    one, two = callids.make_up("resp-1", 0), callids.make_up("resp-2", 0)
    assert one != two
    assert callids.is_made_up(one)
    assert not callids.is_made_up("call_abc")
    assert len(callids.make_up("x" * 200, 12)) <= 40


def test_models_of_ai_studio() -> None:
    """Only those that generate content; limits, names and the next page."""
    body = {
        "models": [
            {
                "name": "models/gemini-2.5-flash", "displayName": "Flash", "inputTokenLimit": 1048576, "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "createCachedContent"], "thinking": True,
            },
            {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "t",
    }  # fmt: skip
    page = gemini.parse_models(json.dumps(body).encode(), gemini.GEMINI)
    (model,) = page.models
    assert (model.model_id, model.display_name, model.input_token_limit, page.next) == (
        "gemini-2.5-flash",
        "Flash",
        1048576,
        "t",
    )
    assert model_pb2.MODEL_CAPABILITY_REASONING in model.capabilities
    assert model_pb2.MODEL_CAPABILITY_PROMPT_CACHING in model.capabilities


@pytest.mark.parametrize(
    ("model_id", "writes", "calls_tools"),
    [
        ("gemini-3-flash-preview", [content_pb2.MODALITY_TEXT], True),
        ("gemini-2.5-flash-image", [content_pb2.MODALITY_TEXT, content_pb2.MODALITY_IMAGE], False),
        ("gemini-2.5-pro-preview-tts", [content_pb2.MODALITY_AUDIO], False),
        ("gemma-3-27b-it", [], False),
    ],
)
def test_what_a_model_can_do_is_known_by_its_kind(model_id: str, writes: list[int], calls_tools: bool) -> None:
    """The lists do not tell; an unknown model is left open."""
    (model,) = gemini.parse_models(
        json.dumps({"models": [{"name": f"models/{model_id}"}]}).encode(), gemini.GEMINI
    ).models
    assert list(model.output_modalities) == writes
    assert (model_pb2.MODEL_CAPABILITY_TOOLS in model.capabilities) == calls_tools


def test_models_of_vertex() -> None:
    """Base models are listed without a project."""
    request = gemini.render_list_models("a b", dialects.GEMINI.VERTEX)
    assert (request.method, request.path) == ("GET", "/v1beta1/publishers/google/models?pageSize=1000&pageToken=a%20b")
    page = gemini.parse_models(
        b'{"publisherModels":[{"name":"publishers/google/models/gemini-3-pro-preview"}]}', dialects.GEMINI.VERTEX
    )
    assert [m.model_id for m in page.models] == ["gemini-3-pro-preview"]


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"models":[{}]}', b'{"models":5}', b"nope"])
def test_list_of_models_in_a_strange_shape_is_a_provider_error(body: bytes) -> None:
    """Never anything else."""
    with pytest.raises(ProviderError):
        guarded(gemini.parse_models, body, gemini.GEMINI)


_KEYS = st.sampled_from([
    "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args", "partialArgs", "jsonPath",
    "stringValue", "willContinue", "inlineData", "data", "mimeType", "fileData", "executableCode", "finishReason", "index",
    "usageMetadata", "promptTokenCount", "promptTokensDetails", "modality", "tokenCount", "promptFeedback", "blockReason",
    "safetyRatings", "citationMetadata", "citationSources", "startIndex", "endIndex", "groundingMetadata", "groundingSupports",
    "groundingChunks", "segment", "groundingChunkIndices", "logprobsResult", "chosenCandidates", "topCandidates", "error", "code",
    "status", "details", "message", "createTime", "responseId",
])  # fmt: skip
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["$.a", "$[0].b", "STOP", "AQ=="])
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=30
)
_SHAPED = st.fixed_dictionaries({
    "candidates": st.lists(
        st.fixed_dictionaries(
            {"content": st.fixed_dictionaries({"parts": st.lists(st.dictionaries(_KEYS, _JSON, max_size=3), max_size=3)})},
            optional={"groundingMetadata": _JSON, "citationMetadata": _JSON, "finishReason": _JSON, "logprobsResult": _JSON, "index": _JSON},
        ),
        max_size=2,
    )
})  # fmt: skip


@settings(max_examples=200)
@given(st.lists(_JSON | _SHAPED, max_size=3))
def test_no_chunk_breaks_the_parser(values: list[Any]) -> None:
    """Whatever JSON comes, there is an answer or a ProviderError."""
    writer = EventWriter(PROVIDER)
    parser = gemini.stream_parser(writer, gemini.GEMINI)
    try:
        for value in values:
            guarded(parser.feed, "", json.dumps(value).encode())
        guarded(parser.close)
        guarded(parser.end)
    except ProviderError:
        return
    assert writer.done


@settings(max_examples=200)
@given(st.dictionaries(_KEYS | st.just("@type") | st.just("metadata"), _JSON, max_size=5), st.integers(400, 599))
def test_no_error_body_breaks_the_classification(error: dict[str, Any], status: int) -> None:
    """An error of any shape has a class, a reason and a code."""
    for body in (
        {"error": error},
        [{"error": error}],
        {"error": {"details": [error, {**error, "@type": "x.RetryInfo"}]}},
    ):
        found = gemini.parse_error(status, runner.LowerCase(), json.dumps(body).encode(), gemini.GEMINI)
        assert found.status == status
        assert found.reason


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(body: bytes) -> None:
    """Errors are always classified; answers that are no JSON are a ProviderError."""
    assert isinstance(gemini.parse_error(500, runner.LowerCase(), body, gemini.GEMINI), ProviderError)
    with pytest.raises((ProviderError, MalformedJson)):
        gemini.stream_parser(EventWriter(PROVIDER), gemini.GEMINI).feed("", b"\x00" + body)


def test_an_unknown_model_is_taken_at_the_caller_s_word() -> None:
    """A tuned model's family cannot be seen from its id: nothing is dropped or clamped."""
    case = {
        "request": {
            "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "x"}}]}],
            "reasoning": {"budget_tokens": 7},
        },
        "model": "tuned",
    }
    body = json.loads(gemini.render_request(runner.rendering(case, gemini.GEMINI, PROVIDER)).body)
    assert body["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 7}}
