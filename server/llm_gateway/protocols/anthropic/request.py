"""The contract's request as a Messages API body (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec
from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols import json, schemas, settings
from llm_gateway.protocols.anthropic.reasoning import reasoning, sampling
from llm_gateway.protocols.anthropic.rules import UNKNOWN, Rules, rules_of
from llm_gateway.protocols.anthropic.turns import Block, Turn, Turns, begin_with_user, goes_on_without_thought
from llm_gateway.protocols.conversation import plain
from llm_gateway.protocols.media import AUDIO, DOCUMENT, TEXT, VIDEO, Medium
from llm_gateway.protocols.tools import tools
from llm_gateway.protocols.wire import BEGINNING, Outgoing, Rendering, json_object, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a host serves the Messages API."""

    path: str = "/v1/messages"
    """Template of the path, filled with `model` and the provider's settings."""
    stream_path: str = ""
    """That of streams; "" for the same."""
    models_path: str = "/v1/models"
    version: str = "2026-10-21"
    """API version to ask for."""
    legacy_version: str = "2023-06-01"
    """The one that still takes sampling parameters and documents in assistant turns (the API refuses them from 2026-10-21 on)."""
    in_path: bool = False
    """The model stands in the path and the version in the body (Vertex AI)."""
    automatic_cache: bool = True
    """Takes one `cache_control` for the whole request."""
    unsigned_thinking: bool = False
    """Takes thinking without a signature back."""
    unknown: Rules = UNKNOWN
    """Rules of models that are no Claude."""


ANTHROPIC = Dialect()

# Longest answer that the API gives without streaming: 3600 s * max_tokens / 128 000 must stay under ten minutes (Anthropic SDKs).
MAX_UNSTREAMED = 21_333

MAX_BREAKPOINTS = 4

# Portable and undated types to a version that every model with the tool has; `type` in the options wins.
PROVIDER_TOOLS = {
    "web_search": "web_search_20250305",
    "url_context": "web_fetch_20250910",
    "web_fetch": "web_fetch_20250910",
    "code_execution": "code_execution_20250825",
    "computer_use": "computer_20250124",
    "computer": "computer_20250124",
    "bash": "bash_20250124",
    "text_editor": "text_editor_20250728",
    "memory": "memory_20250818",
}
TOOL_NAMES = {"text_editor": "str_replace_based_edit_tool"}
BETAS = {
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "mcp_toolset": "mcp-client-2025-11-20",
    "file": "files-api-2025-04-14",
}

CALL_ID = r"[A-Za-z0-9_-]{1,64}"
_DATED = re.compile(r"_\d{8}$")
_AUTO = gateway_pb2.ToolConfig.MODE_AUTO
_REQUIRED = gateway_pb2.ToolConfig.MODE_REQUIRED
_NONE = gateway_pb2.ToolConfig.MODE_NONE
_HOUR = 3600


def render_request(rendering: Rendering, /) -> Outgoing:
    """POST to the Messages API; see `WireFormat.render_request`."""
    request, dialect = rendering.request, rendering.dialect
    rules = rules_of(rendering.model, dialect.unknown)
    betas = dict.fromkeys(rendering.settings.get("betas") or ())
    body: dict[str, Any] = {}
    if not dialect.in_path:
        body["model"] = rendering.model
    system, turns = Messages(rendering, rules, betas).rendered()
    begin_with_user(rendering, turns, {"type": "text", "text": BEGINNING})
    config = request.generation_config
    if config.HasField("max_output_tokens"):
        max_tokens = config.max_output_tokens
    else:
        max_tokens = rules.max_output if rendering.stream else min(rules.max_output, MAX_UNSTREAMED)
    body["max_tokens"] = max_tokens

    declared, servers = _tools(rendering, rules, betas)
    choice = tool_choice(rendering, rules, bool(declared))
    thinking, effort = reasoning(
        rendering,
        rules,
        max_tokens,
        forced=choice is not None and choice["type"] in ("any", "tool"),
        mid_turn=not dialect.unsigned_thinking and goes_on_without_thought(turns, _is_thought, _is_result),
    )
    sampled = sampling(rendering, rules, thinking)

    output: dict[str, Any] = {"effort": effort} if effort else {}
    _output_format(rendering, rules, output, system)
    if system:
        body["system"] = system
    _automatic_cache(rendering, body, turns)
    body["messages"] = [turn.wire(rendering) for turn in turns]
    if declared:
        body["tools"] = declared
    _limit_breakpoints(rendering, body, turns)
    if servers:
        body["mcp_servers"] = servers
    if choice:
        body["tool_choice"] = choice
    if thinking:
        body["thinking"] = thinking
    if output:
        body["output_config"] = output
    body.update(sampled)
    stops = stop_sequences(rendering)
    if stops:
        body["stop_sequences"] = stops
    _service_tier(rendering, body)
    if request.end_user_id:
        body["metadata"] = {"user_id": request.end_user_id}
    settings.note(rendering, _LACKS, NEUTRAL)
    if rendering.stream:
        body["stream"] = True
    body = rendering.body(body)
    legacy = any(name in body for name in ("temperature", "top_p", "top_k")) or _has_assistant_document(turns)
    return _outgoing(rendering, body, betas, legacy)


def _outgoing(rendering: Rendering, body: dict[str, Any], betas: dict[str, None], legacy: bool) -> Outgoing:
    dialect = rendering.dialect
    for name in ("betas", "anthropic_beta"):
        asked = body.pop(name, None) or []
        asked = asked.split(",") if isinstance(asked, str) else asked
        if not isinstance(asked, list) or not all(isinstance(beta, str) and _BETA.fullmatch(beta) for beta in asked):
            _no_beta(rendering, name)
        betas.update(dict.fromkeys(filter(None, map(str.strip, asked))))
    version = rendering.settings.get("api_version") or (dialect.legacy_version if legacy else dialect.version)
    headers: list[tuple[str, str]] = []
    if dialect.in_path:
        body.setdefault("anthropic_version", version)
    else:
        headers.append(("anthropic-version", version))
    if betas:
        headers.append(("anthropic-beta", ",".join(betas)))
    path = (rendering.stream and dialect.stream_path) or dialect.path
    if dialect.in_path:
        settings = {name: quote(str(rendering.settings.get(name)), safe="") for name in ("project", "location")}
        path = path.format_map({**settings, "model": rendering.model_in_path(safe="@")})
    return Outgoing(path=path, body=json.encode(body), headers=tuple(headers))


_BETA = re.compile(r"[ \t]*[!-+\--~]*[ \t]*")


def _no_beta(rendering: Rendering, key: str) -> NoReturn:
    """Betas become a header's value."""
    addressed = rendering.addressed(rendering.request.provider_options_json)
    name = next((name for name, options in reversed([*addressed]) if key in options), rendering.kind)
    refuse(f'provider_options_json["{name}"].{key}', "Must be names of visible ASCII, as a list or with commas.")


def _has_assistant_document(turns: list[Turn]) -> bool:
    return any(
        turn.role == "assistant" and any(block.get("type") == "document" for block in turn.content) for turn in turns
    )


# ---------------------------------------------------------------- the conversation
class Messages(Turns):
    """Renders the messages of one request. betas: those that it needs are added."""

    call_id = CALL_ID

    def __init__(self, rendering: Rendering, rules: Rules, betas: dict[str, None]) -> None:
        super().__init__(rendering, rules)
        self.betas = betas
        self.last: Block | None = None
        """The previous block; a breakpoint after a part that is left out moves to it, where it means the same."""

    def rendered(self) -> tuple[list[Block], list[Turn]]:
        """(system blocks, turns), with the tool results of a turn before everything else, as the API requires."""
        self.gather()
        for turn in self.turns:
            if turn.role == "user" and len(turn.content) > 1:
                turn.content.sort(key=lambda block: block.get("type") != "tool_result")
        return self.system, self.turns

    def is_call(self, block: Block) -> bool:
        return block.get("type") == "tool_use"

    def is_thought(self, block: Block) -> bool:
        return _is_thought(block)

    def blocks(self, message: content_pb2.Message) -> list[Block]:
        text = plain(message.parts)
        return self.rendered_blocks(self.each(message.parts)) if text is None else self.text_blocks(text)

    def text_blocks(self, text: str) -> list[Block]:
        block = text_block(text)
        self.last = block or self.last
        return [block] if block else []

    def rendered_blocks(self, parts: Iterable[content_pb2.Part]) -> list[Block]:
        blocks: list[Block] = []
        for part in parts:
            block = self.render(part)
            if block is not None:
                blocks.append(block)
                self.last = block
        return blocks

    def breakpoint(self, part: content_pb2.Part, kind: str, wire: Block | None) -> bool:
        marked = self.last if wire is None and kind != "reasoning" else wire
        if marked is None or _is_thought(marked):
            return False
        marked.setdefault("cache_control", cache_control(part.cache_control))
        return True

    def text(self, part: content_pb2.Part, text: content_pb2.TextPart) -> Block | None:
        block = text_block(text.text)
        if text.citations:
            own = block is not None and self.assistant and self.inner < 0
            found = self.sources(text, lambda wire: own and str(wire.get("type", "")).endswith("_location"))
            if block is not None and found:
                block["citations"] = found
        return block

    def refusal(self, part: content_pb2.Part, refusal: content_pb2.RefusalPart) -> Block | None:
        return text_block(refusal.text)

    def opaque(self, part: content_pb2.Part, opaque: content_pb2.OpaquePart) -> Block:
        fields: Block = {**fields_of(opaque.json, f"{self.at}.opaque.json")}
        return {**fields, "type": json.decode(bytes(fields["type"])) if "type" in fields else opaque.type}

    def reasoning(self, part: content_pb2.Part, reasoning: content_pb2.ReasoningPart) -> Block | None:
        if not self.own(part):
            return None
        if reasoning.encrypted:
            return {"type": "redacted_thinking", "data": reasoning.encrypted.decode("utf-8", "replace")}
        block = {"type": "thinking", "thinking": reasoning.text}
        if part.signature:
            block["signature"] = part.signature.decode("utf-8", "replace")
        elif not self.rendering.dialect.unsigned_thinking:
            self.left_out("reasoning", "thinking without its signature cannot be sent back")
            return None
        return block

    def tool_call(self, part: content_pb2.Part, call: content_pb2.ToolCall) -> Block:
        arguments = self.object(self.arguments(call), ".tool_call.arguments_json")
        return {"type": "tool_use", "id": self.call_ids.call(call.id, call.name), "name": call.name, "input": arguments}

    def tool_result(self, part: content_pb2.Part, result: content_pb2.ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self.call_ids.result(result.tool_call_id, result.name)}
        self.last = block
        text = plain(result.parts)
        content = self.rendered_blocks(self.within(result)) if text is None else self.text_blocks(text)
        if content:
            block["content"] = content
        if result.is_error:
            block["is_error"] = True
        return block

    def media(self, part: content_pb2.Part, medium: Medium) -> Block:
        if medium.modality in (AUDIO, VIDEO):
            self.refuse(".media.mime_type", "Claude takes no audio and no video.")
        kind = "document" if medium.modality in (DOCUMENT, TEXT) else "image"
        if kind == "image" and self.assistant and self.inner < 0 and not self.rules.own_images:
            self.refuse(".media", "Claude takes images in turns of the user only.")
        block: Block = {"type": kind, "source": self.source(medium, kind)}
        if kind == "document":
            medium.take("filename")
            if medium.part.filename:
                block["title"] = medium.part.filename
        return block

    def source(self, medium: Medium, kind: str) -> Block:
        if medium.source == "file_id":
            self.betas[BETAS["file"]] = None
            return {"type": "file", "file_id": medium.part.file_id}
        if medium.source == "uri":
            if not medium.uri.lower().startswith(("https:", "http:")):
                self.refuse(".media.uri", "Claude takes https URIs, data URIs and file ids.")
            return {"type": "url", "url": medium.uri}
        mime, data = medium.mime, medium.data(f"{self.at}.media")
        if kind == "image":
            mime = "image/jpeg" if mime == "image/jpg" else mime
        elif mime.startswith("text/") or mime in _TEXTUAL:
            try:
                return {"type": "text", "media_type": "text/plain", "data": data.decode()}
            except UnicodeDecodeError:
                self.refuse(".media.data", "A text document must be UTF-8.")
        elif mime != "application/pdf":
            self.refuse(".media.mime_type", "Claude reads images, PDF and text.")
        return {"type": "base64", "media_type": mime, "data": medium.base64(f"{self.at}.media")}


_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript")


def _is_thought(block: Block) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")


def _is_result(block: Block) -> bool:
    return block.get("type") == "tool_result"


def text_block(text: str) -> Block | None:
    """A block of text; None for blank text, which the API refuses."""
    return {"type": "text", "text": text} if text and not text.isspace() else None


def fields_of(text: str | bytes, field: str) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, each as its own text. Raises InvalidRequest for anything else."""
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        refuse(field, "Must be the text of a JSON object.")


def cache_control(control: content_pb2.CacheControl | None) -> dict[str, str]:
    """The breakpoint with the longest retention not longer than asked for: 5 minutes, or one hour."""
    if control is None or not control.HasField("ttl"):
        return {"type": "ephemeral"}
    return {"type": "ephemeral", "ttl": "1h" if control.ttl.seconds >= _HOUR else "5m"}


# ---------------------------------------------------------------- tools
def _tools(rendering: Rendering, rules: Rules, betas: dict[str, None]) -> tuple[list[Block], list[dict[str, Any]]]:
    """(tools, MCP servers)"""
    servers: list[dict[str, Any]] = []
    if not rendering.request.tools:
        return [], servers

    def function(wire: Block, tool: gateway_pb2.FunctionTool, at: str) -> Block:
        strict = tool.strict and rules.structured
        schema = input_schema(rendering, tool.parameters_json_schema, f"{at}.parameters_json_schema", strict)
        return {**wire, "input_schema": schema}

    def provider_tool(tool: gateway_pb2.ProviderTool, at: str) -> Block | None:
        return _provider_tool(rendering, tool, at, servers, betas)

    def mark(wire: Block, control: content_pb2.CacheControl) -> bool:
        wire["cache_control"] = cache_control(control)
        return True

    chosen = chosen_tools(rendering, rules.forced)
    found = tools(rendering, function, provider_tool, strict=rules.structured, mark=mark, chosen=chosen)
    return [wire for _, wire in found], servers


def chosen_tools(rendering: Rendering, forced: bool) -> list[tuple[int, gateway_pb2.Tool]]:
    """The request's tools with their indexes. A choice that `tool_choice` cannot express is made by leaving the other functions out.
    forced: whether `tool_choice` can name the one tool to call."""
    config = rendering.request.tool_config
    allowed = set(config.allowed_tool_names)
    every = list(enumerate(rendering.request.tools))
    if not allowed or (forced and len(allowed) == 1 and config.mode == _REQUIRED) or config.mode == _NONE:
        return every
    rendering.notes.emulated("tool_config.allowed_tool_names", "the other functions were left out")
    return [(i, tool) for i, tool in every if tool.WhichOneof("kind") != "function" or tool.function.name in allowed]


def input_schema(rendering: Rendering, text: str, field: str, strict: bool) -> Any:
    """A function's schema; the API requires it to say that it is an object. strict: the API enforces it."""
    if not text:
        return {"type": "object", "properties": {}}
    fields = fields_of(text, field)
    if strict:
        fields = fields_of(bytes(schemas.within(text, schemas.CLAUDE, rendering.notes, field)), field)
        return fields if "type" in fields else {"type": "object", **fields}
    return json.Raw(text.encode()) if "type" in fields else {"type": "object", **fields}


def _provider_tool(
    rendering: Rendering,
    tool: gateway_pb2.ProviderTool,
    field: str,
    servers: list[dict[str, Any]],
    betas: dict[str, None],
) -> Block | None:
    options = fields_of(tool.options_json, f"{field}.options_json") if tool.options_json else {}
    if tool.type == "file_search":
        rendering.notes.dropped(field, "Claude has no file search")
        return None
    if tool.type in ("mcp", "mcp_toolset"):
        betas[BETAS["mcp_toolset"]] = None
        if "url" not in options:
            return {"type": "mcp_toolset", **options}
        servers.append({"type": "url", "name": "mcp", **options})
        return {"type": "mcp_toolset", "mcp_server_name": options.get("name", "mcp")}
    wire = provider_tool(tool.type, options)
    if wire["type"] in BETAS:
        betas[BETAS[wire["type"]]] = None
    return wire


def provider_tool(kind: str, options: dict[str, msgspec.Raw]) -> Block:
    """A tool of Anthropic's by its portable, undated or dated type; `type` in the options wins."""
    named = json.decode(bytes(options["type"])) if "type" in options else PROVIDER_TOOLS.get(kind, kind)
    stem = _DATED.sub("", str(named))
    return {"name": TOOL_NAMES.get(stem, stem), **options, "type": str(named)}


def tool_choice(rendering: Rendering, rules: Rules, declared: bool) -> dict[str, Any] | None:
    """`tool_choice`, None for the default. Without tools the API refuses it."""
    config = rendering.request.tool_config
    serial = config.HasField("parallel_tool_calls") and not config.parallel_tool_calls
    if not declared:
        if config.mode == _REQUIRED:
            rendering.notes.dropped("tool_config.mode", "there is no tool to choose")
        return None
    mode = config.mode
    choice: dict[str, Any]
    if mode == _REQUIRED and not rules.forced:
        rendering.notes.dropped("tool_config.mode", "the model cannot be made to call a tool")
        mode = _AUTO
    if mode == _NONE:
        return {"type": "none"}
    if mode == _REQUIRED:
        names = config.allowed_tool_names
        choice = {"type": "tool", "name": names[0]} if len(names) == 1 else {"type": "any"}
    elif mode == _AUTO or serial:
        choice = {"type": "auto"}
    else:
        return None
    if serial:
        choice["disable_parallel_tool_use"] = True
    return choice


# ---------------------------------------------------------------- the rest
def stop_sequences(rendering: Rendering) -> list[str]:
    """The stop sequences, except those that are only white space, which the API refuses."""
    asked = rendering.request.generation_config.stop_sequences
    kept = [text for text in asked if text.strip()]
    if len(kept) < len(asked):
        rendering.notes.dropped("generation_config.stop_sequences", "a stop sequence may not be white space only")
    return kept


def _output_format(rendering: Rendering, rules: Rules, output: dict[str, Any], system: list[Block]) -> None:
    form = rendering.request.output_format
    kind = form.WhichOneof("format")
    if kind == "json_schema":
        field = "output_format.json_schema.schema_json"
        json_object(form.json_schema.schema_json, field)
        if rules.structured:
            schema = schemas.within(form.json_schema.schema_json, schemas.CLAUDE, rendering.notes, field)
            output["format"] = {"type": "json_schema", "schema": schema}
            return
    if kind is not None:
        system.append({"type": "text", "text": instruction(rendering, "Claude")})


def instruction(rendering: Rendering, who: str) -> str:
    """The output format in words, for what holds a model to none. who: has no JSON mode."""
    form, notes = rendering.request.output_format, rendering.notes
    if form.HasField("json_object"):
        notes.emulated("output_format.json_object", f"an instruction: {who} has no JSON mode without a schema")
        return "Answer with one JSON object only, without code fences."
    notes.emulated("output_format.json_schema", "an instruction: the model enforces no schema")
    schema = form.json_schema.schema_json
    return f"Answer with one JSON value only, without code fences, that matches this JSON Schema: {schema}"


def _service_tier(rendering: Rendering, body: dict[str, Any]) -> None:
    tier = rendering.request.generation_config.service_tier
    if tier == gateway_pb2.SERVICE_TIER_STANDARD:
        body["service_tier"] = "standard_only"
    elif tier in (gateway_pb2.SERVICE_TIER_AUTO, gateway_pb2.SERVICE_TIER_PRIORITY):
        body["service_tier"] = "auto"
    elif tier:
        rendering.notes.dropped("generation_config.service_tier", "Claude has no such tier")


def _automatic_cache(rendering: Rendering, body: dict[str, Any], turns: list[Turn]) -> None:
    config = rendering.request.cache_config
    settings.note(rendering, CACHES)
    if config.HasField("ttl"):
        control = cache_control(content_pb2.CacheControl(ttl=config.ttl))
    elif rendering.settings.get("prompt_caching") and not rendering.request.HasField("cache_config"):
        control = cache_control(content_pb2.CacheControl())
    else:
        return
    if rendering.dialect.automatic_cache:
        body["cache_control"] = control
        return
    last = turns[-1].content[-1]
    if last.get("type") not in ("thinking", "redacted_thinking"):
        last.setdefault("cache_control", control)
        rendering.notes.emulated("cache_config.ttl", "a breakpoint behind the last message")


def _limit_breakpoints(rendering: Rendering, body: dict[str, Any], turns: list[Turn]) -> None:
    """Keep the last four breakpoints, none with a longer retention than those before it, in the order of caching: tools, system,
    messages (prompt caching guide). The one for the whole request counts, and comes last."""
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    for turn in turns:
        for block in turn.content:
            if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
                blocks += block["content"]
            blocks.append(block)
    blocks.append(body)
    marked = [block for block in blocks if isinstance(block.get("cache_control"), dict)]
    for block in marked[:-MAX_BREAKPOINTS]:
        del block["cache_control"]
    if len(marked) > MAX_BREAKPOINTS:
        rendering.notes.dropped(
            "messages", f"only the last {MAX_BREAKPOINTS} cache breakpoints are sent, which is the limit"
        )
    longest = True
    for block in marked[-MAX_BREAKPOINTS:]:
        control = block["cache_control"]
        if control.get("ttl") == "1h" and not longest:
            block["cache_control"] = {**control, "ttl": "5m"}
            rendering.notes.adjusted(
                "messages", "a cache breakpoint behind one of five minutes keeps no longer than that"
            )
        longest &= control.get("ttl") == "1h"


CACHES = dict.fromkeys(("cache_config.cache_key", "cache_config.cached_content"), "Claude caches by content")
_NO_PARAMETER = "the model has no such parameter"
LACKS = {
    "generation_config.min_p": _NO_PARAMETER,
    "generation_config.frequency_penalty": _NO_PARAMETER,
    "generation_config.presence_penalty": _NO_PARAMETER,
    "generation_config.repetition_penalty": _NO_PARAMETER,
    "generation_config.seed": _NO_PARAMETER,
    "generation_config.logprobs": _NO_PARAMETER,
    "generation_config.top_logprobs": _NO_PARAMETER,
    "generation_config.candidate_count": "the model gives one answer",
    "generation_config.logit_bias": _NO_PARAMETER,
    "generation_config.output_modalities": "the model answers in text",
    "safety_settings": "the model has no safety thresholds",
}
"""What neither the Messages API nor Converse has a field for."""
_LACKS = {**LACKS, "labels": "the Messages API takes no labels"}
NEUTRAL = {"logprobs": False, "candidate_count": 1}
"""Values that ask for nothing. Others are told: what the model does without a penalty is not documented."""
