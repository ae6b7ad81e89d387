"""Cerebras: https://inference-docs.cerebras.ai/api-reference."""

from llm_gateway.protocols.openai_dialects import SERVICE_TIERS, ChatDialect, without
from llm_gateway.providers.rows import hosted, openai

CHAT = ChatDialect(
    output_limit="max_completion_tokens",
    sampling=without("top_k", "min_p", "repetition_penalty", "candidate_count"),
    service_tiers=SERVICE_TIERS,
    modalities=False,
    tool_media=False,
    message_name=(),
    media=frozenset(),
    cache_breakpoint="",
    reasoning_replay="reasoning",
    provider_tools="",
    efforts=("none", "low", "medium", "high"),
    budget_field="",
    exclude_field="",
    metadata_field="",
    cache_key_field="",
)

ROW = openai(
    CHAT,
    "https://api.cerebras.ai/v1",
    usual=hosted("CEREBRAS"),
    default_model="gpt-oss-120b",  # https://inference-docs.cerebras.ai/models/overview
    flat=True,
    rank=15,
    prices="cerebras",
)
