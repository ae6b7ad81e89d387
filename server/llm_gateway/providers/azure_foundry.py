"""Foundry's model inference API: one endpoint for the models of many makers. https://learn.microsoft.com/rest/api/aifoundry/modelinference"""

from dataclasses import replace

from llm_gateway.protocols.openai_dialects import GENERIC, without
from llm_gateway.providers.rows import Usual, one

CHAT = replace(
    GENERIC,
    chat_path="/models/chat/completions",
    models_path="/models",
    sampling=without("min_p", "repetition_penalty"),
    custom_tools=False,
    cache_breakpoint="",
    budget_field="",
    exclude_field="",
)

ROW = one(
    "openai_chat",
    CHAT,
    query="api-version",
    api_version="2024-05-01-preview",
    trims="/models(/.*)?|/chat/completions",
    like="https://NAME.services.ai.azure.com",
    auth="api-key",
    identity="entra",
    usual=Usual(
        key=("AZURE_AI_API_KEY", "AZURE_INFERENCE_CREDENTIAL"),
        settings={"endpoint": ("AZURE_AI_ENDPOINT", "AZURE_INFERENCE_ENDPOINT", "AZURE_AI_API_BASE")},
        needs=("endpoint",),
        keyless=True,
        shown={},
    ),
    deployments=True,
    flat=True,
    aliases=("azureai", "foundry"),
    rank=7,
)
