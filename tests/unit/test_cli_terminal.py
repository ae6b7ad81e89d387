"""What the command line prints: nothing that drives a terminal, and lines that a person can act on."""

import re
from typing import get_args

import grpc
import pytest
from google.rpc import error_details_pb2
from llm_gateway.cli.chat import summary
from llm_gateway.cli.connection import explain
from llm_gateway.cli.terminal import enum_name, one_line, printable, table
from llmgateway import (
    ChatReply,
    DeadlineExceeded,
    Diagnosis,
    FailedPrecondition,
    GatewayError,
    Internal,
    InvalidArgument,
    ModelNotFound,
    RateLimited,
    StreamTruncated,
    Unauthenticated,
    Unavailable,
)
from llmgateway.diagnosis import Kind
from llmgateway.v1 import error_pb2, gateway_pb2

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\u241b]0;owned\u2407"),
        ("\x1b[2J", "\u241b[2J"),
        ("\x9b31m", "\ufffd31m"),
        ("safe\rtrick", "safetrick"),
        ("a\b\x7f", "a\u2408\u2421"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("\u2066x\u2069", "\ufffdx\ufffd"),
        ("tab\tand\nbreak, ünïcode 漢字 🙂", "tab\tand\nbreak, ünïcode 漢字 🙂"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    """Escape sequences, C1, carriage returns, bidirectional controls; everything else is left alone."""
    assert printable(text) == shown


def test_one_line_is_one_line() -> None:
    """A server's text cannot forge further lines."""
    assert one_line("a\nerror: b\r\n\x1b[1m") == "a error: b \u241b[1m"


def test_a_table_aligns_its_columns_and_cleans_its_cells() -> None:
    """Names come from providers."""
    assert table(("A", "B"), [("long name", "x"), ("s\x1b", "y")]) == "A          B\nlong name  x\ns\u241b         y"


def test_a_table_of_nothing_is_its_header() -> None:
    """No models is no error."""
    assert table(("A", "B"), []) == "A  B"


def test_a_table_is_shortened_to_a_width_but_for_the_column_that_names_its_rows() -> None:
    """The widest of the others first, none below its title; then the last columns are left out."""
    header, rows = ("NAME", "CAN", "ALIASES"), [("a-model-with-a-name", "streaming,tools,vision", "one,two,three")]

    def row(width: int, whole: int = 0) -> str:
        return table(header, rows, width, whole).splitlines()[1]

    assert row(58) == "a-model-with-a-name  streaming,tools,vision  one,two,three"
    assert row(50) == "a-model-with-a-name  streaming,too…  one,two,three"
    assert row(40) == "a-model-with-a-name  streami…  one,two,…"
    assert row(30) == "a-model-with-a-name  streami…"
    assert row(10) == "a-model-with-a-name"
    assert "  streaming,tools,vision  " in row(52, whole=1)


def test_an_enum_value_of_a_newer_gateway_is_shown_as_its_number() -> None:
    """Known ones lose their prefix."""
    assert enum_name(gateway_pb2.FinishReason, "FINISH_REASON_", gateway_pb2.FINISH_REASON_MAX_TOKENS) == "MAX_TOKENS"
    assert enum_name(gateway_pb2.FinishReason, "FINISH_REASON_", 99) == "99"


def reply(**usage: object) -> ChatReply:
    response = gateway_pb2.SendResponse()
    response.candidates.add(finish_reason=gateway_pb2.FINISH_REASON_STOP)
    response.route.provider, response.route.model = "a", "m"
    response.route.attempts.add()
    response.usage.input_tokens, response.usage.output_tokens = 12, 34
    for name, value in usage.items():
        setattr(response.usage, name, value)
    return ChatReply(response=response)


def test_the_summary_says_who_served_and_what_it_cost() -> None:
    """One attempt, known price, streamed."""
    line = summary(reply(cost_nano_usd=120_000), 0.4211)
    assert line == "a/m, 1 attempt | 12 tokens in, 34 out | $0.000120 | first token after 0.42 s"


def test_the_summary_tells_a_fallback_an_estimate_an_unknown_price_and_an_early_end() -> None:
    """What is not known is not made up."""
    told = reply(estimated=True)
    told.route.attempts.add()
    told.route.fallback_used = True
    told.response.candidates[0].finish_reason = gateway_pb2.FINISH_REASON_MAX_TOKENS
    assert (
        summary(told, None)
        == "a/m, 2 attempts with fallback | ~12 tokens in, ~34 out | cost unknown | ended by max_tokens"
    )


def test_the_provider_s_price_stands_in_for_the_gateway_s() -> None:
    """Zero is a price."""
    assert "| $0.000000" in summary(reply(provider_cost_nano_usd=0), None)


VIOLATION = error_details_pb2.BadRequest.FieldViolation(field="messages", description="is empty.")
TRIED = error_pb2.ProviderFailure(
    attempts=[
        gateway_pb2.Attempt(provider="a", model="m", reason="PROVIDER_OVERLOADED"),
        gateway_pb2.Attempt(provider="b", model="n", skip_reason="CIRCUIT_OPEN"),
    ]
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            Unauthenticated("No key.", code=Code.UNAUTHENTICATED),
            "No key; set LLM_GATEWAY_API_KEY to a key of this gateway",
        ),
        (ModelNotFound("No model x.", code=Code.NOT_FOUND), "No model x; `llm-gateway models` lists what there is"),
        (DeadlineExceeded("Late.", code=Code.DEADLINE_EXCEEDED), "Late; give it more time with --timeout"),
        (
            RateLimited("Slow down.", code=Code.RESOURCE_EXHAUSTED, reason="R", retry_delay=1.5),
            "Slow down; try again in 1.5 s",
        ),
        (
            InvalidArgument("Bad.", code=Code.INVALID_ARGUMENT, reason="INVALID_REQUEST", violations=[VIOLATION]),
            "Bad; messages: is empty (INVALID_REQUEST)",
        ),
        (
            Unavailable("All failed.", code=Code.UNAVAILABLE, reason="ALL_ROUTES_FAILED", provider_failure=TRIED),
            "All failed; tried a/m (PROVIDER_OVERLOADED), b/n (skipped: CIRCUIT_OPEN); "
            "`llm-gateway health --probe` shows how the providers are",
        ),
        (
            InvalidArgument(
                "The request is not valid. model: Name a model of a; it has no default.",
                code=Code.INVALID_ARGUMENT,
                reason="INVALID_REQUEST",
                violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field="model", description="Name a model of a; it has no default."
                    )
                ],
            ),
            "The request is not valid. model: Name a model of a; it has no default (INVALID_REQUEST)",
        ),
        (
            FailedPrecondition("a/m: The key was rejected.", code=Code.FAILED_PRECONDITION, reason="PROVIDER_BILLING"),
            "a/m: The key was rejected; `llm-gateway providers check` shows which keys are accepted",
        ),
        (Internal("Bug.", code=Code.INTERNAL, request_id="q1"), "Bug; request id q1; report it"),
        (StreamTruncated(), "the stream ended before the answer was whole; ask again"),
        (GatewayError("odd", code=Code.ABORTED), "odd (ABORTED)"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(error: GatewayError, line: str) -> None:
    """In that order, on one line."""
    assert explain(error, "127.0.0.1:50051") == line


def test_silence_at_a_local_address_says_how_to_start_a_gateway() -> None:
    """Elsewhere, what to check. What was found by looking stands in place of gRPC's words."""
    silence = Unavailable("failed to connect to all addresses", code=Code.UNAVAILABLE)
    assert "llm-gateway serve" in explain(silence, "127.0.0.1:50051")
    assert "check --address" in explain(silence, "gateway.example:443")
    found = Diagnosis("expired", "the certificate of gateway.example:443 has expired")
    assert explain(silence, "gateway.example:443", found).startswith(f"{found.cause}; have it renewed")


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_cause_of_silence_has_a_remedy(kind: Kind) -> None:
    """In words of the command line."""
    text = explain(Unavailable("", code=Code.UNAVAILABLE), "gateway.example:443", Diagnosis(kind, "it is so"))
    assert re.fullmatch(r"it is so; .{15,}", text)
