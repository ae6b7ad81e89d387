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
    407: errors.CredentialsRejected,  # of a proxy on the way, which another target may not have
    408: errors.ProviderTimeout,
    409: errors.ProviderUnavailable,
    410: errors.ModelNotFound,
    413: errors.RequestTooLarge,
    420: errors.RateLimited,  # not registered; what some servers and their proxies say in place of 429
    422: errors.RequestRefused,
    423: errors.ProviderUnavailable,
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
"""Classes by status (RFC 9110, the IANA registry, and the providers' own). From 500 on the rest is ProviderUnavailable. Below it the
rest is NotSupported: 3xx, 405, 406, 411, 415, 418, 421, 426, 451 and the like speak of an address that does not take such calls, now or
in a moment, and say nothing of the request."""

STATUS_OF_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that an error of this `type` has where it comes with one: Anthropic's types, which OpenAI shares and many servers speak."""

NO_HEADERS: Headers = dict[str, str]()
"""Of an error inside an answer or a stream."""

_GENERAL = frozenset({
    "", "accessdenied", "accessdeniedexception", "apierror", "badrequest", "badrequesterror", "clientspecifiedaninvalidargument", "error",
    "failedprecondition", "forbidden", "httperror", "invalidargument", "invalidinput", "invalidparameter", "invalidrequest",
    "invalidrequesterror", "invalidrequestinvalidargs", "invalidrequestmessageerror", "none", "null", "outofrange", "permissiondenied",
    "permissiondeniederror", "permissionerror", "providererror", "ratelimit", "ratelimiterror", "requests", "requesterror",
    "requesttoolarge", "resourceexhausted", "someresourcehasbeenexhausted",
    "thecallerdoesnothavepermissiontoexecutethespecifiedoperation", "tokens", "toomanyrequests", "unknown", "unknownerror",
    "unprocessableentity", "unprocessableentityerror", "upstreamerror", "validationerror", "validationexception", "valueerror",
})  # fmt: skip
"""Codes and types, their letters only, that say no more than the status does. Only beside these is a message looked at."""

_NOT_LETTERS = re.compile(r"[^a-z]+")


def _said(*sentences: str) -> re.Pattern[str]:
    """Matches a text in which one of these begins a sentence."""
    return re.compile(rf"(?:\A|(?<=[.!?;]\s)|(?<=\n))(?:{'|'.join(sentences)})", re.IGNORECASE)


_CONTEXT = _said(
    r"(?:this|the) (?:model|endpoint)['’]s maximum (?:context|prompt|input)",  # OpenAI, vLLM, xAI, OpenRouter
    r"(?:the |your )?(?:prompt|input) (?:is )?too (?:long|large)",  # Anthropic, Bedrock, Fireworks, Ollama
    r"(?:the |your )?(?:input|prompt|request|requested)\b.{0,80}\bexceeds? (?:the )?(?:\S+ )?(?:maximum )?(?:available )?context",
    r"(?:the )?input (?:length|token count|tokens)\b.{0,80}\bexceeds?\b",  # Gemini, OpenAI, Anthropic, Ollama
    r"(?:the |requested )?(?:prompt )?token count\b.{0,60}\bexceeds?\b",  # Copilot, SGLang
    r"unable to submit request because the input token count",  # Vertex AI
    r"prompt (?:contains )?\d.{0,100}\bmaximum context length",  # Mistral
    r"(?:the )?(?:decoder )?(?:prompt|input) \(.{0,40}\) is longer than",  # vLLM, SGLang
    r"please reduce (?:the length of the|your) (?:messages|prompt|input)",  # Groq, Cerebras
    r"too many (?:input )?tokens\b(?! per)",  # Cohere
    r"the number of tokens to keep from the initial prompt",  # LM Studio
    r"trying to keep the first \d+ tokens when context",
    r"… tokens \+ … must be <=",  # text-generation-inference
    r"range of input length should be",  # Alibaba
    r"(?:the )?(?:maximum )?context (?:length|window|size)(?: is| was)? exceeded",
    r"exceeded (?:the )?(?:model['’]s )?(?:maximum )?context",
)
_POLICY = r"(?:safety|content|moderat|polic|guideline|risk)"
_BLOCKED = _said(
    rf"(?:the |this |your )?(?:request|prompt|input|output|content|response|generated text|messages?)\b.{{0,60}}"
    rf"\b(?:blocked|filtered|flagged|rejected)\b.{{0,100}}\b{_POLICY}",  # Anthropic, Azure, Bedrock, OpenAI
    r"content violates usage guidelines",  # xAI
    r"content exists risk",  # DeepSeek
)
_QUOTA = _said(
    r"(?:your )?credit balance is too low",  # Anthropic
    r"(?:you(?: have|'ve)? )?exceeded your (?:current|daily|monthly) (?:quota|limit)",  # OpenAI
    r"you(?: have|'ve)? (?:reached|used up|run out of|exhausted) your .{0,40}\b(?:usage|spend|spending|credits?|quota)\b",
    r"(?:you have )?insufficient (?:account )?(?:quota|funds|balance|credits?)\b",  # DeepSeek, OpenRouter
    r"you(?: have|'ve)? run out of credits",
    r"(?:sorry, )?your (?:organization|workspace|newly created team|team|account)\b.{0,80}\b(?:credits|balance|spend|spending|billing)\b",
    r"this request requires more credits",
    r"billing hard limit",
)
_BAD_KEY = _said(
    r"(?:incorrect|invalid|expired) api.?key(?= provided|\s*(?:[.,;!(]|\Z))",
    r"(?:the |your )?api.?key (?:is )?(?:not valid|invalid|expired)",
)
_NO_MODEL = _said(
    r"(?:the )?(?:requested |specified )?model (?:\S+ ){0,2}(?:is |was )?(?:not found|does not exist|not exist|unknown|not available"
    r"|no longer available|(?:has been )?(?:deprecated|retired|decommissioned))",
    r"(?:no such|unknown|invalid|unsupported) model\b(?! (?:param|option|setting|config|input|output|type))",
    r"\S+ is not a valid model",  # OpenRouter
)
_MEDIA = _said(
    r"fetching (?:images?|files?|documents?) failed",
    r"(?:error|failed|failure|unable|could not|cannot|timed? ?out)\b.{0,40}\b(?:download|fetch|retriev|access)\w*\b.{0,60}"
    r"\b(?:images?|files?|urls?|media|documents?|content|https?)\b",
    r"(?:the )?(?:image|file|url|document)\b.{0,60}\b(?:could not|cannot) be (?:downloaded|fetched|retrieved|accessed)",
)
_WORDS: Mapping[type[errors.ProviderError], tuple[tuple[re.Pattern[str], type[errors.ProviderError]], ...]] = {
    errors.RequestRefused: (
        (_BAD_KEY, errors.CredentialsRejected),
        (_CONTEXT, errors.ContextWindowExceeded),
        (_BLOCKED, errors.ContentBlocked),
        (_QUOTA, errors.Billing),
        (_NO_MODEL, errors.ModelNotFound),
        (_MEDIA, errors.MediaUnreachable),
    ),
    errors.RequestTooLarge: ((_CONTEXT, errors.ContextWindowExceeded),),
    errors.CredentialsRejected: ((_BLOCKED, errors.ContentBlocked), (_QUOTA, errors.Billing)),
    errors.RateLimited: ((_QUOTA, errors.QuotaExhausted),),
}
"""What a message may make of a status, where it is all that tells: of a refusal, of 413, of 403, of 429."""

MOST_WORDS = 8192
"""Characters of a message that are looked at: a body may hold 64 KiB, and every pattern goes through all of it."""
LONGEST_LIMIT = 3600.0
"""Seconds. A 429 that asks to wait no longer than this is a limit of the rate, whatever it says of quotas and billing pages."""

_LEAD = re.compile(
    r"\s*(?:(?:(?:[\w./-]+ ){0,5}[\w./-]*(?:errors?|exception)(?: code)?|bad request|\w+[.\[][\w.\[\]-]*)\s*(?::|\s-)\s*)*(?:\d{3}\s+(?:-\s+)?)?",
    re.IGNORECASE,
)
"""What stands before the provider's sentence: the name of an error, the path of a field, a status."""
_VALUE = re.compile(r":\s(?!\s*\d).*", re.DOTALL)
_TICKED = re.compile(r"`[^`]*(?:`|\Z)|(?<!\w)'(?:[^']|'(?=\w))*(?:'|\Z)")


def spoken(message: str) -> str:
    """The provider's own words of a message. What it quotes (between quotation marks, ticks or braces, each replaced by "…") and what it
    names behind a colon may be the caller's, and must decide nothing."""
    text = message[:MOST_WORDS]
    for opening, closing in (("{", "}"), ('"', '"'), ("“", "”")):
        start = text.find(opening)
        if start >= 0:
            end = text.rfind(closing, start + 1)
            text = f"{text[:start]}…{text[end + 1 :] if end > 0 else ''}"
    text = _TICKED.sub("…", text)
    lead = _LEAD.match(text)
    return _VALUE.sub("", text[lead.end() :] if lead else text).strip()


def classify(
    status: int,
    *,
    code: str = "",
    kind: str = "",
    message: str = "",
    retry_after: float | None = None,
    codes: Mapping[str, type[errors.ProviderError]] | None = None,
) -> type[errors.ProviderError]:
    """The class of a provider's error: by its codes, else by its status; by its words only where neither says more than "refused".

    status: HTTP status, or the status that an in-stream error names; 0 when none. code, kind: the provider's own, as strings.
    retry_after: seconds that it asks to wait. codes: the wire format's table from either of them to a class; it wins.
    """
    for name in (code, kind):
        if codes and name in codes:
            named = codes[name]
            if named is not errors.ProviderUnavailable or status != 429:  # `api_error` says only that something failed
                return named
    unlisted = errors.NotSupported if 0 < status < 500 else errors.ProviderUnavailable
    found = BY_STATUS.get(status, unlisted)
    if found is errors.Billing and retry_after is not None:
        return errors.RateLimited  # OpenRouter: calls under way hold what is left; it comes free again
    if found is errors.CredentialsRejected and status != 403:
        return found
    if found is errors.RateLimited and retry_after is not None and retry_after <= LONGEST_LIMIT:
        return found
    patterns = _WORDS.get(found)
    if not patterns or not (_is_general(code) and _is_general(kind)):
        return found
    words = spoken(message)
    return next((named for pattern, named in patterns if pattern.search(words)), found)


def _is_general(name: str) -> bool:
    return _NOT_LETTERS.sub("", name.lower()) in _GENERAL


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
    """The error for an answer with this status, headers and the body's words. Values of any JSON type are accepted.
    retry_after: seconds that the body asks to wait."""
    code, kind, message = word(code), word(kind), word(message)
    asked = retry_after if retry_after is not None else asked_delay(headers)
    found = classify(status, code=code, kind=kind, message=message, retry_after=asked, codes=codes)
    return found(
        status=status,
        provider_code=code or kind,
        provider_message=message,
        provider_request_id=request_id or headers.get("x-request-id") or headers.get("request-id") or "",
        retry_after=asked if asked is not None else retry_delay(headers),
    )


def word(value: Any) -> str:
    """A code or message of any JSON type as text; "" for null."""
    if value is None or isinstance(value, bool):
        return ""
    return value if isinstance(value, str) else json.text(value)


_STATUS = re.compile(r"[45]\d\d", re.ASCII)


def named_status(value: Any) -> int:
    """The HTTP status of an error that a body names, as a number or by its digits; 0 for anything else."""
    if isinstance(value, str):
        return int(value) if _STATUS.fullmatch(value) else 0
    return value if isinstance(value, int) and 400 <= value < 600 else 0


def body_words(body: bytes) -> tuple[dict[str, Any], str]:
    """(the error object, its message) of an error body in any of the shapes in use: {"error": {...}}, {"error": "text"}, a one-element
    list, {"message"}, {"detail"}, plain text. HTML and other bodies that are no JSON give ({}, "").

    A list of what a schema refuses (FastAPI's `detail`) becomes its first entry, without the values that it repeats from the request."""
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
            refused = _refused_fields(value[key])
            return ({**value, "type": refused[0]}, refused[1]) if refused else (value, word(value[key]))
    return value, ""


def _refused_fields(detail: Any) -> tuple[str, str] | None:
    """(type of the first, what is wrong with which fields) of a list of pydantic's errors; None for anything else."""
    entries = [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []
    if not entries:
        return None
    said = []
    for entry in entries:
        place = entry.get("loc")
        path = ".".join(map(str, place)) if isinstance(place, list) else ""
        said.append(": ".join(filter(None, (path, word(entry.get("msg"))))))
    return word(entries[0].get("type")), "; ".join(said)


# ---------------------------------------------------------------- retry hints
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)(ns|us|µs|ms|s|m|h|d)")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")
LONGEST_DELAY = 366 * 86400.0
LONGEST_HINT = 64
"""Characters of a time or a length of time; a header may hold 64 KiB, which is none."""


def duration(text: str) -> float | None:
    """Seconds of `2`, `1.5`, `7.66s`, `6m0s`, `1h2m3.5s`, `120ms`; None for anything else, negative and not finite included."""
    text = text.strip()
    if len(text) > LONGEST_HINT:
        return None
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

    if len(text) > LONGEST_HINT:
        return None
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
    if len(text) > LONGEST_HINT:
        return None
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


def asked_delay(headers: Headers, now: float | None = None) -> float | None:
    """Seconds that the response headers ask to wait, or None: `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` (seconds or
    HTTP-date, RFC 9110 section 10.2.3)."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        value = headers.get(name)
        if value:
            milliseconds = duration(value)
            if milliseconds is not None:
                return milliseconds / 1000
    value = headers.get("retry-after")
    if not value:
        return None
    seconds = duration(value)
    return seconds if seconds is not None else instant(value, time.time() if now is None else now)


_WAIT = re.compile(
    r"(?:try again|retry) (?:in|after) (?:((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)\b"
    r"|(\d+(?:\.\d+)?) ?(milliseconds|sec|seconds?|min|minutes?)?\b)",
    re.IGNORECASE,
)


def said_delay(status: int, headers: Headers, message: str) -> float | None:
    """`asked_delay`, else what a busy server says in words: "Please try again in 1m7.66s."."""
    asked = asked_delay(headers)
    found = _WAIT.search(message[:MOST_WORDS]) if asked is None and status in (429, 503) else None
    if found is None:
        return asked
    if found[1]:
        return duration(found[1].lower())
    unit = (found[3] or "").lower()
    seconds = float(found[2]) * (0.001 if unit.startswith("mil") else 60 if unit.startswith("m") else 1)
    return seconds if seconds <= LONGEST_DELAY else None


def retry_delay(headers: Headers, now: float | None = None) -> float | None:
    """`asked_delay`, else the latest `…-reset` whose `…-remaining` is 0, else the soonest reset there is."""
    now = time.time() if now is None else now
    asked = asked_delay(headers, now)
    if asked is not None:
        return asked
    empty: list[float] = []
    others: list[float] = []
    for name in _RESETS:
        value = headers.get(name)
        seconds = reset(value, now) if value else None
        if seconds is not None:
            remaining = headers.get(name.replace("reset", "remaining"))
            (empty if remaining == "0" else others).append(seconds)
    return max(empty) if empty else min(others) if others else None
