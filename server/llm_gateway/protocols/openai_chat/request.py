"""The contract's request as a Chat Completions request."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols import json, schemas
from llm_gateway.protocols.callids import CallIds
from llm_gateway.protocols.openai_chat.dialect import EFFORTS, Dialect, ModelRule
from llm_gateway.protocols.wire import CUSTOM, NEUTRAL, Outgoing, Rendering

_NO_RULE = ModelRule(pattern="")
_Wire = dict[str, Any]


def render_request(rendering: Rendering) -> Outgoing:
    dialect: Dialect = rendering.dialect
    request = rendering.request
    rule = _rule(dialect, rendering.model)
    body: _Wire = {"model": rendering.model, "messages": _Conversation(rendering, rule).messages()}
    if rendering.stream:
        body["stream"] = True
        if dialect.stream_options:
            body["stream_options"] = dict(dialect.stream_options)
    _tools(rendering, body)
    reasons = _reasoning(rendering, body, rule)
    if dialect.reasoning_demanded and (
        re.match(dialect.reasoning_demanded, rendering.model) or dialect.reasoning_on.items() <= body.items()
    ):
        for message in body["messages"]:
            if message["role"] == "assistant":
                message.setdefault(dialect.reasoning_replay, "")
    if request.HasField("generation_config"):
        _sampling(rendering, body, rule, reasons)
    if request.HasField("output_format"):
        _output_format(rendering, body)
    headers = _attribution(rendering, body, rule)
    body = rendering.body(body)
    if request.labels and dialect.metadata_needs_store and not body.get("store"):
        body.pop("metadata", None)
        rendering.notes.dropped("labels", "Metadata is taken only with stored answers (option store).")
    path = dialect.chat_path
    if "{model}" in path:
        path = path.replace("{model}", rendering.model_in_path())
    return Outgoing(path=path, body=json.encode(body), headers=headers)


@lru_cache(maxsize=1024)
def _rule(dialect: Dialect, model: str) -> ModelRule:
    return next((rule for rule in dialect.rules if re.match(rule.pattern, model)), _NO_RULE)


def _put(body: _Wire, path: str, value: Any) -> None:
    """Set `a.b` in nested objects."""
    *outer, last = path.split(".")
    for key in outer:
        body = body.setdefault(key, {})
    body[last] = value


def _invalid(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(violations=[Violation(field=field, description=description)])


def _decoded(text: str, field: str) -> _Wire:
    """The object that a field's JSON text holds."""
    try:
        value = json.decode(text)
    except json.MalformedJson:
        value = None
    if not isinstance(value, dict):
        raise _invalid(field, "must be the text of a JSON object")
    return value


def _schema(rendering: Rendering, text: str, field: str, strict: bool) -> json.Raw:
    """A JSON Schema, to be embedded: key order and the spelling of numbers are kept. strict: the server holds the model to it."""
    limits = rendering.dialect.schema_limits if strict else None
    try:
        return schemas.within(text, limits, rendering.notes, field)
    except json.MalformedJson:
        raise _invalid(field, "must be the text of a JSON object") from None


# ---------------------------------------------------------------- messages
class _Conversation:
    """Renders the messages of one request."""

    def __init__(self, rendering: Rendering, rule: ModelRule) -> None:
        self.rendering = rendering
        self.dialect: Dialect = rendering.dialect
        self.notes = rendering.notes
        self.breakpoints = self.dialect.cache_breakpoint
        if self.breakpoints == "breakpoint" and not rule.cache_options:
            self.breakpoints = ""
        self.call_ids = CallIds(self.dialect.call_id)
        self.out: list[_Wire] = []
        self.tool_media: list[_Wire] = []

    def messages(self) -> list[_Wire]:
        for i, message in enumerate(self.rendering.request.messages):
            self.message(message, f"messages[{i}]")
        self.flush_tool_media()
        return self.out

    def message(self, message: content_pb2.Message, path: str) -> None:
        role = message.role
        others: list[tuple[str, content_pb2.Part]] = []
        results = 0
        for j, part in enumerate(message.parts):
            if part.WhichOneof("kind") == "tool_result":
                self.tool_result(part, f"{path}.parts[{j}]", message)
                results += 1
            else:
                others.append((f"{path}.parts[{j}]", part))
        if results and not others:
            return
        if role == content_pb2.ROLE_TOOL:
            raise _invalid(path, "a message of ROLE_TOOL holds tool results only")
        self.flush_tool_media()
        if role == content_pb2.ROLE_ASSISTANT:
            wire = self.assistant(message, others, path)
            if wire is None:
                return
        elif role == content_pb2.ROLE_USER:
            wire = {"role": "user", "content": self.content(others, lists=True)}
        elif role == content_pb2.ROLE_DEVELOPER and self.dialect.developer_role:
            wire = {"role": "developer", "content": self.content(others, lists=self.dialect.text_lists)}
        else:
            wire = {"role": "system", "content": self.content(others, lists=self.dialect.text_lists)}
        if message.name:
            if wire["role"] in self.dialect.message_name:
                wire["name"] = message.name
            else:
                self.notes.dropped(f"{path}.name", "Messages of this role have no name here.")
        self.turn(self.rendering.merged(wire, message.provider_options_json))

    def turn(self, wire: _Wire) -> None:
        """Add a message that is no tool result, as the server wants it to follow the one before."""
        last = self.out[-1] if self.out else {}
        before, role = last.get("role"), wire["role"]
        if self.dialect.alternates and before == role and role in ("user", "assistant"):
            last |= {**wire, "content": _joined(last["content"], wire["content"])}
        else:
            self.out.append(wire)

    def assistant(
        self, message: content_pb2.Message, parts: Iterable[tuple[str, content_pb2.Part]], path: str
    ) -> _Wire | None:
        wire: _Wire = {"role": "assistant", "content": None}
        content: list[_Wire] = []
        calls: list[_Wire] = []
        reasoning: list[str] = []
        details: list[Any] = []
        for field, part in parts:
            kind = part.WhichOneof("kind")
            if kind == "tool_call":
                self.tool_call(part, field, calls)
            elif kind == "reasoning":
                self.reasoning(part, field, reasoning, content)
            elif kind == "refusal":
                if self.dialect.refusal_field:
                    wire["refusal"] = wire.get("refusal", "") + part.refusal.text
                    self.rendering.unplaced(part, field)
                    self.cache(part, None, field)
                    self.unmerged(part, field)
                else:
                    self.notes.emulated(f"{field}.refusal", "Sent as text.")
                    block = self.block(part, field)
                    if block is not None:
                        content.append(block)
            elif kind == "opaque" and part.opaque.type == "reasoning_details":
                if self.own(part, field):
                    self.rendering.unplaced(part, field)
                    self.cache(part, None, field)
                    self.unmerged(part, field)
                    details.append(_decoded(part.opaque.json, f"{field}.opaque.json"))
            elif kind == "media" and self.spoken(part, field, wire, content):
                pass
            elif kind == "media" and not self.dialect.tool_media:
                raise _invalid(f"{field}.media", "the provider takes media in turns of the user only")
            else:
                block = self.block(part, field)
                if block is not None:
                    content.append(block)
        if reasoning:
            wire[self.dialect.reasoning_replay] = "".join(reasoning)
        if details:
            wire["reasoning_details"] = details
        if calls:
            wire["tool_calls"] = calls
        if content:
            wire["content"] = _collapse(content, self.dialect.text_lists, "")
        elif not calls and "refusal" not in wire and "audio" not in wire:
            if self.dialect.skip_empty and not reasoning:
                return None
            wire["content"] = ""
        if message.prefix:
            self.mark_prefix(wire, path)
        return wire

    def unmerged(self, part: content_pb2.Part, field: str) -> None:
        """Note options of a part that has no object of its own on the wire."""
        if self.rendering.options(part.provider_options_json):
            self.notes.dropped(f"{field}.provider_options_json", "Such a part has no object of its own in the message.")

    def mark_prefix(self, wire: _Wire, path: str) -> None:
        if self.dialect.prefix == "prefix":
            wire["prefix"] = True
        elif self.dialect.prefix == "":
            self.notes.dropped(f"{path}.prefix", "The provider answers the last turn; it does not continue it.")

    def own(self, part: content_pb2.Part, field: str) -> bool:
        """Whether an opaque block belongs to this provider; notes it when not."""
        if self.rendering.owns(part.opaque.provider):
            return True
        self.notes.dropped(field, "A block of another provider.")
        return False

    def reasoning(self, part: content_pb2.Part, field: str, texts: list[str], content: list[_Wire]) -> None:
        origin = part.signature_provider
        replay = self.dialect.reasoning_replay
        if origin and not self.rendering.owns(origin):
            self.notes.dropped(field, "Reasoning signed by another provider.")
        elif part.reasoning.encrypted or not replay:
            self.notes.dropped(field, "Earlier reasoning has no place in this provider's messages.")
        elif replay == "thinking":
            block: _Wire = {"type": "thinking", "thinking": [{"type": "text", "text": part.reasoning.text}]}
            if part.signature:
                block["signature"] = part.signature.decode("utf-8", "replace")
            content.append(self.rendering.merged(block, part.provider_options_json))
            self.cache(part, None, field)
        elif part.reasoning.text or part.signature:
            texts.append(part.reasoning.text)
            self.rendering.unplaced(part, field)
            self.cache(part, None, field)
            self.unmerged(part, field)

    def tool_call(self, part: content_pb2.Part, field: str, calls: list[_Wire]) -> None:
        call = part.tool_call
        if call.provider_executed:
            self.notes.dropped(field, "A call that another provider ran itself.")
            return
        wire: _Wire = {"id": self.call_ids.call(call.id, call.name)}
        if call.provider_tool_type == CUSTOM and self.dialect.custom_tools:
            wire |= {"type": CUSTOM, CUSTOM: {"name": call.name, "input": call.arguments_json}}
        else:
            arguments = self.rendering.arguments(call, f"{field}.tool_call")
            wire |= {
                "type": "function" if call.provider_tool_type == CUSTOM else call.provider_tool_type or "function",
                "function": {"name": call.name, "arguments": arguments},
            }
        if not wire["id"]:
            del wire["id"]
        if part.signature and self.rendering.owns(part.signature_provider):
            # Gemini's OpenAI surface binds the thought to the call (ai.google.dev, OpenAI compatibility)
            wire["extra_content"] = {"google": {"thought_signature": part.signature.decode("utf-8", "replace")}}
        else:
            self.rendering.unplaced(part, field)
        self.cache(part, wire if self.dialect.call_breakpoint else None, field)
        calls.append(self.rendering.merged(wire, part.provider_options_json))

    def tool_result(self, part: content_pb2.Part, field: str, message: content_pb2.Message) -> None:
        result = part.tool_result
        blocks: list[_Wire] = []
        moved = False
        for k, inner in enumerate(result.parts):
            block = self.block(inner, f"{field}.tool_result.parts[{k}]")
            if block is None:
                continue
            if block.get("type") != "text" and not self.dialect.tool_media:
                self.tool_media.append(block)
                moved = True
            else:
                blocks.append(block)
        if moved:
            self.notes.emulated(f"{field}.tool_result.parts", "Media of tool results follow in a user message.")
            if not blocks:
                blocks.append({"type": "text", "text": "The result follows in the next user message."})
        if result.is_error:
            self.notes.dropped(f"{field}.tool_result.is_error", "Tool results have no error mark here.")
        self.cache(part, blocks[-1] if blocks else None, field)
        self.rendering.unplaced(part, field)
        wire: _Wire = {
            "role": "tool",
            "tool_call_id": self.call_ids.result(result.tool_call_id, result.name),
            "content": _collapse(blocks, self.dialect.text_lists, "\n"),
        }
        wire = self.rendering.merged(wire, part.provider_options_json)
        self.out.append(self.rendering.merged(wire, message.provider_options_json))

    def flush_tool_media(self) -> None:
        if self.tool_media:
            self.turn({"role": "user", "content": self.tool_media})
            self.tool_media = []

    # ------------------------------------------------------------ content parts
    def content(self, parts: list[tuple[str, content_pb2.Part]], *, lists: bool) -> Any:
        if len(parts) == 1 and not parts[0][1].provider_options_json and not parts[0][1].HasField("cache_control"):
            only = parts[0][1]
            if only.WhichOneof("kind") == "text" and not only.signature and not only.text.citations:
                return only.text.text
        blocks = [block for field, part in parts if (block := self.block(part, field)) is not None]
        return _collapse(blocks, lists, "\n")

    def block(self, part: content_pb2.Part, field: str) -> _Wire | None:
        """A content part; None when it is left out."""
        kind = part.WhichOneof("kind")
        if kind == "text":
            wire: _Wire = {"type": "text", "text": part.text.text}
        elif kind == "media":
            wire = self.media(part.media, f"{field}.media")
        elif kind == "refusal":
            wire = {"type": "text", "text": part.refusal.text}
        elif kind == "opaque":
            if not self.own(part, field):
                return None
            wire = _decoded(part.opaque.json, f"{field}.opaque.json")
        elif kind is None:
            raise _invalid(field, "a part needs a kind")
        else:
            raise _invalid(field, f"a {kind} does not belong into this message")
        self.cache(part, wire, field)
        if kind != "text" or part.signature or part.text.citations:
            self.rendering.unplaced(part, field)
        return self.rendering.merged(wire, part.provider_options_json)

    def cache(self, part: content_pb2.Part | gateway_pb2.Tool, wire: _Wire | None, field: str) -> None:
        if not part.HasField("cache_control"):
            return
        seconds = part.cache_control.ttl.seconds
        if wire is None or not self.breakpoints:
            self.notes.dropped(f"{field}.cache_control", "The provider places its cache breakpoints itself.")
        elif self.breakpoints == "breakpoint":
            wire["prompt_cache_breakpoint"] = {"mode": "explicit"} | _retention(seconds)
        else:
            wire["cache_control"] = {"type": "ephemeral"} | (
                {"ttl": "1h" if seconds >= 3600 else "5m"} if seconds else {}
            )

    def spoken(self, part: content_pb2.Part, field: str, wire: _Wire, content: list[_Wire]) -> bool:
        """Audio that the assistant said goes back by its id, else as its transcript."""
        media = part.media
        if _modality(media) != content_pb2.MODALITY_AUDIO:
            return False
        if part.item_id:
            wire["audio"] = {"id": part.item_id}
        elif media.transcript:
            self.notes.emulated(f"{field}.media", "Sent as its transcript.")
            content.append({"type": "text", "text": media.transcript})
        else:
            return False
        self.rendering.unplaced(part, field)
        self.cache(part, None, field)
        self.unmerged(part, field)
        return True

    def media(self, media: content_pb2.MediaPart, field: str) -> _Wire:
        modality = _modality(media)
        seen = modality in (content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_VIDEO)
        named = not seen and modality != content_pb2.MODALITY_AUDIO and media.WhichOneof("source") != "file_id"
        self.rendering.unread(media, field, but=(*(("detail",) if seen else ()), *(("filename",) if named else ())))
        wire = (
            _mistral_media(media, modality)
            if self.dialect.media_style == "mistral"
            else self.openai_media(media, modality, field)
        )
        needs = _KIND_OF_MEDIA[modality] if wire is None else wire["type"]
        if (
            needs in ("file", "document_url")
            and media.WhichOneof("source") == "uri"
            and not media.uri.startswith("data:")
        ):
            needs = "file_url"
        elif needs == "document_url":
            needs = "file"
        if wire is None or needs not in self.dialect.media:
            raise _invalid(
                field, f"the provider takes no {content_pb2.Modality.Name(modality)[9:].lower()} in this form"
            )
        return wire

    def openai_media(self, media: content_pb2.MediaPart, modality: int, field: str) -> _Wire | None:
        source = media.WhichOneof("source")
        if source == "file_id":
            return {"type": "file", "file": {"file_id": media.file_id}}
        url = _url(media)
        if modality == content_pb2.MODALITY_IMAGE:
            return _image(url, media)
        if modality == content_pb2.MODALITY_VIDEO:
            return {"type": "video_url", "video_url": {"url": url} | ({"detail": media.detail} if media.detail else {})}
        if modality == content_pb2.MODALITY_AUDIO:
            if not url.startswith("data:"):
                return {"type": "audio_url", "audio_url": {"url": url}}
            head, _, data = url.partition(",")
            kind = _audio_format(media.mime_type or head[5:].split(";")[0])
            if self.dialect.audio_formats and kind not in self.dialect.audio_formats:
                raise _invalid(
                    f"{field}.mime_type", f"the provider reads audio as {' or '.join(self.dialect.audio_formats)}"
                )
            return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
        name = media.filename or self.dialect.default_filename
        return {"type": "file", "file": ({"filename": name} if name else {}) | {"file_data": url}}


def _image(url: str, media: content_pb2.MediaPart) -> _Wire:
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": media.detail} if media.detail else {})}


def _mistral_media(media: content_pb2.MediaPart, modality: int) -> _Wire | None:
    """Content parts of Mistral's API reference (Chat): documents by URL, audio as a plain string."""
    if media.WhichOneof("source") == "file_id":
        return {"type": "file", "file_id": media.file_id}
    url = _url(media)
    if modality == content_pb2.MODALITY_IMAGE:
        return _image(url, media) if media.detail else {"type": "image_url", "image_url": url}
    if modality == content_pb2.MODALITY_AUDIO:
        return {"type": "input_audio", "input_audio": url.partition(",")[2] if url.startswith("data:") else url}
    if modality == content_pb2.MODALITY_DOCUMENT:
        return {"type": "document_url", "document_url": url} | (
            {"document_name": media.filename} if media.filename else {}
        )
    return None


_KIND_OF_MEDIA = {
    content_pb2.MODALITY_UNSPECIFIED: "image_url",
    content_pb2.MODALITY_TEXT: "file",
    content_pb2.MODALITY_IMAGE: "image_url",
    content_pb2.MODALITY_AUDIO: "input_audio",
    content_pb2.MODALITY_VIDEO: "video_url",
    content_pb2.MODALITY_DOCUMENT: "file",
}


def _modality(media: content_pb2.MediaPart) -> content_pb2.Modality.ValueType:
    if media.modality:
        return media.modality
    kind = media.mime_type
    if not kind and media.uri.startswith("data:"):
        kind = media.uri[5:].split(";")[0].split(",")[0]
    if not kind:
        kind = mimetypes.guess_type(urlsplit(media.uri).path if media.uri else media.filename)[0] or ""
    for prefix, modality in (
        ("image/", content_pb2.MODALITY_IMAGE),
        ("audio/", content_pb2.MODALITY_AUDIO),
        ("video/", content_pb2.MODALITY_VIDEO),
    ):
        if kind.startswith(prefix):
            return modality
    return content_pb2.MODALITY_DOCUMENT if kind or media.file_id or media.filename else content_pb2.MODALITY_IMAGE


def _url(media: content_pb2.MediaPart) -> str:
    if media.WhichOneof("source") != "data":
        return media.uri
    return f"data:{media.mime_type or 'application/octet-stream'};base64,{base64.b64encode(media.data).decode()}"


_AUDIO_FORMATS = {
    "mpeg": "mp3", "mp3": "mp3", "wav": "wav", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a", "x-m4a": "m4a",
    "l16": "pcm16", "pcm": "pcm16",
}  # fmt: skip


def _audio_format(mime_type: str) -> str:
    subtype = mime_type.partition("/")[2].split(";")[0].lower()
    return _AUDIO_FORMATS.get(subtype, subtype)


def _collapse(blocks: list[_Wire], lists: bool, joint: str) -> Any:
    """Content parts as a string where that says the same, or where the server takes no lists."""
    if not blocks:
        return ""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} and blocks[0]["type"] == "text":
        return blocks[0]["text"]
    if not lists and all(block.keys() == {"type", "text"} and block["type"] == "text" for block in blocks):
        return joint.join(block["text"] for block in blocks)
    return blocks


def _joined(one: Any, two: Any) -> Any:
    """The contents of two messages as that of one."""
    if not (one and two):
        return one or two
    if isinstance(one, str) and isinstance(two, str):
        return f"{one}\n{two}"
    return [*_listed(one), *_listed(two)]


def _listed(content: Any) -> list[_Wire]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _retention(seconds: int) -> _Wire:
    return {"ttl": "12h" if seconds >= 12 * 3600 else "30m"} if seconds else {}


# ---------------------------------------------------------------- tools
def _tools(rendering: Rendering, body: _Wire) -> None:
    dialect: Dialect = rendering.dialect
    request, notes = rendering.request, rendering.notes
    tools: list[_Wire] = []
    names: list[str] = []
    for i, tool in enumerate(request.tools):
        field = f"tools[{i}]"
        if tool.WhichOneof("kind") == "provider_tool":
            wire = _provider_tool(rendering, tool.provider_tool, field, body)
            if wire is None:
                continue
            names.append("")
        else:
            function = tool.function
            inner: _Wire = {"name": function.name}
            if function.description:
                inner["description"] = function.description
            if function.parameters_json_schema:
                inner["parameters"] = _schema(
                    rendering,
                    function.parameters_json_schema,
                    f"{field}.function.parameters_json_schema",
                    function.strict,
                )
            elif dialect.parameters_required:
                inner["parameters"] = {"type": "object", "properties": {}}
            if function.HasField("strict"):
                if dialect.strict:
                    inner["strict"] = function.strict
                elif function.strict:
                    notes.dropped(f"{field}.function.strict", "The provider has no strict tools.")
            wire = {"type": "function", "function": inner}
            names.append(function.name)
        if tool.HasField("cache_control"):
            if dialect.cache_breakpoint == "cache_control":
                seconds = tool.cache_control.ttl.seconds
                wire["cache_control"] = {"type": "ephemeral"} | (
                    {"ttl": "1h" if seconds >= 3600 else "5m"} if seconds else {}
                )
            else:
                notes.dropped(f"{field}.cache_control", "The provider places its cache breakpoints itself.")
        tools.append(rendering.merged(wire, tool.provider_options_json))
    if request.HasField("tool_config"):
        tools = _tool_choice(rendering, body, tools, names)
    elif tools and dialect.explicit_auto:
        body["tool_choice"] = "auto"
    if tools:
        body["tools"] = tools


_PORTABLE_TOOLS = frozenset({"web_search", "code_execution", "file_search", "url_context", "computer_use", "mcp"})


def _provider_tool(rendering: Rendering, tool: gateway_pb2.ProviderTool, field: str, body: _Wire) -> _Wire | None:
    how = rendering.dialect.provider_tools
    options = _decoded(tool.options_json, f"{field}.provider_tool.options_json") if tool.options_json else {}
    if how == "pass" or (tool.type not in _PORTABLE_TOOLS and "type" in options):
        return {"type": tool.type} | options
    if how == "web_search_options" and tool.type == "web_search":
        body["web_search_options"] = options
    elif how == "plugins" and tool.type == "web_search":
        body["plugins"] = [{"id": "web"} | options]
    else:
        rendering.notes.dropped(f"{field}.provider_tool", "The provider has no tools of its own here.")
    return None


def _tool_choice(rendering: Rendering, body: _Wire, tools: list[_Wire], names: list[str]) -> list[_Wire]:
    """Sets the tool choice; returns the tools, fewer where the choice has to be made that way."""
    dialect: Dialect = rendering.dialect
    notes = rendering.notes
    config = rendering.request.tool_config
    mode = config.mode
    allowed = list(config.allowed_tool_names)
    choice: Any = None
    if mode == gateway_pb2.ToolConfig.MODE_REQUIRED:
        choice = dialect.required_word
        if len(allowed) == 1 and dialect.named_tool_choice and dialect.tool_choice:
            choice = {"type": "function", "function": {"name": allowed[0]}}
            allowed = []
    elif mode == gateway_pb2.ToolConfig.MODE_NONE:
        choice = "none" if tools else None
    elif mode == gateway_pb2.ToolConfig.MODE_AUTO or (tools and dialect.explicit_auto):
        choice = "auto" if tools else None
    if allowed and mode != gateway_pb2.ToolConfig.MODE_NONE:
        if dialect.allowed_tools:
            choice = {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": choice or "auto",
                    "tools": [{"type": "function", "function": {"name": name}} for name in allowed],
                },
            }
        else:
            notes.emulated("tool_config.allowed_tool_names", "Only these tools are sent.")
            some = frozenset(allowed)
            tools = [tool for tool, name in zip(tools, names, strict=True) if name in some]
    if choice is not None:
        if dialect.tool_choice:
            body["tool_choice"] = choice
        elif choice == "none":
            notes.emulated("tool_config.mode", "No tools are sent.")
            return []
        elif choice != "auto":
            notes.dropped("tool_config.mode", "The provider has no tool choice.")
    if config.HasField("parallel_tool_calls") and tools:
        if dialect.parallel_tool_calls:
            body["parallel_tool_calls"] = config.parallel_tool_calls
        elif not config.parallel_tool_calls:
            notes.dropped("tool_config.parallel_tool_calls", "The provider leaves this to the model.")
    return tools


# ---------------------------------------------------------------- reasoning, sampling, format
def _reasoning(rendering: Rendering, body: _Wire, rule: ModelRule) -> bool:
    """Sets what the request says of reasoning; returns whether the model may be reasoning."""
    dialect: Dialect = rendering.dialect
    notes = rendering.notes
    config = rendering.request.reasoning
    word = EFFORTS[config.effort - 1] if config.effort else ""
    field = "reasoning.effort"
    if config.HasField("budget_tokens"):
        budget = config.budget_tokens
        if dialect.budget_field and rule.takes_effort:
            _put(body, dialect.budget_field, budget)
            word = ""
        elif not word and dialect.effort_field and rule.takes_effort:
            word = "none" if budget <= 0 else "low" if budget < 4096 else "medium" if budget < 16384 else "high"
            field = "reasoning.budget_tokens"
            notes.emulated(field, f"Sent as effort {word}.")
        else:
            notes.dropped("reasoning.budget_tokens", "The provider takes no budget of reasoning tokens.")
    if not word and rule.tools_end_reasoning and "tools" in body and rule.default_effort != "none":
        word = "none"
        notes.adjusted("reasoning.effort", "The model takes tools here only when it does not reason.")
    if word and not (dialect.effort_field and rule.takes_effort):
        if word != "none":
            notes.dropped(field, "The model takes no effort of reasoning.")
        word = ""
    if word:
        word = _effort(rendering, body, word, rule.efforts or dialect.efforts, field)
    if config.HasField("include_reasoning"):
        if dialect.include_field:
            _put(body, dialect.include_field, config.include_reasoning)
        elif dialect.exclude_field:
            _put(body, dialect.exclude_field, not config.include_reasoning)
        elif not config.include_reasoning:
            notes.dropped("reasoning.include_reasoning", "The provider shows its reasoning or not as it likes.")
        elif not dialect.reasoning_replay:
            notes.dropped("reasoning.include_reasoning", "The provider does not show its reasoning here.")
    return (word or rule.default_effort) != "none"


def _effort(rendering: Rendering, body: _Wire, word: str, taken: tuple[str, ...], field: str) -> str:
    dialect: Dialect = rendering.dialect
    if word == "none" and dialect.reasoning_off:
        body.update(json.merge(body, dict(dialect.reasoning_off)))
        if "none" not in taken:
            return word
    elif taken and word not in taken:
        wanted, asked = EFFORTS.index(word), word
        # the nearest, the stronger of two; "none" stands in for nothing else
        choices = [effort for effort in taken if effort != "none"] or list(taken)
        word = min(choices, key=lambda effort: (abs(EFFORTS.index(effort) - wanted), -EFFORTS.index(effort)))
        rendering.notes.adjusted(field, f"The model takes {word} in place of {asked}.")
    if dialect.reasoning_on and word != "none":
        body.update(json.merge(body, dict(dialect.reasoning_on)))
    _put(body, dialect.effort_field, word)
    return word


def _sampling(rendering: Rendering, body: _Wire, rule: ModelRule, reasons: bool) -> None:
    dialect: Dialect = rendering.dialect
    notes = rendering.notes
    for descriptor, value in rendering.request.generation_config.ListFields():
        name = descriptor.name
        field = f"generation_config.{name}"
        if name in rule.refused or (reasons and name in rule.refused_reasoning):
            if value != NEUTRAL.get(name):
                notes.dropped(field, "The model refuses it.")
            continue
        wire = dialect.sampling.get(name)
        if wire is not None:
            body[wire] = value
        elif name == "max_output_tokens":
            body[dialect.output_limit] = value
        elif name == "stop_sequences":
            stops = list(value)
            if dialect.max_stop and len(stops) > dialect.max_stop:
                notes.adjusted(field, f"The provider takes {dialect.max_stop}; the others were left out.")
                stops = stops[: dialect.max_stop]
            body["stop"] = stops
        elif name == "logit_bias" and dialect.logit_bias:
            body["logit_bias"] = {str(token): bias for token, bias in sorted(value.items())}
        elif name == "output_modalities" and dialect.modalities:
            body["modalities"] = [_MODALITIES.get(modality, "text") for modality in value]
        elif name == "service_tier" and value in dialect.service_tiers:
            body["service_tier"] = dialect.service_tiers[value]
        elif _matters(name, value):
            notes.dropped(field, "The provider has no such setting.")


_MODALITIES = {
    content_pb2.MODALITY_TEXT: "text",
    content_pb2.MODALITY_IMAGE: "image",
    content_pb2.MODALITY_AUDIO: "audio",
    content_pb2.MODALITY_VIDEO: "video",
    content_pb2.MODALITY_DOCUMENT: "file",
}


def _matters(name: str, value: Any) -> bool:
    """Whether leaving a setting out changes anything."""
    if name == "output_modalities":
        return list(value) != [content_pb2.MODALITY_TEXT]
    if name == "service_tier":
        return value not in (gateway_pb2.SERVICE_TIER_AUTO, gateway_pb2.SERVICE_TIER_STANDARD)
    return bool(value != NEUTRAL.get(name))


def _output_format(rendering: Rendering, body: _Wire) -> None:
    dialect: Dialect = rendering.dialect
    notes = rendering.notes
    form = rendering.request.output_format
    kind = form.WhichOneof("format")
    if kind == "json_object":
        if dialect.json_object:
            body["response_format"] = {"type": "json_object"}
        else:
            notes.emulated("output_format.json_object", "Sent as a schema that any object meets.")
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "object", "schema": {"type": "object", "additionalProperties": True}},
            }
    elif kind == "json_schema":
        wanted = form.json_schema
        schema = _schema(rendering, wanted.schema_json, "output_format.json_schema.schema_json", wanted.strict)
        if dialect.json_schema == "nested":
            inner: _Wire = {"name": wanted.name or "response", "schema": schema}
            if wanted.HasField("strict"):
                inner["strict"] = wanted.strict
            if wanted.description:
                inner["description"] = wanted.description
            body["response_format"] = {"type": "json_schema", "json_schema": inner}
        elif dialect.json_schema == "flat":
            body["response_format"] = {"type": "json_schema", "schema": schema}
        else:
            notes.dropped(
                "output_format.json_schema.schema_json", "The provider holds answers to JSON, not to a schema."
            )
            body["response_format"] = {"type": "json_object"}


def _attribution(rendering: Rendering, body: _Wire, rule: ModelRule) -> tuple[tuple[str, str], ...]:
    """End user, labels, cache key and what has no place at all; returns the headers."""
    dialect: Dialect = rendering.dialect
    request, notes = rendering.request, rendering.notes
    headers: tuple[tuple[str, str], ...] = ()
    if dialect.prefix == "continue_final_message" and request.messages and request.messages[-1].prefix:
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    if request.labels:
        if dialect.metadata_field:
            _put(body, dialect.metadata_field, dict(sorted(request.labels.items())))
        else:
            notes.dropped("labels", "The provider takes no labels.")
    if request.end_user_id:
        if dialect.user_field:
            _put(body, dialect.user_field, request.end_user_id)
        else:
            notes.dropped("end_user_id", "The provider takes no id of the end user.")
    if request.HasField("cache_config"):
        cache = request.cache_config
        if cache.cache_key:
            if dialect.cache_key_field:
                _put(body, dialect.cache_key_field, cache.cache_key)
            elif dialect.cache_key_header and cache.cache_key.isascii() and cache.cache_key.isprintable():
                headers = ((dialect.cache_key_header, cache.cache_key),)
            else:
                notes.dropped("cache_config.cache_key", "The provider takes no cache key.")
        if cache.HasField("ttl"):
            if rule.cache_options and dialect.cache_breakpoint == "breakpoint":
                body["prompt_cache_options"] = _retention(cache.ttl.seconds)
            else:
                notes.dropped("cache_config.ttl", "The provider keeps prompts as long as it likes.")
        if cache.cached_content:
            notes.dropped("cache_config.cached_content", "The provider has no cached content of its own.")
    if request.safety_settings:
        notes.dropped("safety_settings", "The provider takes no safety thresholds.")
    return headers
