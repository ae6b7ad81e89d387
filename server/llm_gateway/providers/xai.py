"""xAI: https://docs.x.ai/docs/api-reference."""

from dataclasses import replace

from llmgateway.v1 import gateway_pb2

from llm_gateway.protocols.openai_choice import ByModel
from llm_gateway.protocols.openai_dialects import TOOLS, ChatDialect, ModelRule, ResponsesDialect, without
from llm_gateway.providers.rows import Families, hosted, known, openai

_NO_PENALTIES = frozenset({"frequency_penalty", "presence_penalty", "stop_sequences"})

CHAT = ChatDialect(
    sampling=without("top_k", "min_p", "repetition_penalty"),
    service_tiers={
        gateway_pb2.SERVICE_TIER_STANDARD: "default",
        gateway_pb2.SERVICE_TIER_PRIORITY: "priority",
    },
    developer_role=True,
    message_name=("user",),
    modalities=False,
    media=frozenset({"image_url"}),
    strict=False,
    provider_tools="",
    cache_breakpoint="",
    budget_field="",
    exclude_field="",
    metadata_field="",
    cache_key_field="",
    cache_key_header="x-grok-conv-id",
    rules=(
        ModelRule(pattern=r".*non-reasoning|grok-2|grok-3(?!-mini)", takes_effort=False),
        ModelRule(pattern=r"grok-4(-0709)?$|grok-code", refused=_NO_PENALTIES, takes_effort=False),
        ModelRule(pattern=r"grok-(3-mini|[4-9]|build)", refused=_NO_PENALTIES),
    ),
    think_tags=False,
)

RESPONSES = ResponsesDialect(
    chat=CHAT,
    plain_reasoning=True,
    strict=False,
    tools={**TOOLS, "code_execution": {"type": "code_interpreter"}},
)
choose = ByModel(responses=r"grok-[\w.]+-multi-agent")

# https://docs.x.ai/docs/models
_GROK = known("streaming tools parallel_tools json_schema prompt_caching reasoning vision", "audio video")
_GROK_TEXT = known("streaming tools parallel_tools json_schema prompt_caching", "vision audio video documents")

KNOWN: Families = {
    "grok-3": replace(_GROK_TEXT, context=131_072, cannot=_GROK_TEXT.cannot | {"reasoning"}),
    "grok-3-mini": replace(_GROK_TEXT, context=131_072, can=_GROK_TEXT.can | {"reasoning"}),
    "grok-4-0709": replace(_GROK, context=256_000),
    "grok-4-fast": replace(_GROK, context=2_000_000),
    "grok-4-1-fast": replace(_GROK, context=2_000_000),
    "grok-4.20": replace(_GROK, context=1_000_000),
    "grok-4.3": replace(_GROK, context=1_000_000),
    "grok-4.5": replace(_GROK, context=500_000),
    "grok-4.6": replace(_GROK, context=500_000),
    "grok-4.7": replace(_GROK, context=500_000),
    "grok-code-fast": replace(_GROK_TEXT, context=256_000, can=_GROK_TEXT.can | {"reasoning"}, good_at=("code",)),
}

ROW = openai(
    CHAT,
    "https://api.x.ai/v1",
    responses=RESPONSES,
    choice=choose,
    usual=hosted("XAI", "GROK_API_KEY"),
    default_model="grok-4.7",  # https://docs.x.ai/docs/models
    flat=True,
    known=KNOWN,
    aliases=("grok",),
    rank=4,
    prices="x-ai",
    otel="x_ai",
    shown_model="grok-4",
)
