"""Mistral: https://docs.mistral.ai/api."""

from dataclasses import replace

from llmgateway.v1 import gateway_pb2

from llm_gateway import errors
from llm_gateway.protocols.openai_dialects import ChatDialect, ModelRule, without
from llm_gateway.providers.rows import OPERATIONS, Families, hosted, known, one

CHAT = ChatDialect(
    chat_path="/v1/chat/completions",
    models_path="/v1/models",
    sampling=without("min_p", "seed", seed="random_seed"),
    service_tiers={gateway_pb2.SERVICE_TIER_AUTO: "auto", gateway_pb2.SERVICE_TIER_STANDARD: "standard_only"},
    logit_bias=False,
    modalities=False,
    stream_options={},  # usage always comes; the field is refused
    message_name=(),
    prefix="prefix",
    skip_empty=True,
    call_id=r"[a-zA-Z0-9]{9}",
    media=frozenset({"image_url", "input_audio", "audio_url", "file", "file_url"}),
    media_style="mistral",
    cache_breakpoint="",
    reasoning_replay="thinking",
    parameters_required=True,
    required_word="any",
    provider_tools="",
    budget_field="",
    exclude_field="",
    user_field="metadata.user_id",  # there is no `user`, and unknown fields are refused
    rules=(
        ModelRule(pattern=r"magistral", takes_effort=False),
        ModelRule(pattern=r"(mistral|ministral|devstral|codestral|pixtral|voxtral)", efforts=("none", "high")),
    ),
    think_tags=False,
    error_codes={
        "invalid_request_prompt_too_long": errors.ContextWindowExceeded,  # 3051, invalid_request_invalid_args, says it in words only
        "3505": errors.ProviderOverloaded,
        "invalid_model": errors.ModelNotFound,
    },
)

# https://docs.mistral.ai/getting-started/models; windows, vision and reasoning come from its model list.
_LE_CHAT = known("streaming tools parallel_tools json_schema candidates", "video")

KNOWN: Families = {
    "mistral-large": _LE_CHAT,
    "mistral-medium": _LE_CHAT,
    "mistral-small": _LE_CHAT,
    "ministral": _LE_CHAT,
    "magistral": replace(_LE_CHAT, can=_LE_CHAT.can | {"reasoning"}),
    "codestral": replace(_LE_CHAT, good_at=("code",)),
    "devstral": replace(_LE_CHAT, good_at=("code",)),
}

ROW = one(
    "openai_chat",
    CHAT,
    base_url="https://api.mistral.ai",
    trims=f"/v1({OPERATIONS})?",
    usual=hosted("MISTRAL", "MISTRALAI_API_KEY"),
    default_model="mistral-medium-latest",  # https://docs.mistral.ai/models
    flat=True,
    known=KNOWN,
    aliases=("mistralai",),
    rank=5,
    prices="mistral",
    otel="mistral_ai",
    shown_model="mistral-large-latest",
)
