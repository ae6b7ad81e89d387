"""The Anthropic Messages API, as Anthropic, Vertex AI and compatible hosts serve it.

rules.py       what each Claude model takes
reasoning.py   thinking, effort and sampling by those rules
turns.py       messages gathered into system text and turns
request.py     Dialect; the contract's request as a body
response.py    answers, streams, errors and model lists
"""

from __future__ import annotations

from typing import Literal

from llm_gateway.protocols.anthropic.request import ANTHROPIC as ANTHROPIC
from llm_gateway.protocols.anthropic.request import Dialect as Dialect
from llm_gateway.protocols.anthropic.request import render_request as render_request
from llm_gateway.protocols.anthropic.response import parse_error as parse_error
from llm_gateway.protocols.anthropic.response import parse_models as parse_models
from llm_gateway.protocols.anthropic.response import parse_response as parse_response
from llm_gateway.protocols.anthropic.response import render_list_models as render_list_models
from llm_gateway.protocols.anthropic.response import stream_parser as stream_parser

framing: Literal["sse", "ndjson", "eventstream"] = "sse"
