"""Anthropic: https://platform.claude.com/docs/en/api/overview."""

from dataclasses import replace

from llm_gateway.providers.rows import Families, hosted, known, one

# https://platform.claude.com/docs/en/about-claude/models/overview
_CLAUDE = known(
    "streaming tools parallel_tools prompt_caching provider_tools reasoning vision documents",
    "audio video logprobs candidates",
)
_CLAUDE_SCHEMA = replace(_CLAUDE, can=_CLAUDE.can | {"json_schema"})
_CLAUDE_MILLION = replace(_CLAUDE_SCHEMA, context=1_000_000, output=128_000)
_CLAUDE_4_5 = replace(_CLAUDE_SCHEMA, context=200_000, output=64_000)

KNOWN: Families = {
    "claude-opus-4-0": replace(_CLAUDE, context=200_000, output=32_000),
    "claude-opus-4-2025": replace(_CLAUDE, context=200_000, output=32_000),
    "claude-opus-4@": replace(_CLAUDE, context=200_000, output=32_000),
    "claude-opus-4-1": replace(_CLAUDE_SCHEMA, context=200_000, output=32_000),
    "claude-sonnet-4-0": replace(_CLAUDE, context=200_000, output=64_000),
    "claude-sonnet-4-2025": replace(_CLAUDE, context=200_000, output=64_000),
    "claude-sonnet-4@": replace(_CLAUDE, context=200_000, output=64_000),
    "claude-opus-4-5": _CLAUDE_4_5,
    "claude-sonnet-4-5": _CLAUDE_4_5,
    "claude-haiku-4-5": _CLAUDE_4_5,
    "claude-opus-4-6": _CLAUDE_MILLION,
    "claude-opus-4-7": _CLAUDE_MILLION,
    "claude-opus-4-8": _CLAUDE_MILLION,
    "claude-sonnet-4-6": _CLAUDE_MILLION,
    "claude-opus-5": _CLAUDE_MILLION,
    "claude-sonnet-5": _CLAUDE_MILLION,
    "claude-haiku-5": _CLAUDE_MILLION,
    "claude-fable-5": _CLAUDE_MILLION,
    "claude-mythos-5": _CLAUDE_MILLION,
}
HOSTED: Families = {  # Bedrock and Vertex have neither all of Anthropic's own tools nor, everywhere, its schemas
    name: replace(known, can=known.can - {"provider_tools", "json_schema"}) for name, known in KNOWN.items()
}

ROW = one(
    "anthropic",
    "ANTHROPIC",
    base_url="https://api.anthropic.com",
    trims="/v1(/(messages|models|complete)(/.*)?)?|/messages",
    auth="x-api-key",
    usual=hosted("ANTHROPIC", "CLAUDE_API_KEY"),
    default_model="claude-sonnet-5-5",  # speed and intelligence: https://platform.claude.com/docs/models/overview
    flat=True,
    known=KNOWN,
    aliases=("claude",),
    rank=1,
    prices="anthropic",
    shown_model="claude-sonnet-4-5",
)
