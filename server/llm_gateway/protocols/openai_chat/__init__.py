"""Chat Completions: OpenAI's, and that of every server that speaks it.

    request.py    the contract's request to the wire
    response.py   answers, whole and streamed, to the contract
    values.py     usage, citations, log probabilities, media
    failure.py    errors
    models.py     model lists

Sources: the OpenAI API reference (Chat Completions) and its OpenAPI document; for the others the providers' API references and the
source of vLLM, llama.cpp and Ollama.
"""

from typing import Literal

from llm_gateway.protocols.openai_chat.failure import parse_error
from llm_gateway.protocols.openai_chat.models import parse_models, render_list_models
from llm_gateway.protocols.openai_chat.request import render_request
from llm_gateway.protocols.openai_chat.response import parse_response, stream_parser
from llm_gateway.protocols.openai_dialects import ChatDialect as Dialect
from llm_gateway.protocols.openai_dialects import ModelRule

framing: Literal["sse", "ndjson", "eventstream"] = "sse"

__all__ = [
    "Dialect", "ModelRule", "framing", "parse_error", "parse_models", "parse_response", "render_list_models", "render_request",
    "stream_parser",
]  # fmt: skip
