"""DeepSeek: https://api-docs.deepseek.com."""

from dataclasses import replace

from llm_gateway.protocols.openai_dialects import ChatDialect, without
from llm_gateway.providers.rows import Families, hosted, known, openai

CHAT = ChatDialect(
    sampling=without("top_k", "min_p", "repetition_penalty", "candidate_count", "seed"),
    service_tiers={},
    max_stop=16,
    logit_bias=False,
    modalities=False,
    text_lists=False,
    tool_media=False,
    prefix="prefix",
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    provider_tools="",
    parallel_tool_calls=False,
    json_schema="",
    efforts=("minimal", "low", "medium", "high", "xhigh", "max"),
    budget_field="",
    exclude_field="",
    reasoning_off={"thinking": {"type": "disabled"}},
    reasoning_on={"thinking": {"type": "enabled"}},
    reasoning_demanded=r"deepseek-reasoner",  # api-docs.deepseek.com, thinking mode: 400 for a turn of a tool loop without it
    user_field="",
    metadata_field="",
    cache_key_field="",
)

# https://api-docs.deepseek.com; JSON is promised, a schema is not.
_DEEP = known("streaming tools prompt_caching", "audio video documents candidates json_schema")

KNOWN: Families = {
    "deepseek-chat": replace(_DEEP, can=_DEEP.can | {"logprobs"}),
    "deepseek-reasoner": replace(_DEEP, can=_DEEP.can | {"reasoning"}, cannot=_DEEP.cannot | {"logprobs"}),
    "deepseek-v4": replace(_DEEP, can=_DEEP.can | {"reasoning"}, context=1_000_000),
    "deepseek-flash": replace(_DEEP, can=_DEEP.can | {"reasoning"}, context=1_000_000),
}

ROW = openai(
    CHAT,
    "https://api.deepseek.com/v1",
    usual=hosted("DEEPSEEK"),
    default_model="deepseek-v4-flash",  # https://api-docs.deepseek.com/quick_start/pricing
    flat=True,
    known=KNOWN,
    rank=11,
    prices="deepseek",
    shown_model="deepseek-chat",
)
