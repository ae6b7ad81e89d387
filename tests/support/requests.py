"""Requests of any shape, for property tests: what the contract allows, odd values included."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import duration_pb2
from hypothesis import strategies as st
from llmgateway.v1 import content_pb2, gateway_pb2

Strategy = st.SearchStrategy[Any]

OWNERS = ("anthropic", "gemini", "openai", "provider", "other", "")
MIME_TYPES = (
    "image/png", "image/jpeg", "image/svg+xml", "IMAGE/JPG; q=1", "audio/wav", "audio/mpeg", "audio/pcm;rate=16000", "video/mp4", "text/plain",
    "application/pdf", "application/json", "application/octet-stream", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "", "nonsense", "\N{SNOWMAN}/x",
)  # fmt: skip
URIS = (
    "https://example.test/a.png?x=1#y", "http://example.test/b", "gs://bucket/c.mp4", "s3://bucket/d.pdf", "data:image/png;base64,AAEC",
    "data:text/plain,hi%20there", "data:broken", "file:///etc/passwd", "https://www.youtube.com/watch?v=x", "", "\N{SNOWMAN}",
)  # fmt: skip
PROVIDER_TOOLS = (
    "web_search",
    "code_execution",
    "file_search",
    "url_context",
    "computer_use",
    "mcp",
    "own_20250101",
    "\N{SNOWMAN}",
)

texts = st.text(max_size=12) | st.sampled_from(["", " ", "\n", "\0", "\N{SNOWMAN}", "\u2028", "<think>", '"', "a" * 70])
names = st.from_regex(r"[a-zA-Z_][\w-]{0,10}", fullmatch=True) | texts
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
schemas = st.sampled_from(
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": ["string", "null"], "enum": ["x", None]}}, "required": ["a"]},
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}},
        {"anyOf": [{"type": "integer", "minimum": 1}, {"const": 7}], "additionalProperties": False},
    ]
)


def _json_text(value: Any) -> str:
    import json

    return json.dumps(value)  # NaN and Infinity too, which servers and models do send


objects = (st.dictionaries(st.text(max_size=5), json_values, max_size=3) | schemas).map(_json_text)
ttls = st.builds(duration_pb2.Duration, seconds=st.sampled_from([1, 60, 300, 3600, 86400, 10**9]))
"""Texts of JSON objects."""


def _maybe(fields: Mapping[str, Strategy], **always: Strategy) -> Strategy:
    return st.fixed_dictionaries(always, optional=dict(fields))


def _message(kind: Any, fields: Mapping[str, Strategy], **always: Strategy) -> Strategy:
    return _maybe(fields, **always).map(lambda values: kind(**values))


provider_options = st.dictionaries(st.sampled_from(OWNERS), objects, max_size=1)
cache_controls = _message(content_pb2.CacheControl, {"ttl": ttls})
_beside = {
    "cache_control": cache_controls,
    "signature": st.binary(max_size=4),
    "signature_provider": st.sampled_from(OWNERS),
    "item_id": texts,
    "phase": st.sampled_from(["", "commentary", "final_answer"]),
    "provider_options_json": provider_options,
}
citations = _message(
    content_pb2.Citation,
    {
        "uri": st.sampled_from(URIS),
        "title": texts,
        "cited_text": texts,
        "end_index": st.integers(0, 9),
        "provider_json": objects | texts,
    },
)
media = st.one_of(
    *(
        _message(
            content_pb2.MediaPart,
            {
                "filename": texts,
                "modality": st.sampled_from(content_pb2.Modality.values()),
                "detail": st.sampled_from(["", "low", "high", "odd"]),
                "transcript": texts,
                "start_offset": ttls,
                "end_offset": ttls,
            },
            mime_type=st.sampled_from(MIME_TYPES),
            **{source: values},
        )
        for source, values in (("data", st.binary(max_size=4)), ("uri", st.sampled_from(URIS)), ("file_id", texts))
    )
)
_simple: Mapping[str, Strategy] = {
    "text": _message(content_pb2.TextPart, {"citations": st.lists(citations, max_size=1)}, text=texts),
    "media": media,
    "refusal": _message(content_pb2.RefusalPart, {"category": texts}, text=texts),
    "reasoning": _message(
        content_pb2.ReasoningPart, {"is_summary": st.booleans(), "encrypted": st.binary(max_size=4)}, text=texts
    ),
    "opaque": _message(content_pb2.OpaquePart, {}, provider=st.sampled_from(OWNERS[:-1]), type=texts, json=objects),
}


def _parts(kinds: Mapping[str, Strategy]) -> Strategy:
    return st.one_of(*(_message(content_pb2.Part, _beside, **{kind: values}) for kind, values in kinds.items()))


parts = _parts(
    {
        **_simple,
        "tool_call": _message(
            content_pb2.ToolCall,
            {
                "provider_executed": st.booleans(),
                "provider_tool_type": st.sampled_from(("", "custom", *PROVIDER_TOOLS)),
            },
            id=st.sampled_from(["c1", "c2", "", "toolu_01", "call id/\N{SNOWMAN}"]),
            name=names,
            arguments_json=objects | texts,
        ),
        "tool_result": _message(
            content_pb2.ToolResult,
            {"is_error": st.booleans(), "parts": st.lists(_parts(_simple), max_size=2)},
            tool_call_id=st.sampled_from(["c1", "c2", "toolu_01", "call id/\N{SNOWMAN}", "nobody's"]),
            name=names,
        ),
    }
)
messages = _message(
    content_pb2.Message,
    {"name": texts, "provider_options_json": provider_options},
    role=st.sampled_from(content_pb2.Role.values()[1:]),
    parts=st.lists(parts, max_size=3),
)


def _with_prefix(conversation: list[content_pb2.Message], prefix: bool) -> list[content_pb2.Message]:
    if prefix and conversation[-1].role == content_pb2.ROLE_ASSISTANT:
        conversation[-1].prefix = True
    return conversation


conversations = st.builds(_with_prefix, st.lists(messages, min_size=1, max_size=5), st.booleans())
numbers = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 2.0])
generation_configs = _message(
    gateway_pb2.GenerationConfig,
    {
        "max_output_tokens": st.sampled_from([1, 77, 100_000, 2**31 - 1]),
        "temperature": numbers,
        "top_p": st.floats(0, 1),
        "top_k": st.sampled_from([-1, 0, 40]),
        "min_p": st.floats(0, 1),
        "frequency_penalty": numbers,
        "presence_penalty": numbers,
        "repetition_penalty": numbers,
        "seed": st.integers(-(2**63), 2**63 - 1),
        "candidate_count": st.integers(1, 3),
        "stop_sequences": st.lists(texts.filter(bool), max_size=6),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 25),
        "logit_bias": st.dictionaries(st.integers(-1, 9), st.floats(-100, 100), max_size=2),
        "output_modalities": st.lists(st.sampled_from(content_pb2.Modality.values()), max_size=2),
        "service_tier": st.sampled_from(gateway_pb2.ServiceTier.values()),
    },
)
tools = st.lists(
    _message(
        gateway_pb2.Tool,
        {"cache_control": cache_controls, "provider_options_json": provider_options},
        function=_message(
            gateway_pb2.FunctionTool,
            {"description": texts, "parameters_json_schema": objects, "strict": st.booleans()},
            name=names.filter(bool),
        ),
    )
    | _message(
        gateway_pb2.Tool,
        {"provider_options_json": provider_options},
        provider_tool=_message(
            gateway_pb2.ProviderTool, {"options_json": objects}, type=st.sampled_from(PROVIDER_TOOLS)
        ),
    ),
    max_size=3,
    unique_by=lambda tool: tool.function.name or tool.provider_tool.type,
)
reasoning_configs = _message(
    gateway_pb2.ReasoningConfig,
    {
        "effort": st.sampled_from(gateway_pb2.ReasoningConfig.Effort.values()),
        "budget_tokens": st.sampled_from([-1, 0, 1, 1024, 2**31 - 1]),
        "include_reasoning": st.booleans(),
    },
)
output_formats = st.builds(gateway_pb2.OutputFormat, json_object=st.just(gateway_pb2.JsonObjectFormat())) | _message(
    gateway_pb2.OutputFormat,
    {},
    json_schema=_message(
        gateway_pb2.JsonSchemaFormat,
        {"name": names, "strict": st.booleans(), "description": texts},
        schema_json=objects,
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> gateway_pb2.SendRequest:
    """A request. It may name tools that it does not have, and the like: `validation.validate` has the last word."""
    request = gateway_pb2.SendRequest(messages=draw(conversations), tools=draw(tools))
    for field, strategy in (
        ("generation_config", generation_configs),
        ("reasoning", reasoning_configs),
        ("output_format", output_formats),
        ("cache_config", _message(gateway_pb2.CacheConfig, {"cache_key": texts, "cached_content": texts, "ttl": ttls})),
    ):
        if draw(st.booleans()):
            getattr(request, field).CopyFrom(draw(strategy))
    if draw(st.booleans()):
        own = [tool.function.name or tool.provider_tool.type for tool in request.tools]
        request.tool_config.mode = draw(st.sampled_from(gateway_pb2.ToolConfig.Mode.values()))
        request.tool_config.allowed_tool_names.extend(draw(st.lists(st.sampled_from(own), max_size=2)) if own else [])
        if draw(st.booleans()):
            request.tool_config.parallel_tool_calls = draw(st.booleans())
    if draw(st.booleans()):
        request.safety_settings.add(category=draw(texts), threshold=draw(texts))
        request.end_user_id, request.conversation_id = draw(texts), draw(texts)
        request.labels.update(draw(st.dictionaries(texts, texts, max_size=1)))
    request.provider_options_json.update(draw(provider_options))
    return request
