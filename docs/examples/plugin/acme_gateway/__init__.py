"""Acme's two servers: one speaks Chat Completions with quirks, the other a format of its own."""

from llm_gateway.plugin import Row, Spoken

ACME = Row(
    apis={"": Spoken(wire="openai_chat", dialects="acme_gateway.dialects", dialect="CHAT")},
    lists=("",),
    base_url="https://llm.acme.example/v1",
)
"""A wire format that the gateway has, in Acme's dialect."""

ACME_LINES = Row(
    apis={"": Spoken(wire="acme_gateway.lines", dialects="acme_gateway.lines", dialect="LINES")},
    lists=("",),
    auth="api-key",
    local=True,
)
"""A wire format of Acme's own. Without a base URL an endpoint must be configured; local models cost nothing."""
