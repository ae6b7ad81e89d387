"""OpenRouter: https://openrouter.ai/docs/api-reference."""

from llm_gateway.protocols.openai_dialects import ChatDialect
from llm_gateway.providers.rows import hosted, openai

CHAT = ChatDialect(
    refusal_field=True,
    media=frozenset({"image_url", "input_audio", "file", "file_url", "video_url"}),
    reasoning_replay="reasoning",
    provider_tools="plugins",
    effort_field="reasoning.effort",
    efforts=("none", "minimal", "low", "medium", "high", "xhigh"),
    budget_field="reasoning.max_tokens",
    exclude_field="reasoning.exclude",
    metadata_field="metadata",
)

ROW = openai(
    CHAT,
    "https://openrouter.ai/api/v1",
    usual=hosted("OPENROUTER"),
    default_model="openrouter/auto",  # it picks one: https://openrouter.ai/docs
    open_list=True,
    rank=12,
    prices="openrouter",
)
