"""By which of OpenAI's two formats a provider is asked, request by request. Pure; what is known of a provider's models is data of its file.

A chooser is given the request, its summary, the model's id and the provider's settings, and names one of the APIs of the provider's row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols.summary import Summary

Chooser = Callable[[gateway_pb2.SendRequest, Summary, str, Mapping[str, Any]], str]
NO_MODEL = r"(?!)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByModel:
    """Chooses `chat` or `responses` by which of a server's models want the Responses API. Patterns match at the start of an id; the first
    field that holds decides."""

    chat: str = NO_MODEL
    """Served by Chat Completions only."""
    responses: str = NO_MODEL
    """Served by Responses only."""
    tools: str = NO_MODEL
    """Take function tools while they reason by Responses only."""
    better: str = NO_MODEL
    """Do more by Responses, which keeps their reasoning between turns, so Chat Completions is left for what it alone has: a seed, several
    candidates, audio, stop sequences."""
    stops: str = NO_MODEL
    """Take stop sequences there."""
    stops_at_rest: str = NO_MODEL
    """Take them while they do not reason."""
    rests: str = NO_MODEL
    """Do not reason unless they are told to."""

    def __call__(
        self, request: gateway_pb2.SendRequest, summary: Summary, model: str, settings: Mapping[str, Any]
    ) -> str:
        model = model.removeprefix("ft:").rpartition("/")[2]
        if re.match(self.chat, model):
            return "chat"
        if re.match(self.responses, model) or any(tool.WhichOneof("kind") == "provider_tool" for tool in request.tools):
            return "responses"
        reasons = request.reasoning.effort != gateway_pb2.ReasoningConfig.EFFORT_NONE
        if request.tools and reasons and re.match(self.tools, model):
            return "responses"
        better = re.match(self.better, model) and not _wants_chat(request, summary) and not self._stops(request, model)
        return "responses" if better else "chat"

    def _stops(self, request: gateway_pb2.SendRequest, model: str) -> bool:
        """Whether there are stop sequences that the model takes by Chat Completions."""
        if not request.generation_config.stop_sequences:
            return False
        effort = request.reasoning.effort
        unsaid = effort == gateway_pb2.ReasoningConfig.EFFORT_UNSPECIFIED and not request.reasoning.budget_tokens
        rests = effort == gateway_pb2.ReasoningConfig.EFFORT_NONE or (unsaid and bool(re.match(self.rests, model)))
        return bool(re.match(self.stops, model) or (rests and re.match(self.stops_at_rest, model)))


def chat_only(request: gateway_pb2.SendRequest, summary: Summary, model: str, settings: Mapping[str, Any]) -> str:
    """`chat`, for servers of which nothing else is known."""
    return "chat"


def _wants_chat(request: gateway_pb2.SendRequest, summary: Summary) -> bool:
    config = request.generation_config
    return (
        config.HasField("seed")
        or config.candidate_count > 1
        or content_pb2.MODALITY_AUDIO in config.output_modalities
        or content_pb2.MODALITY_AUDIO in summary.in_messages
    )
