"""What differs between servers that speak OpenAI's two formats, Chat Completions and Responses: the classes, and what suits a server of
which nothing is known. Each provider's own dialects stand in its file, `llm_gateway.providers.NAME`.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
    """What a family of models refuses although its server takes it."""

    pattern: str
    """Regular expression, matched at the start of the model's id."""
    refused: frozenset[str] = frozenset()
    """GenerationConfig fields that the model refuses."""
    refused_reasoning: frozenset[str] = frozenset()
    """Those that it refuses while it reasons."""
    efforts: tuple[str, ...] = ()
    """Words of effort that it takes, weakest first; () is what the dialect says."""
    default_effort: str = ""
    """What unset stands for."""
    tools_end_reasoning: bool = False
    """Function tools are refused here while it reasons."""
    takes_effort: bool = True
    """False for models that refuse any word of effort."""
    cache_options: bool = False
    """The model takes explicit cache breakpoints and a retention."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChatDialect:
    """One server's reading of Chat Completions. The defaults suit a server of which nothing is known: everything that the contract
    carries, in the spelling understood most widely.

    A field that names a wire field is "" where the server has none; `a.b` is field b of object a.
    """

    chat_path: str = "/chat/completions"
    """Below the endpoint's base URL; `{model}` is the model's id, percent-encoded."""
    models_path: str = "/models"
    """Below it too."""

    output_limit: str = "max_tokens"
    """Wire field of max_output_tokens."""
    sampling: Mapping[str, str] = field(default_factory=lambda: SAMPLING)
    """GenerationConfig fields to wire fields."""
    service_tiers: Mapping[int, str] = field(default_factory=lambda: SERVICE_TIERS)
    """Tiers to the server's words."""
    max_stop: int = 0
    """Most stop sequences; 0 for any number."""
    logit_bias: bool = True
    """Requests have it."""
    modalities: bool = True
    """Requests say which ones they want back."""
    stream_options: Mapping[str, Any] = field(default_factory=lambda: {"include_usage": True})
    """Sent with a streamed request."""

    developer_role: bool = False
    """Messages may have this role."""
    message_name: tuple[str, ...] = ("system", "developer", "user", "assistant")
    """Roles whose messages may have a name."""
    refusal_field: bool = False
    """Messages of the model have a field for its refusal."""
    text_lists: bool = True
    """Several texts may stay apart outside messages of the user."""
    tool_media: bool = True
    """Tool results and turns of the model may hold media."""
    prefix: Literal["", "plain", "prefix", "continue_final_message"] = "plain"
    """How a prefill is marked; "plain" needs no mark."""
    skip_empty: bool = False
    """Leave out messages of the model without content."""
    alternates: bool = False
    """Turns of one role must not follow each other."""
    call_id: str = ""
    """Pattern of valid tool-call ids; others are replaced."""
    custom_tools: bool = False
    """There are calls with free text in place of arguments."""
    media: frozenset[str] = frozenset({"image_url", "input_audio", "audio_url", "file", "file_url", "video_url"})
    """Types of content parts that the server reads."""
    audio_formats: tuple[str, ...] = ()
    """Those that it reads; () for any."""
    media_style: Literal["openai", "mistral"] = "openai"
    """Shape of documents and audio."""
    default_filename: str = ""
    """Stands in where the server insists on the name of a file."""
    cache_breakpoint: Literal["", "cache_control", "breakpoint"] = "cache_control"
    """"cache_control" (Anthropic's words, as OpenRouter and LiteLLM pass them on) or "breakpoint" (OpenAI)."""
    call_breakpoint: bool = False
    """Tool calls have one too."""
    reasoning_replay: Literal["", "reasoning_content", "reasoning", "thinking"] = "reasoning_content"
    """Field of messages that holds earlier reasoning, or "thinking" for content parts (Mistral)."""

    strict: bool = True
    """Functions have it."""
    parameters_required: bool = False
    """Functions must say them."""
    tool_choice: bool = True
    """Requests have one."""
    required_word: str = "required"
    """The tool choice that demands a call."""
    named_tool_choice: bool = True
    """It can name a tool."""
    allowed_tools: bool = False
    """It can name several."""
    explicit_auto: bool = False
    """Say "auto" although it is the default."""
    parallel_tool_calls: bool = True
    """Requests can ask for one call at a time."""
    provider_tools: Literal["", "pass", "web_search_options", "plugins"] = "pass"
    """What happens to the provider's own tools."""
    schema_limits: Limits | None = None
    """What is refused in strict schemas."""
    json_object: bool = True
    """The response format of that name is known."""
    json_schema: Literal["", "nested", "flat"] = "nested"
    """Where the schema stands."""

    effort_field: str = "reasoning_effort"
    """Place of the word of effort."""
    efforts: tuple[str, ...] = ()
    """Words of effort that are taken, weakest first; () is all."""
    budget_field: str = "reasoning.max_tokens"
    """Place of the budget in tokens."""
    include_field: str = ""
    """Place of whether the answer holds reasoning."""
    exclude_field: str = "reasoning.exclude"
    """Place of whether it leaves reasoning out."""
    reasoning_off: Mapping[str, Any] = field(default_factory=dict)
    """Object merged into the body when effort is none."""
    reasoning_on: Mapping[str, Any] = field(default_factory=dict)
    """Object merged into the body when effort is anything else."""
    reasoning_demanded: str = ""
    """Models that reason unasked, where every turn of a model that reasons must hold reasoning, if an empty one; "" for servers that demand none."""

    user_field: str = "user"
    """Place of the end user's id."""
    metadata_field: str = "metadata"
    """Place of labels."""
    metadata_needs_store: bool = False
    """Labels are refused unless the caller's options store the answer."""
    cache_key_field: str = "prompt_cache_key"
    """Place of the cache key."""
    cache_key_header: str = ""
    """Header that it is sent in instead."""

    rules: tuple[ModelRule, ...] = ()
    """The first that matches the model applies."""
    think_tags: bool = True
    """An answer may begin with <think>."""
    error_codes: Mapping[str, type[ProviderError]] = field(default_factory=dict)
    """Codes, types and statuses that mean something else here than in `failures`."""


def without(*fields: str, **renamed: str) -> dict[str, str]:
    """The common sampling fields without some, and with others renamed."""
    return {name: wire for name, wire in SAMPLING.items() if name not in fields} | renamed


_NO_RULE = ModelRule(pattern="")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResponsesDialect:
    """One server's reading of the Responses API."""

    chat: ChatDialect
    """What the server's two APIs share: service tiers, places of user, labels and cache key, rules per model, error codes, the list of models."""
    path: str = "/responses"
    """Below the endpoint's base URL."""
    stateless: bool = True
    """Ask that nothing is stored, and for encrypted reasoning, without which reasoning cannot be sent back."""
    plain_reasoning: bool = False
    """Reasoning that is not encrypted may be sent back."""
    hides_obfuscation: bool = False
    """Padding of streams can be switched off."""
    developer_role: bool = True
    """The role is known."""
    strict: bool = True
    """Functions take it; it must be said because it is true by default."""
    max_effort: str = ""
    """Pattern of models that take the effort max here although not in Chat Completions."""
    tools: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: TOOLS)
    """The contract's portable tool types to the server's, with what it requires beside them."""

    def rule(self, model: str) -> ModelRule:
        """What the model takes."""
        return _rule(self.chat.rules, model)

    def efforts(self, model: str) -> tuple[str, ...]:
        """Words of effort that the model takes, weakest first; () is all."""
        found = self.rule(model).efforts or self.chat.efforts
        if found and self.max_effort and "max" not in found and re.match(self.max_effort, model):
            found = (*found, "max")
        return found


@lru_cache(maxsize=1024)
def _rule(rules: tuple[ModelRule, ...], model: str) -> ModelRule:
    return next((rule for rule in rules if re.match(rule.pattern, model)), _NO_RULE)


TOOLS: Mapping[str, Mapping[str, object]] = {
    "web_search": {"type": "web_search"},
    "code_execution": {"type": "code_interpreter", "container": {"type": "auto"}},
    "file_search": {"type": "file_search"},
    "computer_use": {"type": "computer_use_preview"},
    "mcp": {"type": "mcp"},
}

GENERIC = ChatDialect(custom_tools=True)
GENERIC_RESPONSES = ResponsesDialect(chat=GENERIC, stateless=False, plain_reasoning=True)


def __getattr__(name: str) -> ChatDialect:
    """The dialects that stood here in version 0.1: CHAT of a provider's file."""
    if not name.isupper():
        raise AttributeError(name)
    try:
        found: ChatDialect = importlib.import_module(f"llm_gateway.providers.{name.lower()}").CHAT
    except (ImportError, AttributeError):
        raise AttributeError(f"there is no dialect {name}", name=name) from None
    told = f"{name} is CHAT of llm_gateway.providers.{name.lower()}; openai_dialects.{name} goes with the next minor version."
    warnings.warn(told, DeprecationWarning, stacklevel=2)
    return found
