"""The provider rows: where each kind lives, which APIs it speaks, how it takes a key. Data only.

A new OpenAI-compatible provider is one row here and one golden case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "none"]
Identity = Literal["", "google", "entra", "aws"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One API of a kind. wire: module of `llm_gateway.protocols`, or a plugin's, dotted. dialect: attribute of `dialects`, a module too."""

    wire: str
    dialects: str
    dialect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of provider.

    apis: by name; `choice` names the function of `providers.choice` that picks one for a request, "" where there is one only.
    lists: names of the APIs whose model lists add up to the provider's; of the names joined by "|" the first list that the server has.
    base_url: "" where it must be configured; `{region}` and the like come from the configuration. base_urls: instead of it, for the
    `location` of that name. control_url: host of the model lists, where it is another one. trims: pattern of what a configured base URL
    may end with, although our paths begin with it or are it. like: how an endpoint is written, where base_url does not show it.
    default_model: asked when nobody names one; "" takes it from the model list. default_models: instead of it, by how the region or publisher begins.
    deployments: callers name deployments, which the model list does not tell. flat: no id of a model holds a slash.
    query: parameter of every request that carries `api_version`; api_version: where the configuration has none.
    auth: how a key is sent. token_prefix: keys that begin so are access tokens, sent as such. identity: whose credentials are used when
    there is no key, see `upstream.credentials`.
    open_list: the list of models is given to everyone, so it does not show whether a key is good.
    local: runs on the operator's machines, so it costs nothing and needs no key.
    missing_model: what to do where the provider does not know a `{model}`.
    transport: module of `llm_gateway.upstream.processes` whose `client` gives what requests are sent through, where that is not HTTP.
    makers_listed: a model's id begins with whom the transport is to call, who must be one that the configuration lists.
    """

    apis: Mapping[str, Spoken]
    choice: str = ""
    lists: tuple[str, ...]
    base_url: str = ""
    base_urls: Mapping[str, str] = field(default_factory=dict)
    control_url: str = ""
    trims: str = ""
    like: str = ""
    default_model: str = ""
    default_models: Mapping[str, str] = field(default_factory=dict)
    deployments: bool = False
    flat: bool = False
    query: str = ""
    api_version: str = ""
    auth: Auth = "bearer"
    token_prefix: str = ""
    identity: Identity = ""
    open_list: bool = False
    local: bool = False
    missing_model: str = ""
    transport: str = ""
    makers_listed: bool = False


def _one(wire: str, dialect: str, base_url: str, *, auth: Auth = "bearer", dialects: str = "", **of: Any) -> Row:
    """A kind with one API."""
    spoken = Spoken(wire=wire, dialects=dialects or wire, dialect=dialect)
    return Row(apis={"": spoken}, lists=("",), base_url=base_url, auth=auth, **of)


def _chat(dialect: str) -> Spoken:
    return Spoken(wire="openai_chat", dialects="openai_dialects", dialect=dialect)


def _responses(dialect: str) -> Spoken:
    return Spoken(wire="openai_responses", dialects="openai_responses", dialect=dialect)


_OPERATIONS = "/(chat/completions|completions|responses|models|embeddings)"
"""What stands behind the base URL of a server that speaks OpenAI's dialect."""


def _openai(chat: str, base_url: str = "", *, responses: str = "GENERIC", choice: str = "chat", **of: Any) -> Row:
    """A kind that speaks Chat Completions, and Responses when configured or chosen."""
    return Row(
        apis={"chat": _chat(chat), "responses": _responses(responses)},
        choice=choice,
        lists=("chat",),
        base_url=base_url,
        trims=_OPERATIONS,
        like="" if base_url else "http://HOST:PORT/v1",
        **of,
    )


def _azure(chat: str, responses: str, choice: str) -> Row:
    return Row(
        apis={"chat": _chat(chat), "responses": _responses(responses)},
        choice=choice,
        lists=("chat",),
        trims="/openai(/v1)?(/(deployments|chat|responses|models)(/.*)?)?",
        like="https://NAME.openai.azure.com",
        deployments=True,
        flat=True,
        query="api-version",
        auth="api-key",
        identity="entra",
        missing_model="Name a deployment of the Azure resource, which need not be called as its model is.",
    )


ROWS: Mapping[str, Row] = {
    "openai": _openai(
        "OPENAI",
        "https://api.openai.com/v1",
        responses="OPENAI",
        choice="openai",
        default_model="gpt-6.1-sol",  # "balances intelligence and cost": https://platform.openai.com/docs/models
        flat=True,
    ),
    "azure_openai": _azure("AZURE_OPENAI", "AZURE", "openai"),
    "azure_foundry": Row(
        apis={"": _chat("AZURE_FOUNDRY")},
        lists=("",),
        trims="/models(/.*)?|/chat/completions",
        like="https://NAME.services.ai.azure.com",
        deployments=True,
        flat=True,
        query="api-version",
        api_version="2024-05-01-preview",
        auth="api-key",
        identity="entra",
    ),
    "anthropic": _one(
        "anthropic",
        "ANTHROPIC",
        "https://api.anthropic.com",
        auth="x-api-key",
        trims="/v1(/(messages|models|complete)(/.*)?)?|/messages",
        default_model="claude-sonnet-5-5",  # speed and intelligence: https://platform.claude.com/docs/models/overview
        flat=True,
    ),
    "gemini": _one(
        "gemini",
        "GEMINI",
        "https://generativelanguage.googleapis.com",
        auth="x-goog-api-key",
        trims="/v1(beta|alpha)?(/(models|openai)(/.*)?)?|/models(/.*)?",
        default_model="gemini-3.8-flash",  # the newest stable one: https://ai.google.dev/gemini-api/docs/models
        flat=True,
    ),
    "vertex": Row(
        apis={
            "gemini": Spoken(wire="gemini", dialects="gemini", dialect="VERTEX"),
            "anthropic": Spoken(wire="anthropic", dialects="anthropic", dialect="VERTEX"),
        },
        choice="vertex",
        lists=("gemini", "anthropic"),
        base_url="https://{location}-aiplatform.googleapis.com",
        base_urls={
            "global": "https://aiplatform.googleapis.com",
            "us": "https://aiplatform.us.rep.googleapis.com",
            "eu": "https://aiplatform.eu.rep.googleapis.com",
        },
        trims="/v1(beta1)?(/(projects|publishers)/.*)?",
        default_model="gemini-3.8-flash",
        flat=True,
        default_models={"anthropic": "claude-sonnet-5-5"},
        auth="x-goog-api-key",
        token_prefix="ya29.",  # noqa: S106 - how Google's access tokens begin
        identity="google",
    ),
    "bedrock": Row(
        apis={"": Spoken(wire="bedrock", dialects="bedrock", dialect="BEDROCK")},
        lists=("",),
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        control_url="https://bedrock.{region}.amazonaws.com",
        trims="/model(/.*)?",
        # Inference profiles, which keep a call in its part of the world; Amazon's own models need no form to be filled in:
        # https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
        default_model="global.amazon.nova-2-lite-v1:0",
        default_models={
            "us-gov-": "",
            "us-": "us.amazon.nova-2-lite-v1:0",
            "ca-": "us.amazon.nova-2-lite-v1:0",
            "eu-": "eu.amazon.nova-2-lite-v1:0",
        },
        identity="aws",
    ),
    "xai": _openai(
        "XAI",
        "https://api.x.ai/v1",
        responses="XAI",
        choice="xai",
        default_model="grok-4.7",  # https://docs.x.ai/docs/models
        flat=True,
    ),
    "mistral": _one(
        "openai_chat",
        "MISTRAL",
        "https://api.mistral.ai",
        dialects="openai_dialects",
        trims=f"/v1({_OPERATIONS})?",
        default_model="mistral-medium-latest",  # https://docs.mistral.ai/models
        flat=True,
    ),
    "groq": _openai(
        "GROQ",
        "https://api.groq.com/openai/v1",
        default_model="openai/gpt-oss-120b",  # https://console.groq.com/docs/models, "production"
    ),
    "deepseek": _openai(
        "DEEPSEEK",
        "https://api.deepseek.com/v1",
        default_model="deepseek-v4-flash",  # https://api-docs.deepseek.com/quick_start/pricing
        flat=True,
    ),
    "openrouter": _openai(
        "OPENROUTER",
        "https://openrouter.ai/api/v1",
        open_list=True,
        default_model="openrouter/auto",  # it picks one: https://openrouter.ai/docs
    ),
    "together": _openai(
        "TOGETHER",
        "https://api.together.xyz/v1",
        default_model="openai/gpt-oss-120b",  # https://docs.together.ai/docs/serverless-models
    ),
    "fireworks": _openai(
        "FIREWORKS",
        "https://api.fireworks.ai/inference/v1",
        default_model="accounts/fireworks/models/gpt-oss-120b",  # https://fireworks.ai/models
    ),
    "cerebras": _openai(
        "CEREBRAS",
        "https://api.cerebras.ai/v1",
        default_model="gpt-oss-120b",  # https://inference-docs.cerebras.ai/models/overview
        flat=True,
    ),
    "perplexity": _openai(
        "PERPLEXITY",
        "https://api.perplexity.ai",
        default_model="sonar",  # https://docs.perplexity.ai
        flat=True,
    ),
    "ollama": _one(
        "ollama",
        "OLLAMA",
        "http://127.0.0.1:11434",
        local=True,
        trims="/api(/.*)?|/v1(/.*)?",
        missing_model="Run `ollama pull {model}`.",
    ),
    "lmstudio": Row(
        apis={
            "chat": _chat("LMSTUDIO"),
            "responses": _responses("LMSTUDIO"),
            "v0": _chat("LMSTUDIO_V0"),
            "v1": _chat("LMSTUDIO_V1"),
        },
        choice="chat",
        lists=("chat|v0|v1",),
        base_url="http://127.0.0.1:1234",
        trims="/v1(/.*)?|/api(/v[01])?(/.*)?",
        local=True,
        missing_model="Run `lms get {model}`, and `lms load {model}` unless LM Studio loads models by itself.",
    ),
    "vllm": _openai("VLLM", local=True, missing_model="Start vLLM with it: `vllm serve {model}`."),
    "llama_cpp": _openai(
        "LLAMA_CPP", local=True, missing_model="Start llama-server with it (`-m FILE --alias {model}`, or `-hf REPO`)."
    ),
    "openai_compatible": _openai("GENERIC"),
    "claude_code": Row(
        apis={"": Spoken(wire="claude_code", dialects="anthropic", dialect="ANTHROPIC")},
        lists=("",),
        auth="none",
        transport="claude_code",
        trims="/v1(/messages)?",
        default_model="sonnet",  # an alias that stays valid: https://code.claude.com/docs/en/model-config
        flat=True,
    ),
    "litellm": Row(apis={"": _chat("LITELLM")}, lists=("",), transport="litellm", makers_listed=True),
}
"""All kinds but `echo`, which is built in `upstream.build`."""

DATED: Mapping[str, Row] = {"azure_openai": _azure("AZURE_OPENAI_DATED", "AZURE_DATED", "azure_dated")}
"""Rows of kinds that have other paths where `api_version` is a date."""
