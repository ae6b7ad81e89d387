"""vLLM: https://docs.vllm.ai/en/latest/serving/openai_compatible_server."""

from llm_gateway.protocols.openai_dialects import ChatDialect
from llm_gateway.providers.rows import openai, served

CHAT = ChatDialect(
    service_tiers={},
    modalities=False,
    prefix="continue_final_message",
    media=frozenset({"image_url", "input_audio", "audio_url", "video_url"}),
    cache_breakpoint="",
    reasoning_replay="reasoning",
    explicit_auto=True,
    provider_tools="",
    budget_field="thinking_token_budget",
    include_field="include_reasoning",
    exclude_field="",
    reasoning_off={"chat_template_kwargs": {"enable_thinking": False}},
    metadata_field="",
    cache_key_field="",
)

ROW = openai(
    CHAT,
    local=True,
    usual=served("VLLM", "HOSTED_VLLM_API_KEY"),
    missing_model="Start vLLM with it: `vllm serve {model}`.",
    rank=19,
)
