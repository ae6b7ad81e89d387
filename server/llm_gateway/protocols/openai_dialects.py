"""Dialects of Chat Completions by server. Data only; sources are the servers' API references and, where open, their code."""

from __future__ import annotations

from dataclasses import replace

from llmgateway.v1 import gateway_pb2

from llm_gateway import errors
from llm_gateway.protocols import schemas
from llm_gateway.protocols.openai_chat.dialect import SAMPLING, SERVICE_TIERS, Dialect, ModelRule

_PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})
_SAMPLED = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})


def _without(*fields: str, **renamed: str) -> dict[str, str]:
    """The common sampling fields without some, and with others renamed."""
    return {name: wire for name, wire in SAMPLING.items() if name not in fields} | renamed


GENERIC = Dialect(custom_tools=True)

# ---------------------------------------------------------------- OpenAI and Azure
_REASONING_REFUSES = _PENALTIES | {"logit_bias"}
_MODERN = ("none", "low", "medium", "high", "xhigh")


def _reasoning(
    pattern: str,
    efforts: tuple[str, ...],
    default: str = "",
    *,
    stop: bool = False,
    no_tools: bool = False,
    cache: bool = False,
) -> ModelRule:
    """stop: takes stop sequences; those that may leave reasoning off take them then."""
    stops = frozenset() if stop else frozenset({"stop_sequences"})
    rests = "none" in efforts
    return ModelRule(
        pattern=pattern,
        refused=_REASONING_REFUSES | (frozenset() if rests else stops),
        refused_reasoning=_SAMPLED | (stops if rests else frozenset()),
        efforts=efforts,
        default_effort=default,
        tools_end_reasoning=no_tools,
        cache_options=cache,
    )


OPENAI_RULES = (
    ModelRule(pattern=r"gpt-5(\.\d+)?-chat", takes_effort=False),
    ModelRule(pattern=r"gpt-(3|4|oss)|chatgpt-|ft:gpt-(3|4)", takes_effort=False),
    _reasoning(r"o3(?!-mini)|o4", ("low", "medium", "high")),  # API reference, `stop`: not with o3 and o4-mini
    _reasoning(r"o\d", ("low", "medium", "high"), stop=True),
    _reasoning(r"gpt-5\.1", ("none", "low", "medium", "high"), "none"),
    _reasoning(r"gpt-5\.[23]", _MODERN, "none"),
    _reasoning(r"gpt-5\.4", _MODERN, "none", no_tools=True),
    _reasoning(r"gpt-5\.5", _MODERN, no_tools=True),
    _reasoning(r"gpt-5\.[6-9]", _MODERN, no_tools=True, cache=True),
    _reasoning(r"gpt-5", ("minimal", "low", "medium", "high")),
    _reasoning(r"gpt-6-astra|gpt-6\.1-sol", ("low", "medium", "high", "xhigh"), cache=True),
    _reasoning(r"gpt-[6-9]", _MODERN, no_tools=True, cache=True),
)
"""Chat Completions' rules per model; `max` is refused here and honoured by the Responses API only."""

OPENAI = Dialect(
    output_limit="max_completion_tokens",
    sampling=_without("top_k", "min_p", "repetition_penalty"),
    max_stop=4,
    stream_options={"include_usage": True, "include_obfuscation": False},
    developer_role=True,
    refusal_field=True,
    tool_media=False,
    prefix="",
    call_id=r"[\s\S]{1,40}",
    custom_tools=True,
    media=frozenset({"image_url", "input_audio", "file"}),
    audio_formats=("wav", "mp3"),
    default_filename="document.pdf",
    cache_breakpoint="breakpoint",
    reasoning_replay="",
    allowed_tools=True,
    schema_limits=schemas.OPENAI,
    provider_tools="web_search_options",
    budget_field="",
    exclude_field="",
    user_field="safety_identifier",
    metadata_needs_store=True,
    rules=OPENAI_RULES,
    think_tags=False,
)

AZURE_OPENAI = replace(
    OPENAI,
    chat_path="/openai/v1/chat/completions",
    models_path="/openai/v1/models",
    stream_options={"include_usage": True},  # include_obfuscation is not taken by the dated versions
    user_field="user",  # safety_identifier comes later than at OpenAI
    reasoning_replay="reasoning_content",  # deployments of other makers' models take it
    think_tags=True,
)

AZURE_OPENAI_DATED = replace(
    AZURE_OPENAI, chat_path="/openai/deployments/{model}/chat/completions", models_path="/openai/models"
)
"""API versions that are dates; the query parameter `api-version` is the caller's."""

AZURE_FOUNDRY = replace(
    GENERIC,
    chat_path="/models/chat/completions",
    models_path="/models",
    sampling=_without("min_p", "repetition_penalty"),
    custom_tools=False,
    cache_breakpoint="",
    budget_field="",
    exclude_field="",
)
"""Foundry's model inference API: one endpoint for the models of many makers."""

# ---------------------------------------------------------------- hosted
XAI = Dialect(
    sampling=_without("top_k", "min_p", "repetition_penalty"),
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
        ModelRule(pattern=r"grok-4(-0709)?$|grok-code", refused=_PENALTIES | {"stop_sequences"}, takes_effort=False),
        ModelRule(pattern=r"grok-(3-mini|[4-9]|build)", refused=_PENALTIES | {"stop_sequences"}),
    ),
    think_tags=False,
)

MISTRAL = Dialect(
    chat_path="/v1/chat/completions",
    models_path="/v1/models",
    sampling=_without("min_p", "seed", seed="random_seed"),
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

GROQ = Dialect(
    output_limit="max_completion_tokens",
    sampling=_without("top_k", "min_p", "repetition_penalty", "candidate_count", "logprobs", "top_logprobs"),
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

DEEPSEEK = Dialect(
    sampling=_without("top_k", "min_p", "repetition_penalty", "candidate_count", "seed"),
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

OPENROUTER = Dialect(
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

TOGETHER = Dialect(
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

FIREWORKS = Dialect(
    service_tiers={gateway_pb2.SERVICE_TIER_PRIORITY: "priority"},
    modalities=False,
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    provider_tools="",
    efforts=("none", "low", "medium", "high"),
    budget_field="",
    exclude_field="",
)

CEREBRAS = Dialect(
    output_limit="max_completion_tokens",
    sampling=_without("top_k", "min_p", "repetition_penalty", "candidate_count"),
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

PERPLEXITY = Dialect(
    alternates=True,
    sampling=_without("min_p", "repetition_penalty", "candidate_count", "seed", "logprobs", "top_logprobs"),
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

# ---------------------------------------------------------------- local servers
VLLM = Dialect(
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

LLAMA_CPP = Dialect(
    sampling=_without("repetition_penalty", repetition_penalty="repeat_penalty"),
    service_tiers={},
    modalities=False,
    tool_media=False,
    media=frozenset({"image_url", "input_audio"}),
    cache_breakpoint="",
    provider_tools="",
    budget_field="",
    exclude_field="",
    reasoning_off={"chat_template_kwargs": {"enable_thinking": False}},
    user_field="",
    metadata_field="",
    cache_key_field="",
)

LMSTUDIO = Dialect(
    chat_path="/v1/chat/completions",
    models_path="/api/v1/models",  # of its own REST API, which tells what is loaded with which context; since LM Studio 0.4.0
    sampling=_without(
        "min_p",
        "candidate_count",
        "logprobs",
        "top_logprobs",
        "repetition_penalty",
        repetition_penalty="repeat_penalty",
    ),
    service_tiers={},
    modalities=False,
    message_name=(),
    tool_media=False,
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    named_tool_choice=False,
    parallel_tool_calls=False,
    provider_tools="",
    json_object=False,
    budget_field="",
    exclude_field="",
    user_field="",
    metadata_field="",
    cache_key_field="",
)

LMSTUDIO_V0 = replace(LMSTUDIO, models_path="/api/v0/models")
LMSTUDIO_V1 = replace(LMSTUDIO, models_path="/v1/models")
"""The lists of older releases."""

OLLAMA_OPENAI = Dialect(
    sampling=_without("top_k", "min_p", "repetition_penalty", "candidate_count"),
    service_tiers={},
    logit_bias=False,
    modalities=False,
    message_name=(),
    media=frozenset({"image_url"}),
    cache_breakpoint="",
    reasoning_replay="reasoning",
    strict=False,
    tool_choice=False,
    parallel_tool_calls=False,
    provider_tools="",
    efforts=("none", "low", "medium", "high", "max"),
    budget_field="",
    exclude_field="",
    user_field="",
    metadata_field="",
    cache_key_field="",
)

# ---------------------------------------------------------------- the long tail
LITELLM = Dialect(
    sampling=_without("min_p", "repetition_penalty"),
    media=frozenset({"image_url", "input_audio", "file"}),
    call_breakpoint=True,
    provider_tools="web_search_options",
    budget_field="",
    exclude_field="",
    metadata_field="",
    error_codes={
        "ContextWindowExceededError": errors.ContextWindowExceeded,
        "ContentPolicyViolationError": errors.ContentBlocked,
    },
)
"""What `litellm.acompletion` takes (https://docs.litellm.ai/docs/completion/input); it turns that into each provider's own."""
