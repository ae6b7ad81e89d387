"""OpenAI: https://platform.openai.com/docs/api-reference."""

from dataclasses import replace

from llm_gateway.protocols import schemas
from llm_gateway.protocols.openai_choice import ByModel
from llm_gateway.protocols.openai_dialects import ChatDialect, ModelRule, ResponsesDialect, without
from llm_gateway.providers.rows import Families, hosted, known, openai

_SAMPLED = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})

_REASONING_REFUSES = frozenset({"frequency_penalty", "presence_penalty", "logit_bias"})
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


RULES = (
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

CHAT = ChatDialect(
    output_limit="max_completion_tokens",
    sampling=without("top_k", "min_p", "repetition_penalty"),
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
    rules=RULES,
    think_tags=False,
)

MAX_EFFORT = r"gpt-(5\.[6-9]|[6-9])"
RESPONSES = ResponsesDialect(chat=CHAT, hides_obfuscation=True, max_effort=MAX_EFFORT)

choose = ByModel(
    chat=r"gpt-[\w.-]+-(search|audio)|gpt-audio|gpt-5(\.\d+)?-chat",
    responses=r"(o\d|gpt-[\w.]+)(-[\w.]+)*-(pro|codex|deep-research)|codex|computer-use",
    tools=r"gpt-(5\.[4-9]|[6-9])",
    better=r"o\d|gpt-[5-9]",
    stops=r"o1|o3-mini",
    stops_at_rest=r"gpt-5\.[1-9]|gpt-[6-9]",
    rests=r"gpt-5\.[1-4]",
)

# https://platform.openai.com/docs/models. Reasoning models take log probabilities where their effort may be none, some only then.
_GPT = known("streaming tools parallel_tools json_schema prompt_caching provider_tools vision documents", "audio video")
_GPT_4 = replace(_GPT, can=_GPT.can | {"logprobs", "candidates"}, cannot=_GPT.cannot | {"reasoning"})
_GPT_5 = replace(_GPT, can=_GPT.can | {"reasoning"}, context=400_000, output=128_000)
_GPT_5_EARLY = replace(_GPT_5, cannot=_GPT.cannot | {"logprobs"})
_GPT_MILLION = replace(_GPT_5, context=1_050_000)
_CODE = ("code",)

KNOWN: Families = {
    "gpt-4o": replace(_GPT_4, context=128_000, output=16_384),
    "chatgpt-4o": replace(
        _GPT_4,
        context=128_000,
        output=16_384,
        can=_GPT_4.can - {"tools", "parallel_tools", "json_schema", "provider_tools"},
    ),
    "gpt-4.1": replace(_GPT_4, context=1_047_576, output=32_768),
    "o1": replace(_GPT_5_EARLY, can=_GPT_5.can - {"parallel_tools", "provider_tools"}, context=200_000, output=100_000),
    "o1-pro": replace(
        _GPT_5_EARLY,
        can=_GPT_5.can - {"streaming", "parallel_tools", "provider_tools"},
        context=200_000,
        output=100_000,
    ),
    "o3": replace(_GPT_5_EARLY, context=200_000, output=100_000),
    "o3-mini": known(
        "streaming tools json_schema prompt_caching reasoning",
        "vision audio video logprobs",
        context=200_000,
        output=100_000,
    ),
    "o4-mini": replace(_GPT_5_EARLY, context=200_000, output=100_000),
    "gpt-5": _GPT_5_EARLY,
    "gpt-5-codex": replace(_GPT_5_EARLY, good_at=_CODE),
    "gpt-5.1": _GPT_5,
    "gpt-5.1-codex": replace(_GPT_5, good_at=_CODE),
    "gpt-5.2": _GPT_5,
    "gpt-5.2-codex": replace(_GPT_5, good_at=_CODE),
    "gpt-5.3": replace(_GPT_5, context=None, output=None),
    "gpt-5.3-codex": replace(_GPT_5, good_at=_CODE),
    "gpt-5.4": _GPT_MILLION,
    "gpt-5.4-mini": _GPT_5,
    "gpt-5.4-nano": _GPT_5,
    "gpt-5.5": replace(_GPT_MILLION, context=1_000_000, output=None),
    "gpt-5.6": replace(_GPT_MILLION, output=None),
    "gpt-6": replace(_GPT_MILLION, output=None),
    "gpt-6-astra": replace(_GPT_MILLION, output=None, cannot=_GPT.cannot | {"logprobs"}),
    "gpt-6.1-sol": replace(_GPT_MILLION, output=None, cannot=_GPT.cannot | {"logprobs"}),
}

ROW = openai(
    CHAT,
    "https://api.openai.com/v1",
    responses=RESPONSES,
    choice=choose,
    usual=hosted("OPENAI", "OPENAI_KEY"),
    default_model="gpt-6.1-sol",  # "balances intelligence and cost": https://platform.openai.com/docs/models
    flat=True,
    known=KNOWN,
    aliases=("gpt", "chatgpt"),
    rank=2,
    prices="openai",
    shown_model="gpt-5.1",
)
