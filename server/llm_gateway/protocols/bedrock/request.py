"""The contract's request as a Converse body (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols import json, schemas
from llm_gateway.protocols.anthropic.reasoning import nearest, reasoning, sampling, wished_effort
from llm_gateway.protocols.anthropic.request import (
    BETAS,
    chosen_tools,
    data_uri,
    fields_of,
    input_schema,
    json_object,
    provider_tool,
    refuse_own_images,
    refuse_the_rest,
    stop_sequences,
    tool_choice,
)
from llm_gateway.protocols.anthropic.turns import Block, Turn, begin_with_user, gather, goes_on_without_thought
from llm_gateway.protocols.bedrock.families import Family, family_of
from llm_gateway.protocols.callids import CallIds
from llm_gateway.protocols.wire import BEGINNING, Outgoing, Rendering


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Converse has no variants.

    path, stream_path: templates of the path; the model's id is percent-encoded whole.
    """

    path: str = "/model/{model}/converse"
    stream_path: str = "/model/{model}/converse-stream"


BEDROCK = Dialect()

_HOUR = 3600
CALL_ID = r"[A-Za-z0-9_.:-]{1,64}"


def render_request(rendering: Rendering, /) -> Outgoing:
    """POST to Converse or ConverseStream; see `WireFormat.render_request`."""
    request, family = rendering.request, family_of(rendering.model)
    config = request.generation_config
    system, turns = _conversation(rendering, family)
    inference: dict[str, Any] = {}
    output: dict[str, Any] = {}
    more: dict[str, Any] = {"anthropic_beta": [*(rendering.settings.get("betas") or ())]}
    if config.HasField("max_output_tokens"):
        inference["maxTokens"] = config.max_output_tokens
    tools = _tools(rendering, family, more)
    forced = _tool_choice(rendering, family, tools, more)
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
        "toolConfig": tools,
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
def _conversation(rendering: Rendering, family: Family) -> tuple[list[Block], list[Turn]]:
    """(system blocks, turns), with the tool results of a turn before everything else."""
    taken = _Taken(call_ids=CallIds(CALL_ID), names={})

    points: list[Block] = []  # behind parts that were left out, and so behind the message before

    def blocks(message: content_pb2.Message, field: str) -> list[Block]:
        if family.reasons == "claude" and message.role == content_pb2.ROLE_ASSISTANT:
            refuse_own_images(message.parts, field)
        found = _blocks(rendering, family, message.parts, field, taken)
        if found and not points and "cachePoint" not in found[0]:
            return found
        found = points + found
        points[:] = [] if any("cachePoint" not in block for block in found) else found[:1]
        return [] if points else found

    system, turns = gather(rendering, family.rules, blocks, lambda block: "toolUse" in block, _is_thought)
    _behind_something(rendering, [system, *(turn.content for turn in turns), points])
    for turn in turns:
        if turn.role == "user":
            turn.content = _results_first(turn.content)
            _accompany_documents(rendering, turn.content)
    begin_with_user(rendering, turns, {"text": BEGINNING})
    return system, turns


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What must not occur twice in a request: ids of calls, and names of documents, each with the number that the last like it has."""

    call_ids: CallIds
    names: dict[str, int]


def _is_thought(block: Block) -> bool:
    return "reasoningContent" in block


def _behind_something(rendering: Rendering, contents: list[list[Block]]) -> None:
    """Cache points stand behind what they keep: one at the beginning of a turn belongs to the end of the turn before."""
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


def _blocks(
    rendering: Rendering, family: Family, parts: Iterable[content_pb2.Part], field: str, taken: _Taken
) -> list[Block]:
    blocks = []
    for index, part in enumerate(parts):
        here = f"{field}[{index}]"
        block = _block(rendering, family, part, here, taken)
        kind = part.WhichOneof("kind")
        if (part.signature or kind == "refusal") and (block is not None or kind == "text"):
            rendering.unplaced(part, here, signed=kind == "reasoning", cited=True)
        if block is not None:
            if part.provider_options_json:
                block = rendering.merged(block, part.provider_options_json)
            blocks.append(block)
            if kind == "tool_result":  # which holds no cache points
                content = block["toolResult"]["content"]
                points = [inner for inner in content if "cachePoint" in inner]
                content[:] = [inner for inner in content if "cachePoint" not in inner]
                blocks += points[-1:]
        if part.HasField("cache_control"):
            if block is None and kind == "reasoning":
                continue
            if family.caches and not (blocks and "cachePoint" in blocks[-1]):
                blocks.append(cache_point(part.cache_control))
            elif not family.caches:
                rendering.notes.dropped(f"{here}.cache_control", "the model has no prompt cache")
    return blocks


def cache_point(control: content_pb2.CacheControl) -> Block:
    """A cache point with the longest retention that is not longer than asked for: 5 minutes, or one hour."""
    point = {"type": "default"}
    if control.HasField("ttl"):
        point["ttl"] = "1h" if control.ttl.seconds >= _HOUR else "5m"
    return {"cachePoint": point}


def _block(rendering: Rendering, family: Family, part: content_pb2.Part, field: str, taken: _Taken) -> Block | None:
    kind = part.WhichOneof("kind")
    if kind == "text":
        return _text(rendering, part.text, field) if part.text.text.strip() else None
    if kind == "media":
        return _media(rendering, part.media, f"{field}.media", taken.names)
    if kind == "tool_call":
        call = part.tool_call
        if call.provider_executed:
            rendering.notes.dropped(f"{field}.tool_call", "the call was run by another provider")
            return None
        text = rendering.arguments(call, f"{field}.tool_call")
        arguments = json_object(text, f"{field}.tool_call.arguments_json")
        call_id = taken.call_ids.call(call.id, call.name)
        return {"toolUse": {"toolUseId": call_id, "name": call.name, "input": arguments}}
    if kind == "tool_result":
        result = part.tool_result
        content = _blocks(rendering, family, result.parts, f"{field}.tool_result.parts", taken)
        block: Block = {"toolUseId": taken.call_ids.result(result.tool_call_id, result.name), "content": content}
        if result.is_error:
            if family.status:
                block["status"] = "error"
            else:
                rendering.notes.dropped(f"{field}.tool_result.is_error", "the model takes no status of a result")
        return {"toolResult": block}
    if kind == "reasoning":
        return _reasoning_block(rendering, part, field)
    if kind == "refusal":
        return {"text": part.refusal.text} if part.refusal.text.strip() else None
    if kind == "opaque":
        if not rendering.owns(part.opaque.provider):
            rendering.notes.dropped(f"{field}.opaque", "the block belongs to another provider")
            return None
        return {**fields_of(part.opaque.json, f"{field}.opaque.json")}
    return None


def _text(rendering: Rendering, text: content_pb2.TextPart, field: str) -> Block:
    """Text; with the citations that Converse itself gave, text that cites."""
    if not text.citations:
        return {"text": text.text}
    citations = []
    for citation in text.citations:
        try:
            wire = json.decode(citation.provider_json or "null")
        except json.MalformedJson:
            continue
        if isinstance(wire, dict) and "type" not in wire and ("location" in wire or "sourceContent" in wire):
            citations.append(wire)
    if len(citations) < len(text.citations):
        rendering.notes.dropped(f"{field}.text.citations", "a citation of another provider cannot be sent back")
    if not citations:
        return {"text": text.text}
    return {"citationsContent": {"content": [{"text": text.text}], "citations": citations}}


def _reasoning_block(rendering: Rendering, part: content_pb2.Part, field: str) -> Block | None:
    if not rendering.owns(part.signature_provider):
        rendering.notes.dropped(f"{field}.reasoning", "the reasoning belongs to another provider")
        return None
    if part.reasoning.encrypted:
        rendering.unplaced(part, field)
        return {"reasoningContent": {"redactedContent": base64.b64encode(part.reasoning.encrypted).decode()}}
    text: Block = {"text": part.reasoning.text}
    if part.signature:
        text["signature"] = part.signature.decode("utf-8", "replace")
    return {"reasoningContent": {"reasoningText": text}}


# ---------------------------------------------------------------- media
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


def _media(rendering: Rendering, media: content_pb2.MediaPart, field: str, names: dict[str, int]) -> Block:
    mime, data, uri = media.mime_type.lower().split(";")[0].strip(), media.data, media.uri
    if media.file_id:
        raise _refused(f"{field}.file_id", "Bedrock keeps no files; send the bytes or an s3 URI.")
    if uri.startswith("data:"):
        mime, data = data_uri(uri, mime, field)
        uri = ""
    source: Block = {"bytes": base64.b64encode(data).decode()}
    if uri:
        if not uri.startswith("s3://"):
            raise _refused(f"{field}.uri", "Bedrock fetches nothing but s3 URIs; send the bytes.")
        source = {"s3Location": {"uri": uri}}
    kind, _, form = mime.partition("/")
    medium = kind in ("image", "video", "audio") and bool(form)
    rendering.unread(media, field, but=() if medium else ("filename",))
    if medium:
        return {kind: {"format": _FORMATS.get(mime, form), "source": source}}
    if mime not in _DOCUMENTS and kind != "text":
        raise _refused(
            f"{field}.mime_type", "Converse reads images, video, audio and common documents, by their media type."
        )
    name = _document_name(media.filename, names)
    return {"document": {"format": _DOCUMENTS.get(mime, "txt"), "name": name, "source": source}}


def _document_name(filename: str, names: dict[str, int]) -> str:
    """A name in the characters that Converse takes, unlike the others of the request."""
    plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub("-", filename)).strip() or "document"
    name, count = plain, names.get(plain, 1)
    while name in names:
        count += 1
        name = f"{plain} {count}"
    names[name], names[plain] = 1, count
    return name


def _refused(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(violations=[Violation(field=field, description=description)])


# ---------------------------------------------------------------- tools
def _tools(rendering: Rendering, family: Family, more: dict[str, Any]) -> dict[str, Any]:
    """`toolConfig`. Tools of Anthropic's own go beside it, into `additionalModelRequestFields`."""
    tools: list[Block] = []
    for index, tool in chosen_tools(rendering, family.rules.forced):
        field = f"tools[{index}]"
        if tool.WhichOneof("kind") == "function":
            wire = _function(rendering, family, tool.function, f"{field}.function")
        else:
            made = _provider_tool(rendering, family, tool.provider_tool, f"{field}.provider_tool", more)
            if made is None:
                if tool.HasField("cache_control"):
                    rendering.notes.dropped(f"{field}.cache_control", "Converse has no cache point behind such a tool")
                continue
            wire = made
        tools.append(rendering.merged(wire, tool.provider_options_json))
        if tool.HasField("cache_control"):
            if family.caches:
                tools.append(cache_point(tool.cache_control))
            else:
                rendering.notes.dropped(f"{field}.cache_control", "the model has no prompt cache")
    if not tools:
        tools = _recalled_tools(rendering)
    return {"tools": tools} if tools else {}


def _recalled_tools(rendering: Rendering) -> list[Block]:
    """Converse wants a tool configuration as soon as the conversation holds tool blocks."""
    if not _has_tool_parts(rendering):
        return []
    parts = [part for message in rendering.request.messages for part in message.parts]
    names = dict.fromkeys(
        part.tool_call.name for part in parts if part.tool_call.name and not part.tool_call.provider_executed
    )
    rendering.notes.emulated("tools", "declared from the calls in the conversation, since Converse demands it")
    schema = {"json": {"type": "object", "properties": {}}}
    return [{"toolSpec": {"name": name, "inputSchema": schema}} for name in names or ("tool",)]


def _has_tool_parts(rendering: Rendering) -> bool:
    return any(
        (part.HasField("tool_call") and not part.tool_call.provider_executed) or part.HasField("tool_result")
        for message in rendering.request.messages
        for part in message.parts
    )


def _function(rendering: Rendering, family: Family, function: gateway_pb2.FunctionTool, field: str) -> Block:
    wire: Block = {"name": function.name}
    if function.description:
        wire["description"] = function.description
    schema, strict = function.parameters_json_schema, function.strict and family.structured
    wire["inputSchema"] = {"json": input_schema(rendering, schema, f"{field}.parameters_json_schema", strict)}
    if function.HasField("strict"):
        if function.strict and not family.structured:
            rendering.notes.dropped(f"{field}.strict", "the model enforces no schema")
        else:
            wire["strict"] = function.strict
    return {"toolSpec": wire}


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


def _tool_choice(rendering: Rendering, family: Family, tools: dict[str, Any], more: dict[str, Any]) -> bool:
    """Put the choice into `tools`; whether it forces a call."""
    mode = rendering.request.tool_config.mode
    choice = tool_choice(rendering, family.rules, bool(tools))
    if choice is None:
        return False
    forces: bool = choice["type"] in ("any", "tool")
    if choice["type"] == "none":
        if _has_tool_parts(rendering):
            rendering.notes.dropped("tool_config.mode", "Converse cannot forbid tools that the conversation has used")
        else:
            tools.clear()
            rendering.notes.emulated("tool_config.mode", "the tools were left out")
        return False
    if "disable_parallel_tool_use" in choice:
        if family.reasons == "claude":
            more["tool_choice"] = choice
            return forces
        rendering.notes.dropped("tool_config.parallel_tool_calls", "the model has no such setting")
        if mode not in (gateway_pb2.ToolConfig.MODE_REQUIRED, gateway_pb2.ToolConfig.MODE_AUTO):
            return False
    tools["toolChoice"] = {choice["type"]: {"name": choice["name"]} if choice["type"] == "tool" else {}}
    return forces


# ---------------------------------------------------------------- reasoning, sampling and the rest
def _reasoning(
    rendering: Rendering, family: Family, max_tokens: int, forced: bool, mid_turn: bool
) -> tuple[dict[str, Any], str]:
    """(additional request fields, `outputConfig.effort`), as the family has it. Only Claude has budgets, so a budget tells it is one."""
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
        told = (
            f"Answer with one JSON value only, without code fences, that matches this JSON Schema: {wanted.schema_json}"
        )
        system.append({"text": told})
        rendering.notes.emulated("output_format.json_schema", "an instruction: the model enforces no schema")
    elif kind == "json_object":
        system.append({"text": "Answer with one JSON object only, without code fences."})
        rendering.notes.emulated(
            "output_format.json_object", "an instruction: Converse has no JSON mode without a schema"
        )


def _refuse(rendering: Rendering, family: Family, turns: list[Turn]) -> None:
    """The rest: what Converse has another form of, or no place for."""
    request, notes = rendering.request, rendering.notes
    refuse_the_rest(rendering)
    if request.end_user_id:
        notes.dropped("end_user_id", "Converse has no end user")
    for name in ("cache_key", "cached_content"):
        if getattr(request.cache_config, name):
            notes.dropped(f"cache_config.{name}", "Converse caches by content")
    if request.cache_config.HasField("ttl"):
        if family.caches:
            turns[-1].content.append(cache_point(content_pb2.CacheControl(ttl=request.cache_config.ttl)))
            notes.emulated("cache_config.ttl", "a cache point behind the last message")
        else:
            notes.dropped("cache_config.ttl", "the model has no prompt cache")
    elif rendering.settings.get("prompt_caching") and not request.HasField("cache_config") and family.caches:
        turns[-1].content.append(cache_point(content_pb2.CacheControl()))
