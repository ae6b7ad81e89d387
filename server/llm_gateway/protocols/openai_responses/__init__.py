"""OpenAI's Responses API, as OpenAI, Azure, xAI and compatible servers serve it.

    request.py     the contract to a request: items, statelessly
    response.py    answers and streams to the contract

Errors and model lists are those of Chat Completions. Facts: the Responses reference and its guide on conversation state at
platform.openai.com, docs.x.ai, learn.microsoft.com (Azure OpenAI).
"""

from __future__ import annotations

from typing import Literal

from llm_gateway.errors import ProviderError
from llm_gateway.protocols import openai_chat
from llm_gateway.protocols.openai_dialects import ResponsesDialect
from llm_gateway.protocols.openai_responses.request import render_request as render_request
from llm_gateway.protocols.openai_responses.response import parse_response as parse_response
from llm_gateway.protocols.openai_responses.response import stream_parser as stream_parser
from llm_gateway.protocols.wire import Headers, ModelPage, Outgoing

Dialect = ResponsesDialect
framing: Literal["sse", "ndjson", "eventstream"] = "sse"


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> ProviderError:
    """The error for an answer that is not 2xx; the same bodies as Chat Completions."""
    return openai_chat.parse_error(status, headers, body, dialect.chat)


def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The server's one list of models."""
    return openai_chat.render_list_models(token, dialect.chat)


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """One page of models."""
    return openai_chat.parse_models(body, dialect.chat)
