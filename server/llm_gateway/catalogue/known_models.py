"""What we know of models that their providers' endpoints do not tell, by families of names. Kept by hand, from the providers' documentation.

A family is a beginning of a model's id, so that dated ids belong to it; the longest that fits counts. What no family says is unknown,
and unknown excludes nothing. Facts are of the provider's own API: the same weights elsewhere may do less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """What is known of a family of models.

    context, output: most tokens of input and output together, and of output. can, cannot: the needs of `capabilities.ModelFacts`.
    good_at: specialisations.
    """

    context: int | None = None
    output: int | None = None
    can: frozenset[str] = frozenset()
    cannot: frozenset[str] = frozenset()
    good_at: tuple[str, ...] = ()


Families = Mapping[str, KnownModel]

_K = 1000
_M = 1_000_000


def _known(
    can: str, cannot: str = "", *, context: int | None = None, output: int | None = None, good_at: tuple[str, ...] = ()
) -> KnownModel:
    return KnownModel(
        context=context,
        output=output,
        can=frozenset(can.split()),
        cannot=frozenset(cannot.split()),
        good_at=good_at,
    )


# https://platform.openai.com/docs/models. Reasoning models take log probabilities where their effort may be none, some only then.
_GPT = _known(
    "streaming tools parallel_tools json_schema prompt_caching provider_tools vision documents", "audio video"
)
_GPT_4 = replace(_GPT, can=_GPT.can | {"logprobs", "candidates"}, cannot=_GPT.cannot | {"reasoning"})
_GPT_5 = replace(_GPT, can=_GPT.can | {"reasoning"}, context=400 * _K, output=128 * _K)
_GPT_5_EARLY = replace(_GPT_5, cannot=_GPT.cannot | {"logprobs"})
_GPT_MILLION = replace(_GPT_5, context=1_050_000)
_CODE = ("code",)

_OPENAI: Families = {
    "gpt-4o": replace(_GPT_4, context=128 * _K, output=16_384),
    "chatgpt-4o": replace(
        _GPT_4,
        context=128 * _K,
        output=16_384,
        can=_GPT_4.can - {"tools", "parallel_tools", "json_schema", "provider_tools"},
    ),
    "gpt-4.1": replace(_GPT_4, context=1_047_576, output=32_768),
    "o1": replace(
        _GPT_5_EARLY, can=_GPT_5.can - {"parallel_tools", "provider_tools"}, context=200 * _K, output=100 * _K
    ),
    "o1-pro": replace(
        _GPT_5_EARLY,
        can=_GPT_5.can - {"streaming", "parallel_tools", "provider_tools"},
        context=200 * _K,
        output=100 * _K,
    ),
    "o3": replace(_GPT_5_EARLY, context=200 * _K, output=100 * _K),
    "o3-mini": _known(
        "streaming tools json_schema prompt_caching reasoning",
        "vision audio video logprobs",
        context=200 * _K,
        output=100 * _K,
    ),
    "o4-mini": replace(_GPT_5_EARLY, context=200 * _K, output=100 * _K),
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
    "gpt-5.5": replace(_GPT_MILLION, context=_M, output=None),
    "gpt-5.6": replace(_GPT_MILLION, output=None),
    "gpt-6": replace(_GPT_MILLION, output=None),
    "gpt-6-astra": replace(_GPT_MILLION, output=None, cannot=_GPT.cannot | {"logprobs"}),
    "gpt-6.1-sol": replace(_GPT_MILLION, output=None, cannot=_GPT.cannot | {"logprobs"}),
}

# https://platform.claude.com/docs/en/about-claude/models/overview
_CLAUDE = _known(
    "streaming tools parallel_tools prompt_caching provider_tools reasoning vision documents",
    "audio video logprobs candidates",
)
_CLAUDE_SCHEMA = replace(_CLAUDE, can=_CLAUDE.can | {"json_schema"})
_CLAUDE_MILLION = replace(_CLAUDE_SCHEMA, context=_M, output=128 * _K)
_CLAUDE_4_5 = replace(_CLAUDE_SCHEMA, context=200 * _K, output=64 * _K)

_ANTHROPIC: Families = {
    "claude-opus-4-0": replace(_CLAUDE, context=200 * _K, output=32 * _K),
    "claude-opus-4-2025": replace(_CLAUDE, context=200 * _K, output=32 * _K),
    "claude-opus-4@": replace(_CLAUDE, context=200 * _K, output=32 * _K),
    "claude-opus-4-1": replace(_CLAUDE_SCHEMA, context=200 * _K, output=32 * _K),
    "claude-sonnet-4-0": replace(_CLAUDE, context=200 * _K, output=64 * _K),
    "claude-sonnet-4-2025": replace(_CLAUDE, context=200 * _K, output=64 * _K),
    "claude-sonnet-4@": replace(_CLAUDE, context=200 * _K, output=64 * _K),
    "claude-opus-4-5": _CLAUDE_4_5,
    "claude-sonnet-4-5": _CLAUDE_4_5,
    "claude-haiku-4-5": _CLAUDE_4_5,
    "claude-opus-4-6": _CLAUDE_MILLION,
    "claude-opus-4-7": _CLAUDE_MILLION,
    "claude-opus-4-8": _CLAUDE_MILLION,
    "claude-sonnet-4-6": _CLAUDE_MILLION,
    "claude-opus-5": _CLAUDE_MILLION,
    "claude-sonnet-5": _CLAUDE_MILLION,
    "claude-haiku-5": _CLAUDE_MILLION,
    "claude-fable-5": _CLAUDE_MILLION,
    "claude-mythos-5": _CLAUDE_MILLION,
}
_HOSTED_CLAUDE: Families = {  # Bedrock and Vertex have neither all of Anthropic's own tools nor, everywhere, its schemas
    name: replace(known, can=known.can - {"provider_tools", "json_schema"}) for name, known in _ANTHROPIC.items()
}

# https://ai.google.dev/gemini-api/docs/models
_GEMINI = _known(
    "streaming tools parallel_tools json_schema prompt_caching provider_tools candidates vision audio video documents",
    context=1_048_576,
    output=65_536,
)
_THINKING = replace(_GEMINI, can=_GEMINI.can | {"reasoning"})

_GOOGLE: Families = {
    "gemini-2.0-flash": replace(_GEMINI, output=8_192, cannot=frozenset({"reasoning"})),
    "gemini-2.5-": _THINKING,
    "gemini-3": _THINKING,
    "gemini-4": replace(_THINKING, context=None, output=None),
}

# https://docs.x.ai/docs/models
_GROK = _known("streaming tools parallel_tools json_schema prompt_caching reasoning vision", "audio video")
_GROK_TEXT = _known("streaming tools parallel_tools json_schema prompt_caching", "vision audio video documents")

_XAI: Families = {
    "grok-3": replace(_GROK_TEXT, context=131_072, cannot=_GROK_TEXT.cannot | {"reasoning"}),
    "grok-3-mini": replace(_GROK_TEXT, context=131_072, can=_GROK_TEXT.can | {"reasoning"}),
    "grok-4-0709": replace(_GROK, context=256 * _K),
    "grok-4-fast": replace(_GROK, context=2 * _M),
    "grok-4-1-fast": replace(_GROK, context=2 * _M),
    "grok-4.20": replace(_GROK, context=_M),
    "grok-4.3": replace(_GROK, context=_M),
    "grok-4.5": replace(_GROK, context=500 * _K),
    "grok-4.6": replace(_GROK, context=500 * _K),
    "grok-4.7": replace(_GROK, context=500 * _K),
    "grok-code-fast": replace(_GROK_TEXT, context=256 * _K, can=_GROK_TEXT.can | {"reasoning"}, good_at=_CODE),
}

# https://docs.mistral.ai/getting-started/models; windows, vision and reasoning come from its model list.
_LE_CHAT = _known("streaming tools parallel_tools json_schema candidates", "video")

_MISTRAL: Families = {
    "mistral-large": _LE_CHAT,
    "mistral-medium": _LE_CHAT,
    "mistral-small": _LE_CHAT,
    "ministral": _LE_CHAT,
    "magistral": replace(_LE_CHAT, can=_LE_CHAT.can | {"reasoning"}),
    "codestral": replace(_LE_CHAT, good_at=_CODE),
    "devstral": replace(_LE_CHAT, good_at=_CODE),
}

# https://api-docs.deepseek.com; JSON is promised, a schema is not.
_DEEP = _known("streaming tools prompt_caching", "audio video documents candidates json_schema")

_DEEPSEEK: Families = {
    "deepseek-chat": replace(_DEEP, can=_DEEP.can | {"logprobs"}),
    "deepseek-reasoner": replace(_DEEP, can=_DEEP.can | {"reasoning"}, cannot=_DEEP.cannot | {"logprobs"}),
    "deepseek-v4": replace(_DEEP, can=_DEEP.can | {"reasoning"}, context=_M),
    "deepseek-flash": replace(_DEEP, can=_DEEP.can | {"reasoning"}, context=_M),
}

# https://console.groq.com/docs/models and /docs/openai: no log probabilities, n must be 1; windows come from its model list.
_LPU = _known("streaming tools", "logprobs candidates audio video documents")
_LPU_TEXT = replace(_LPU, cannot=_LPU.cannot | {"vision"})

_GROQ: Families = {
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

# https://docs.perplexity.ai: it searches by itself and calls no functions of the caller's.
_SONAR = _known("streaming json_schema provider_tools", "tools parallel_tools audio video")

_PERPLEXITY: Families = {
    "sonar": replace(_SONAR, context=128 * _K),
    "sonar-pro": replace(_SONAR, context=200 * _K),
    "sonar-reasoning": replace(_SONAR, context=128 * _K, can=_SONAR.can | {"reasoning"}),
    "sonar-deep-research": replace(_SONAR, context=128 * _K, can=_SONAR.can | {"reasoning"}),
}

FAMILIES: Mapping[str, Families] = {
    "openai": _OPENAI,
    "azure_openai": _OPENAI,
    "anthropic": _ANTHROPIC,
    "claude_code": {
        name: replace(known, can=known.can - {"tools", "parallel_tools"}) for name, known in _ANTHROPIC.items()
    },
    "gemini": _GOOGLE,
    "vertex": {**_GOOGLE, **_HOSTED_CLAUDE},
    "bedrock": _HOSTED_CLAUDE,
    "xai": _XAI,
    "mistral": _MISTRAL,
    "deepseek": _DEEPSEEK,
    "groq": _GROQ,
    "perplexity": _PERPLEXITY,
}
"""Kind of provider to what is known of its models. Other kinds tell themselves, or nobody does."""

_PATH = re.compile(r"^(models/|publishers/[^/]+/models/|(arn:.*/)?([a-z-]+\.)?anthropic\.)")
"""What stands before a model's own name at Gemini, Vertex and Bedrock."""
_OTHER_TRADES = re.compile(
    r"(^|[-_.])(audio|chat|computer|cyber|embed\w*|image|live|moderation|ocr|realtime|robotics|rosalind|search|transcribe|tts)\b"
)


_NO_CHAT = re.compile(
    r"(^|[-_./:])(\w*embed\w*|rerank\w*|whisper|tts|transcribe|transcription|moderation|dall-e|(chat)?gpt-image|imagen|imagegeneration|veo"
    r"|sora|lyria|chirp|ocr|realtime|speech|guard|bge|e5|gte|all-minilm|native-audio|titan-image|stable-\w+|flux|nova-(canvas|reel|sonic)"
    r"|(babbage|davinci)-\d+|turbo-instruct|grok-(imagine|[\d.]+-image)|gemini-([\w.]+-)*live)(?![a-z])",
    re.IGNORECASE,
)


def chats(model: str) -> bool:
    """Whether a model may be one to talk to, by its name; false for those that embed, rank, speak or draw."""
    return _NO_CHAT.search(model) is None


def find(kind: str, model: str) -> KnownModel | None:
    """What is known of a model by its id; None when nothing is. What has another trade (speech, images, search) is not of the family."""
    families = FAMILIES.get(kind)
    if families is None:
        return None
    name = _PATH.sub("", model.lower())
    found = max((family for family in families if name.startswith(family)), key=len, default="")
    rest = name[len(found) :]
    if not found or _OTHER_TRADES.search(rest):
        return None
    known = families[found]
    if "non-reasoning" in rest:
        return replace(known, can=known.can - {"reasoning"}, cannot=known.cannot | {"reasoning"})
    return known
