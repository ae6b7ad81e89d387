"""The contract's request as a Chat Completions request."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols import effort, json, schemas, settings
from llm_gateway.protocols.callids import CallIds
from llm_gateway.protocols.conversation import LOOSE, Conversation, plain
from llm_gateway.protocols.media import AUDIO, DOCUMENT, IMAGE, MODALITIES, SETTINGS, VIDEO, Medium
from llm_gateway.protocols.openai_dialects import ChatDialect as Dialect
from llm_gateway.protocols.openai_dialects import ModelRule
from llm_gateway.protocols.tools import tools
from llm_gateway.protocols.wire import CUSTOM, Outgoing, Rendering, decoded_object, refuse

_NO_RULE = ModelRule(pattern="")
_Wire = dict[str, Any]


def render_request(rendering: Rendering) -> Outgoing:
    dialect: Dialect = rendering.dialect
    request = rendering.request
    rule = _rule(dialect, rendering.model)
    body: _Wire = {"model": rendering.model, "messages": _Messages(rendering, rule).rendered()}
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


# ---------------------------------------------------------------- messages
_ROLES = {content_pb2.ROLE_USER: "user", content_pb2.ROLE_ASSISTANT: "assistant", content_pb2.ROLE_TOOL: "tool"}


class _Messages(Conversation):
    """Renders the messages of one request."""

    in_results = frozenset({"text", "media", "refusal", "opaque"})

    def __init__(self, rendering: Rendering, rule: ModelRule) -> None:
        super().__init__(rendering)
        self.dialect: Dialect = rendering.dialect
        self.breakpoints = self.dialect.cache_breakpoint
        if self.breakpoints == "breakpoint" and not rule.cache_options:
            self.breakpoints = ""
        self.roles = _ROLES | ({content_pb2.ROLE_DEVELOPER: "developer"} if self.dialect.developer_role else {})
        self.call_ids = CallIds(self.dialect.call_id)
        self.out: list[_Wire] = []
        self.turn: _Wire = {}
        """The message of the model that its parts go into."""
        self.tool_media: list[_Wire] = []

    def rendered(self) -> list[_Wire]:
        self.walk()
        self.flush_tool_media()
        return self.out

    def names(self, message: content_pb2.Message) -> bool:
        results = bool(message.parts) and all(part.HasField("tool_result") for part in message.parts)
        return not results and self.roles.get(message.role, "system") in self.dialect.message_name

    def message(self, message: content_pb2.Message) -> None:
        role = self.roles.get(message.role, "system")
        text = None if role == "tool" else plain(message.parts)
        if text is None:
            results = 0
            for part in self.each(message.parts):
                if part.HasField("tool_result"):
                    results += 1
                    self.out.append(self.whole(self.render(part) or {}, message))
            if results and results == len(message.parts):
                return
        if role == "tool":
            refuse(f"messages[{self.index}]", "a message of ROLE_TOOL holds tool results only")
        self.flush_tool_media()
        wire: _Wire = {"role": role, "content": text}
        if role == "assistant":
            self.turn = wire
            if text is None and not self.own(message):
                return
            if message.prefix:
                self.mark_prefix(wire)
        elif text is None:
            blocks = [block for part in self.each(message.parts) if (block := self.beside_results(part)) is not None]
            wire["content"] = _collapse(blocks, role == "user" or self.dialect.text_lists, "\n")
        if message.name and role in self.dialect.message_name:
            wire["name"] = message.name
        self.add(self.whole(wire, message))

    def beside_results(self, part: content_pb2.Part) -> _Wire | None:
        return None if part.HasField("tool_result") else self.render(part)

    def add(self, wire: _Wire) -> None:
        """Add a message that is no tool result, in the order that the server wants."""
        last = self.out[-1] if self.out else {}
        before, role = last.get("role"), wire["role"]
        if self.dialect.alternates and before == role and role in ("user", "assistant"):
            last |= {**wire, "content": _joined(last["content"], wire["content"])}
        else:
            self.out.append(wire)

    def own(self, message: content_pb2.Message) -> bool:
        """Fill a message of the model; False if it is empty and the server takes no empty one."""
        wire, content, calls = self.turn, list[_Wire](), list[_Wire]()
        for part in self.each(message.parts):
            block = self.beside_results(part)
            if block is not None and block is not LOOSE:
                (calls if part.HasField("tool_call") else content).append(block)
        if calls:
            wire["tool_calls"] = calls
        if content:
            wire["content"] = _collapse(content, self.dialect.text_lists, "")
        elif not calls and "refusal" not in wire and "audio" not in wire:
            wire["content"] = ""
            return not self.dialect.skip_empty or self.dialect.reasoning_replay in wire
        return True

    def mark_prefix(self, wire: _Wire) -> None:
        if self.dialect.prefix == "prefix":
            wire["prefix"] = True
        elif self.dialect.prefix == "":
            told = "The provider answers the last turn; it does not continue it."
            self.notes.dropped(f"messages[{self.index}].prefix", told)

    def flush_tool_media(self) -> None:
        if self.tool_media:
            self.add({"role": "user", "content": self.tool_media})
            self.tool_media = []

    # ------------------------------------------------------------ parts
    def breakpoint(self, part: content_pb2.Part, kind: str, wire: _Wire | None) -> bool:
        if kind == "tool_result":  # it stands behind the last block
            return True
        if not wire or kind == "reasoning" or (kind == "tool_call" and not self.dialect.call_breakpoint):
            return False
        return self.mark(part, wire)

    def mark(self, part: content_pb2.Part, wire: _Wire) -> bool:
        seconds = part.cache_control.ttl.seconds
        if self.breakpoints == "breakpoint":
            wire["prompt_cache_breakpoint"] = {"mode": "explicit"} | retention(seconds)
        elif self.breakpoints:
            wire["cache_control"] = _ephemeral(seconds)
        return bool(self.breakpoints)

    def sign(self, part: content_pb2.Part, kind: str, wire: _Wire | None) -> bool:
        signature = part.signature.decode("utf-8", "replace")
        if wire and kind == "tool_call" and self.rendering.owns(part.signature_provider):
            # Gemini's OpenAI surface binds the thought to the call (ai.google.dev, OpenAI compatibility)
            wire["extra_content"] = {"google": {"thought_signature": signature}}
        elif wire and kind == "reasoning":
            wire["signature"] = signature
        else:
            return False
        return True

    def text(self, part: content_pb2.Part, text: content_pb2.TextPart) -> _Wire:
        return {"type": "text", "text": text.text}

    def refusal(self, part: content_pb2.Part, refusal: content_pb2.RefusalPart) -> _Wire:
        if self.assistant and self.inner < 0:
            if self.dialect.refusal_field:
                self.turn["refusal"] = self.turn.get("refusal", "") + refusal.text
                return LOOSE
            self.notes.emulated(f"{self.at}.refusal", "Sent as text.")
        return {"type": "text", "text": refusal.text}

    def opaque(self, part: content_pb2.Part, opaque: content_pb2.OpaquePart) -> _Wire:
        block = decoded_object(opaque.json, f"{self.at}.opaque.json")
        if not (self.assistant and self.inner < 0 and opaque.type == "reasoning_details"):
            return block
        self.turn.setdefault("reasoning_details", []).append(block)
        return LOOSE

    def reasoning(self, part: content_pb2.Part, reasoning: content_pb2.ReasoningPart) -> _Wire | None:
        self.belongs_to_model("reasoning")
        replay = self.dialect.reasoning_replay
        if reasoning.encrypted or not replay:
            self.dropped("", "Earlier reasoning has no place in this provider's messages.")
            return None
        if replay == "thinking":
            return {"type": "thinking", "thinking": [{"type": "text", "text": reasoning.text}]}
        if not (reasoning.text or part.signature):
            return None
        self.turn[replay] = self.turn.get(replay, "") + reasoning.text
        return LOOSE

    def tool_call(self, part: content_pb2.Part, call: content_pb2.ToolCall) -> _Wire:
        self.belongs_to_model("tool_call")
        wire: _Wire = {"id": self.call_ids.call(call.id, call.name)}
        if call.provider_tool_type == CUSTOM and self.dialect.custom_tools:
            wire |= {"type": CUSTOM, CUSTOM: {"name": call.name, "input": call.arguments_json}}
        else:
            wire |= {
                "type": "function" if call.provider_tool_type == CUSTOM else call.provider_tool_type or "function",
                "function": {"name": call.name, "arguments": self.arguments(call)},
            }
        if not wire["id"]:
            del wire["id"]
        return wire

    def belongs_to_model(self, kind: str) -> None:
        if not self.assistant:
            self.refuse("", f"a {kind} does not belong into this message")

    def tool_result(self, part: content_pb2.Part, result: content_pb2.ToolResult) -> _Wire:
        text, moved = plain(result.parts), False
        blocks: list[_Wire] = [] if text is None else [{"type": "text", "text": text}]
        for inner in self.within(result) if text is None else ():
            block = self.render(inner)
            if block is None:
                continue
            if block.get("type") != "text" and not self.dialect.tool_media:
                self.tool_media.append(block)
                moved = True
            else:
                blocks.append(block)
        if moved:
            self.notes.emulated(f"{self.at}.tool_result.parts", "Media of tool results follow in a user message.")
            if not blocks:
                blocks.append({"type": "text", "text": "The result follows in the next user message."})
        if result.is_error:
            self.dropped(".tool_result.is_error", "Tool results have no error mark here.")
        if part.HasField("cache_control") and not (blocks and self.mark(part, blocks[-1])):
            self.dropped(".cache_control", "The provider places its cache breakpoints itself.")
        return {
            "role": "tool",
            "tool_call_id": self.call_ids.result(result.tool_call_id, result.name),
            "content": _collapse(blocks, self.dialect.text_lists, "\n"),
        }

    # ------------------------------------------------------------ media
    def media(self, part: content_pb2.Part, medium: Medium) -> _Wire:
        modality, mistral = medium.modality, self.dialect.media_style == "mistral"
        if self.assistant and self.inner < 0:
            if modality == AUDIO and part.item_id:  # what the model said goes back by its id
                medium.take(*SETTINGS)
                self.turn["audio"] = {"id": part.item_id}
                return LOOSE
            if modality == AUDIO and medium.part.transcript:
                medium.take("transcript")
                self.notes.emulated(f"{self.at}.media", "Sent as its transcript.")
                return {"type": "text", "text": medium.part.transcript}
            if not self.dialect.tool_media:
                self.refuse(".media", "the provider takes media in turns of the user only")
        if modality in (IMAGE, VIDEO):
            medium.take("detail")
        elif modality != AUDIO and medium.source != "file_id":
            medium.take("filename")
        wire = _mistral_media(medium) if mistral else self.openai_media(medium)
        needs = "" if wire is None else wire["type"]
        if needs in ("file", "document_url"):
            needs = "file_url" if medium.source == "uri" else "file"
        if wire is None or needs not in self.dialect.media:
            name = content_pb2.Modality.Name(modality)[9:].lower() if modality else "file"
            self.refuse(".media", f"the provider takes no {name} in this form")
        return wire

    def openai_media(self, medium: Medium) -> _Wire:
        modality = medium.modality
        if medium.source == "file_id":
            return {"type": "file", "file": {"file_id": medium.part.file_id}}
        url = medium.url()
        if modality == IMAGE:
            return {"type": "image_url", "image_url": _shown(url, medium)}
        if modality == VIDEO:
            return {"type": "video_url", "video_url": _shown(url, medium)}
        if modality == AUDIO:
            if medium.source != "data":
                return {"type": "audio_url", "audio_url": {"url": url}}
            kind = _audio_format(medium.mime)
            if self.dialect.audio_formats and kind not in self.dialect.audio_formats:
                formats = " or ".join(self.dialect.audio_formats)
                self.refuse(".media.mime_type", f"the provider reads audio as {formats}")
            return {"type": "input_audio", "input_audio": {"data": url.partition(",")[2], "format": kind}}
        name = medium.part.filename or self.dialect.default_filename
        return {"type": "file", "file": ({"filename": name} if name else {}) | {"file_data": url}}


def _shown(url: str, medium: Medium) -> _Wire:
    return {"url": url} | ({"detail": medium.part.detail} if medium.part.detail else {})


def _mistral_media(medium: Medium) -> _Wire | None:
    """Content parts of Mistral's API reference (Chat): documents by URL, audio as a plain string."""
    media, url = medium.part, medium.url()
    if medium.source == "file_id":
        return {"type": "file", "file_id": media.file_id}
    if medium.modality == IMAGE:
        return {"type": "image_url", "image_url": _shown(url, medium) if media.detail else url}
    if medium.modality == AUDIO:
        return {"type": "input_audio", "input_audio": url.partition(",")[2] if medium.source == "data" else url}
    if medium.modality == DOCUMENT:
        named = {"document_name": media.filename} if media.filename else {}
        return {"type": "document_url", "document_url": url, **named}
    return None


_AUDIO_FORMATS = {
    "mpeg": "mp3", "mp3": "mp3", "wav": "wav", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "mp4": "m4a", "x-m4a": "m4a",
    "l16": "pcm16", "pcm": "pcm16",
}  # fmt: skip


def _audio_format(mime_type: str) -> str:
    subtype = mime_type.partition("/")[2]
    return _AUDIO_FORMATS.get(subtype, subtype)


def _collapse(blocks: list[_Wire], lists: bool, joint: str) -> Any:
    """Content parts as a string where that means the same, or where the server takes no lists."""
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


def retention(seconds: int) -> _Wire:
    """OpenAI's longest retention not longer than asked for, or else the shortest."""
    return {"ttl": "12h" if seconds >= 12 * 3600 else "30m"} if seconds else {}


def _ephemeral(seconds: int) -> _Wire:
    return {"type": "ephemeral"} | ({"ttl": "1h" if seconds >= 3600 else "5m"} if seconds else {})


# ---------------------------------------------------------------- tools
def _tools(rendering: Rendering, body: _Wire) -> None:
    dialect: Dialect = rendering.dialect
    if not rendering.request.tools and not rendering.request.HasField("tool_config"):
        return

    def function(inner: _Wire, tool: gateway_pb2.FunctionTool, at: str) -> _Wire:
        if tool.parameters_json_schema:
            limits = dialect.schema_limits if tool.strict else None
            field = f"{at}.parameters_json_schema"
            inner["parameters"] = schemas.within(tool.parameters_json_schema, limits, rendering.notes, field)
        elif dialect.parameters_required:
            inner["parameters"] = {"type": "object", "properties": {}}
        return {"type": "function", "function": inner}

    def provider_tool(tool: gateway_pb2.ProviderTool, at: str) -> _Wire | None:
        return _provider_tool(rendering, tool, at, body)

    def mark(wire: _Wire, control: content_pb2.CacheControl) -> bool:
        if dialect.cache_breakpoint != "cache_control":
            return False
        wire["cache_control"] = _ephemeral(control.ttl.seconds)
        return True

    found = [*tools(rendering, function, provider_tool, strict=dialect.strict, mark=mark)]
    wires = [wire for _, wire in found]
    if rendering.request.HasField("tool_config"):
        wires = _tool_choice(rendering, body, wires, [tool.function.name for tool, _ in found])
    elif wires and dialect.explicit_auto:
        body["tool_choice"] = "auto"
    if wires:
        body["tools"] = wires


_PORTABLE_TOOLS = frozenset({"web_search", "code_execution", "file_search", "url_context", "computer_use", "mcp"})


def _provider_tool(rendering: Rendering, tool: gateway_pb2.ProviderTool, field: str, body: _Wire) -> _Wire | None:
    how = rendering.dialect.provider_tools
    options = decoded_object(tool.options_json, f"{field}.options_json") if tool.options_json else {}
    if how == "pass" or (tool.type not in _PORTABLE_TOOLS and "type" in options):
        return {"type": tool.type} | options
    if how == "web_search_options" and tool.type == "web_search":
        body["web_search_options"] = options
    elif how == "plugins" and tool.type == "web_search":
        body["plugins"] = [{"id": "web"} | options]
    else:
        rendering.notes.dropped(field, "The provider has no tools of its own here.")
    return None


def _tool_choice(rendering: Rendering, body: _Wire, tools: list[_Wire], names: list[str]) -> list[_Wire]:
    """Sets the tool choice; returns the tools, fewer if that is how the choice has to be made."""
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
BUDGETS = {"none": 0, "low": 4095, "medium": 16383, "high": 0}
"""The most tokens that a word of effort stands for; the last for all above."""


def _reasoning(rendering: Rendering, body: _Wire, rule: ModelRule) -> bool:
    """Sets what the request says about reasoning; returns whether the model may reason."""
    dialect: Dialect = rendering.dialect
    notes = rendering.notes
    config = rendering.request.reasoning
    takes_effort = bool(dialect.effort_field and rule.takes_effort)
    if config.HasField("budget_tokens") and dialect.budget_field and rule.takes_effort:
        _put(body, dialect.budget_field, config.budget_tokens)
        word, field = "", "reasoning.effort"
    else:
        word, field = wished(rendering, takes_effort)
    if not word and rule.tools_end_reasoning and "tools" in body and rule.default_effort != "none":
        word = "none"
        notes.adjusted("reasoning.effort", "The model takes tools here only when it does not reason.")
    if word and not takes_effort:
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


def wished(rendering: Rendering, takes_effort: bool) -> tuple[str, str]:
    """(effort asked for, the field that asks); a budget becomes an effort where nothing else is said."""
    config, notes = rendering.request.reasoning, rendering.notes
    word, at = effort.word(config), "reasoning.effort"
    if config.HasField("budget_tokens"):
        if word or not takes_effort:
            notes.dropped("reasoning.budget_tokens", "The provider takes no budget of reasoning tokens.")
        else:
            word, at = effort.of_budget(config.budget_tokens, BUDGETS), "reasoning.budget_tokens"
            notes.emulated(at, f"Sent as effort {word}.")
    return word, at


def _effort(rendering: Rendering, body: _Wire, word: str, taken: tuple[str, ...], field: str) -> str:
    dialect: Dialect = rendering.dialect
    if word == "none" and dialect.reasoning_off:
        body.update(json.merge(body, dict(dialect.reasoning_off)))
        if "none" not in taken:
            return word
    elif taken and word not in taken:
        asked, word = word, effort.nearest(word, taken)
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
            if settings.matters(name, value):
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
        elif settings.matters(name, value):
            notes.dropped(field, "The provider has no such setting.")


_MODALITIES = {modality: word for word, modality in MODALITIES.items()} | {DOCUMENT: "file"}


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
        limits = dialect.schema_limits if wanted.strict else None
        schema = schemas.within(wanted.schema_json, limits, notes, "output_format.json_schema.schema_json")
        if dialect.json_schema == "nested":
            body["response_format"] = {"type": "json_schema", "json_schema": named_schema(wanted, schema)}
        elif dialect.json_schema == "flat":
            body["response_format"] = {"type": "json_schema", "schema": schema}
        else:
            notes.dropped(
                "output_format.json_schema.schema_json", "The provider holds answers to JSON, not to a schema."
            )
            body["response_format"] = {"type": "json_object"}


def named_schema(wanted: gateway_pb2.JsonSchemaFormat, schema: json.Raw) -> _Wire:
    """A schema with its name, and what else is said of it."""
    named: _Wire = {"name": wanted.name or "response", "schema": schema}
    if wanted.HasField("strict"):
        named["strict"] = wanted.strict
    if wanted.description:
        named["description"] = wanted.description
    return named


def _attribution(rendering: Rendering, body: _Wire, rule: ModelRule) -> tuple[tuple[str, str], ...]:
    """End user, labels, cache and what has no place at all; returns the headers."""
    dialect: Dialect = rendering.dialect
    request = rendering.request
    if dialect.prefix == "continue_final_message" and request.messages and request.messages[-1].prefix:
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    return attribute(rendering, dialect, rule.cache_options and dialect.cache_breakpoint == "breakpoint", body)


def attribute(rendering: Rendering, dialect: Dialect, keeps: bool, body: _Wire) -> tuple[tuple[str, str], ...]:
    """Sets end user, labels and cache key, which OpenAI's two APIs share; returns the headers. keeps: whether it takes a retention."""
    request, cache = rendering.request, rendering.request.cache_config
    headers: tuple[tuple[str, str], ...] = ()
    placed = []
    for path, field, value in (
        ("labels", dialect.metadata_field, request.labels),
        ("end_user_id", dialect.user_field, request.end_user_id),
        ("cache_config.cache_key", dialect.cache_key_field, cache.cache_key),
    ):
        if value and field:
            _put(body, field, value if isinstance(value, str) else dict(sorted(value.items())))
            placed.append(path)
    key = cache.cache_key
    if key and dialect.cache_key_header and key.isascii() and key.isprintable():
        headers = ((dialect.cache_key_header, key),)
        placed.append("cache_config.cache_key")
    if keeps and cache.HasField("ttl"):
        body["prompt_cache_options"] = retention(cache.ttl.seconds)
        placed.append("cache_config.ttl")
    if request.labels or request.end_user_id or request.HasField("cache_config") or request.safety_settings:
        settings.note(rendering, LACKS, placed=placed)
    return headers


LACKS = {
    "labels": "The provider takes no labels.",
    "end_user_id": "The provider takes no id of the end user.",
    "cache_config.cache_key": "The provider takes no cache key.",
    "cache_config.ttl": "The provider keeps prompts as long as it likes.",
    "cache_config.cached_content": "The provider has no cached content of its own.",
    "safety_settings": "The provider takes no safety thresholds.",
}
