"""Fireworks: https://docs.fireworks.ai/api-reference."""

from llmgateway.v1 import gateway_pb2

from llm_gateway.protocols.openai_dialects import ChatDialect
from llm_gateway.providers.rows import hosted, openai

CHAT = ChatDialect(
    service_tiers={gateway_pb2.SERVICE_TIER_PRIORITY: "priority"},
    modalities=False,
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    provider_tools="",
    efforts=("none", "low", "medium", "high"),
    budget_field="",
    exclude_field="",
)

ROW = openai(
    CHAT,
    "https://api.fireworks.ai/inference/v1",
    usual=hosted("FIREWORKS", "FIREWORKS_AI_API_KEY"),
    default_model="accounts/fireworks/models/gpt-oss-120b",  # https://fireworks.ai/models
    aliases=("fireworksai",),
    rank=14,
    prices="fireworks",
)
