"""What a caller sends more of costs in proportion: each step of a Send before its provider is called, each wire format, each thing of which
there may be many.

The CPU of sixteen times as much is compared with that of as much: a machine that is slow is so for both.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from contextlib import suppress
from time import thread_time
from typing import Any

import pytest
from llm_gateway.errors import GatewayError
from llm_gateway.protocols.wire import render
from llm_gateway.routing import needs
from llm_gateway.rpc.validation import validate
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.support.targets import TARGETS

Request = gateway_pb2.SendRequest
pytestmark = pytest.mark.no_cover
Part = content_pb2.Part
USER, ASSISTANT, TOOL = content_pb2.ROLE_USER, content_pb2.ROLE_ASSISTANT, content_pb2.ROLE_TOOL
FEW, TIMES = 150, 16
MOST = 3 * TIMES
"""Times the CPU that may be taken for sixteen times as much; what is quadratic takes 256 times."""


def text(words: str) -> Part:
    return Part(text=content_pb2.TextPart(text=words))


def call(number: int) -> Part:
    return Part(tool_call=content_pb2.ToolCall(id=f"c{number}", name=f"f{number}", arguments_json="{}"))


def result(number: int) -> Part:
    return Part(tool_result=content_pb2.ToolResult(tool_call_id=f"c{number}", name=f"f{number}", parts=[text("r")]))


def turns(request: Request, n: int) -> None:
    for number in range(n):
        request.messages.add(role=ASSISTANT if number % 2 else USER, parts=[text("word " * 5)])


def systems(request: Request, n: int) -> None:
    for number in range(n):
        request.messages.add(role=USER if number % 2 else content_pb2.ROLE_SYSTEM, parts=[text("word")])


def parts(request: Request, n: int) -> None:
    request.messages.add(role=USER, parts=[text("word") for _ in range(n)])


def answered(request: Request, n: int) -> None:
    request.messages.add(role=USER, parts=[text("go")])
    request.messages.add(role=ASSISTANT, parts=[call(number) for number in range(n)])
    request.messages.add(role=TOOL, parts=[result(number) for number in range(n)])


def rounds(request: Request, n: int) -> None:
    request.messages.add(role=USER, parts=[text("go")])
    for number in range(n):
        request.messages.add(role=ASSISTANT, parts=[call(number)])
        request.messages.add(role=TOOL, parts=[result(number)])


def long_result(request: Request, n: int) -> None:
    request.messages.add(role=USER, parts=[text("go")])
    request.messages.add(role=ASSISTANT, parts=[call(0)])
    long = content_pb2.ToolResult(tool_call_id="c0", name="f0", parts=[text("r") for _ in range(n)])
    request.messages.add(role=TOOL, parts=[Part(tool_result=long)])


def thoughts(request: Request, n: int) -> None:
    turns(request, 1)
    for provider in ("p", "q"):
        thought = Part(reasoning=content_pb2.ReasoningPart(text="so"), signature=b"s", signature_provider=provider)
        request.messages.add(role=ASSISTANT, parts=[thought] * (n // 2))
    turns(request, 1)


def opaque(request: Request, n: int) -> None:
    turns(request, 1)
    block = json.dumps({"type": "t", "id": "x"})
    for provider in ("p", "q"):
        one = Part(opaque=content_pb2.OpaquePart(provider=provider, type="t", json=block))
        request.messages.add(role=ASSISTANT, parts=[one] * (n // 2))
    turns(request, 1)


def media(request: Request, n: int) -> None:
    one = Part(media=content_pb2.MediaPart(mime_type="image/png", data=b"data"))
    request.messages.add(role=USER, parts=[one] * n)


def breakpoints(request: Request, n: int) -> None:
    parts(request, n)
    for one in request.messages[0].parts:
        one.cache_control.SetInParent()


def options(request: Request, n: int) -> None:
    parts(request, n)
    for one in request.messages[0].parts:
        one.provider_options_json["p"] = '{"x": 1}'


def tools(request: Request, n: int) -> None:
    turns(request, 1)
    for number in range(n):
        request.tools.add().function.MergeFrom(
            gateway_pb2.FunctionTool(name=f"f{number}", parameters_json_schema='{"type": "object"}')
        )
    request.tool_config.mode = gateway_pb2.ToolConfig.MODE_REQUIRED
    request.tool_config.allowed_tool_names.extend(f"f{number}" for number in range(n))


def schema(request: Request, n: int) -> None:
    turns(request, 1)
    found = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(n)}}
    request.output_format.json_schema.schema_json = json.dumps(found)
    request.tools.add().function.MergeFrom(
        gateway_pb2.FunctionTool(name="f", parameters_json_schema=json.dumps(found), strict=True)
    )


def own_options(request: Request, n: int) -> None:
    turns(request, 1)
    request.provider_options_json["p"] = json.dumps({f"x{number}": {"y": number} for number in range(n)})


def lists(request: Request, n: int) -> None:
    turns(request, 1)
    many = [f"x{number}" for number in range(n)]
    request.generation_config.logit_bias.update(dict.fromkeys(range(n), 1.0))
    request.routing.excluded_providers.extend(many[:999])
    request.labels.update(dict.fromkeys(many[:999], "v"))


SHAPES: list[Callable[[Request, int], None]] = [
    turns, systems, parts, answered, rounds, long_result, thoughts, opaque, media, breakpoints, options, tools, schema, own_options, lists,
]  # fmt: skip


def of(shape: Callable[[Request, int], None], n: int) -> Request:
    request = Request(model="m")
    shape(request, n)
    return request


def cost(step: Callable[[], Any], within: float = 0.0) -> float:
    """Seconds of CPU, the least of five runs; fewer where one is within the bound already."""
    least = float("inf")
    gc.disable()
    try:
        for _ in range(5):
            begun = thread_time()
            with suppress(GatewayError):  # what a format refuses it has looked at
                step()
            least = min(least, thread_time() - begun)
            if least <= within:
                break
    finally:
        gc.enable()
    return least


def check_linear(step: Callable[[Request], Any], shape: Callable[[Request, int], None]) -> None:
    few, many = of(shape, FEW), of(shape, FEW * TIMES)
    base = max(cost(lambda: step(few)), 1e-4)
    taken = cost(lambda: step(many), base * MOST)
    assert taken <= base * MOST, f"{taken / base:.0f} times the CPU for {TIMES} times as much"


@pytest.mark.parametrize("step", [validate, needs.needs_of])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_validation_and_the_needs_are_linear(
    shape: Callable[[Request, int], None], step: Callable[[Request], Any]
) -> None:
    """Of all that there may be many of."""
    check_linear(step, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize(
    "target",
    [
        "chat-openai",
        "responses-openai",
        "anthropic-anthropic",
        "bedrock-claude",
        "bedrock-llama",
        "gemini-gemini-gemini-3-pro",
        "ollama",
        "claude_code",
    ],
)
def test_rendering_is_linear(target: str, shape: Callable[[Request, int], None]) -> None:
    """In each wire format; what it leaves out it warns of, and that is linear too."""
    to = TARGETS[target]

    def step(request: Request) -> object:
        return render(to.wire, to.rendering(request, stream=True))

    check_linear(step, shape)
