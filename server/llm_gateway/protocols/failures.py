"""From what providers say of an error to the error tree: structured codes first, words last.

The tables follow the providers' API documents and SDKs; wire formats add their own codes through `codes`.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any

from llm_gateway import errors
from llm_gateway.protocols import json
from llm_gateway.protocols.wire import Headers

BY_STATUS: Mapping[int, type[errors.ProviderError]] = {
    400: errors.RequestRefused,
    401: errors.CredentialsRejected,
    402: errors.Billing,
    403: errors.CredentialsRejected,
    404: errors.ModelNotFound,
    405: errors.RequestRefused,
    408: errors.ProviderTimeout,
    409: errors.ProviderUnavailable,
    413: errors.RequestTooLarge,
    415: errors.RequestRefused,
    422: errors.RequestRefused,
    424: errors.ProviderUnavailable,
    425: errors.ProviderUnavailable,
    429: errors.RateLimited,
    498: errors.ProviderOverloaded,
    499: errors.ProviderUnavailable,
    501: errors.NotSupported,
    503: errors.ProviderOverloaded,
    504: errors.ProviderTimeout,
    529: errors.ProviderOverloaded,
}

_CONTEXT = re.compile(
    r"context.?(?:length|window|limit|size)|prompt is too long|input is too long|longer than the model's"
    r"|exceeds? the maximum number of tokens|input tokens exceed|maximum (?:prompt|input) length|tokens? .{0,40}exceeds? .{0,40}limit",
    re.IGNORECASE,
)
_NOT_CONTEXT = re.compile(r"string_above_max_length|invalid 'user'|output tokens|max_tokens must", re.IGNORECASE)
_BLOCKED = re.compile(
    r"content.?(?:policy|filter|management|moderation)|flagged|safety system|usage guidelines|prohibited_content|invalid_prompt",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient.?(?:quota|funds|balance|credit)|exceeded your current quota|credit balance|out of credits|spend(?:ing)?.?limit"
    r"|billing|used all available credits|add credits",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(
    r"api_key_invalid|(?:incorrect|invalid) api.?key|api key not valid|api key expired", re.IGNORECASE
)
_NO_MODEL = re.compile(
    r"model.{0,80}(?:not found|does not exist|not exist|unknown|is not available|no longer available|deprecated and)"
    r"|(?:no such|unknown|invalid|unsupported) model|model_not_found|not a valid model",
    re.IGNORECASE,
)
_MEDIA = re.compile(
    r"(?:download|fetch|retriev|access).{0,45}(?:image|file|url|media|document)|invalid_image_url|unable to download",
    re.IGNORECASE,
)

MOST_WORDS = 8192
"""Characters of a message that are looked at: a body may hold 64 KiB, and every pattern goes through all of it."""


def classify(
    status: int,
    *,
    code: str = "",
    kind: str = "",
    message: str = "",
    codes: Mapping[str, type[errors.ProviderError]] | None = None,
) -> type[errors.ProviderError]:
    """The class of a provider's error.

    status: HTTP status, or the status that an in-stream error names; 0 when none. code, kind: the provider's own, as strings.
    codes: the wire format's table from either of them to a class; it wins.
    """
    for name in (code, kind):
        if codes and name in codes:
            found = codes[name]
            if found is not errors.RequestRefused:
                return found
    words = f"{kind} {code} {message[:MOST_WORDS]}"
    found = BY_STATUS.get(status, errors.ProviderUnavailable if status >= 500 or not status else errors.RequestRefused)
    if found is errors.CredentialsRejected and status == 403:
        if _BLOCKED.search(words):
            return errors.ContentBlocked
        if _QUOTA.search(words):
            return errors.Billing
        return found
    if found in (errors.RequestRefused, errors.RequestTooLarge):
        return _refusal(words, found)
    if found is errors.RateLimited and _QUOTA.search(words):
        return errors.QuotaExhausted
    return found


def _refusal(words: str, found: type[errors.ProviderError]) -> type[errors.ProviderError]:
    if _BAD_KEY.search(words):
        return errors.CredentialsRejected
    if _CONTEXT.search(words) and not _NOT_CONTEXT.search(words):
        return errors.ContextWindowExceeded
    if _BLOCKED.search(words):
        return errors.ContentBlocked
    if _QUOTA.search(words):
        return errors.Billing
    if _NO_MODEL.search(words):
        return errors.ModelNotFound
    if _MEDIA.search(words):
        return errors.MediaUnreachable
    return found


def from_http(
    status: int,
    headers: Headers,
    *,
    code: Any = None,
    kind: Any = None,
    message: Any = None,
    retry_after: float | None = None,
    request_id: str = "",
    codes: Mapping[str, type[errors.ProviderError]] | None = None,
) -> errors.ProviderError:
    """The error for an answer with this status, headers and the body's words. Values of any JSON type are accepted."""
    code, kind, message = word(code), word(kind), word(message)
    found = classify(status, code=code, kind=kind, message=message, codes=codes)
    hint = retry_after if retry_after is not None else retry_delay(headers)
    return found(
        status=status,
        provider_code=code or kind,
        provider_message=message,
        provider_request_id=request_id or headers.get("x-request-id") or headers.get("request-id") or "",
        retry_after=hint,
    )


def word(value: Any) -> str:
    """A code or message of any JSON type as text; "" for null."""
    if value is None or isinstance(value, bool):
        return ""
    return value if isinstance(value, str) else json.text(value)


def body_words(body: bytes) -> tuple[dict[str, Any], str]:
    """(the error object, its message) of an error body in any of the shapes in use: {"error": {...}}, {"error": "text"}, a one-element
    list, {"message"}, {"detail"}, plain text. HTML and other bodies that are no JSON give ({}, "")."""
    try:
        value = json.decode(body.strip() or b"{}")
    except json.MalformedJson:
        text = body[:2048].decode("utf-8", "replace").strip()
        return {}, "" if text.startswith("<") else text
    if isinstance(value, list):
        value = value[0] if value else {}
    if isinstance(value, str):
        return {}, value
    if not isinstance(value, dict):
        return {}, ""
    inner = value.get("error", value.get("errors"))
    if isinstance(inner, list):
        inner = inner[0] if inner else None
    if isinstance(inner, str):
        return {**value, "error": None}, word(value.get("message")) or inner
    if isinstance(inner, dict):
        return inner, word(inner.get("message"))
    for key in ("message", "detail", "Message", "msg"):
        if value.get(key):
            return value, word(value[key])
    return value, ""


# ---------------------------------------------------------------- retry hints
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")
LONGEST_DELAY = 366 * 86400.0


def duration(text: str) -> float | None:
    """Seconds of `2`, `1.5`, `7.66s`, `6m0s`, `1h2m3.5s`, `120ms`; None for anything else, negative and not finite included."""
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            return None
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    return seconds if math.isfinite(seconds) and 0 <= seconds <= LONGEST_DELAY else None


def instant(text: str, now: float) -> float | None:
    """Seconds from `now` (epoch seconds) to an HTTP-date or RFC 3339 time, 0 when past; a time without a zone is UTC."""
    import datetime

    try:
        if _RFC3339.match(text):
            moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        else:
            moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        seconds = moment.timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST_DELAY)


def reset(text: str, now: float) -> float | None:
    """Seconds of an `x-ratelimit-reset` value: a duration, an epoch in seconds or milliseconds, or a time."""
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        delay = duration(text)
        return delay if delay is not None else instant(text, now)
    seconds = float(text)
    if seconds > 1e11:
        seconds /= 1000
    if seconds > 1e9:
        seconds = max(seconds - now, 0.0)
    return seconds if seconds <= LONGEST_DELAY else None


_RESETS = (
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-reset",
    "ratelimit-reset",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-reset",
)


def retry_delay(headers: Headers, now: float | None = None) -> float | None:
    """Seconds that the response headers ask to wait, or None: `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` (seconds or
    HTTP-date, RFC 9110 section 10.2.3), else the latest `…-reset` whose `…-remaining` is 0, else the soonest reset there is."""
    now = time.time() if now is None else now
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        value = headers.get(name)
        if value:
            milliseconds = duration(value)
            if milliseconds is not None:
                return milliseconds / 1000
    value = headers.get("retry-after")
    if value:
        seconds = duration(value)
        if seconds is None:
            seconds = instant(value, now)
        if seconds is not None:
            return seconds
    empty: list[float] = []
    others: list[float] = []
    for name in _RESETS:
        value = headers.get(name)
        seconds = reset(value, now) if value else None
        if seconds is not None:
            remaining = headers.get(name.replace("reset", "remaining"))
            (empty if remaining == "0" else others).append(seconds)
    return max(empty) if empty else min(others) if others else None
