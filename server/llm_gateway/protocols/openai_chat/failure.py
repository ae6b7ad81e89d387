"""Errors of Chat Completions servers: of an answer that is not 2xx, inside a stream, inside HTTP 200."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from llm_gateway import errors
from llm_gateway.protocols import failures, json
from llm_gateway.protocols.openai_chat.dialect import Dialect
from llm_gateway.protocols.wire import Headers

_Wire = dict[str, Any]

ERROR_CODES: Mapping[str, type[errors.ProviderError]] = {
    "context_length_exceeded": errors.ContextWindowExceeded,
    "exceed_context_size_error": errors.ContextWindowExceeded,
    "string_above_max_length": errors.RequestRefused,
    "content_policy_violation": errors.ContentBlocked,
    "content_filter": errors.ContentBlocked,
    "ResponsibleAIPolicyViolation": errors.ContentBlocked,
    "invalid_prompt": errors.ContentBlocked,
    "invalid_api_key": errors.CredentialsRejected,
    "model_not_found": errors.ModelNotFound,
    "DeploymentNotFound": errors.ModelNotFound,
    "insufficient_quota": errors.QuotaExhausted,
    "credit_balance_exhausted": errors.QuotaExhausted,
    "billing_hard_limit_reached": errors.QuotaExhausted,
    "rate_limit_exceeded": errors.RateLimited,
    "server_is_overloaded": errors.ProviderOverloaded,
    "invalid_image_url": errors.MediaUnreachable,
}
"""`code` and `type` of the OpenAI and Azure API references, and llama.cpp's."""

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "bad_request": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "NotFoundError": 404,
    "rate_limit_error": 429,
    "tokens": 429,
    "requests": 429,
    "unavailable_error": 503,
    "service_unavailable_error": 503,
    "overloaded_error": 529,
}
_WAIT = re.compile(
    r"(?:try again|retry) (?:in|after) (\d+(?:\.\d+)?) ?(ms|milliseconds|s|sec|seconds?|m|min|minutes?)?\b",
    re.IGNORECASE,
)
_MINUTE = ("m", "min", "minute", "minutes")


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect) -> errors.ProviderError:
    error, message = failures.body_words(body)
    return _classified(status, headers, error, message, dialect)


class _NoHeaders:
    def get(self, name: str, /) -> str | None:
        return None


def raise_error(value: _Wire, dialect: Dialect) -> NoReturn:
    """Raise the error inside an answer with status 200."""
    raise read_error(value, dialect)


def read_error(value: _Wire, dialect: Dialect) -> errors.ProviderError:
    """The error inside an answer with status 200. It may name a status of its own."""
    error, message = failures.body_words(json.encode(value))
    inner = value.get("error")
    if not message and not inner:
        return errors.ResponseInvalid("The provider's answer has no choices.")
    status = 0
    for name in ("code", "status", "status_code", "http_code"):
        number = error.get(name)
        if isinstance(number, str) and number.isdigit():
            number = int(number)
        if isinstance(number, int) and 400 <= number < 600:
            status = number
            break
    else:
        words = (error.get("type"), error.get("code"))
        status = next((_STATUS_OF_TYPE[word] for word in words if isinstance(word, str) and word in _STATUS_OF_TYPE), 0)
    return _classified(status, _NoHeaders(), error, message, dialect)


def _classified(status: int, headers: Headers, error: _Wire, message: str, dialect: Dialect) -> errors.ProviderError:
    code, kind = error.get("code"), error.get("type")
    inner = error.get("innererror")
    if isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation":
        kind = inner["code"]
    if str(status) in dialect.error_codes:
        kind = str(status)
    metadata = error.get("metadata")
    detail = (
        metadata.get("raw") if isinstance(metadata, dict) else None
    )  # OpenRouter: the words of the provider behind it
    if isinstance(detail, str) and detail not in message:
        message = f"{message}: {detail}" if message else detail
    wait = failures.retry_delay(headers)
    if wait is None and status in (429, 503):
        found = _WAIT.search(message)
        if found:
            unit = (found[2] or "s").lower()
            wait = float(found[1]) * (
                0.001 if (unit.startswith("mi") and "sec" in unit) or unit == "ms" else 60 if unit in _MINUTE else 1
            )
    request_id = next((value for name in _REQUEST_IDS if (value := headers.get(name))), "") or failures.word(
        error.get("request_id")
    )
    return failures.from_http(
        status,
        headers,
        code=code,
        kind=kind,
        message=message,
        retry_after=wait,
        request_id=request_id,
        codes={**ERROR_CODES, **dialect.error_codes},
    )


_REQUEST_IDS = ("x-request-id", "apim-request-id", "mistral-correlation-id", "x-generation-id", "x-groq-request-id")
