"""Errors by the names of Google's services (AIP-193: google.rpc.Status with details), in answers and in streams. Gemini and Vertex AI
send them, also in their OpenAI dialect, and so does Claude on Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway import errors
from llm_gateway.protocols import failures, json
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
"""ErrorInfo.reason or the status. FAILED_PRECONDITION means that the service is not offered to this region or account."""

STATUS: Mapping[str, int] = {
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


def is_status(found: Mapping[str, Any]) -> bool:
    """Whether an error object is a google.rpc.Status."""
    return str(found.get("status")) in STATUS


def from_http(
    status: int,
    headers: Headers,
    found: Mapping[str, Any],
    message: str,
    *,
    codes: Mapping[str, type[errors.ProviderError]] | None = None,
) -> errors.ProviderError:
    """The error of an answer, or of a stream if `headers` is empty. codes: of the wire format; they win."""
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
    if retry_after is None:
        retry_after = failures.said_delay(status, headers, message)
    code = failures.word(found.get("status")) or failures.word(found.get("code"))
    known = {**_BY_REASON, **(codes or {})}
    if per_day:
        known["RESOURCE_EXHAUSTED"] = errors.QuotaExhausted
    elif quota or retry_after is not None or reason == "RATE_LIMIT_EXCEEDED":
        # Gemini says "exceeded your current quota" of limits per minute too.
        known["RESOURCE_EXHAUSTED"] = errors.RateLimited
    if reason in known:
        code, reason = reason, code
    return failures.from_http(
        status, headers, code=code, kind=reason, message=message, retry_after=retry_after, codes=known
    )
