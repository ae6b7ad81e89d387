"""The contract's request as a Converse body (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols import json, schemas, settings
from llm_gateway.protocols.anthropic.reasoning import nearest, reasoning, sampling, wished_effort
from llm_gateway.protocols.anthropic.request import (
    BETAS,
    CACHES,
    LACKS,
    NEUTRAL,
    chosen_tools,
    fields_of,
    input_schema,
    instruction,
    provider_tool,
    stop_sequences,
    tool_choice,
)
from llm_gateway.protocols.anthropic.turns import Block, Turn, Turns, begin_with_user, goes_on_without_thought, join
from llm_gateway.protocols.bedrock.families import Family, family_of
from llm_gateway.protocols.conversation import plain
from llm_gateway.protocols.media import IMAGE, Medium
from llm_gateway.protocols.tools import tools
from llm_gateway.protocols.wire import BEGINNING, Outgoing, Rendering, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Converse has no variants."""

    path: str = "/model/{model}/converse"
    """Template of the path; the model's id is percent-encoded whole."""
    stream_path: str = "/model/{model}/converse-stream"
    """That of streams."""


BEDROCK = Dialect()

_HOUR = 3600
CALL_ID = r"[A-Za-z0-9_.:-]{1,64}"


def render_request(rendering: Rendering, /) -> Outgoing:
    """POST to Converse or ConverseStream; see `WireFormat.render_request`."""
    request, family = rendering.request, family_of(rendering.model)
    config = request.generation_config
    messages = _Messages(rendering, family)
    system, turns = messages.rendered()
    inference: dict[str, Any] = {}
    output: dict[str, Any] = {}
    more: dict[str, Any] = {"anthropic_beta": [*(rendering.settings.get("betas") or ())]}
    if config.HasField("max_output_tokens"):
        inference["maxTokens"] = config.max_output_tokens
    declared = _tools(rendering, family, messages, more)
    forced = _tool_choice(rendering, family, messages, declared, more)
    room = inference.get("maxTokens", family.rules.max_output)
    mid_turn = goes_on_without_thought(turns, _is_thought, lambda block: "toolResult" in block)
    thinking, effort = _reasoning(rendering, family, room, forced, mid_turn)
    if effort:
        output["effort"] = effort
    more.update(thinking)
    _sampling(rendering, family, inference, more)
    stops = stop_sequences(rendering)
    if stops:
        inference["stopSequences"] = stops
    _output_format(rendering, family, output, system)
    _refuse(rendering, family, turns)
    body: dict[str, Any] = {
        "messages": [turn.wire(rendering) for turn in turns],
        "system": system,
        "inferenceConfig": inference,
        "toolConfig": declared,
        "outputConfig": output,
        "additionalModelRequestFields": {name: value for name, value in more.items() if value != []},
    }
    body = {name: value for name, value in body.items() if value}
    if family.reasons == "claude" and request.HasField("reasoning"):
        body["additionalModelResponseFieldPaths"] = ["/usage/output_tokens_details"]
    if request.labels:
        body["requestMetadata"] = dict(request.labels)
    tier = TIERS.get(config.service_tier)
    if tier:
        body["serviceTier"] = {"type": tier}
    body = rendering.body(body)
    template = rendering.dialect.stream_path if rendering.stream else rendering.dialect.path
    return Outgoing(path=template.format(model=rendering.model_in_path()), body=json.encode(body))


TIERS = {
    gateway_pb2.SERVICE_TIER_STANDARD: "default",
    gateway_pb2.SERVICE_TIER_FLEX: "flex",
    gateway_pb2.SERVICE_TIER_PRIORITY: "priority",
}


# ---------------------------------------------------------------- the conversation
class _Messages(Turns):
    """Renders the messages of one request."""

    call_id = CALL_ID

    def __init__(self, rendering: Rendering, family: Family) -> None:
        super().__init__(rendering, family.rules)
        self.family = family
        self.point: Block | None = None
        """The cache point behind the part before."""
        self.behind: list[Block] = []
        """One behind parts that were left out, and so behind the message before."""
        self.names_of_documents: dict[str, int] = {}
        """Names already used, each with the number of its last variant: none may occur twice in a request."""
        self.called: dict[str, None] = {}
        """Names of the tools that were called."""
        self.answered = False
        """Whether there are results."""

    def rendered(self) -> tuple[list[Block], list[Turn]]:
        """(system blocks, turns), with the tool results of a turn before everything else."""
        self.gather()
        system, turns = self.system, self.turns
        _behind_something(self.rendering, [system, *(turn.content for turn in turns), self.behind])
        join(turns)
        if not turns:
            refuse("messages", "At least one message of the user needs content.", "REQUIRED")
        for turn in turns:
            if turn.role == "user":
                turn.content = _results_first(turn.content)
                _accompany_documents(self.rendering, turn.content)
        begin_with_user(self.rendering, turns, {"text": BEGINNING})
        return system, turns

    def is_call(self, block: Block) -> bool:
        return "toolUse" in block

    def is_thought(self, block: Block) -> bool:
        return _is_thought(block)

    def blocks(self, message: content_pb2.Message) -> list[Block]:
        text = plain(message.parts)
        found = self.rendered_blocks(self.each(message.parts)) if text is None else _text_blocks(text)
        if not self.behind and found and "cachePoint" not in found[0]:
            return found
        found = self.behind + found
        self.behind = [] if any("cachePoint" not in block for block in found) else found[:1]
        return [] if self.behind else found

    def rendered_blocks(self, parts: Iterable[content_pb2.Part]) -> list[Block]:
        blocks: list[Block] = []
        for part in parts:
            block = self.render(part)
            point, self.point = self.point, None
            if block is not None:
                blocks.append(block)
                if part.HasField("tool_result"):  # which holds no cache points
                    content = block["toolResult"]["content"]
                    points = [inner for inner in content if "cachePoint" in inner]
                    content[:] = [inner for inner in content if "cachePoint" not in inner]
                    blocks += points[-1:]
            if point is not None and not (blocks and "cachePoint" in blocks[-1]):
                blocks.append(point)
        return blocks

    def breakpoint(self, part: content_pb2.Part, kind: str, wire: Block | None) -> bool:
        if self.family.caches and (wire is not None or kind != "reasoning"):
            self.point = cache_point(part.cache_control)
        return self.family.caches

    def text(self, part: content_pb2.Part, text: content_pb2.TextPart) -> Block | None:
        """Text; with the citations that Converse itself gave, text that cites."""
        if not text.text.strip():
            return None
        citations = self.sources(text, lambda c: "type" not in c and ("location" in c or "sourceContent" in c))
        if not citations:
            return {"text": text.text}
        return {"citationsContent": {"content": [{"text": text.text}], "citations": citations}}

    def refusal(self, part: content_pb2.Part, refusal: content_pb2.RefusalPart) -> Block | None:
        return {"text": refusal.text} if refusal.text.strip() else None

    def opaque(self, part: content_pb2.Part, opaque: content_pb2.OpaquePart) -> Block:
        return {**fields_of(opaque.json, f"{self.at}.opaque.json")}

    def reasoning(self, part: content_pb2.Part, reasoning: content_pb2.ReasoningPart) -> Block | None:
        if not self.own(part):
            return None
        if reasoning.encrypted:
            return {"reasoningContent": {"redactedContent": base64.b64encode(reasoning.encrypted).decode()}}
        text: Block = {"text": reasoning.text}
        if part.signature:
            text["signature"] = part.signature.decode("utf-8", "replace")
        return {"reasoningContent": {"reasoningText": text}}

    def tool_call(self, part: content_pb2.Part, call: content_pb2.ToolCall) -> Block:
        arguments = self.object(self.arguments(call), ".tool_call.arguments_json")
        self.called[call.name] = None
        call_id = self.call_ids.call(call.id, call.name)
        return {"toolUse": {"toolUseId": call_id, "name": call.name, "input": arguments}}

    def tool_result(self, part: content_pb2.Part, result: content_pb2.ToolResult) -> Block:
        self.answered = True
        text = plain(result.parts)
        content = self.rendered_blocks(self.within(result)) if text is None else _text_blocks(text)
        block: Block = {"toolUseId": self.call_ids.result(result.tool_call_id, result.name), "content": content}
        if result.is_error and self.family.status:
            block["status"] = "error"
        elif result.is_error:
            self.dropped(".tool_result.is_error", "the model takes no status of a result")
        return {"toolResult": block}

    def media(self, part: content_pb2.Part, medium: Medium) -> Block:
        if medium.source == "file_id":
            self.refuse(".media.file_id", "Bedrock keeps no files; send the bytes or an s3 URI.")
        if self.assistant and self.inner < 0 and self.family.reasons == "claude" and medium.modality == IMAGE:
            self.refuse(".media", "Claude takes images in turns of the user only.")
        if medium.source == "data":
            source: Block = {"bytes": medium.base64(f"{self.at}.media")}
        elif medium.uri.startswith("s3://"):
            source = {"s3Location": {"uri": medium.uri}}
        else:
            self.refuse(".media.uri", "Bedrock fetches nothing but s3 URIs; send the bytes.")
        mime = medium.mime
        kind, _, form = mime.partition("/")
        if kind in ("image", "video", "audio") and form:
            return {kind: {"format": _FORMATS.get(mime, form), "source": source}}
        medium.take("filename")
        if mime not in _DOCUMENTS and kind != "text":
            told = "Converse reads images, video, audio and common documents, by their media type."
            self.refuse(".media.mime_type", told)
        name = _document_name(medium.part.filename, self.names_of_documents)
        return {"document": {"format": _DOCUMENTS.get(mime, "txt"), "name": name, "source": source}}


def _text_blocks(text: str) -> list[Block]:
    return [{"text": text}] if text.strip() else []


def _is_thought(block: Block) -> bool:
    return "reasoningContent" in block


def _behind_something(rendering: Rendering, contents: list[list[Block]]) -> None:
    """A cache point comes after what it caches: one at the beginning of a turn belongs at the end of the turn before."""
    before: list[Block] = []
    for content in contents:
        if not content or "cachePoint" not in content[0]:
            before = content or before
            continue
        points = next((place for place, block in enumerate(content) if "cachePoint" not in block), len(content))
        if before and "cachePoint" not in before[-1]:
            before.append(content[0])
        elif not before:
            rendering.notes.dropped("messages", "there is no cache breakpoint behind nothing")
        del content[:points]
        before = content or before


def _results_first(content: list[Block]) -> list[Block]:
    """Tool results, each with the cache point behind it, before everything else."""
    results: list[Block] = []
    others: list[Block] = []
    into = others
    for block in content:
        if "cachePoint" not in block:
            into = results if "toolResult" in block else others
        into.append(block)
    return results + others


def _accompany_documents(rendering: Rendering, content: list[Block]) -> None:
    if any("document" in block for block in content) and not any("text" in block for block in content):
        content.append({"text": "See the attached document."})
        rendering.notes.emulated("messages", "a line of text was added: Converse takes no document without text")


def cache_point(control: content_pb2.CacheControl) -> Block:
    """A cache point with the longest retention not longer than asked for: 5 minutes, or one hour."""
    point = {"type": "default"}
    if control.HasField("ttl"):
        point["ttl"] = "1h" if control.ttl.seconds >= _HOUR else "5m"
    return {"cachePoint": point}


_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_FORMATS = {
    "image/jpg": "jpeg",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/x-aac": "aac",
    "audio/x-m4a": "m4a",
    "audio/x-flac": "flac",
}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]_-]+")
_SPACES = re.compile(r"\s+")


def _document_name(filename: str, names: dict[str, int]) -> str:
    """A name in characters that Converse accepts, different from the request's others."""
    plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub("-", filename)).strip() or "document"
    name, count = plain, names.get(plain, 1)
    while name in names:
        count += 1
        name = f"{plain} {count}"
    names[name], names[plain] = 1, count
    return name


# ---------------------------------------------------------------- tools
def _tools(rendering: Rendering, family: Family, messages: _Messages, more: dict[str, Any]) -> dict[str, Any]:
    """`toolConfig`. Anthropic's own tools go into `additionalModelRequestFields` instead."""

    def function(wire: Block, tool: gateway_pb2.FunctionTool, at: str) -> Block:
        schema, strict = tool.parameters_json_schema, tool.strict and family.structured
        shape = input_schema(rendering, schema, f"{at}.parameters_json_schema", strict)
        return {"toolSpec": {**wire, "inputSchema": {"json": shape}}}

    def provider_tool(tool: gateway_pb2.ProviderTool, at: str) -> Block | None:
        return _provider_tool(rendering, family, tool, at, more)

    declared: list[Block] = []
    chosen = chosen_tools(rendering, family.rules.forced)
    marked = (lambda wire, control: True) if family.caches else None
    for tool, wire in tools(rendering, function, provider_tool, strict=family.structured, mark=marked, chosen=chosen):
        declared.append(wire)
        if family.caches and tool.HasField("cache_control"):
            declared.append(cache_point(tool.cache_control))
    if not declared and (messages.called or messages.answered):
        rendering.notes.emulated("tools", "declared from the calls in the conversation, since Converse demands it")
        schema = {"json": {"type": "object", "properties": {}}}
        declared = [{"toolSpec": {"name": name, "inputSchema": schema}} for name in messages.called or ("tool",)]
    return {"tools": declared} if declared else {}


def _provider_tool(
    rendering: Rendering,
    family: Family,
    tool: gateway_pb2.ProviderTool,
    field: str,
    more: dict[str, Any],
) -> Block | None:
    options = fields_of(tool.options_json, f"{field}.options_json") if tool.options_json else {}
    if "systemTool" in options:
        return {**options}
    if family.reasons == "claude":
        own = provider_tool(tool.type, options)
        if own["type"] in BETAS:
            more["anthropic_beta"].append(BETAS[own["type"]])
        more.setdefault("tools", []).append(own)
        return None
    name = dict(family.system_tools).get(tool.type) or (tool.type if tool.type.startswith("nova_") else "")
    if not name:
        rendering.notes.dropped(field, "the model has no such tool")
        return None
    return {"systemTool": {"name": name, **options}}


def _tool_choice(
    rendering: Rendering, family: Family, messages: _Messages, declared: dict[str, Any], more: dict[str, Any]
) -> bool:
    """Put the choice into `declared`; whether it forces a call."""
    mode = rendering.request.tool_config.mode
    choice = tool_choice(rendering, family.rules, bool(declared))
    if choice is None:
        return False
    forces: bool = choice["type"] in ("any", "tool")
    if choice["type"] == "none":
        if messages.called or messages.answered:
            rendering.notes.dropped("tool_config.mode", "Converse cannot forbid tools that the conversation has used")
        else:
            declared.clear()
            rendering.notes.emulated("tool_config.mode", "the tools were left out")
        return False
    if "disable_parallel_tool_use" in choice:
        if family.reasons == "claude":
            more["tool_choice"] = choice
            return forces
        rendering.notes.dropped("tool_config.parallel_tool_calls", "the model has no such setting")
        if mode not in (gateway_pb2.ToolConfig.MODE_REQUIRED, gateway_pb2.ToolConfig.MODE_AUTO):
            return False
    declared["toolChoice"] = {choice["type"]: {"name": choice["name"]} if choice["type"] == "tool" else {}}
    return forces


# ---------------------------------------------------------------- reasoning, sampling and the rest
def _reasoning(
    rendering: Rendering, family: Family, max_tokens: int, forced: bool, mid_turn: bool
) -> tuple[dict[str, Any], str]:
    """(additional request fields, `outputConfig.effort`), as the family takes them. Only Claude has budgets, so a budget means Claude."""
    budget = family.reasons == "effort" and rendering.request.reasoning.HasField("budget_tokens")
    if family.reasons == "claude" or budget:
        thinking, effort = reasoning(rendering, family.rules, max_tokens, forced=forced, mid_turn=mid_turn)
        return {"thinking": thinking} if thinking else {}, effort
    level = wished_effort(rendering.request.reasoning)
    if not level:
        return {}, ""
    if family.reasons == "never":
        if level != "none":
            rendering.notes.dropped("reasoning", "the model does not reason")
        return {}, ""
    if family.reasons == "effort":
        return {}, level
    if level == "none" and family.reasons == "nova":
        return {"reasoningConfig": {"type": "disabled"}}, ""
    reached = nearest("low" if level == "none" else level, ("low", "medium", "high"))
    if reached != level:
        rendering.notes.adjusted("reasoning.effort", f"the nearest of the model's levels, {reached}")
    if family.reasons == "nova":
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": reached}}, ""
    return {"reasoning_effort": reached}, ""


def _sampling(
    rendering: Rendering,
    family: Family,
    inference: dict[str, Any],
    more: dict[str, Any],
) -> None:
    found = sampling(rendering, family.rules, more.get("thinking"))
    if "temperature" in found:
        inference["temperature"] = found["temperature"]
    if "top_p" in found:
        inference["topP"] = found["top_p"]
    if "top_k" not in found:
        return
    if not family.top_k:
        rendering.notes.dropped("generation_config.top_k", "the model has no such parameter")
        return
    into = more
    for name in family.top_k[:-1]:
        into = into.setdefault(name, {})
    into[family.top_k[-1]] = found["top_k"]


def _output_format(rendering: Rendering, family: Family, output: dict[str, Any], system: list[Block]) -> None:
    form = rendering.request.output_format
    kind = form.WhichOneof("format")
    if kind == "json_schema":
        wanted = form.json_schema
        field = "output_format.json_schema.schema_json"
        fields_of(wanted.schema_json, field)
        if family.structured:
            raw = schemas.within(wanted.schema_json, schemas.CLAUDE, rendering.notes, field)
            schema: Block = {"schema": bytes(raw).decode()}
            if wanted.name:
                schema["name"] = wanted.name
            if wanted.description:
                schema["description"] = wanted.description
            output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
            return
    if kind is not None:
        system.append({"text": instruction(rendering, "Converse")})


def _refuse(rendering: Rendering, family: Family, turns: list[Turn]) -> None:
    """The rest: what Converse has in another form, or not at all."""
    request, notes = rendering.request, rendering.notes
    settings.note(rendering, {**LACKS, "end_user_id": "Converse has no end user", **CACHES}, NEUTRAL)
    if request.cache_config.HasField("ttl"):
        if family.caches:
            turns[-1].content.append(cache_point(content_pb2.CacheControl(ttl=request.cache_config.ttl)))
            notes.emulated("cache_config.ttl", "a cache point behind the last message")
        else:
            notes.dropped("cache_config.ttl", "the model has no prompt cache")
    elif rendering.settings.get("prompt_caching") and not request.HasField("cache_config") and family.caches:
        turns[-1].content.append(cache_point(content_pb2.CacheControl()))
