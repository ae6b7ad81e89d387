"""Errors of Chat Completions servers: of an answer that is not 2xx, inside a stream, inside HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from llm_gateway import errors
from llm_gateway.protocols import failures, google, json
from llm_gateway.protocols.openai_dialects import ChatDialect as Dialect
from llm_gateway.protocols.wire import Headers

_Wire = dict[str, Any]

ERROR_CODES: Mapping[str, type[errors.ProviderError]] = {
    "context_length_exceeded": errors.ContextWindowExceeded,
    "exceed_context_size_error": errors.ContextWindowExceeded,  # llama.cpp
    "model_max_prompt_tokens_exceeded": errors.ContextWindowExceeded,  # Copilot
    "string_above_max_length": errors.RequestRefused,
    "content_policy_violation": errors.ContentBlocked,
    "content_filter": errors.ContentBlocked,
    "ResponsibleAIPolicyViolation": errors.ContentBlocked,
    "invalid_prompt": errors.ContentBlocked,
    "moderation_blocked": errors.ContentBlocked,
    "flagged_input": errors.ContentBlocked,  # OpenRouter
    "data_inspection_failed": errors.ContentBlocked,  # Alibaba
    "DataInspectionFailed": errors.ContentBlocked,
    "censorship_blocked": errors.ContentBlocked,  # StepFun, with 451
    "invalid_api_key": errors.CredentialsRejected,
    "model_not_found": errors.ModelNotFound,
    "model_not_supported": errors.ModelNotFound,  # Hugging Face, Copilot
    "model_not_available": errors.ModelNotFound,  # Together
    "DeploymentNotFound": errors.ModelNotFound,
    "insufficient_quota": errors.QuotaExhausted,
    "credit_balance_exhausted": errors.QuotaExhausted,
    "billing_hard_limit_reached": errors.QuotaExhausted,
    "exceeded_current_quota_error": errors.QuotaExhausted,  # Moonshot
    "billing_not_active": errors.Billing,
    "Arrearage": errors.Billing,  # Alibaba
    "AccountOverdueError": errors.Billing,  # Volcengine
    "rate_limit_exceeded": errors.RateLimited,
    "server_is_overloaded": errors.ProviderOverloaded,
    "invalid_image_url": errors.MediaUnreachable,
}
"""`code` and `type` of the OpenAI and Azure API references, and of the servers named. What is not here follows its status, and its words
where they are all that tells (`failures.classify`)."""

_STATUS_OF_TYPE = {
    **failures.STATUS_OF_TYPE,
    "BadRequestError": 400,
    "bad_request": 400,
    "NotFoundError": 404,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "RateLimitError": 429,
    "tokens": 429,
    "requests": 429,
    "unavailable_error": 503,
    "service_unavailable_error": 503,
}


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect) -> errors.ProviderError:
    error, message = failures.body_words(body)
    return _classified(status, headers, error, message, dialect)


def raise_error(value: _Wire, dialect: Dialect) -> NoReturn:
    """Raise the error inside an answer with status 200."""
    raise read_error(value, dialect)


def read_error(value: _Wire, dialect: Dialect) -> errors.ProviderError:
    """The error inside an answer with status 200. It may name a status of its own."""
    error, message = failures.body_words(json.encode(value))
    if not message and not value.get("error"):
        return errors.ResponseInvalid("The provider's answer has no choices.")
    return _classified(_status(error), failures.NO_HEADERS, error, message, dialect)


def _status(error: _Wire) -> int:
    """The HTTP status that an error names, or that its type has; 0 for none."""
    for name in ("code", "status", "status_code", "http_code"):
        number = failures.named_status(error.get(name))
        if number:
            return number
    words = [word for word in (error.get("type"), error.get("code"), error.get("status")) if isinstance(word, str)]
    return next((found for word in words if (found := _STATUS_OF_TYPE.get(word) or google.STATUS.get(word))), 0)


def _classified(status: int, headers: Headers, error: _Wire, message: str, dialect: Dialect) -> errors.ProviderError:
    error, message = _behind(error, message)
    codes = {**ERROR_CODES, **dialect.error_codes}
    if google.is_status(error):
        return google.from_http(status, headers, error, message, codes=codes)
    code, kind = error.get("code"), error.get("type")
    inner, metadata = error.get("innererror"), error.get("metadata")
    if isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation":
        kind = inner["code"]
    elif isinstance(metadata, dict) and "flagged_input" in metadata:
        kind = "flagged_input"
    if str(status) in dialect.error_codes:
        kind = str(status)
    request_id = next((value for name in _REQUEST_IDS if (value := headers.get(name))), "") or failures.word(
        error.get("request_id")
    )
    return failures.from_http(
        status,
        headers,
        code=code,
        kind=kind,
        message=message,
        retry_after=failures.said_delay(status, headers, message),
        request_id=request_id,
        codes=codes,
    )


def _behind(error: _Wire, message: str) -> tuple[_Wire, str]:
    """With what the provider behind OpenRouter said (`metadata.raw`: its error body as it came, or its words); OpenRouter itself says
    no more than "Provider returned error"."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not raw:
        return error, message
    found, said = failures.body_words(raw.encode() if isinstance(raw, str) else json.encode(raw))
    if said and said not in message:
        message = f"{message}: {said}" if message else said
    return {**error, **{name: found[name] for name in _TELLING if found.get(name)}}, message


_TELLING = ("code", "type", "status", "details")


_REQUEST_IDS = ("x-request-id", "apim-request-id", "mistral-correlation-id", "x-generation-id", "x-groq-request-id")
