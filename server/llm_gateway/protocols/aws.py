"""Errors by the names of AWS services, in answers and in event streams.

Source: the errors of InvokeModel, Converse and ConverseStream in the Amazon Bedrock API reference, and AWS's common errors.
"""

from __future__ import annotations

import re

from llm_gateway import errors
from llm_gateway.protocols import failures
from llm_gateway.protocols.wire import Headers

CODES: dict[str, type[errors.ProviderError]] = {
    "UnrecognizedClientException": errors.CredentialsRejected,
    "InvalidSignatureException": errors.CredentialsRejected,
    "ExpiredTokenException": errors.CredentialsRejected,
    "MissingAuthenticationTokenException": errors.CredentialsRejected,
    "IncompleteSignatureException": errors.CredentialsRejected,
    "ServiceQuotaExceededException": errors.QuotaExhausted,
    "ResourceNotFoundException": errors.ModelNotFound,
    "ModelTimeoutException": errors.ProviderTimeout,
    "ModelErrorException": errors.ProviderUnavailable,
    "ModelStreamErrorException": errors.ProviderUnavailable,
    "ModelNotReadyException": errors.ProviderOverloaded,
    "InternalServerException": errors.ProviderUnavailable,
    "ServiceUnavailableException": errors.ProviderOverloaded,
}

# The HTTP status an exception has when it does not come in a stream.
STATUS = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}

_NO_SUCH_MODEL = re.compile(
    r"the provided model identifier is invalid|invocation of model id .{0,200}on-demand throughput isn.t supported"
    r"|(?:this|the) model .{0,200}(?:reached the end of its life|legacy)|access denied. this model is marked by provider as legacy",
    re.IGNORECASE,
)
_PER_DAY = re.compile(r"too many (?:tokens|requests) per day|.{0,80}\bdaily (?:quota|limit)", re.IGNORECASE)


def is_exception(event: str) -> bool:
    """Whether an event of a stream is a modelled exception (`throttlingException`)."""
    return event.endswith("Exception")


def in_stream(event: str, message: str) -> errors.ProviderError:
    """The error of an exception event; events spell the first letter small."""
    name = event[:1].upper() + event[1:]
    found = _classify(STATUS.get(name, 0), name, message)
    return found(provider_code=name, provider_message=message)


def from_http(status: int, headers: Headers, *, name: str = "", message: str = "") -> errors.ProviderError:
    """The error of an answer that is not 2xx. name: the exception, if the body has it; else `x-amzn-errortype` does."""
    name = (name or headers.get("x-amzn-errortype") or "").split(":")[0].rpartition("#")[2]
    found = _classify(status, name, message)
    return found(
        status=status,
        provider_code=name,
        provider_message=message,
        provider_request_id=headers.get("x-amzn-requestid") or "",
        retry_after=failures.retry_delay(headers),
    )


def _classify(status: int, name: str, message: str) -> type[errors.ProviderError]:
    found = failures.classify(status, kind=name, message=message, codes=CODES)
    words = failures.spoken(message) if found in (errors.RequestRefused, errors.RateLimited) else ""
    if found is errors.RequestRefused and _NO_SUCH_MODEL.match(words):
        return errors.ModelNotFound
    if found is errors.RateLimited and _PER_DAY.match(words):
        return errors.QuotaExhausted
    return found
