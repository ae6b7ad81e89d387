"""A failed call becomes the typed error that its status and details stand for."""

import grpc
import llmgateway
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb2
from google.rpc import status_pb2
from llmgateway.v1 import error_pb2
from llmgateway.v1.gateway_pb2 import Attempt


class Failed(grpc.RpcError):
    """An RpcError as grpc raises it, without a call."""

    def __init__(self, code: grpc.StatusCode, *details: Message, raw: bytes | None = None) -> None:
        status = status_pb2.Status(code=code.value[0])
        for detail in details:
            if isinstance(detail, any_pb2.Any):
                status.details.append(detail)
            else:
                status.details.add().Pack(detail)
        self._code = code
        self._trailers = (
            ("x-request-id", "from-trailer"),
            ("grpc-status-details-bin", status.SerializeToString() if raw is None else raw),
        )

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "what happened"

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:  # type: ignore[override]
        return self._trailers


def told(message: str, *details: Message, code: str = "UNAVAILABLE") -> str:
    """What the error of a status says in `str()`, without its code."""
    failed = Failed(grpc.StatusCode[code], *details)
    failed.details = lambda: message  # type: ignore[method-assign]
    return str(llmgateway.from_rpc_error(failed)).removeprefix(code)


ANSWERED = error_pb2.ProviderFailure(
    provider="openai", model="gpt-5", provider_status=400, provider_message="top_logprobs requires logprobs"
)
TRIED = error_pb2.ProviderFailure(
    provider="b",
    model="n",
    attempts=[
        Attempt(provider="x", model="y"),
        Attempt(provider="a", model="m", reason="PROVIDER_OVERLOADED"),
        Attempt(provider="a", model="m", reason="PROVIDER_OVERLOADED"),
        Attempt(provider="b", model="n", skip_reason="CIRCUIT_OPEN"),
    ],
)
EMPTY = details_pb2.BadRequest(field_violations=[{"field": "model", "description": "Name a model of a."}])


@pytest.mark.parametrize(
    ("message", "details", "text"),
    [
        ("Refused.", [ANSWERED], 'Refused; openai/gpt-5 answered HTTP 400 "top_logprobs requires logprobs"'),
        (
            "openai/gpt-5: The provider refused the request (HTTP 400): top_logprobs requires logprobs.",
            [ANSWERED],
            "openai/gpt-5: The provider refused the request (HTTP 400): top_logprobs requires logprobs.",
        ),
        (
            "openai/gpt-5: The provider refused the request (HTTP 400).",
            [ANSWERED],
            'openai/gpt-5: The provider refused the request (HTTP 400); the provider answered "top_logprobs requires logprobs"',
        ),
        ("Down.", [TRIED], "Down; at b/n; tried a/m (PROVIDER_OVERLOADED), b/n (skipped: CIRCUIT_OPEN)"),
        ("a/m: overloaded. b/n: held back.", [TRIED], "a/m: overloaded. b/n: held back."),
        ("Not valid.", [EMPTY], "Not valid; model: Name a model of a"),
        ("Not valid. model: Name a model of a.", [EMPTY], "Not valid. model: Name a model of a."),
        ("Busy.", [details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=61_000_000))], "Busy; try again in 0.1 s"),
        ("Busy.", [details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=90))], "Busy; try again in 90 s"),
    ],
)  # fmt: skip
def test_an_error_in_a_log_says_what_its_details_say_once(message: str, details: list[Message], text: str) -> None:
    """Who answered what, fields, attempts, delay; nothing that the message has already."""
    assert told(message, *details) == f": {text}"


def test_a_bug_is_told_with_the_id_to_report() -> None:
    """Which other failures keep in `request_id`."""
    assert told("Bug.", details_pb2.RequestInfo(request_id="q1"), code="INTERNAL") == ": Bug; request id q1"


def info(reason: str) -> details_pb2.ErrorInfo:
    return details_pb2.ErrorInfo(reason=reason, domain="llmgateway", metadata={"provider": "a"})


def test_every_detail_is_unpacked() -> None:
    """Reason, delay, violations, attempts, request id and the provider's failure."""
    failure = error_pb2.ProviderFailure(
        provider="acme", provider_status=429, attempts=[Attempt(provider="a"), Attempt(provider="b")]
    )
    error = llmgateway.from_rpc_error(
        Failed(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            info("PROVIDER_RATE_LIMITED"),
            details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)),
            details_pb2.BadRequest(field_violations=[{"field": "messages[0]", "description": "empty"}]),
            details_pb2.RequestInfo(request_id="q1"),
            failure,
        )
    )
    assert type(error) is llmgateway.RateLimited
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "PROVIDER_RATE_LIMITED")
    assert (error.retry_delay, error.request_id, error.metadata) == (1.5, "q1", {"provider": "a"})
    assert [(v.field, v.description) for v in error.violations] == [("messages[0]", "empty")]
    assert [a.provider for a in error.attempts] == ["a", "b"]
    assert error.provider_failure == failure
    assert str(error) == (
        "RESOURCE_EXHAUSTED (PROVIDER_RATE_LIMITED): what happened; messages[0]: empty; acme answered HTTP 429; try again in 1.5 s"
    )


@pytest.mark.parametrize("raw", [b"", b"\xff\xff\xff", b"\x1a\x05\x0a\x03abc"])
def test_details_that_cannot_be_read_are_left_out(raw: bytes) -> None:
    """A proxy may cut or drop them; the status still counts."""
    error = llmgateway.from_rpc_error(Failed(grpc.StatusCode.UNAVAILABLE, raw=raw))
    assert type(error) is llmgateway.Unavailable
    assert (error.reason, error.retry_delay, error.attempts, error.violations) == ("", None, (), ())
    assert error.request_id == "from-trailer"
    assert str(error) == "UNAVAILABLE: what happened"


def test_details_of_an_unknown_type_are_skipped() -> None:
    """A newer gateway may add some; those behind it are still read."""
    unknown = any_pb2.Any(type_url="type.googleapis.com/llmgateway.v9.Novelty", value=b"\x08\x01")
    error = llmgateway.from_rpc_error(Failed(grpc.StatusCode.NOT_FOUND, unknown, info("MODEL_NOT_FOUND")))
    assert type(error) is llmgateway.ModelNotFound


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("INVALID_ARGUMENT", "INVALID_REQUEST", llmgateway.InvalidArgument),
        ("INVALID_ARGUMENT", "CONTEXT_WINDOW_EXCEEDED", llmgateway.ContextWindowExceeded),
        ("UNAUTHENTICATED", "CALLER_UNAUTHENTICATED", llmgateway.Unauthenticated),
        ("PERMISSION_DENIED", "MODEL_NOT_ALLOWED", llmgateway.PermissionDenied),
        ("NOT_FOUND", "PROVIDER_NOT_CONFIGURED", llmgateway.ModelNotFound),
        ("FAILED_PRECONDITION", "PROVIDER_BILLING", llmgateway.FailedPrecondition),
        ("RESOURCE_EXHAUSTED", "GATEWAY_RATE_LIMITED", llmgateway.RateLimited),
        ("RESOURCE_EXHAUSTED", "PROVIDER_QUOTA_EXHAUSTED", llmgateway.QuotaExhausted),
        ("UNAVAILABLE", "STREAM_INTERRUPTED", llmgateway.StreamInterrupted),
        ("UNAVAILABLE", "STREAM_TRUNCATED", llmgateway.Unavailable),
        ("DEADLINE_EXCEEDED", "CALLER_DEADLINE", llmgateway.DeadlineExceeded),
        ("UNIMPLEMENTED", "NOT_SUPPORTED_BY_PROVIDER", llmgateway.Unimplemented),
        ("INTERNAL", "PROVIDER_RESPONSE_INVALID", llmgateway.Internal),
        ("CANCELLED", "", llmgateway.Cancelled),
        ("ABORTED", "", llmgateway.GatewayError),
        ("INTERNAL", "REASON_OF_A_NEWER_GATEWAY", llmgateway.Internal),
        ("UNAVAILABLE", "PROVIDER_RATE_LIMITED", llmgateway.Unavailable),
    ],
)
def test_the_class_follows_the_code_and_refines_it_by_the_reason(code: str, reason: str, kind: type) -> None:
    """A reason never moves an error out of the class of its code."""
    error = llmgateway.from_rpc_error(Failed(grpc.StatusCode[code], info(reason)))
    assert type(error) is kind
    assert error.reason == reason


DELAY = details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2))


@pytest.mark.parametrize(
    ("code", "details", "retryable"),
    [
        ("UNAVAILABLE", [], True),
        ("UNAVAILABLE", [info("PROVIDER_OVERLOADED")], True),
        ("UNAVAILABLE", [info("STREAM_INTERRUPTED")], False),
        ("RESOURCE_EXHAUSTED", [info("PROVIDER_RATE_LIMITED")], True),
        ("RESOURCE_EXHAUSTED", [info("ALL_ROUTES_FAILED"), DELAY], True),
        ("RESOURCE_EXHAUSTED", [], False),
        ("RESOURCE_EXHAUSTED", [info("PROVIDER_QUOTA_EXHAUSTED"), DELAY], False),
        ("INVALID_ARGUMENT", [DELAY], False),
        ("INTERNAL", [], False),
        ("DEADLINE_EXCEEDED", [], False),
    ],
)
def test_retryable_says_whether_the_same_call_may_succeed(code: str, details: list[Message], retryable: bool) -> None:
    """RESOURCE_EXHAUSTED without reason or delay may be a message that is too large, which no waiting mends."""
    assert llmgateway.from_rpc_error(Failed(grpc.StatusCode[code], *details)).retryable is retryable


def test_no_delay_and_a_delay_of_zero_are_told_apart() -> None:
    """Zero means at once."""
    zero = llmgateway.from_rpc_error(Failed(grpc.StatusCode.UNAVAILABLE, details_pb2.RetryInfo()))
    assert zero.retry_delay == 0
