"""The contract's request as a Responses request: the conversation as items, nothing stored."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols import effort, json, schemas, settings
from llm_gateway.protocols.callids import CallIds
from llm_gateway.protocols.conversation import Conversation, plain
from llm_gateway.protocols.media import AUDIO, IMAGE, VIDEO, Medium
from llm_gateway.protocols.openai_chat.request import attribute, named_schema, retention, wished
from llm_gateway.protocols.openai_dialects import ResponsesDialect as Dialect
from llm_gateway.protocols.tools import tools
from llm_gateway.protocols.wire import CUSTOM, Outgoing, Rendering, decoded_object, refuse

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


def render_request(rendering: Rendering, /) -> Outgoing:
    """The request to `/responses`."""
    return _Request(rendering).outgoing()


class _Items(Conversation):
    """Renders the messages of one request as items. stored: whether the provider keeps them."""

    in_results = frozenset({"text", "media", "opaque"})
    cites = True

    def __init__(self, rendering: Rendering, *, stored: bool) -> None:
        super().__init__(rendering)
        self.dialect: Dialect = rendering.dialect
        self.stored = stored
        self.marks = self.dialect.rule(rendering.model).cache_options
        self.gaps = False
        """Whether a reasoning item was left out: the items that followed it are refused under their ids without it."""
        self.call_ids = CallIds(CALL_ID)
        self.custom: set[str] = set()
        self.items: list[_Wire] = []
        self.thoughts: dict[int, str] = {}
        """Places of reasoning items, with the part that each began with."""
        self.content: list[_Wire] = []
        self.belongs = ("", "")
        """Pending content of a message, and the item and the phase that it belongs to."""

    def rendered(self) -> list[_Wire]:
        self.walk()
        if not self.dialect.plain_reasoning:
            self.drop_unfollowed()
        return self.items

    @cached_property
    def sealed(self) -> set[str]:
        """Ids of the reasoning items of which some part holds the encrypted form."""
        messages = self.rendering.request.messages
        return {part.item_id for message in messages for part in message.parts if part.reasoning.encrypted}

    def drop_unfollowed(self) -> None:
        """Leave out reasoning that no item of the model follows, such as that of an answer cut while reasoning: OpenAI refuses it."""
        dropped: list[int] = []
        for place in sorted(self.thoughts, reverse=True):
            follower = self.items[place + 1] if place + 1 < len(self.items) else {"role": "user"}
            if follower.get("role", "assistant") != "assistant" or str(follower.get("type")).endswith("_output"):
                del self.items[place]
                dropped.append(place)
        for place in reversed(dropped):
            self.notes.dropped(self.thoughts[place], "Reasoning goes back only with the item that it was for.")

    def foreign(self, kind: str) -> None:
        self.gaps |= kind == "reasoning"

    def message(self, message: content_pb2.Message) -> None:
        if message.prefix:
            told = "The provider answers the last turn; it does not continue it."
            self.notes.dropped(f"messages[{self.index}].prefix", told)
        role = _ROLES.get(message.role, "user")
        if role == "developer" and not self.dialect.developer_role:
            role = "system"
        content: Any = plain(message.parts)
        if content and self.assistant:
            part = message.parts[0]
            identified = part.item_id or part.phase
            content = None if identified else [{"type": "output_text", "text": content, "annotations": []}]
        if content:
            self.items.append(self.whole({"role": role, "content": content}, message))
            return
        for part in self.each(message.parts):
            wire = self.render(part)
            if wire is None:
                continue
            if part.WhichOneof("kind") in (_ITEMS if self.assistant else _CALLED):
                self.close(role, message)
                if wire.get("type") == "reasoning":
                    self.thoughts[len(self.items)] = self.at
                self.items.append(wire)
                continue
            belongs = (part.item_id, part.phase) if self.assistant else ("", "")
            if self.content and belongs != self.belongs:
                self.close(role, message)
            self.belongs = belongs
            self.content.append(wire)
        self.close(role, message)

    def close(self, role: str, message: content_pb2.Message) -> None:
        """Write the message with the pending content. The model's own messages go back with id and phase."""
        content, self.content = self.content, []
        if not content:
            return
        identity, phase = self.belongs
        item: _Wire = {"role": role}
        if identity.startswith("msg") and not self.gaps:
            item = {"type": "message", "id": identity, "role": role, "status": "completed"}
        if phase:
            item["phase"] = phase
        plain = len(content) == 1 and role != "assistant" and content[0].keys() == {"type", "text"}
        item["content"] = content[0]["text"] if plain else content
        self.items.append(self.whole(item, message))

    def breakpoint(self, part: content_pb2.Part, kind: str, wire: _Wire | None) -> bool:
        if not wire or not self.marks or self.inner >= 0 or kind in (_ITEMS if self.assistant else _CALLED):
            return False
        wire["prompt_cache_breakpoint"] = {"mode": "explicit"} | retention(part.cache_control.ttl.seconds)
        return True

    def sign(self, part: content_pb2.Part, kind: str, wire: _Wire | None) -> bool:
        return kind == "reasoning"

    def text(self, part: content_pb2.Part, text: content_pb2.TextPart) -> _Wire | None:
        if not self.assistant or self.inner >= 0:
            if text.citations:
                self.dropped(".text.citations", "There is no place for the sources of a text.")
            return {"type": "input_text", "text": text.text}
        annotations = self.sources(text, lambda wire: bool(part.item_id) and "type" in wire)
        if not text.text and not part.item_id:
            return None
        return {"type": "output_text", "text": text.text, "annotations": annotations}

    def refusal(self, part: content_pb2.Part, refusal: content_pb2.RefusalPart) -> _Wire | None:
        if self.assistant:
            return {"type": "refusal", "refusal": refusal.text}
        self.dropped("", "Only the model refuses.")
        return None

    def opaque(self, part: content_pb2.Part, opaque: content_pb2.OpaquePart) -> _Wire:
        return decoded_object(opaque.json, f"{self.at}.opaque.json")

    def reasoning(self, part: content_pb2.Part, reasoning: content_pb2.ReasoningPart) -> _Wire | None:
        """A reasoning item. Its parts share the item's id and follow each other: later ones join the first."""
        if reasoning.encrypted and not part.signature_provider:
            self.dropped("", "Reasoning of another provider.")
            self.gaps = True
            return None
        # Clients that knew no item ids kept the id as the signature.
        identity = part.item_id or part.signature.decode("utf-8", "ignore")
        last = self.items[-1] if self.items else {}
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
                self.items[-1] = self.rendering.merged(last, part.provider_options_json)
            return None
        sealed = reasoning.encrypted or (identity and identity in self.sealed)
        if not (sealed or self.dialect.plain_reasoning or self.stored):
            self.dropped("", "Reasoning goes back encrypted or stored only.")
            self.gaps = True
            return None
        return item

    def tool_call(self, part: content_pb2.Part, call: content_pb2.ToolCall) -> _Wire:
        call_id = self.call_ids.call(call.id, call.name)
        item: _Wire
        if call.provider_tool_type == CUSTOM:
            self.custom.add(call_id)
            item = {"type": "custom_tool_call", "call_id": call_id, "name": call.name, "input": call.arguments_json}
        else:
            arguments = call.arguments_json or "{}"
            item = {"type": "function_call", "call_id": call_id, "name": call.name, "arguments": arguments}
        if part.item_id.startswith(("fc", "ctc")) and not self.gaps:
            item["id"] = part.item_id
        return item

    def tool_result(self, part: content_pb2.Part, result: content_pb2.ToolResult) -> _Wire:
        output: Any = plain(result.parts)
        if output is None:
            content = [wire for inner in self.within(result) if (wire := self.render(inner)) is not None]
            texts = all(wire.keys() == {"type", "text"} for wire in content)
            output = "".join(wire["text"] for wire in content) if texts else content
        if result.is_error:
            self.dropped(".tool_result.is_error", "The provider has no mark for a failed tool: the text must say so.")
        call_id = self.call_ids.result(result.tool_call_id, result.name)
        kind = "custom_tool_call_output" if call_id in self.custom else "function_call_output"
        return {"type": kind, "call_id": call_id, "output": output}

    def media(self, part: content_pb2.Part, medium: Medium) -> _Wire | None:
        media = medium.part
        if self.assistant and self.inner < 0:
            if part.item_id.startswith("ig") and medium.source == "data":
                image = medium.base64(f"{self.at}.media")
                return {"type": "image_generation_call", "id": part.item_id, "status": "completed", "result": image}
            self.dropped("", "The provider takes media in turns of the user only.")
            return None
        if medium.modality in (AUDIO, VIDEO):
            self.refuse(".media", "the Responses API takes images and documents", "UNSUPPORTED")
        if not medium.source:
            self.refuse(".media", "one of data, uri and file_id is required", "REQUIRED")
        if medium.source == "data" and not medium.type:
            self.refuse(".media.mime_type", "is required with data", "REQUIRED")
        medium.take("detail")
        wire: _Wire
        if medium.modality == IMAGE:
            place = {"file_id": media.file_id} if medium.source == "file_id" else {"image_url": medium.url()}
            wire = {"type": "input_image", **place}
        else:
            medium.take("filename")
            wire = {"type": "input_file"}
            if medium.source == "file_id":
                wire["file_id"] = media.file_id
            elif medium.source == "data":
                wire["filename"] = media.filename or self.dialect.chat.default_filename or "document"
                wire["file_data"] = medium.url()
            else:
                wire["file_url"] = media.uri
        if media.detail:
            wire["detail"] = media.detail
        return wire


_CALLED = frozenset({"reasoning", "tool_call", "tool_result"})
_ITEMS = _CALLED | {"opaque", "media"}
"""Kinds that are items of their own, from anybody and from the model; the others are content of messages."""


class _Request:
    """One rendering in progress."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._request = rendering.request
        self._notes = rendering.notes
        self._dialect: Dialect = rendering.dialect
        self._rule = self._dialect.rule(rendering.model)
        options = rendering.options(rendering.request.provider_options_json)
        stored = bool(options.get("store", not self._dialect.stateless))
        self._items = _Items(rendering, stored=stored).rendered()

    def outgoing(self) -> Outgoing:
        dialect = self._dialect
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
        headers = attribute(self._rendering, dialect.chat, self._rule.cache_options, body)
        body = self._rendering.body(body)
        return Outgoing(path=dialect.path, body=json.encode(body), headers=headers)

    def _wants_encrypted(self) -> bool:
        """Models that do not reason refuse these fields. For an unknown model the request decides."""
        if not self._dialect.stateless:
            return False
        if self._rule.pattern:
            return bool(self._rule.takes_effort)
        return self._request.HasField("reasoning") or any(item.get("type") == "reasoning" for item in self._items)

    # ------------------------------------------------------------ tools
    def _tools(self, body: _Wire) -> None:
        wires = [wire for _, wire in tools(self._rendering, self._function, self._provider_tool)]
        config = self._request.tool_config
        if not wires:
            if config.mode == gateway_pb2.ToolConfig.MODE_REQUIRED:
                self._notes.dropped("tool_config.mode", "There are no tools to call.")
            return
        body["tools"] = wires
        if config.HasField("parallel_tool_calls"):
            body["parallel_tool_calls"] = config.parallel_tool_calls
        choice = self._choice(config)
        if choice:
            body["tool_choice"] = choice

    def _function(self, wire: _Wire, function: gateway_pb2.FunctionTool, at: str) -> _Wire:
        wire["type"] = "function"
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
        return schemas.within(text, self._dialect.chat.schema_limits if strict else None, self._notes, at)

    def _provider_tool(self, tool: gateway_pb2.ProviderTool, at: str) -> _Wire:
        if not tool.type:
            refuse(f"{at}.type", "is required", "REQUIRED")
        base = dict(self._dialect.tools.get(tool.type, {"type": tool.type}))
        options = decoded_object(tool.options_json, f"{at}.options_json") if tool.options_json else {}
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
        word, at = wished(self._rendering, rule.takes_effort)
        if word and not rule.takes_effort:
            if word != "none":
                notes.dropped(at, "The model takes no effort of reasoning.")
            word = ""
        taken = self._dialect.efforts(self._rendering.model)
        if word and taken and word not in taken:
            asked, word = word, effort.nearest(word, taken)
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
                if settings.matters(name, value):
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
            elif settings.matters(name, value):
                self._notes.dropped(at, "The Responses API has no such setting.")
        return logprobs

    def _output_format(self, body: _Wire) -> None:
        kind = self._request.output_format.WhichOneof("format")
        if kind == "json_object":
            body["text"] = {"format": {"type": "json_object"}}
        elif kind == "json_schema":
            schema = self._request.output_format.json_schema
            within = self._schema(schema.schema_json, "output_format.json_schema.schema_json", schema.strict)
            body["text"] = {"format": {"type": "json_schema", **named_schema(schema, within)}}
