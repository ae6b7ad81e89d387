"""Ollama's native chat route, by golden cases and by its quirks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_gateway.errors import ProviderError
from llm_gateway.protocols import ollama
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import guarded
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import content_pb2, model_pb2

from tests.golden import runner

MODULE = PROVIDER = "ollama"
Case = dict[str, Any]


@pytest.mark.parametrize("case", runner.cases(MODULE, "request"))
def test_request_is_rendered_as_the_golden_case_says(case: Case) -> None:
    """Body, path and warnings; or the fields for which it is refused."""
    runner.check_request(ollama, ollama.OLLAMA, PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "response"))
def test_answer_is_read_as_the_golden_case_says(case: Case) -> None:
    """Whole answers, and streams however they are cut, fold to the expected response."""
    runner.check_response(ollama, ollama.OLLAMA, PROVIDER, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "error_body"))
def test_error_is_classified_as_the_golden_case_says(case: Case) -> None:
    """Code, reason and delay."""
    runner.check_error(ollama, ollama.OLLAMA, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "models_body"))
def test_models_are_read_as_the_golden_case_says(case: Case) -> None:
    """Ids, names and where they run."""
    runner.check_models(ollama, ollama.OLLAMA, case)


def test_stream_and_whole_answer_of_one_case_agree() -> None:
    """fold(stream) == unary, wherever a case has both."""
    both = {str(found.id): found.values[0] for found in runner.cases(MODULE, "response")}
    stems = [stem.removesuffix("_stream") for stem in both if stem.endswith("_stream")]
    pairs = [stem for stem in stems if f"{stem}_unary" in both]
    assert len(pairs) >= 4
    for stem in pairs:
        assert both[f"{stem}_stream"]["response"] == both[f"{stem}_unary"]["response"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (b'{"b": 1.50, "a": 1e3}', '{"b":1.50,"a":1e3}'),
        (b'"{\\"a\\": 1.50}"', '{"a": 1.50}'),
        (b"null", "{}"),
        (b"{}", "{}"),
    ],
)
def test_arguments_are_handed_on_as_the_model_wrote_them(arguments: bytes, expected: str) -> None:
    """Objects keep their numbers' spelling; text and nothing, which some servers send, are understood."""
    body = (
        b'{"message":{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":%s}}]},"done":true}'
        % arguments
    )
    writer = EventWriter(PROVIDER)
    ollama.parse_response(body, writer, ollama.OLLAMA)
    folded = Accumulator()
    for event in writer.drain():
        folded.add(event)
    assert folded.response().candidates[0].message.parts[0].tool_call.arguments_json == expected


def test_schema_and_arguments_keep_their_spelling_on_the_way_out() -> None:
    """Key order and numbers of the caller's JSON text reach the server."""
    call = {"tool_call": {"id": "a", "name": "f", "arguments_json": '{"z":1.50,"a":1e3}'}}
    case = {
        "request": {
            "messages": [{"role": "ROLE_ASSISTANT", "parts": [call]}],
            "output_format": {"json_schema": {"schema_json": '{"type":"number","multipleOf":1.0}'}},
        }
    }
    body = ollama.render_request(runner.rendering(case, ollama.OLLAMA, PROVIDER)).body
    assert b'"arguments":{"z":1.50,"a":1e3}' in body
    assert b'"format":{"type":"number","multipleOf":1.0}' in body


def test_show_tells_what_a_model_can_do() -> None:
    """Capabilities, modalities and the context window, which the model's file may set."""
    body: Case = {
        "capabilities": ["completion", "tools", "vision", "thinking"],
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
    }
    assert json.loads(ollama.render_show("qwen3:8b").body) == {"model": "qwen3:8b"}
    model = ollama.parse_show(json.dumps(body).encode())
    assert model.input_token_limit == 40960
    assert model_pb2.MODEL_CAPABILITY_TOOLS in model.capabilities
    assert model_pb2.MODEL_CAPABILITY_REASONING in model.capabilities
    assert list(model.input_modalities) == [content_pb2.MODALITY_TEXT, content_pb2.MODALITY_IMAGE]
    body["parameters"] = "stop    <|im_end|>\nnum_ctx                        8192"
    assert ollama.parse_show(json.dumps(body).encode()).input_token_limit == 8192


def test_an_embedding_model_writes_nothing() -> None:
    """It is listed without the capability to answer."""
    model = ollama.parse_show(b'{"capabilities":["embedding"]}')
    assert not model.output_modalities
    assert not model.capabilities


def test_loaded_models_are_named() -> None:
    """As the list names them."""
    assert ollama.render_loaded().path == "/api/ps"
    assert ollama.parse_loaded(b'{"models":[{"name":"a","model":"a:1"},{"name":"b"}]}') == {"a:1", "b"}


@pytest.mark.parametrize(
    "read", [lambda body: ollama.parse_models(body, ollama.OLLAMA), ollama.parse_loaded, ollama.parse_show]
)
@pytest.mark.parametrize("body", [b"[]", b"null", b'{"models":5,"capabilities":5}', b"nope"])
def test_lists_in_a_strange_shape_are_a_provider_error(read: Callable[[bytes], object], body: bytes) -> None:
    """Never anything else."""
    with pytest.raises(ProviderError):
        guarded(read, body)


_KEYS = st.sampled_from([
    "message", "content", "thinking", "tool_calls", "function", "name", "arguments", "images", "done", "done_reason", "error", "model",
    "created_at", "prompt_eval_count", "eval_count", "logprobs", "token", "logprob", "bytes", "top_logprobs", "id",
])  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)
_LINE = st.fixed_dictionaries(
    {"message": st.dictionaries(_KEYS, _JSON, max_size=4)},
    optional={"done": _JSON, "logprobs": _JSON, "eval_count": _JSON},
)


@settings(max_examples=200)
@given(st.lists(_JSON | _LINE, max_size=3))
def test_no_line_breaks_the_parser(values: list[Any]) -> None:
    """Whatever JSON comes, it is read or a ProviderError."""
    writer = EventWriter(PROVIDER)
    parser = ollama.stream_parser(writer, ollama.OLLAMA)
    try:
        for value in values:
            guarded(parser.feed, "", json.dumps(value).encode())
    except ProviderError:
        return
    parser.close()
    assert writer.done or not any(isinstance(value, dict) and value.get("done") for value in values)


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(body: bytes) -> None:
    """Errors are always classified; what is no JSON is told from it."""
    assert isinstance(ollama.parse_error(500, runner.LowerCase(), body, ollama.OLLAMA), ProviderError)
    with pytest.raises((ProviderError, MalformedJson)):
        ollama.stream_parser(EventWriter(PROVIDER), ollama.OLLAMA).feed("", b"\x00" + body)
