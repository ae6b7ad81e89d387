"""Amazon Bedrock: Converse and ConverseStream.

families.py    what the model families take
request.py     Dialect; the contract's request as a body
response.py    answers, streams, errors and model lists
"""

from __future__ import annotations

from typing import Literal

from llm_gateway.protocols.bedrock.request import BEDROCK, Dialect, render_request
from llm_gateway.protocols.bedrock.response import (
    parse_error,
    parse_models,
    parse_response,
    render_list_models,
    stream_parser,
)

__all__ = [
    "BEDROCK",
    "Dialect",
    "framing",
    "parse_error",
    "parse_models",
    "parse_response",
    "render_list_models",
    "render_request",
    "stream_parser",
]

framing: Literal["sse", "ndjson", "eventstream"] = "eventstream"
