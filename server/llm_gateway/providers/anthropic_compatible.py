"""Any server that speaks the Messages API, and of which nothing else is known. A host that takes its key as a bearer token gets it by `headers`."""

from llm_gateway.providers.anthropic import ROW as ANTHROPIC
from llm_gateway.providers.rows import one, served

MESSAGES = {"version": "2023-06-01", "automatic_cache": False, "unsigned_thinking": True}
ROW = one(
    "anthropic",
    MESSAGES,
    trims=ANTHROPIC.trims,
    like="http://HOST:PORT/anthropic",
    auth="x-api-key",
    usual=served("ANTHROPIC_COMPATIBLE"),
    aliases=("anthropiclike", "claudecompatible"),
    rank=22,
)
