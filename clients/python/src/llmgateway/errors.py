"""What a failed call raises: the status and its google.rpc details, unpacked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from llmgateway.v1 import error_pb2, gateway_pb2

_DETAILS = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"
# A new call would be billed beside the part of an answer that the caller holds, or would meet the same empty account.
_NOT_RETRYABLE = frozenset({"STREAM_INTERRUPTED", "PROVIDER_QUOTA_EXHAUSTED"})


class GatewayError(Exception):
    """A call failed. Its class follows the status code and, where one is known, the reason.

    code: the gRPC status code. message: the status message; `str()` of the error adds code, reason and what the details say beyond it.
    reason: ErrorInfo.reason, UPPER_SNAKE_CASE; empty where the failure did not come from the gateway.
    metadata: ErrorInfo.metadata, such as provider and model.
    retry_delay: seconds to wait before a new call, or None where the server named no delay.
    attempts: the provider calls that were made, in order.
    violations: what is wrong with which field of the request.
    provider_failure: what the last provider answered, or None.
    request_id: the gateway's id of the call; empty when it gave none.
    preconditions: what must be mended first: the lines of a configuration that is wrong, say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_delay: float | None = None,
        violations: Sequence[error_details_pb2.BadRequest.FieldViolation] = (),
        provider_failure: error_pb2.ProviderFailure | None = None,
        request_id: str = "",
        preconditions: Sequence[error_details_pb2.PreconditionFailure.Violation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_delay = retry_delay
        self.violations = tuple(violations)
        self.provider_failure = provider_failure
        self.request_id = request_id
        self.preconditions = tuple(preconditions)

    @property
    def attempts(self) -> tuple[gateway_pb2.Attempt, ...]:
        """The provider calls that were made and the targets that were skipped, in order."""
        return tuple(self.provider_failure.attempts) if self.provider_failure is not None else ()

    @property
    def retryable(self) -> bool:
        """Whether the same call, made again after `retry_delay`, may succeed."""
        if self.reason in _NOT_RETRYABLE:
            return False
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return self.retry_delay is not None or isinstance(self, RateLimited)
        return self.code is grpc.StatusCode.UNAVAILABLE

    @property
    def description(self) -> str:
        """The message, and what the details say beyond it: fields at fault, who answered what, what was tried, when to try again."""
        clauses = [*_fields(self.message, self.violations), *_failure(self.message, self.provider_failure)]
        if self.retry_delay:
            clauses.append(f"try again in {math.ceil(self.retry_delay * 10) / 10:g} s")
        if self.code is grpc.StatusCode.INTERNAL and self.request_id:
            clauses.append(f"request id {self.request_id}")
        return "; ".join([self.message.removesuffix("."), *clauses]) if clauses else self.message

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.code.name}{reason}: {self.description}"


def _fields(message: str, violations: Sequence[error_details_pb2.BadRequest.FieldViolation]) -> Iterator[str]:
    for violation in violations:
        wrong = violation.description.removesuffix(".")
        if wrong not in message:
            yield f"{violation.field}: {wrong}"


def _failure(message: str, failure: error_pb2.ProviderFailure | None) -> Iterator[str]:
    if failure is None:
        return
    target = _target(failure)
    who = target if target not in message else ""
    status = f"HTTP {failure.provider_status}" if failure.provider_status else ""
    words = failure.provider_message
    answer = [*([status] if status not in message else []), *([f'"{words}"'] if words not in message else [])]
    if answer:
        yield " ".join([who or "the provider", "answered", *answer])
    elif who:
        yield f"at {who}"
    failed = [attempt for attempt in failure.attempts if attempt.reason or attempt.skip_reason]
    tried = dict.fromkeys(map(_attempt, failed))  # in order, each once
    if len(tried) > 1 and not all(_target(attempt) in message for attempt in failed):
        yield f"tried {', '.join(tried)}"


def _target(one: error_pb2.ProviderFailure | gateway_pb2.Attempt) -> str:
    return f"{one.provider}/{one.model}" if one.model else one.provider


def _attempt(attempt: gateway_pb2.Attempt) -> str:
    why = f"skipped: {attempt.skip_reason}" if attempt.skip_reason else attempt.reason
    return f"{_target(attempt)} ({why})"


class InvalidArgument(GatewayError):
    """The request is at fault; `violations` say where."""


class ContextWindowExceeded(InvalidArgument):
    """The conversation is longer than the model's context window."""


class Unauthenticated(GatewayError):
    """The gateway does not accept the API key, or none was sent."""


class PermissionDenied(GatewayError):
    """The key may not do this."""


class NotFound(GatewayError):
    """Something that the request names does not exist."""


class ModelNotFound(NotFound):
    """No route, model or provider has the name that was asked for."""


class FailedPrecondition(GatewayError):
    """The gateway cannot serve this as it is set up, whoever asks."""


class ResourceExhausted(GatewayError):
    """A limit was reached."""


class RateLimited(ResourceExhausted):
    """Too many calls; wait `retry_delay` seconds."""


class QuotaExhausted(ResourceExhausted):
    """The gateway's quota with the provider is used up; waiting does not help."""


class Unavailable(GatewayError):
    """The gateway, or every provider it asked, cannot serve now."""


class StreamInterrupted(Unavailable):
    """The provider's stream broke after content was sent; nothing was replayed."""


class DeadlineExceeded(GatewayError):
    """The deadline of the call was reached."""


class Cancelled(GatewayError):
    """The call was cancelled."""


class Unimplemented(GatewayError):
    """The gateway or the provider does not offer this."""


class Internal(GatewayError):
    """The gateway failed, or a provider answered what it cannot read."""


class StreamTruncated(GatewayError):
    """A stream ended with status OK but without its `completed` event, so its answer is not whole."""

    def __init__(self) -> None:
        super().__init__(
            "the stream ended before the answer was whole",
            code=grpc.StatusCode.DATA_LOSS,
            reason="STREAM_TRUNCATED",
        )


_BY_CODE: Mapping[grpc.StatusCode, type[GatewayError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.INTERNAL: Internal,
}
_BY_REASON: Mapping[str, type[GatewayError]] = {
    "CONTEXT_WINDOW_EXCEEDED": ContextWindowExceeded,
    "MODEL_NOT_FOUND": ModelNotFound,
    "PROVIDER_NOT_CONFIGURED": ModelNotFound,
    "PROVIDER_RATE_LIMITED": RateLimited,
    "GATEWAY_RATE_LIMITED": RateLimited,
    "PROVIDER_QUOTA_EXHAUSTED": QuotaExhausted,
    "STREAM_INTERRUPTED": StreamInterrupted,
}


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn an RpcError into the GatewayError that it stands for."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def from_rpc_error(error: grpc.RpcError) -> GatewayError:
    """The typed error of a failed RPC, sync or async. Details that cannot be read, or are of an unknown type, are left out."""
    code = error.code()
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    bad_request = error_details_pb2.BadRequest()
    precondition = error_details_pb2.PreconditionFailure()
    request_info = error_details_pb2.RequestInfo()
    failure = error_pb2.ProviderFailure()
    # grpc and grpc.aio differ in the type of the trailers; both are pairs of key and value, and either may have none.
    pairs: Any = error.trailing_metadata() or ()
    trailers: Mapping[str, Any] = dict(pairs)
    found = _unpack(trailers.get(_DETAILS, b""), info, retry, bad_request, precondition, request_info, failure)
    by_code = _BY_CODE.get(code, GatewayError)
    by_reason = _BY_REASON.get(info.reason, by_code)
    return (by_reason if issubclass(by_reason, by_code) else by_code)(
        error.details() or "no details",
        code=code,
        reason=info.reason,
        metadata=info.metadata,
        retry_delay=retry.retry_delay.ToNanoseconds() / 1e9 if retry in found else None,
        violations=bad_request.field_violations,
        provider_failure=failure if failure in found else None,
        preconditions=precondition.violations,
        request_id=request_info.request_id or str(trailers.get(_REQUEST_ID, "")),
    )


def _unpack(details: bytes, *wanted: Message) -> Sequence[Message]:
    """Fill `wanted` from a serialised google.rpc.Status; returns those that it held."""
    found = []
    try:
        for packed in status_pb2.Status.FromString(details).details:
            found += [message for message in wanted if packed.Is(message.DESCRIPTOR) and packed.Unpack(message)]
    except DecodeError:
        pass
    return found
