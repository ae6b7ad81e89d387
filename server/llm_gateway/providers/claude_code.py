"""Claude Code, in processes of its own on this machine: https://code.claude.com/docs."""

from dataclasses import replace

from llm_gateway.providers.anthropic import KNOWN
from llm_gateway.providers.rows import Row, Spoken, Usual

ROW = Row(
    apis={"": Spoken(wire="claude_code", dialects="anthropic", dialect="ANTHROPIC")},
    lists=("",),
    transport="claude_code",
    trims="/v1(/messages)?",
    auth="none",
    usual=Usual(keyless=True, shown={}),
    default_model="sonnet",  # an alias that stays valid: https://code.claude.com/docs/en/model-config
    flat=True,
    known={name: replace(model, can=model.can - {"tools", "parallel_tools"}) for name, model in KNOWN.items()},
    rank=23,
    prices="anthropic",
    billed=True,
    shown_model="claude-sonnet-4-5",
)
