"""Errors of Gemini's API: google.rpc.Status, see `protocols.google`."""

from __future__ import annotations

from typing import Any

from llm_gateway import errors
from llm_gateway.protocols import failures, google
from llm_gateway.protocols.gemini.dialect import Dialect
from llm_gateway.protocols.wire import Headers


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    """The error for an answer that is not 2xx."""
    found, message = failures.body_words(body)
    return google.from_http(status, headers, found, message)


def in_stream_error(chunk: dict[str, Any]) -> errors.ProviderError:
    """The error that a chunk holds in place of an answer."""
    found = chunk["error"] if isinstance(chunk["error"], dict) else {"message": chunk["error"]}
    status = failures.named_status(found.get("code")) or google.STATUS.get(str(found.get("status")), 0)
    return google.from_http(status, failures.NO_HEADERS, found, failures.word(found.get("message")))
