"""The contract's request as a Responses request: the conversation as items, nothing stored."""

from __future__ import annotations

import base64
import mimetypes
from contextlib import suppress
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols import json, schemas
from llm_gateway.protocols.callids import CallIds
from llm_gateway.protocols.openai_chat.dialect import EFFORTS
from llm_gateway.protocols.openai_responses.dialect import Dialect
from llm_gateway.protocols.wire import CUSTOM, NEUTRAL, Outgoing, Rendering

_Wire = dict[str, Any]
ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
CALL_ID = r"[\s\S]{1,64}"

_ROLES = {
    content_pb2.ROLE_SYSTEM: "system",
    content_pb2.ROLE_DEVELOPER: "developer",
    content_pb2.ROLE_ASSISTANT: "assistant",
}
_SAMPLING = {"temperature": "temperature", "top_p": "top_p", "top_logprobs": "top_logprobs"}


def _refused(field: str, description: str, reason: str = "INVALID_VALUE") -> InvalidRequest:
    return InvalidRequest(violations=[Violation(field=field, description=description, reason=reason)])


def _object(text: str, field: str) -> _Wire:
    try:
        value = json.decode(text)
    except json.MalformedJson:
        value = None
    if not isinstance(value, dict):
        raise _refused(field, "must be a JSON object")
    return value


def render_request(rendering: Rendering, /) -> Outgoing:
    """The request to `/responses`."""
    return _Request(rendering).outgoing()


class _Request:
    """One rendering in progress."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._request = rendering.request
        self._notes = rendering.notes
        self._dialect: Dialect = rendering.dialect
        self._rule = self._dialect.rule(rendering.model)
        options = rendering.options(rendering.request.provider_options_json)
        self._stored = bool(options.get("store", not self._dialect.stateless))
        self._sealed = {
            part.item_id
            for message in rendering.request.messages
            for part in message.parts
            if part.item_id and part.reasoning.encrypted
        }
        """Ids of the reasoning items of which some part holds the encrypted form."""
        self._gaps = False
        """Whether a reasoning item was left out: items that followed one are refused under their ids without it."""
        self._call_ids = CallIds(CALL_ID)
        self._custom: set[str] = set()
        self._items: list[_Wire] = []
        self._thoughts: dict[int, str] = {}
        """Places of reasoning items, with the part that each began with."""

    def outgoing(self) -> Outgoing:
        request, dialect = self._request, self._dialect
        for index, message in enumerate(request.messages):
            self._message(message, f"messages[{index}]")
        self._drop_unfollowed()
        body: _Wire = {"model": self._rendering.model}
        if self._items:  # none with a stored prompt, which options name
            body["input"] = self._items
        if dialect.stateless:
            body["store"] = False
        if self._rendering.stream:
            body["stream"] = True
            if dialect.hides_obfuscation:
                body["stream_options"] = {"include_obfuscation": False}
        include = [ENCRYPTED] if self._wants_encrypted() else []
        self._tools(body)
        reasons = self._reasoning(body)
        if self._sampling(body, reasons):
            include.append(LOGPROBS)
        if include:
            body["include"] = include
        self._output_format(body)
        headers = self._attribution(body)
        body = self._rendering.body(body)
        return Outgoing(path=dialect.path, body=json.encode(body), headers=headers)

    def _wants_encrypted(self) -> bool:
        """Models that do not reason refuse to be asked. Of a model that no rule knows the request tells."""
        if not self._dialect.stateless:
            return False
        if self._rule.pattern:
            return bool(self._rule.takes_effort)
        return self._request.HasField("reasoning") or any(item.get("type") == "reasoning" for item in self._items)

    # ------------------------------------------------------------ items
    def _drop_unfollowed(self) -> None:
        """Leave out reasoning that no item of the model follows, such as that of an answer cut while it reasoned: OpenAI refuses it."""
        if self._dialect.plain_reasoning:
            return
        dropped: list[int] = []
        for place in sorted(self._thoughts, reverse=True):
            follower = self._items[place + 1] if place + 1 < len(self._items) else {"role": "user"}
            if follower.get("role", "assistant") != "assistant" or str(follower.get("type")).endswith("_output"):
                del self._items[place]
                dropped.append(place)
        for place in reversed(dropped):
            self._notes.dropped(self._thoughts[place], "Reasoning goes back only with the item that it was for.")

    def _message(self, message: content_pb2.Message, at: str) -> None:
        if message.name:
            self._notes.dropped(f"{at}.name", "The provider has no names of participants here.")
        if message.prefix:
            self._notes.dropped(f"{at}.prefix", "The provider answers the last turn; it does not continue it.")
        role = _ROLES.get(message.role, "user")
        if role == "developer" and not self._dialect.developer_role:
            role = "system"
        options = self._rendering.options(message.provider_options_json)
        content: list[_Wire] = []
        open_item = ("", "")
        for number, part in enumerate(message.parts):
            where = f"{at}.parts[{number}]"
            wire = self._content(part, role, where)
            if wire is None:
                item = self._item(part, role, where)
                if item is not None:
                    self._close(role, content, open_item, options)
                    content = []
                    if item.get("type") == "reasoning":
                        self._thoughts[len(self._items)] = where
                    self._items.append(item)
                continue
            belongs = (part.item_id, part.phase) if role == "assistant" else ("", "")
            if content and belongs != open_item:
                self._close(role, content, open_item, options)
                content = []
            open_item = belongs
            if part.signature or part.text.citations or part.HasField("refusal"):
                self._rendering.unplaced(part, where, cited=role == "assistant")
            self._breakpoint(part, wire, where)
            content.append(self._rendering.merged(wire, part.provider_options_json))
        self._close(role, content, open_item, options)

    def _close(self, role: str, content: list[_Wire], belongs: tuple[str, str], options: _Wire) -> None:
        """Write the message that holds this content. The model's own messages go back with id and phase."""
        if not content:
            return
        identity, phase = belongs
        item: _Wire = {"role": role}
        if identity.startswith("msg") and not self._gaps:
            item = {"type": "message", "id": identity, "role": role, "status": "completed"}
        if phase:
            item["phase"] = phase
        plain = len(content) == 1 and role != "assistant" and content[0].keys() == {"type", "text"}
        item["content"] = content[0]["text"] if plain else content
        self._items.append(json.merge(item, options) if options else item)

    def _breakpoint(self, part: content_pb2.Part, wire: _Wire, at: str) -> None:
        if not part.HasField("cache_control"):
            return
        if self._rule.cache_options:
            wire["prompt_cache_breakpoint"] = {"mode": "explicit"} | _retention(part.cache_control.ttl.seconds)
        else:
            self._notes.dropped(f"{at}.cache_control", "The provider places its cache breakpoints itself.")

    def _content(self, part: content_pb2.Part, role: str, at: str) -> _Wire | None:
        """The part as content of a message; None when it is an item of its own, or nothing."""
        kind = part.WhichOneof("kind")
        if kind == "text":
            if role != "assistant":
                return {"type": "input_text", "text": part.text.text}
            if not part.text.text and not part.item_id:
                return None
            annotations = _annotations(part)
            if len(annotations) < len(part.text.citations):
                self._notes.dropped(f"{at}.text.citations", "A source that another provider gave cannot be sent back.")
            return {"type": "output_text", "text": part.text.text, "annotations": annotations}
        if kind == "refusal":
            return {"type": "refusal", "refusal": part.refusal.text} if role == "assistant" else None
        if kind == "media" and role != "assistant":
            return self._media(part.media, f"{at}.media")
        if kind == "opaque" and role != "assistant" and self._rendering.owns(part.opaque.provider):
            return _object(part.opaque.json, f"{at}.opaque.json")
        return None

    def _item(self, part: content_pb2.Part, role: str, at: str) -> _Wire | None:
        kind = part.WhichOneof("kind")
        item: _Wire | None = None
        if kind == "reasoning":
            item = self._thought(part, at)
        elif kind == "tool_call" and part.tool_call.provider_executed:
            self._notes.dropped(f"{at}.tool_call", "A call that another provider ran itself.")
        elif kind == "tool_call":
            item = self._call(part)
        elif kind == "tool_result":
            item = self._result(part.tool_result, f"{at}.tool_result")
        elif kind == "opaque":
            if self._rendering.owns(part.opaque.provider):
                item = _object(part.opaque.json, f"{at}.opaque.json")
            else:
                self._notes.dropped(at, "A block of another provider.")
        elif kind == "media":
            if part.item_id.startswith("ig") and part.media.WhichOneof("source") == "data":
                image = base64.b64encode(part.media.data).decode()
                item = {"type": "image_generation_call", "id": part.item_id, "status": "completed", "result": image}
            else:
                self._notes.dropped(at, "The provider takes media in turns of the user only.")
        elif kind is None:
            raise _refused(at, "holds nothing", "REQUIRED")
        elif kind == "refusal":
            self._notes.dropped(at, "Only the model refuses.")
        if item is None:
            return None
        if kind != "reasoning":
            self._rendering.unplaced(part, at, cited=True)
        if part.HasField("cache_control"):
            self._notes.dropped(f"{at}.cache_control", "The provider has breakpoints behind content of messages only.")
        return self._rendering.merged(item, part.provider_options_json)

    def _thought(self, part: content_pb2.Part, at: str) -> _Wire | None:
        """A reasoning item. Its parts share the item's id and come one after another: the later ones join the first."""
        reasoning = part.reasoning
        foreign = part.signature_provider and not self._rendering.owns(part.signature_provider)
        if foreign or (reasoning.encrypted and not part.signature_provider):
            self._notes.dropped(at, "Reasoning of another provider.")
            self._gaps = True
            return None
        # Clients that knew no item ids kept the id as the signature.
        identity = part.item_id or part.signature.decode("utf-8", "ignore")
        last = self._items[-1] if self._items else {}
        joins = bool(identity) and last.get("type") == "reasoning" and last.get("id") == identity
        item: _Wire = last if joins else {"type": "reasoning"}
        if identity:
            item["id"] = identity
        texts = item.setdefault("summary", [])
        if reasoning.text and not reasoning.is_summary:
            item.setdefault("content", []).append({"type": "reasoning_text", "text": reasoning.text})
        elif reasoning.text:
            texts.append({"type": "summary_text", "text": reasoning.text})
        if reasoning.encrypted:
            item["encrypted_content"] = reasoning.encrypted.decode("utf-8", "replace")
        if joins:
            if part.provider_options_json:
                self._items[-1] = self._rendering.merged(last, part.provider_options_json)
            return None
        sealed = reasoning.encrypted or identity in self._sealed
        if not (sealed or self._dialect.plain_reasoning or self._stored):
            self._notes.dropped(at, "Reasoning goes back encrypted or stored only.")
            self._gaps = True
            return None
        return item

    def _call(self, part: content_pb2.Part) -> _Wire:
        call = part.tool_call
        call_id = self._call_ids.call(call.id, call.name)
        if call.provider_tool_type == CUSTOM:
            self._custom.add(call_id)
            item: _Wire = {
                "type": "custom_tool_call",
                "call_id": call_id,
                "name": call.name,
                "input": call.arguments_json,
            }
        else:
            arguments = call.arguments_json or "{}"
            item = {"type": "function_call", "call_id": call_id, "name": call.name, "arguments": arguments}
        if part.item_id.startswith(("fc", "ctc")) and not self._gaps:
            item["id"] = part.item_id
        return item

    def _result(self, result: content_pb2.ToolResult, at: str) -> _Wire:
        content: list[_Wire] = []
        for number, part in enumerate(result.parts):
            where = f"{at}.parts[{number}]"
            wire = self._content(part, "tool", where)
            if wire is None:
                raise _refused(where, "a result of a tool is text or media")
            self._rendering.unplaced(part, where)
            if part.HasField("cache_control"):
                self._notes.dropped(f"{where}.cache_control", "The provider has no breakpoints in results of tools.")
            content.append(self._rendering.merged(wire, part.provider_options_json))
        if result.is_error:
            self._notes.dropped(f"{at}.is_error", "The provider has no mark for a failed tool: the text must say so.")
        texts = all(wire.keys() == {"type", "text"} for wire in content)
        call_id = self._call_ids.result(result.tool_call_id, result.name)
        kind = "custom_tool_call_output" if call_id in self._custom else "function_call_output"
        output: Any = "".join(wire["text"] for wire in content) if texts else content
        return {"type": kind, "call_id": call_id, "output": output}

    def _media(self, media: content_pb2.MediaPart, at: str) -> _Wire:
        kind = _class_of(media)
        if kind in (content_pb2.MODALITY_AUDIO, content_pb2.MODALITY_VIDEO):
            raise _refused(at, "the Responses API takes images and documents", "UNSUPPORTED")
        for field in ("transcript", "start_offset", "end_offset"):
            if media.HasField(field) if field != "transcript" else media.transcript:  # type: ignore[arg-type]
                self._notes.dropped(f"{at}.{field}", "The provider reads images and documents whole.")
        source = media.WhichOneof("source")
        if source is None:
            raise _refused(at, "one of data, uri and file_id is required", "REQUIRED")
        if source == "data" and not media.mime_type:
            raise _refused(f"{at}.mime_type", "is required with data", "REQUIRED")
        url = media.uri
        if source == "data":
            url = f"data:{media.mime_type};base64,{base64.b64encode(media.data).decode()}"
        wire: _Wire
        if kind == content_pb2.MODALITY_IMAGE:
            if media.filename:
                self._notes.dropped(f"{at}.filename", "The provider shows no names of images.")
            place = {"file_id": media.file_id} if source == "file_id" else {"image_url": url}
            wire = {"type": "input_image", **place}
            if media.detail:
                wire["detail"] = media.detail
            return wire
        wire = {"type": "input_file"}
        if source == "file_id":
            wire["file_id"] = media.file_id
        elif url.startswith("data:"):
            wire["filename"] = media.filename or self._dialect.chat.default_filename or "document"
            wire["file_data"] = url
        else:
            wire["file_url"] = url
        if media.detail:
            wire["detail"] = media.detail
        return wire

    # ------------------------------------------------------------ tools
    def _tools(self, body: _Wire) -> None:
        request, notes = self._request, self._notes
        tools = []
        for index, tool in enumerate(request.tools):
            at = f"tools[{index}]"
            if tool.HasField("cache_control"):
                notes.dropped(f"{at}.cache_control", "The provider places its cache breakpoints itself.")
            kind = tool.WhichOneof("kind")
            if kind == "function":
                wire = self._function(tool.function, f"{at}.function")
            elif kind == "provider_tool":
                wire = self._provider_tool(tool.provider_tool, f"{at}.provider_tool")
            else:
                raise _refused(at, "holds nothing", "REQUIRED")
            tools.append(self._rendering.merged(wire, tool.provider_options_json))
        if tools:
            body["tools"] = tools
        config = request.tool_config
        if not tools:
            if config.mode == gateway_pb2.ToolConfig.MODE_REQUIRED:
                notes.dropped("tool_config.mode", "There are no tools to call.")
            return
        if config.HasField("parallel_tool_calls"):
            body["parallel_tool_calls"] = config.parallel_tool_calls
        choice = self._choice(config)
        if choice:
            body["tool_choice"] = choice

    def _function(self, function: gateway_pb2.FunctionTool, at: str) -> _Wire:
        wire: _Wire = {"type": "function", "name": function.name}
        if function.description:
            wire["description"] = function.description
        schema = function.parameters_json_schema
        strict = self._dialect.strict and function.strict
        wire["parameters"] = (
            self._schema(schema, f"{at}.parameters_json_schema", strict)
            if schema
            else {"type": "object", "properties": {}}
        )
        if self._dialect.strict:
            wire["strict"] = function.strict
        elif function.strict:
            self._notes.dropped(f"{at}.strict", "The provider does not hold arguments to their schema.")
        return wire

    def _schema(self, text: str, at: str, strict: bool) -> json.Raw:
        """A JSON Schema. strict: the server holds the model to it."""
        try:
            return schemas.within(text, self._dialect.chat.schema_limits if strict else None, self._notes, at)
        except json.MalformedJson:
            raise _refused(at, "must be a JSON object") from None

    def _provider_tool(self, tool: gateway_pb2.ProviderTool, at: str) -> _Wire:
        if not tool.type:
            raise _refused(f"{at}.type", "is required", "REQUIRED")
        base = dict(self._dialect.tools.get(tool.type, {"type": tool.type}))
        options = _object(tool.options_json, f"{at}.options_json") if tool.options_json else {}
        kind = options.get("type", base["type"])
        if kind in (base["type"], tool.type):
            return {**base, **options}
        self._notes.dropped(f"{at}.options_json", "Options in the shape of another provider.")
        return base

    def _choice(self, config: gateway_pb2.ToolConfig) -> Any:
        mode = {
            gateway_pb2.ToolConfig.MODE_AUTO: "auto",
            gateway_pb2.ToolConfig.MODE_REQUIRED: "required",
            gateway_pb2.ToolConfig.MODE_NONE: "none",
        }.get(config.mode, "")
        names = list(config.allowed_tool_names)
        if not names or mode == "none":
            return mode
        if mode == "required" and len(names) == 1:
            return {"type": "function", "name": names[0]}
        tools = [{"type": "function", "name": name} for name in names]
        return {"type": "allowed_tools", "mode": mode or "auto", "tools": tools}

    # ------------------------------------------------------------ the rest
    def _reasoning(self, body: _Wire) -> bool:
        """Writes what is asked of reasoning; whether the model may reason."""
        config, notes, rule = self._request.reasoning, self._notes, self._rule
        wire: _Wire = {}
        word = EFFORTS[config.effort - 1] if config.effort else ""
        at = "reasoning.effort"
        if config.HasField("budget_tokens"):
            if word or not rule.takes_effort:
                notes.dropped("reasoning.budget_tokens", "The provider takes no budget of reasoning tokens.")
            else:
                budget, at = config.budget_tokens, "reasoning.budget_tokens"
                word = "none" if budget <= 0 else "low" if budget < 4096 else "medium" if budget < 16384 else "high"
                notes.emulated(at, f"Sent as effort {word}.")
        if word and not rule.takes_effort:
            if word != "none":
                notes.dropped(at, "The model takes no effort of reasoning.")
            word = ""
        taken = self._dialect.efforts(self._rendering.model)
        if word and taken and word not in taken:
            asked, rank = word, EFFORTS.index(word)
            choices = [effort for effort in taken if effort != "none"] or list(taken)
            word = min(choices, key=lambda effort: (abs(EFFORTS.index(effort) - rank), -EFFORTS.index(effort)))
            notes.adjusted(at, f"The model takes {word} in place of {asked}.")
        if word:
            wire["effort"] = word
        if config.include_reasoning:
            if rule.takes_effort:
                wire["summary"] = "auto"
            else:
                notes.dropped("reasoning.include_reasoning", "The model does not reason.")
        if wire:
            body["reasoning"] = wire
        return (word or rule.default_effort) != "none" and bool(rule.refused_reasoning)

    def _sampling(self, body: _Wire, reasons: bool) -> bool:
        """Writes the sampling; whether log probabilities are asked for."""
        logprobs = False
        chat = self._dialect.chat
        for descriptor, value in self._request.generation_config.ListFields():
            name = descriptor.name
            at = f"generation_config.{name}"
            if reasons and name in self._rule.refused_reasoning:
                if value != NEUTRAL.get(name):
                    self._notes.dropped(at, "The model refuses it while it reasons.")
            elif name == "max_output_tokens":
                body["max_output_tokens"] = value
            elif name in _SAMPLING:
                body[_SAMPLING[name]] = value
                logprobs |= name == "top_logprobs"
            elif name == "logprobs":
                logprobs |= value
            elif name == "service_tier":
                if value in chat.service_tiers:
                    body["service_tier"] = chat.service_tiers[value]
                elif value != gateway_pb2.SERVICE_TIER_AUTO:
                    self._notes.dropped(at, "The provider has no such tier.")
            elif name == "output_modalities":
                if any(modality != content_pb2.MODALITY_TEXT for modality in value):
                    self._notes.dropped(at, "The Responses API writes text; images come from its tool.")
            elif value != NEUTRAL.get(name):
                self._notes.dropped(at, "The Responses API has no such setting.")
        return logprobs

    def _output_format(self, body: _Wire) -> None:
        kind = self._request.output_format.WhichOneof("format")
        if kind == "json_object":
            body["text"] = {"format": {"type": "json_object"}}
        elif kind == "json_schema":
            schema = self._request.output_format.json_schema
            form: _Wire = {
                "type": "json_schema",
                "name": schema.name or "response",
                "schema": self._schema(schema.schema_json, "output_format.json_schema.schema_json", schema.strict),
            }
            if schema.description:
                form["description"] = schema.description
            if schema.HasField("strict"):
                form["strict"] = schema.strict
            body["text"] = {"format": form}

    def _attribution(self, body: _Wire) -> tuple[tuple[str, str], ...]:
        """Places of end user, labels and cache; returns the headers."""
        request, notes, chat = self._request, self._notes, self._dialect.chat
        headers: tuple[tuple[str, str], ...] = ()
        if request.labels:
            if chat.metadata_field:
                body[chat.metadata_field] = dict(sorted(request.labels.items()))
            else:
                notes.dropped("labels", "The provider takes no labels.")
        if request.end_user_id:
            if chat.user_field:
                body[chat.user_field] = request.end_user_id
            else:
                notes.dropped("end_user_id", "The provider takes no id of the end user.")
        cache = request.cache_config
        if cache.cache_key:
            if chat.cache_key_field:
                body[chat.cache_key_field] = cache.cache_key
            elif chat.cache_key_header and cache.cache_key.isascii() and cache.cache_key.isprintable():
                headers = ((chat.cache_key_header, cache.cache_key),)
            else:
                notes.dropped("cache_config.cache_key", "The provider takes no cache key.")
        if cache.HasField("ttl"):
            if self._rule.cache_options:
                body["prompt_cache_options"] = _retention(cache.ttl.seconds)
            else:
                notes.dropped("cache_config.ttl", "The provider keeps prompts as long as it likes.")
        if cache.cached_content:
            notes.dropped("cache_config.cached_content", "The provider has no cached content of its own.")
        if request.safety_settings:
            notes.dropped("safety_settings", "The provider takes no safety thresholds.")
        return headers


def _retention(seconds: int) -> _Wire:
    return {"ttl": "12h" if seconds >= 12 * 3600 else "30m"} if seconds else {}


def _annotations(part: content_pb2.Part) -> list[_Wire]:
    """The sources of a text of the model, as it gave them; those of other providers have no id of an item beside them."""
    if not part.item_id:
        return []
    found = []
    for citation in part.text.citations:
        with suppress(json.MalformedJson):
            found.append(json.decode(citation.provider_json or "null"))
    return [annotation for annotation in found if isinstance(annotation, dict) and "type" in annotation]


def _class_of(media: content_pb2.MediaPart) -> content_pb2.Modality.ValueType:
    """What a medium is: as said, by its MIME type, or by the ending of its name; a document when nothing tells."""
    if media.modality:
        return media.modality
    mime_type = media.mime_type
    if not mime_type and media.uri.startswith("data:"):
        mime_type = media.uri[5:].partition(",")[0].partition(";")[0]
    if not mime_type:
        mime_type = mimetypes.guess_type(media.uri.partition("?")[0] or media.filename)[0] or ""
    return {
        "image": content_pb2.MODALITY_IMAGE,
        "audio": content_pb2.MODALITY_AUDIO,
        "video": content_pb2.MODALITY_VIDEO,
    }.get(mime_type.partition("/")[0], content_pb2.MODALITY_DOCUMENT)
