"""Gemini's generateContent, as Google AI Studio and Vertex AI serve it.

    dialect.py     what differs between the two services and between model families: data
    request.py     the contract to a request body
    response.py    answers and streams to the contract
    errors.py      errors to the error tree
    models.py      model lists

Facts: the generateContent reference and the guides on thinking, thought signatures and function calling at ai.google.dev and
docs.cloud.google.com, and google.rpc error details (AIP-193).
"""

from __future__ import annotations

from typing import Literal

from llm_gateway.protocols.gemini.dialect import GEMINI as GEMINI
from llm_gateway.protocols.gemini.dialect import Dialect as Dialect
from llm_gateway.protocols.gemini.errors import parse_error as parse_error
from llm_gateway.protocols.gemini.models import parse_models as parse_models
from llm_gateway.protocols.gemini.models import render_list_models as render_list_models
from llm_gateway.protocols.gemini.request import render_request as render_request
from llm_gateway.protocols.gemini.response import parse_response as parse_response
from llm_gateway.protocols.gemini.response import stream_parser as stream_parser

framing: Literal["sse", "ndjson", "eventstream"] = "sse"
