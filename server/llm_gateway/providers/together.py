"""Together AI: https://docs.together.ai/reference."""

from llm_gateway import errors
from llm_gateway.protocols.openai_dialects import ChatDialect
from llm_gateway.providers.rows import hosted, openai

CHAT = ChatDialect(
    service_tiers={},
    modalities=False,
    media=frozenset({"image_url", "video_url", "audio_url", "input_audio"}),
    cache_breakpoint="",
    provider_tools="",
    efforts=("low", "medium", "high"),
    budget_field="",
    exclude_field="",
    reasoning_off={"reasoning": {"enabled": False}},
    metadata_field="",
    cache_key_field="",
    error_codes={
        "403": errors.ContextWindowExceeded
    },  # docs.together.ai, error codes: input and max_tokens exceed the context
)

ROW = openai(
    CHAT,
    "https://api.together.xyz/v1",
    usual=hosted("TOGETHER", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY"),
    default_model="openai/gpt-oss-120b",  # https://docs.together.ai/docs/serverless-models
    aliases=("togetherai",),
    rank=13,
    prices="together",
)
