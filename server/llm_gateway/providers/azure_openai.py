"""OpenAI's models on Azure: https://learn.microsoft.com/azure/ai-foundry/openai/reference."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmgateway.v1 import gateway_pb2

from llm_gateway.protocols.openai_dialects import ResponsesDialect
from llm_gateway.protocols.summary import Summary
from llm_gateway.providers.openai import CHAT as OPENAI
from llm_gateway.providers.openai import KNOWN, MAX_EFFORT, choose
from llm_gateway.providers.rows import Row, Usual, openai_apis

CHAT = replace(
    OPENAI,
    chat_path="/openai/v1/chat/completions",
    models_path="/openai/v1/models",
    stream_options={"include_usage": True},  # include_obfuscation is not taken by the dated versions
    user_field="user",  # safety_identifier comes later than at OpenAI
    reasoning_replay="reasoning_content",  # deployments of other makers' models take it
    think_tags=True,
)
RESPONSES = ResponsesDialect(chat=CHAT, path="/openai/v1/responses", max_effort=MAX_EFFORT)

# API versions that are dates have other paths; the query parameter `api-version` is the caller's.
CHAT_DATED = replace(CHAT, chat_path="/openai/deployments/{model}/chat/completions", models_path="/openai/models")
RESPONSES_DATED = replace(RESPONSES, chat=CHAT_DATED, path="/openai/responses")


def choose_dated(request: gateway_pb2.SendRequest, summary: Summary, model: str, settings: Mapping[str, Any]) -> str:
    """`chat` or `responses`; Responses came with 2025-03-01-preview."""
    return choose(request, summary, model, settings) if str(settings["api_version"]) >= "2025-03-01" else "chat"


_UNDATED = Row(
    apis=openai_apis(CHAT, RESPONSES),
    choice=choose,  # deployments often bear their model's name
    lists=("chat",),
    query="api-version",
    trims="/openai(/v1)?(/(deployments|chat|responses|models)(/.*)?)?",
    like="https://NAME.openai.azure.com",
    auth="api-key",
    identity="entra",
    usual=Usual(
        key=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AZURE_API_KEY"),
        settings={
            "endpoint": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_BASE_URL", "AZURE_API_BASE"),
            "api_version": ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION", "AZURE_API_VERSION"),
            "default_model": (
                "AZURE_OPENAI_DEPLOYMENT",
                "AZURE_OPENAI_DEPLOYMENT_NAME",
                "AZURE_OPENAI_CHAT_DEPLOYMENT_NAME",
            ),
        },
        needs=("endpoint",),
        keyless=True,
        shown={
            "AZURE_OPENAI_ENDPOINT": "https://NAME.openai.azure.com",
            "AZURE_OPENAI_API_KEY": "",
            "AZURE_OPENAI_DEPLOYMENT": "",
        },
    ),
    deployments=True,
    flat=True,
    missing_model="Name a deployment of the Azure resource, which need not be called as its model is.",
    known=KNOWN,
    aliases=("azure",),
    rank=6,
    prices="azure",
    otel="azure.ai.openai",
    shown_model="gpt-5.1",
)
ROW = replace(_UNDATED, dated=replace(_UNDATED, apis=openai_apis(CHAT_DATED, RESPONSES_DATED), choice=choose_dated))
