"""Groq: https://console.groq.com/docs/openai."""

from dataclasses import replace

from llmgateway.v1 import gateway_pb2

from llm_gateway import errors
from llm_gateway.protocols.openai_dialects import ChatDialect, without
from llm_gateway.providers.rows import Families, hosted, known, openai

CHAT = ChatDialect(
    output_limit="max_completion_tokens",
    sampling=without("top_k", "min_p", "repetition_penalty", "candidate_count", "logprobs", "top_logprobs"),
    service_tiers={
        gateway_pb2.SERVICE_TIER_AUTO: "auto",
        gateway_pb2.SERVICE_TIER_STANDARD: "on_demand",
        gateway_pb2.SERVICE_TIER_FLEX: "flex",
        gateway_pb2.SERVICE_TIER_PRIORITY: "performance",
    },
    max_stop=4,
    logit_bias=False,
    modalities=False,
    message_name=(),
    tool_media=False,
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    reasoning_replay="reasoning",
    efforts=("none", "low", "medium", "high"),
    budget_field="",
    include_field="include_reasoning",
    exclude_field="",
    cache_key_field="",
    error_codes={"capacity_exceeded": errors.ProviderOverloaded},
)

# https://console.groq.com/docs/models and /docs/openai: no log probabilities, n must be 1; windows come from its model list.
_LPU = known("streaming tools", "logprobs candidates audio video documents")
_LPU_TEXT = replace(_LPU, cannot=_LPU.cannot | {"vision"})

KNOWN: Families = {
    "llama-3.1-8b-instant": replace(
        _LPU_TEXT, can=_LPU.can | {"parallel_tools"}, cannot=_LPU_TEXT.cannot | {"reasoning"}
    ),
    "llama-3.3-70b-versatile": replace(
        _LPU_TEXT, can=_LPU.can | {"parallel_tools"}, cannot=_LPU_TEXT.cannot | {"reasoning"}
    ),
    "openai/gpt-oss-": replace(
        _LPU_TEXT, can=_LPU.can | {"json_schema", "reasoning"}, cannot=_LPU_TEXT.cannot | {"parallel_tools"}
    ),
    "meta-llama/llama-4-": replace(
        _LPU, can=_LPU.can | {"parallel_tools", "json_schema", "vision"}, cannot=_LPU.cannot | {"reasoning"}
    ),
    "qwen/qwen3-32b": replace(_LPU_TEXT, can=_LPU.can | {"parallel_tools", "reasoning"}),
    "moonshotai/kimi-k2": replace(
        _LPU_TEXT, can=_LPU.can | {"parallel_tools", "json_schema"}, cannot=_LPU_TEXT.cannot | {"reasoning"}
    ),
}

ROW = openai(
    CHAT,
    "https://api.groq.com/openai/v1",
    usual=hosted("GROQ"),
    default_model="openai/gpt-oss-120b",  # https://console.groq.com/docs/models, "production"
    known=KNOWN,
    rank=10,
    prices="groq",
)
