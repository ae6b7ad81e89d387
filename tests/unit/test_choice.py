"""Which API a request goes to where the configuration leaves it open."""

from typing import Any

import pytest
from google.protobuf import json_format
from llm_gateway.protocols.summary import Summary, summary_of
from llm_gateway.providers import azure_openai, openai, vertex, xai
from llmgateway.v1 import gateway_pb2

TOOLS = {"tools": [{"function": {"name": "f"}}]}
SEARCH = {"tools": [{"provider_tool": {"type": "web_search"}}]}
STOP = {"generation_config": {"stop_sequences": ["x"]}}
SOUND = {"media": {"mime_type": "audio/wav", "data": "AAAA"}}
SPOKEN = {"messages": [{"role": "ROLE_USER", "parts": [SOUND]}]}
RETURNED = {"messages": [{"role": "ROLE_TOOL", "parts": [{"tool_result": {"name": "f", "parts": [SOUND]}}]}]}


@pytest.mark.parametrize(
    ("model", "request_fields", "api"),
    [
        ("gpt-4.1", {}, "chat"),
        ("gpt-4o", TOOLS, "chat"),
        ("gpt-4o", SEARCH, "responses"),
        ("gpt-4o-search-preview", SEARCH, "chat"),
        ("gpt-5-chat-latest", {}, "chat"),
        ("gpt-5", {}, "responses"),
        ("ft:gpt-5-mini:acme::1", {}, "responses"),
        ("o3", {}, "responses"),
        ("o3", {"generation_config": {"seed": 1}}, "chat"),
        ("gpt-6.1-sol", {}, "responses"),
        ("gpt-6.1-sol", {"generation_config": {"candidate_count": 2}}, "chat"),
        ("gpt-6.1-sol", {"generation_config": {"candidate_count": 1, "stop_sequences": ["x"]}}, "responses"),
        ("gpt-6.1-sol", {**TOOLS, "generation_config": {"seed": 1}}, "responses"),
        ("o3-mini", STOP, "chat"),
        ("o1", STOP, "chat"),
        ("o3", STOP, "responses"),
        ("o4-mini", STOP, "responses"),
        ("gpt-5-mini", STOP, "responses"),
        ("gpt-5.2", STOP, "chat"),
        ("gpt-5.2", {**STOP, "reasoning": {"effort": "EFFORT_LOW"}}, "responses"),
        ("gpt-5.6", STOP, "responses"),
        ("gpt-5.6", {**STOP, "reasoning": {"effort": "EFFORT_NONE"}}, "chat"),
        ("gpt-5.4", {**TOOLS, "generation_config": {"seed": 1}, "reasoning": {"effort": "EFFORT_NONE"}}, "chat"),
        ("gpt-5", {**TOOLS, "generation_config": {"seed": 1}}, "chat"),
        ("gpt-5", SPOKEN, "chat"),
        ("gpt-5", RETURNED, "responses"),
        ("gpt-5", {"generation_config": {"output_modalities": ["MODALITY_AUDIO"]}}, "chat"),
        ("gpt-5.2-pro", {"generation_config": {"seed": 1}}, "responses"),
        ("gpt-5.1-codex-max", {"generation_config": {"seed": 1}}, "responses"),
        ("o4-mini-deep-research", {"generation_config": {"seed": 1}}, "responses"),
        ("my-deployment", {}, "chat"),
        ("m", SPOKEN, "chat"),
    ],
)
def test_openai_models_get_the_api_that_serves_them(model: str, request_fields: dict[str, Any], api: str) -> None:
    """Responses for models that reason, unless the request holds what only Chat Completions has and the model takes it there."""
    request = json_format.ParseDict(request_fields, gateway_pb2.SendRequest())
    assert openai.choose(request, summary_of(request), model, {}) == api


@pytest.mark.parametrize(
    ("version", "api"), [("2024-10-21", "chat"), ("2025-03-01-preview", "responses"), ("2025-04-01", "responses")]
)
def test_azure_versions_before_responses_speak_chat(version: str, api: str) -> None:
    """Responses came with 2025-03-01-preview."""
    assert azure_openai.choose_dated(gateway_pb2.SendRequest(), Summary(), "gpt-5", {"api_version": version}) == api


@pytest.mark.parametrize(
    ("model", "request_fields", "api"),
    [("grok-4.6", TOOLS, "chat"), ("grok-4.6", SEARCH, "responses"), ("grok-4.20-multi-agent", {}, "responses")],
)
def test_grok_searches_by_responses(model: str, request_fields: dict[str, Any], api: str) -> None:
    """xAI's own tools and its agents are served by Responses only."""
    request = json_format.ParseDict(request_fields, gateway_pb2.SendRequest())
    assert xai.choose(request, summary_of(request), model, {}) == api


@pytest.mark.parametrize(
    ("model", "publisher", "api"),
    [
        ("gemini-3-pro", None, "gemini"),
        ("claude-opus-4-1@20250805", None, "anthropic"),
        ("anything", "anthropic", "anthropic"),
        ("claude-like", "google", "gemini"),
    ],
)
def test_vertex_asks_the_publisher(model: str, publisher: str | None, api: str) -> None:
    """The configured publisher, else the model's name."""
    assert vertex.choose(gateway_pb2.SendRequest(), Summary(), model, {"publisher": publisher}) == api
