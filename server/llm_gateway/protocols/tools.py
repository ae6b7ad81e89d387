"""The one walk over the tools of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols.wire import Rendering, refuse

Wire = dict[str, Any]


def tools(
    rendering: Rendering,
    function: Callable[[Wire, gateway_pb2.FunctionTool, str], Wire],
    provider_tool: Callable[[gateway_pb2.ProviderTool, str], Wire | None] | None = None,
    *,
    strict: bool | None = None,
    mark: Callable[[Wire, content_pb2.CacheControl], bool] | None = None,
    chosen: Iterable[tuple[int, gateway_pb2.Tool]] | None = None,
) -> Iterator[tuple[gateway_pb2.Tool, Wire]]:
    """The tools with their objects on the wire, options merged last.

    function, provider_tool: the leaves. They get the tool's content and its path, functions also name, description and `strict` as far
    as given; a provider's tool that returns None has reported itself where it went. strict: whether the model is held to schemas; None
    where the format handles that itself. mark: puts a cache breakpoint after an object, unless it returns False. chosen: those to send,
    by index; None for all.
    """
    notes = rendering.notes
    for index, tool in enumerate(rendering.request.tools) if chosen is None else chosen:
        at = f"tools[{index}]"
        kind = tool.WhichOneof("kind")
        wire: Wire | None = None
        if kind == "function":
            named = tool.function
            wire = {"name": named.name}
            if named.description:
                wire["description"] = named.description
            if strict and named.HasField("strict"):
                wire["strict"] = named.strict
            elif strict is False and named.strict:
                notes.dropped(f"{at}.function.strict", "The model is not held to schemas here.")
            wire = function(wire, named, f"{at}.function")
        elif kind is None:
            refuse(at, "holds nothing", "REQUIRED")
        elif provider_tool is None:
            notes.dropped(at, "The provider runs no tools of its own here.")
            continue
        else:
            wire = provider_tool(tool.provider_tool, f"{at}.provider_tool")
        if tool.HasField("cache_control") and not (wire is not None and mark and mark(wire, tool.cache_control)):
            notes.dropped(f"{at}.cache_control", "There is no place for a cache breakpoint behind such a tool.")
        if wire is not None:
            yield tool, rendering.merged(wire, tool.provider_options_json)
        elif rendering.options(tool.provider_options_json):
            notes.dropped(f"{at}.provider_options_json", "Such a tool has no object of its own here.")
