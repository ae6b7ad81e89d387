"""Amazon Bedrock: Converse and ConverseStream.

families.py    what the model families take
request.py     Dialect; the contract's request as a body
response.py    answers, streams, errors and model lists
"""

from __future__ import annotations

from typing import Literal

from llm_gateway.protocols.bedrock.request import BEDROCK as BEDROCK
from llm_gateway.protocols.bedrock.request import Dialect as Dialect
from llm_gateway.protocols.bedrock.request import render_request as render_request
from llm_gateway.protocols.bedrock.response import parse_error as parse_error
from llm_gateway.protocols.bedrock.response import parse_models as parse_models
from llm_gateway.protocols.bedrock.response import parse_response as parse_response
from llm_gateway.protocols.bedrock.response import render_list_models as render_list_models
from llm_gateway.protocols.bedrock.response import stream_parser as stream_parser

framing: Literal["sse", "ndjson", "eventstream"] = "eventstream"
