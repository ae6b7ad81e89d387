"""Claude Code: golden cases in both directions, and where its output ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.errors import InvalidRequest, ProviderError
from llm_gateway.protocols import claude_code
from llm_gateway.protocols.anthropic import ANTHROPIC
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.json import WRONG_SHAPE, MalformedJson

from tests.golden import runner

MODULE = "claude_code"
Case = dict[str, Any]


@pytest.mark.parametrize("case", runner.cases(MODULE, "request"))
def test_a_request_becomes_a_process(case: Case) -> None:
    """The rendered arguments and input are the golden ones."""
    runner.check_request(claude_code, ANTHROPIC, MODULE, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "response_body") + runner.cases(MODULE, "stream"))
def test_output_reaches_the_caller(case: Case) -> None:
    """The answer is the golden one, however the output is cut."""
    runner.check_response(claude_code, ANTHROPIC, MODULE, case)


@pytest.mark.parametrize("case", runner.cases(MODULE, "status"))
def test_a_command_without_output_is_classified(case: Case) -> None:
    """What it writes to standard error tells the class and goes nowhere."""
    runner.check_error(claude_code, ANTHROPIC, case)
    error = claude_code.parse_error(case["status"], runner.LowerCase(), case["error_body"].encode(), ANTHROPIC)
    assert error.provider_message == ""


def test_a_schema_must_fit_into_an_argument() -> None:
    """Linux refuses arguments of 128 KiB, so the caller is told before."""
    schema = json.dumps({"description": "x" * (128 << 10)})
    case = {
        "request": {
            "messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "Hi"}}]}],
            "output_format": {"json_schema": {"schema_json": schema}},
        }
    }
    with pytest.raises(InvalidRequest) as caught:
        claude_code.render_request(runner.rendering(case, ANTHROPIC, MODULE))
    assert [violation.field for violation in caught.value.violations] == ["output_format.json_schema.schema_json"]


@pytest.mark.parametrize(
    ("line", "last"),
    [
        (b'{"type":"result","subtype":"success"}', True),
        (b'{"subtype":"success","type": "result"}', True),
        (b'{"type":"assistant","message":{"type":"result"}}', False),
        (b'{"type":"system","subtype":"result"}', False),
        (b'"result"', False),
        (b'type "result" {', False),
        (b'{"type":"result","usage":7}', False),
        (b"", False),
    ],
)
def test_only_the_result_ends_the_output(line: bytes, last: bool) -> None:
    """The word elsewhere in a line does not."""
    assert claude_code.is_last(line) is last


def test_a_command_that_is_not_claude_code_lists_no_models() -> None:
    """The probe is the version, which names the program."""
    assert [model.model_id for model in claude_code.parse_models(b"2.1.329 (Claude Code)\n", ANTHROPIC).models]
    with pytest.raises(ProviderError):
        claude_code.parse_models(b"git version 2\n", ANTHROPIC)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["result", "assistant", "text", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "event", "message", "content", "id", "usage", "index", "text", "delta"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
lines = st.fixed_dictionaries(
    {"type": st.sampled_from(["system", "stream_event", "assistant", "result", "user"])},
    optional=dict.fromkeys(
        ("event", "message", "usage", "result", "error", "tools", "is_error", "stop_reason", "modelUsage"), values
    ),
)


@given(st.lists(lines | values, max_size=6))
def test_any_output_gives_an_answer_or_a_provider_error(output: list[Any]) -> None:
    """Whatever a process writes, nothing but a ProviderError comes of it."""
    writer = EventWriter("p")
    parser = claude_code.stream_parser(writer, ANTHROPIC)
    for line in output:
        try:
            parser.feed("", json.dumps(line).encode())
        except MalformedJson:
            continue
        except (ProviderError, *WRONG_SHAPE):
            return
        if writer.done:
            return
