"""errors: the outermost boundary. Every failure leaves as a canonical code with google.rpc details, never with an exception's text."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf import any_pb2, message
from google.rpc import error_details_pb2, status_pb2
from llmgateway.v1 import error_pb2

from llm_gateway import durations
from llm_gateway.errors import (
    CallerDeadline,
    Code,
    CredentialsRejected,
    GatewayError,
    InternalError,
    ModelNotFound,
    NotAsThingsAre,
    ProviderError,
    ProviderNotConfigured,
    QuotaExhausted,
    RateLimited,
    ResourceError,
    StreamInterrupted,
    UnknownModel,
)
from llm_gateway.rpc.chain import Handler, Rpc
from llm_gateway.telemetry import logs

DOMAIN = "llmgateway.v1.LLMGateway"
MAX_MESSAGE = 600
"""Characters of the encoded status message, which is sent twice."""
MAX_MODEL = 200
"""Bytes of a model's name, which is the caller's."""
MAX_DETAIL = 2600
"""Bytes of google.rpc.Status: base64 makes a third more of them, and all trailers together stay below 4 KiB."""
RESERVED = 300
"""Of these bytes, for what follows the violations: the request id, and the type names of the details."""


class Passed(GatewayError):
    """A failure in another process of the gateway, told as it is told there."""

    def __init__(self, status: status_pb2.Status, text: str) -> None:
        """text: what may stand in a log."""
        super().__init__(text)
        self.status = status
        self.code = Code(status.code)  # type: ignore[misc]  # whatever it is there
        info = error_details_pb2.ErrorInfo()
        if status.details and status.details[0].Unpack(info):
            self.reason = info.reason  # type: ignore[misc]

    @property
    def told(self) -> str:
        return str(self.status.message)


class Errors:
    """Turns exceptions of the inner links and of the servicer into statuses."""

    async def __call__(self, rpc: Rpc, proceed: Handler) -> Any:
        try:
            return await proceed(rpc)
        except asyncio.CancelledError:
            raise
        except GatewayError as error:
            await _abort(rpc, error)
        except Exception as error:  # anything else is a bug; the log has it, the caller gets a reference
            if rpc.ended:
                raise
            logs.log().error("internal error", error=type(error).__name__, request_id=rpc.request_id, exc_info=True)
            await _abort(rpc, InternalError("The gateway failed; the request id is in its log."))


async def _abort(rpc: Rpc, error: GatewayError) -> None:
    """End the RPC with the error's status, details and trailers."""
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status_of(error, rpc.request_id).SerializeToString()),
        ("x-request-id", rpc.request_id),
    ]
    pushback = _pushback(error)
    if pushback is not None:
        trailers.append(("grpc-retry-pushback-ms", str(pushback)))
    await rpc.end(error.code, _told(error), trailers)


def status_of(error: GatewayError, request_id: str = "") -> status_pb2.Status:
    """google.rpc.Status of an error: ErrorInfo, then whatever else applies (AIP-193), at most MAX_DETAIL bytes."""
    if isinstance(error, Passed):
        return error.status
    status = status_pb2.Status(code=error.code, message=_told(error))
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    failure = _failure(error)
    if failure is not None:
        for key, value in (
            ("provider", failure.provider),
            ("model", failure.model),
            ("providerStatus", str(failure.provider_status or "")),
            ("providerCode", failure.provider_code),
            ("attemptCount", str(sum(not a.skip_reason for a in failure.attempts) or "")),
        ):
            if value:
                info.metadata[key] = value[:200]
    details: list[message.Message] = [info, *_typed_details(error, failure)]
    if request_id:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    for detail in details:
        room = MAX_DETAIL - RESERVED - status.ByteSize()
        violations: Any = ()
        if isinstance(detail, error_details_pb2.BadRequest):
            violations = detail.field_violations
        elif isinstance(detail, error_details_pb2.PreconditionFailure):
            violations = detail.violations
        while len(violations) > 1 and detail.ByteSize() > room:
            del violations[-1]
        _pack(status, detail)
    if failure is not None:
        room = MAX_DETAIL - status.ByteSize()
        while failure.ByteSize() > room and failure.attempts:
            del failure.attempts[0]
        if failure.ByteSize() > room:
            failure.ClearField("provider_message")
        _pack(status, failure)
    return status


def _told(error: GatewayError) -> str:
    """The status message, at most MAX_MESSAGE characters as HTTP/2 carries it: gRPC percent-encodes all but printable ASCII."""
    text = error.told
    room = MAX_MESSAGE
    for position, character in enumerate(text):
        room -= 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode(errors="replace"))
        if room < 0:
            return text[:position]
    return text


def _pack(status: status_pb2.Status, detail: message.Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _failure(error: GatewayError) -> error_pb2.ProviderFailure | None:
    attempts = error.attempts
    if not isinstance(error, ProviderError) and not attempts:
        return None
    failure = error_pb2.ProviderFailure()
    called = [attempt for attempt in attempts if not attempt.skip_reason] or list(attempts)
    if called:
        failure.provider, failure.model = called[-1].provider, _clipped(called[-1].model)
    failure.attempts.extend(attempts[-16:])
    if isinstance(error, ProviderError):
        failure.provider_status = error.status
        failure.provider_code = error.provider_code
        failure.provider_request_id = error.provider_request_id
        failure.provider_message = error.provider_message
        if error.usage is not None:
            failure.partial_usage.CopyFrom(error.usage)
        if isinstance(error, StreamInterrupted):
            failure.events_sent = error.events_sent
    return failure


def _clipped(name: str) -> str:
    return name.encode()[:MAX_MODEL].decode(errors="ignore")


def _typed_details(error: GatewayError, failure: error_pb2.ProviderFailure | None) -> list[message.Message]:
    details: list[message.Message] = []
    if error.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=durations.to_proto(error.retry_after)))
    if error.code is Code.INVALID_ARGUMENT:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations[:20]:
            bad.field_violations.add(
                field=violation.field[:200], description=violation.description[:300], reason=violation.reason
            )
        if not error.violations and error.reason in _FIELD_AT_FAULT:
            bad.field_violations.add(field=_FIELD_AT_FAULT[error.reason], description=_told(error), reason=error.reason)
        if bad.field_violations:
            details.append(bad)
    subject = f"providers/{failure.provider}" if failure is not None and failure.provider else ""
    if isinstance(error, CredentialsRejected):
        unmet = error_details_pb2.PreconditionFailure()
        unmet.violations.add(type=error.reason, subject=subject, description=_told(error))
        details.append(unmet)
    elif isinstance(error, NotAsThingsAre):
        unmet = error_details_pb2.PreconditionFailure()
        for one in error.violations[:20]:
            unmet.violations.add(type=one.reason, subject=one.field[:200], description=one.description[:300])
        details.append(unmet)
    elif isinstance(error, ResourceError):
        kind = f"llmgateway.admin.v1/{error.resource.partition('/')[0].removesuffix('s').title()}"
        details.append(
            error_details_pb2.ResourceInfo(
                resource_type=kind, resource_name=error.resource[:200], description=_told(error)
            )
        )
    elif isinstance(error, (RateLimited, QuotaExhausted)):
        quota = error_details_pb2.QuotaFailure()
        quota.violations.add(subject=subject, description=_told(error))
        details.append(quota)
    elif isinstance(error, (UnknownModel, ModelNotFound, ProviderNotConfigured)):
        kind = "llmgateway.v1/Provider" if isinstance(error, ProviderNotConfigured) else "llmgateway.v1/Model"
        name = failure.model if failure is not None else ""
        details.append(error_details_pb2.ResourceInfo(resource_type=kind, resource_name=name, description=_told(error)))
    return details


_FIELD_AT_FAULT = {
    "CONTEXT_WINDOW_EXCEEDED": "messages",
    "REQUEST_TOO_LARGE": "messages",
    "MEDIA_UNREACHABLE": "messages",
}


def _pushback(error: GatewayError) -> int | None:
    """Milliseconds after which the client's own retry policy may retry (gRFC A6); -1 forbids it, also once the call has used up its provider
    calls, which the client's retries must not multiply. A caller's own loop goes by RetryInfo instead. A wait is sent
    only with UNAVAILABLE: grpc-java retries after it whatever the code, even one that its policy does not name."""
    if error.spent or isinstance(error, (StreamInterrupted, CredentialsRejected, QuotaExhausted, CallerDeadline)):
        return -1
    if error.code is Code.UNAVAILABLE and error.retry_after is not None:
        return max(1, int(error.retry_after * 1000))
    return None
