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

from llm_gateway.protocols.openai_chat.failure import parse_error as parse_error
from llm_gateway.protocols.openai_chat.models import parse_models as parse_models
from llm_gateway.protocols.openai_chat.models import render_list_models as render_list_models
from llm_gateway.protocols.openai_chat.request import render_request as render_request
from llm_gateway.protocols.openai_chat.response import parse_response as parse_response
from llm_gateway.protocols.openai_chat.response import stream_parser as stream_parser
from llm_gateway.protocols.openai_dialects import ChatDialect

Dialect = ChatDialect
framing: Literal["sse", "ndjson", "eventstream"] = "sse"
