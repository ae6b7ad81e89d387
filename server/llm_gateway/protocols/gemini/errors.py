"""What Google says of an error (AIP-193: google.rpc.Status with details), to the error tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway import errors
from llm_gateway.protocols import failures, json
from llm_gateway.protocols.gemini.dialect import Dialect
from llm_gateway.protocols.wire import Headers

_BY_REASON: Mapping[str, type[errors.ProviderError]] = {
    "API_KEY_INVALID": errors.CredentialsRejected,
    "API_KEY_SERVICE_BLOCKED": errors.CredentialsRejected,
    "SERVICE_DISABLED": errors.CredentialsRejected,
    "BILLING_DISABLED": errors.Billing,
    "CONSUMER_INVALID": errors.CredentialsRejected,
    "FAILED_PRECONDITION": errors.NotSupported,
    "UNIMPLEMENTED": errors.NotSupported,
}
"""ErrorInfo.reason or the status. FAILED_PRECONDITION says that the service is not offered to this region or account."""

_STATUS: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""google/rpc/code.proto to HTTP, for an error that names no HTTP status."""


class _NoHeaders:
    def get(self, name: str, /) -> None:
        return None


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    """The error for an answer that is not 2xx."""
    found, message = failures.body_words(body)
    return _error(status, headers, found, message)


def in_stream_error(chunk: dict[str, Any]) -> errors.ProviderError:
    """The error that a chunk holds in place of an answer."""
    found = chunk["error"] if isinstance(chunk["error"], dict) else {"message": chunk["error"]}
    status = found.get("code")
    if not isinstance(status, int) or not 400 <= status < 600:
        status = _STATUS.get(str(found.get("status")), 0)
    return _error(status, _NoHeaders(), found, failures.word(found.get("message")))


def _error(status: int, headers: Headers, found: dict[str, Any], message: str) -> errors.ProviderError:
    reason, retry_after, quota = "", None, False
    details = found.get("details")
    per_day = False
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        kind = str(detail.get("@type", "")).rsplit(".", 1)[-1]
        if kind == "ErrorInfo":
            reason = failures.word(detail.get("reason"))
            metadata = detail.get("metadata")
            per_day |= isinstance(metadata, dict) and "PerDay" in str(metadata.get("quota_limit", ""))
        elif kind == "RetryInfo":
            retry_after = failures.duration(str(detail.get("retryDelay", "")))
        elif kind == "QuotaFailure":
            quota = True
            per_day |= "PerDay" in json.text(detail.get("violations"))
    code = failures.word(found.get("status")) or failures.word(found.get("code"))
    codes = dict(_BY_REASON)
    if per_day:
        codes["RESOURCE_EXHAUSTED"] = errors.QuotaExhausted
    elif quota or retry_after is not None or reason == "RATE_LIMIT_EXCEEDED":
        # Gemini says "exceeded your current quota" of limits per minute too.
        codes["RESOURCE_EXHAUSTED"] = errors.RateLimited
    if reason in codes:
        code, reason = reason, code
    return failures.from_http(
        status, headers, code=code, kind=reason, message=message, retry_after=retry_after, codes=codes
    )
