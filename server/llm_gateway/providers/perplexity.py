"""Perplexity: https://docs.perplexity.ai/api-reference."""

from dataclasses import replace

from llm_gateway.protocols.openai_dialects import ChatDialect, without
from llm_gateway.providers.rows import Families, hosted, known, openai

CHAT = ChatDialect(
    alternates=True,
    sampling=without("min_p", "repetition_penalty", "candidate_count", "seed", "logprobs", "top_logprobs"),
    service_tiers={},
    logit_bias=False,
    modalities=False,
    message_name=(),
    tool_media=False,
    text_lists=False,
    media=frozenset({"image_url", "file", "file_url"}),
    cache_breakpoint="",
    reasoning_replay="",
    provider_tools="web_search_options",
    json_object=False,
    efforts=("minimal", "low", "medium", "high"),
    budget_field="",
    exclude_field="",
    user_field="",
    metadata_field="",
    cache_key_field="",
)

# https://docs.perplexity.ai: it searches by itself and calls no functions of the caller's.
_SONAR = known("streaming json_schema provider_tools", "tools parallel_tools audio video")

KNOWN: Families = {
    "sonar": replace(_SONAR, context=128_000),
    "sonar-pro": replace(_SONAR, context=200_000),
    "sonar-reasoning": replace(_SONAR, context=128_000, can=_SONAR.can | {"reasoning"}),
    "sonar-deep-research": replace(_SONAR, context=128_000, can=_SONAR.can | {"reasoning"}),
}

ROW = openai(
    CHAT,
    "https://api.perplexity.ai",
    usual=hosted("PERPLEXITY", "PPLX_API_KEY", "PERPLEXITYAI_API_KEY"),
    default_model="sonar",  # https://docs.perplexity.ai
    flat=True,
    known=KNOWN,
    aliases=("perplexityai", "pplx"),
    rank=16,
    prices="perplexity",
)
