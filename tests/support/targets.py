"""Every wire format in each of its dialects, at a model that takes most: what the matrix tests render to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_gateway.protocols import anthropic, bedrock, claude_code, gemini, ollama, openai_chat, openai_responses
from llm_gateway.protocols.wire import Outgoing, Rendering, WireFormat
from llmgateway.v1 import gateway_pb2

from tests.support import dialects
from tests.support.dialects import named

SETTINGS = {"project": "p", "location": "l", "region": "r"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A wire format in one of its dialects."""

    wire: WireFormat
    dialect: Any
    model: str

    def rendering(self, request: gateway_pb2.SendRequest, *, stream: bool = False) -> Rendering:
        """The request for the provider `p` of kind `k`."""
        return Rendering(
            request=request,
            model=self.model,
            stream=stream,
            provider="p",
            kind="k",
            dialect=self.dialect,
            settings=SETTINGS,
        )

    def render(self, request: gateway_pb2.SendRequest) -> tuple[Outgoing, list[gateway_pb2.Warning]]:
        """What goes out, and the warnings. Raises InvalidRequest."""
        rendering = self.rendering(request)
        return self.wire.render_request(rendering), rendering.notes.warnings


TARGETS: dict[str, Target] = {
    **{
        f"chat-{name}": Target(wire=openai_chat, dialect=dialect, model="m")
        for name, dialect in named(dialects.CHAT, openai_chat.Dialect)
    },
    "chat-openai-gpt-5.6": Target(wire=openai_chat, dialect=dialects.CHAT.OPENAI, model="gpt-5.6"),
    **{
        f"responses-{name}": Target(wire=openai_responses, dialect=dialect, model="gpt-5.6")
        for name, dialect in named(dialects.RESPONSES, openai_responses.Dialect)
    },
    **{
        f"anthropic-{name}": Target(wire=anthropic, dialect=dialect, model="claude-opus-4-5")
        for name, dialect in named(dialects.MESSAGES, anthropic.Dialect)
    },
    "bedrock-claude": Target(wire=bedrock, dialect=bedrock.BEDROCK, model="us.anthropic.claude-opus-4-5-v1:0"),
    "bedrock-llama": Target(wire=bedrock, dialect=bedrock.BEDROCK, model="meta.llama3-1-70b-instruct-v1:0"),
    **{
        f"gemini-{name}-{model}": Target(wire=gemini, dialect=dialect, model=model)
        for name, dialect in named(dialects.GEMINI, gemini.Dialect)
        for model in ("gemini-3-pro", "gemini-2.5-flash", "gemma-3-27b-it")
    },
    "ollama": Target(wire=ollama, dialect=ollama.OLLAMA, model="llama3.2"),
    "claude_code": Target(wire=claude_code, dialect=anthropic.ANTHROPIC, model="sonnet"),
}
