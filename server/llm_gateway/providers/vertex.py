"""Vertex AI: Google's models and Anthropic's. https://docs.cloud.google.com/vertex-ai/generative-ai/docs"""

from collections.abc import Mapping
from typing import Any

from llmgateway.v1 import gateway_pb2

from llm_gateway.protocols.summary import Summary
from llm_gateway.providers import anthropic, gemini
from llm_gateway.providers.rows import Row, Spoken, Usual

GEMINI = {
    "version": "v1beta1",
    "parent": "projects/{project}/locations/{location}/publishers/google/",
    "models": "publishers/google/models",
    "files": "",
    "tier": "header",
    "display_names": True,
}
_CLAUDE = "/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}"
MESSAGES = {
    "path": f"{_CLAUDE}:rawPredict",
    "stream_path": f"{_CLAUDE}:streamRawPredict",
    "models_path": "/v1beta1/publishers/anthropic/models",
    "legacy_version": "vertex-2023-10-16",
    "in_path": True,
}


def choose(request: gateway_pb2.SendRequest, summary: Summary, model: str, settings: Mapping[str, Any]) -> str:
    """`gemini` or `anthropic`: by the publisher that is configured, else by the model."""
    publisher = settings.get("publisher") or ("anthropic" if model.startswith("claude") else "google")
    return "anthropic" if publisher == "anthropic" else "gemini"


ROW = Row(
    apis={
        "gemini": Spoken(wire="gemini", dialect=GEMINI),
        "anthropic": Spoken(wire="anthropic", dialect=MESSAGES),
    },
    choice=choose,
    lists=("gemini", "anthropic"),
    base_url="https://{location}-aiplatform.googleapis.com",
    base_urls={
        "global": "https://aiplatform.googleapis.com",
        "us": "https://aiplatform.us.rep.googleapis.com",
        "eu": "https://aiplatform.eu.rep.googleapis.com",
    },
    trims="/v1(beta1)?(/(projects|publishers)/.*)?",
    auth="x-goog-api-key",
    token_prefix="ya29.",  # noqa: S106 - how Google's access tokens begin
    identity="google",
    usual=Usual(
        settings={
            "project": ("GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"),
            "location": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "VERTEXAI_LOCATION"),
        },
        needs=("project", "location"),
        keyless=True,
        when=(("GOOGLE_GENAI_USE_VERTEXAI",),),
        shown={"GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_CLOUD_PROJECT": "", "GOOGLE_CLOUD_LOCATION": "global"},
    ),
    default_model=gemini.ROW.default_model,
    default_models={"anthropic": anthropic.ROW.default_model},
    flat=True,
    known={**gemini.KNOWN, **anthropic.HOSTED},
    aliases=("vertexai", "googlevertex", "googlevertexai"),
    rank=9,
    prices="google",
    otel="gcp.vertex_ai",
    operation="generate_content",
)
