"""Any server that speaks Chat Completions, or Responses, and of which nothing else is known."""

from llm_gateway.protocols.openai_dialects import GENERIC
from llm_gateway.providers.rows import openai, served

ROW = openai(GENERIC, usual=served("OPENAI_COMPATIBLE"), aliases=("openailike",), rank=21)
