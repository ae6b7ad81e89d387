"""What differs between servers that speak Chat Completions, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llmgateway.v1 import gateway_pb2

from llm_gateway.errors import ProviderError
from llm_gateway.protocols.schemas import Limits

SAMPLING: Mapping[str, str] = {
    name: name
    for name in (
        "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "logprobs",
        "top_logprobs",
    )
} | {"candidate_count": "n"}  # fmt: skip
"""GenerationConfig field to wire field, in the spelling that vLLM, OpenRouter, SGLang and Together share."""

SERVICE_TIERS: Mapping[int, str] = {
    gateway_pb2.SERVICE_TIER_AUTO: "auto",
    gateway_pb2.SERVICE_TIER_STANDARD: "default",
    gateway_pb2.SERVICE_TIER_FLEX: "flex",
    gateway_pb2.SERVICE_TIER_PRIORITY: "priority",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelRule:
    """What a family of models refuses although its server takes it.

    pattern: regular expression, matched at the start of the model's id.
    refused: GenerationConfig fields that the model refuses; refused_reasoning: those it refuses while it reasons.
    efforts: words of effort it takes, weakest first; () is what the dialect says. default_effort: what unset stands for.
    tools_end_reasoning: function tools are refused here while it reasons.
    takes_effort: False for models that refuse any word of effort.
    cache_options: the model takes explicit cache breakpoints and a retention.
    """

    pattern: str
    refused: frozenset[str] = frozenset()
    refused_reasoning: frozenset[str] = frozenset()
    efforts: tuple[str, ...] = ()
    default_effort: str = ""
    tools_end_reasoning: bool = False
    takes_effort: bool = True
    cache_options: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dialect:
    """One server's reading of Chat Completions. The defaults suit a server of which nothing is known: everything that the contract
    carries, in the spelling understood most widely.

    A field that names a wire field is "" where the server has none; `a.b` is field b of object a.

    chat_path, models_path: below the endpoint's base URL; `{model}` in chat_path is the model's id, percent-encoded.

    output_limit, sampling, service_tiers: names and words on the wire. max_stop: most stop sequences, 0 for any number.
    stream_options: sent with a streamed request.

    developer_role, refusal_field: whether messages have these. message_name: roles whose messages may have a name.
    text_lists: whether several texts may stay apart outside user messages. tool_media: whether tool results and turns of the model
    may hold media.
    prefix: how a prefill is marked; "plain" needs no mark.
    skip_empty: leave out assistant messages without content. alternates: turns of one role must not follow each other. call_id: pattern of valid tool-call ids, others are replaced.
    custom_tools: whether there are calls with free text in place of arguments.
    media: content part types that the server reads. audio_formats: () for any. media_style: shape of documents and audio.
    default_filename: stands in where the server insists on a file name.

    cache_breakpoint: "cache_control" (Anthropic's words, as OpenRouter and LiteLLM pass them on) or "breakpoint" (OpenAI).
    call_breakpoint: whether tool calls have one too.
    reasoning_replay: field of assistant messages that holds earlier reasoning, or "thinking" for content parts (Mistral).

    strict, parallel_tool_calls, parameters_required, tool_choice, named_tool_choice, allowed_tools: whether tools have these.
    explicit_auto: say "auto" although it is the default. required_word: the tool choice that demands a call. provider_tools: what happens to the provider's own tools.
    json_object, json_schema: response formats; json_schema is where the schema stands. schema_limits: what is refused in strict schemas.

    effort_field, efforts (words taken, () is all), budget_field, include_field, exclude_field: of reasoning.
    reasoning_off, reasoning_on: objects merged into the body when effort is none, or anything else.
    reasoning_demanded: models that reason unasked, where every turn of a model that reasons must hold reasoning, if an empty one; "" for
    servers that demand none.

    user_field, metadata_field, cache_key_field, cache_key_header: places of end_user_id, labels and cache_key.
    metadata_needs_store: labels are refused unless the caller's options store the answer.
    rules: the first that matches the model applies. think_tags: an answer may begin with <think>. error_codes: codes, types and
    statuses that mean something else here than in `failures`.
    """

    chat_path: str = "/chat/completions"
    models_path: str = "/models"

    output_limit: str = "max_tokens"
    sampling: Mapping[str, str] = field(default_factory=lambda: SAMPLING)
    service_tiers: Mapping[int, str] = field(default_factory=lambda: SERVICE_TIERS)
    max_stop: int = 0
    logit_bias: bool = True
    modalities: bool = True
    stream_options: Mapping[str, Any] = field(default_factory=lambda: {"include_usage": True})

    developer_role: bool = False
    message_name: tuple[str, ...] = ("system", "developer", "user", "assistant")
    refusal_field: bool = False
    text_lists: bool = True
    tool_media: bool = True
    prefix: Literal["", "plain", "prefix", "continue_final_message"] = "plain"
    skip_empty: bool = False
    alternates: bool = False
    call_id: str = ""
    custom_tools: bool = False
    media: frozenset[str] = frozenset({"image_url", "input_audio", "audio_url", "file", "file_url", "video_url"})
    audio_formats: tuple[str, ...] = ()
    media_style: Literal["openai", "mistral"] = "openai"
    default_filename: str = ""
    cache_breakpoint: Literal["", "cache_control", "breakpoint"] = "cache_control"
    call_breakpoint: bool = False
    reasoning_replay: Literal["", "reasoning_content", "reasoning", "thinking"] = "reasoning_content"

    strict: bool = True
    parameters_required: bool = False
    tool_choice: bool = True
    required_word: str = "required"
    named_tool_choice: bool = True
    allowed_tools: bool = False
    explicit_auto: bool = False
    parallel_tool_calls: bool = True
    provider_tools: Literal["", "pass", "web_search_options", "plugins"] = "pass"
    schema_limits: Limits | None = None
    json_object: bool = True
    json_schema: Literal["", "nested", "flat"] = "nested"

    effort_field: str = "reasoning_effort"
    efforts: tuple[str, ...] = ()
    budget_field: str = "reasoning.max_tokens"
    include_field: str = ""
    exclude_field: str = "reasoning.exclude"
    reasoning_off: Mapping[str, Any] = field(default_factory=dict)
    reasoning_on: Mapping[str, Any] = field(default_factory=dict)
    reasoning_demanded: str = ""

    user_field: str = "user"
    metadata_field: str = "metadata"
    metadata_needs_store: bool = False
    cache_key_field: str = "prompt_cache_key"
    cache_key_header: str = ""

    rules: tuple[ModelRule, ...] = ()
    think_tags: bool = True
    error_codes: Mapping[str, type[ProviderError]] = field(default_factory=dict)
