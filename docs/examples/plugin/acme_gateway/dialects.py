"""Acme's reading of Chat Completions: what its server calls otherwise, and what it does not take."""

from llm_gateway.plugin import SAMPLING, ChatDialect

CHAT = ChatDialect(
    output_limit="max_completion_tokens",
    sampling={field: wire for field, wire in SAMPLING.items() if field != "min_p"},
    cache_breakpoint="",
    reasoning_replay="",
)
