"""The Anthropic Messages API, as Anthropic, Vertex AI and compatible hosts serve it.

rules.py       what each Claude model takes
reasoning.py   thinking, effort and sampling by those rules
turns.py       messages gathered into system text and turns
request.py     Dialect; the contract's request as a body
response.py    answers, streams, errors and model lists
"""

from __future__ import annotations

from typing import Literal

from llm_gateway.protocols.anthropic.request import ANTHROPIC, COMPATIBLE, VERTEX, Dialect, render_request
from llm_gateway.protocols.anthropic.response import (
    parse_error,
    parse_models,
    parse_response,
    render_list_models,
    stream_parser,
)

__all__ = [
    "ANTHROPIC",
    "COMPATIBLE",
    "VERTEX",
    "Dialect",
    "framing",
    "parse_error",
    "parse_models",
    "parse_response",
    "render_list_models",
    "render_request",
    "stream_parser",
]

framing: Literal["sse", "ndjson", "eventstream"] = "sse"
