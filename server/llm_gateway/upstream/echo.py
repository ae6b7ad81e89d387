"""echo: the embedded provider. In-process, deterministic, free; the default when nothing is configured.

It repeats the last user message. The model's name chooses what else happens:

    echo          repeats the message, word by word
    echo-tool     calls the first tool of the request with {"text": <message>}; after a tool result it repeats that
    echo-slow     waits 200 ms before the first word and 50 ms between words
    echo-reason   thinks before it answers
    echo-fail     fails as an unavailable provider before the first word
    echo-limited  fails as a rate limit with a retry delay of 1 s
    echo-cut      breaks off after the third word
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import timestamp_pb2
from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2

from llm_gateway.calls.call import Attempt, Reply
from llm_gateway.errors import CallerDeadline, ModelNotFound, ProviderUnavailable, RateLimited, StreamTruncated
from llm_gateway.protocols import json
from llm_gateway.protocols.events import Event, EventWriter

MODELS = ("echo", "echo-tool", "echo-slow", "echo-reason", "echo-fail", "echo-limited", "echo-cut")
_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """A Handler that answers by itself. Tokens are words; the cost is 0."""

    provider: str = "echo"

    async def __call__(self, attempt: Attempt) -> Reply:
        try:
            async with asyncio.timeout_at(attempt.call.deadline):
                return await self._reply(attempt)
        except TimeoutError:
            raise CallerDeadline() from None

    async def _reply(self, attempt: Attempt) -> Reply:
        model = attempt.target.model
        if model not in MODELS:
            raise ModelNotFound(f"echo has the models {', '.join(MODELS)}.", status=404)
        if model == "echo-slow":
            await asyncio.sleep(0.2)
        if model == "echo-fail":
            raise ProviderUnavailable("echo-fail fails, as it is told to.", status=503)
        if model == "echo-limited":
            raise RateLimited("echo-limited limits, as it is told to.", status=429, retry_after=1.0)
        writer = EventWriter(self.provider)
        writer.response_id, writer.response_model = "echo-1", model
        writer.create_time = timestamp_pb2.Timestamp(seconds=0)
        steps = _answer(attempt.call.request, model, writer)
        next(steps)
        if not attempt.call.stream:
            for _ in steps:
                pass
            return Reply(writer, attempt.target, attempt.endpoint)

        async def pull() -> list[Event]:
            if model == "echo-slow":
                await asyncio.sleep(0.05)
            next(steps, None)
            return writer.drain()

        return Reply(writer, attempt.target, attempt.endpoint, pull=pull)

    async def list_models(self) -> list[model_pb2.Model]:
        """The models above, with what they can do."""
        return [
            model_pb2.Model(
                name=f"providers/{self.provider}/models/{name}",
                provider=self.provider,
                model_id=name,
                display_name=name,
                local=True,
                input_modalities=[content_pb2.MODALITY_TEXT],
                output_modalities=[content_pb2.MODALITY_TEXT],
                capabilities=[model_pb2.MODEL_CAPABILITY_STREAMING]
                + ([model_pb2.MODEL_CAPABILITY_TOOLS] if name == "echo-tool" else [])
                + ([model_pb2.MODEL_CAPABILITY_REASONING] if name == "echo-reason" else []),
                pricing=model_pb2.ModelPricing(input_nano_usd_per_million=0, output_nano_usd_per_million=0),
            )
            for name in MODELS
        ]

    async def aclose(self) -> None:
        """Nothing to free."""


def _answer(request: gateway_pb2.SendRequest, model: str, writer: EventWriter) -> Iterator[None]:
    """Write the answer; a step is a word."""
    said = _last_text(request)
    words = _WORD.findall(said) or [""]
    limit = request.generation_config.max_output_tokens or len(words)
    sent = 0
    reason = gateway_pb2.FINISH_REASON_STOP
    calling = model == "echo-tool" and request.tools and request.messages[-1].role != content_pb2.ROLE_TOOL
    if calling:
        name = request.tools[0].function.name or request.tools[0].provider_tool.type
        call = content_pb2.ToolCall(id="call_1", name=name)
        writer.start("call", content_pb2.Part(tool_call=call))
        yield
        writer.arguments("call", json.text({"text": said}))
        writer.complete("call")
        reason = gateway_pb2.FINISH_REASON_TOOL_CALLS
        sent = 1
    else:
        if model == "echo-reason":
            writer.flow("reasoning", "The answer is what was said. ")
            yield
        for word in words[:limit]:
            if model == "echo-cut" and sent == 3:
                raise StreamTruncated("echo-cut breaks off, as it is told to.")
            writer.flow("text", word)
            sent += 1
            yield
        if limit < len(words):
            reason = gateway_pb2.FINISH_REASON_MAX_TOKENS
    read = sum(len(part.text.text.split()) for message in request.messages for part in message.parts)
    writer.finish(reason, "length" if reason == gateway_pb2.FINISH_REASON_MAX_TOKENS else "stop")
    writer.report_usage(usage_pb2.Usage(input_tokens=read, output_tokens=sent, cost_nano_usd=0))
    writer.end()
    yield


def _last_text(request: gateway_pb2.SendRequest) -> str:
    for message in reversed(request.messages):
        if message.role in (content_pb2.ROLE_USER, content_pb2.ROLE_TOOL):
            parts = [inner for part in message.parts for inner in (part.tool_result.parts or [part])]
            return " ".join(part.text.text for part in parts if part.HasField("text"))
    return ""
