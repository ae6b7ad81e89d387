"""Which of its APIs a provider is asked by, request by request. Pure; the rules are data, their sources the providers' API references.

A chooser is given the request, the model's id and the provider's settings, and names one of the APIs of the provider's row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols.media import Medium

Chooser = Callable[[gateway_pb2.SendRequest, str, Mapping[str, Any]], str]
NO_MODEL = r"(?!)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Which of a server's models want the Responses API. Patterns match at the start of an id; the first field that holds decides.

    chat: served by Chat Completions only. responses: served by Responses only. tools: take function tools while they reason by
    Responses only. better: do more by Responses, which keeps their reasoning between turns, so Chat Completions is left for what it
    alone has: a seed, several candidates, audio, stop sequences. stops: take stop sequences there; stops_at_rest: while they do not
    reason; rests: do not reason unless they are told to.
    """

    chat: str = NO_MODEL
    responses: str = NO_MODEL
    tools: str = NO_MODEL
    better: str = NO_MODEL
    stops: str = NO_MODEL
    stops_at_rest: str = NO_MODEL
    rests: str = NO_MODEL


OPENAI = Models(
    chat=r"gpt-[\w.-]+-(search|audio)|gpt-audio|gpt-5(\.\d+)?-chat",
    responses=r"(o\d|gpt-[\w.]+)(-[\w.]+)*-(pro|codex|deep-research)|codex|computer-use",
    tools=r"gpt-(5\.[4-9]|[6-9])",
    better=r"o\d|gpt-[5-9]",
    stops=r"o1|o3-mini",
    stops_at_rest=r"gpt-5\.[1-9]|gpt-[6-9]",
    rests=r"gpt-5\.[1-4]",
)
XAI = Models(responses=r"grok-[\w.]+-multi-agent")


def openai(request: gateway_pb2.SendRequest, model: str, settings: Mapping[str, Any]) -> str:
    """`chat` or `responses`, for OpenAI's models at OpenAI or on Azure, where deployments often bear their model's name."""
    return _by_model(OPENAI, request, model)


def azure_dated(request: gateway_pb2.SendRequest, model: str, settings: Mapping[str, Any]) -> str:
    """`chat` or `responses`, where the API version is a date: Responses came with 2025-03-01-preview."""
    return openai(request, model, settings) if str(settings["api_version"]) >= "2025-03-01" else "chat"


def xai(request: gateway_pb2.SendRequest, model: str, settings: Mapping[str, Any]) -> str:
    """`chat` or `responses`, for Grok."""
    return _by_model(XAI, request, model)


def chat(request: gateway_pb2.SendRequest, model: str, settings: Mapping[str, Any]) -> str:
    """`chat`, for servers of which nothing else is known."""
    return "chat"


def vertex(request: gateway_pb2.SendRequest, model: str, settings: Mapping[str, Any]) -> str:
    """`gemini` or `anthropic`: by the publisher that is configured, else by the model."""
    publisher = settings.get("publisher") or ("anthropic" if model.startswith("claude") else "google")
    return "anthropic" if publisher == "anthropic" else "gemini"


def _by_model(models: Models, request: gateway_pb2.SendRequest, model: str) -> str:
    model = model.removeprefix("ft:").rpartition("/")[2]
    if re.match(models.chat, model):
        return "chat"
    if re.match(models.responses, model) or any(tool.WhichOneof("kind") == "provider_tool" for tool in request.tools):
        return "responses"
    reasons = request.reasoning.effort != gateway_pb2.ReasoningConfig.EFFORT_NONE
    if request.tools and reasons and re.match(models.tools, model):
        return "responses"
    better = re.match(models.better, model) and not _wants_chat(request) and not _stops(models, request, model)
    return "responses" if better else "chat"


def _stops(models: Models, request: gateway_pb2.SendRequest, model: str) -> bool:
    """Whether there are stop sequences that the model takes by Chat Completions."""
    if not request.generation_config.stop_sequences:
        return False
    effort = request.reasoning.effort
    unsaid = effort == gateway_pb2.ReasoningConfig.EFFORT_UNSPECIFIED and not request.reasoning.budget_tokens
    rests = effort == gateway_pb2.ReasoningConfig.EFFORT_NONE or (unsaid and bool(re.match(models.rests, model)))
    return bool(re.match(models.stops, model) or (rests and re.match(models.stops_at_rest, model)))


def _wants_chat(request: gateway_pb2.SendRequest) -> bool:
    config = request.generation_config
    return (
        config.HasField("seed")
        or config.candidate_count > 1
        or content_pb2.MODALITY_AUDIO in config.output_modalities
        or any(
            part.HasField("media") and Medium(part.media).modality == content_pb2.MODALITY_AUDIO
            for message in request.messages
            for part in message.parts
        )
    )
