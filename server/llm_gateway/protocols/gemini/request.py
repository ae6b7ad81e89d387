"""The contract to a generateContent request."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.protocols import callids, effort, json, settings
from llm_gateway.protocols.conversation import LOOSE, Conversation, Wire, plain
from llm_gateway.protocols.gemini.dialect import REQUESTED_TIERS, Dialect, Family, family_of
from llm_gateway.protocols.media import DOCUMENT, MODALITIES, Medium
from llm_gateway.protocols.tools import tools
from llm_gateway.protocols.wire import BEGINNING, Outgoing, Rendering, decoded_object, json_object, refuse

UNVALIDATED = "skip_thought_signature_validator"
"""The documented stand-in for the signature of a function call that Gemini did not write."""

PROVIDER_TOOLS = {
    "web_search": "googleSearch",
    "code_execution": "codeExecution",
    "url_context": "urlContext",
    "file_search": "fileSearch",
    "computer_use": "computerUse",
    "mcp": "mcpServers",
}
"""The contract's portable types; any other type is the provider's own key."""

BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Effort to thinkingBudget as in Google's OpenAI compatibility layer; above that, the family's maximum."""

_MODES = {
    gateway_pb2.ToolConfig.MODE_AUTO: "AUTO",
    gateway_pb2.ToolConfig.MODE_REQUIRED: "ANY",
    gateway_pb2.ToolConfig.MODE_NONE: "NONE",
}
_OUTPUTS = {modality: word.upper() for word, modality in MODALITIES.items() if modality != DOCUMENT}
_RESOLUTIONS = {
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "ultra_high": "MEDIA_RESOLUTION_ULTRA_HIGH",
}
_SAMPLING = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
_OTHERS = {
    "max_output_tokens": "maxOutputTokens",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}


LACKS = {
    "generation_config.min_p": "Gemini has no min_p",
    "generation_config.repetition_penalty": "Gemini has no repetition_penalty",
    "generation_config.logit_bias": "Gemini has no logit bias",
    "cache_config.cache_key": "Gemini takes no cache key",
    "cache_config.ttl": "Gemini sets the retention where the cached content is made",
    "end_user_id": "Gemini has no place for the end user",
}


def render_request(rendering: Rendering, /) -> Outgoing:
    """The request to `:generateContent` or `:streamGenerateContent`."""
    return _Request(rendering).outgoing()


class _Contents(Conversation):
    """Renders the messages of one request."""

    in_results = frozenset({"text", "media"})

    def __init__(self, rendering: Rendering, family: Family) -> None:
        super().__init__(rendering)
        self.dialect: Dialect = rendering.dialect
        self.family = family
        self.calls = callids.Calls()
        self.system: list[Wire] = []
        self.contents: list[Wire] = []
        self.single = False
        """Whether the message has one part."""
        self.texts: list[str] = []
        self.beside: list[Wire] = []
        self.answered = 0
        """Of the last result: its texts, the media that this family wants beside it, and the index of its call."""
        self.places: dict[int, int] = {}
        """`id` of a functionResponse part to the place of its call."""
        self.unsorted: dict[int, int] = {}
        """Index of a turn that has results to where the first message with some begins in it."""

    def rendered(self) -> tuple[list[Wire], list[Wire]]:
        """(system instruction, contents)."""
        self.walk()
        self.sort_results()
        system, contents = self.system, self.contents
        if not self.family.system and system:
            told = "this model has no system instruction: sent with the first turn of the user"
            self.notes.emulated("messages[0]", told)
            first = next((c for c in contents if c["role"] == "user"), None)
            if first is None:
                contents.insert(0, {"role": "user", "parts": system})
            else:
                first["parts"] = system + first["parts"]
            system = []
        if not contents:
            refuse("messages", "Gemini needs a turn of the user or of the model", "REQUIRED")
        if contents[0]["role"] == "model":
            contents.insert(0, {"role": "user", "parts": [{"text": BEGINNING}]})
            self.notes.emulated("messages", "a turn of the user was put first: the model may not begin")
        if self.family.signatures:
            for content in contents:
                first_call = next((p for p in content["parts"] if "functionCall" in p), None)
                if first_call is not None:
                    first_call.setdefault("thoughtSignature", UNVALIDATED)
        return system, contents

    def message(self, message: content_pb2.Message) -> None:
        at = f"messages[{self.index}]"
        if message.role in _INSTRUCTIONS:
            if self.contents:
                self.notes.adjusted(at, "moved to the system instruction, Gemini's only place for it")
            for part in self.each(message.parts):
                if not part.HasField("text"):
                    self.refuse("", "a system instruction of Gemini is text")
                self.system.append(self.render(part) or {})
            return
        last = self.index == len(self.rendering.request.messages) - 1
        if message.prefix and not (last and self.family.prefill):
            refuse(f"{at}.prefix", "this model does not continue a turn that is begun for it", "UNSUPPORTED")
        text = plain(message.parts)
        parts, results = ([{"text": text}], False) if text is not None else self.parts(message)
        if not parts:
            return
        content: Wire = {"role": "model" if self.assistant else "user", "parts": parts}
        content = self.whole(content, message)
        contents, begins = self.contents, 0
        if contents and contents[-1]["role"] == content.get("role"):
            begins = len(contents[-1]["parts"])
            contents[-1]["parts"] += content.pop("parts", [])
            contents[-1].update(content)
        else:
            contents.append(content)
        if results:
            self.unsorted.setdefault(len(contents) - 1, begins)

    def parts(self, message: content_pb2.Message) -> tuple[list[Wire], bool]:
        """The parts of a message, and whether there are results among them."""
        parts: list[Wire] = []
        results = False
        self.single = len(message.parts) == 1
        for part in self.each(message.parts):
            wire = self.render(part)
            if wire is not None:
                parts.append(wire)
                if part.HasField("tool_result"):
                    self.places[id(wire)] = self.answered
                    results = True
                    parts += self.beside
        return parts, results

    def sort_results(self) -> None:
        """In each turn that has results, sort them in the order of their calls, before everything else in it."""
        beyond = len(self.calls.names) + 1
        for place, begins in self.unsorted.items():
            parts = self.contents[place]["parts"]
            parts[begins:] = sorted(parts[begins:], key=lambda wire: self.places.get(id(wire), beyond))

    # ------------------------------------------------------------ parts
    def sign(self, part: content_pb2.Part, kind: str, wire: Wire | None) -> bool:
        unsigned = kind in ("opaque", "tool_result") or self.inner >= 0 or self.role in _INSTRUCTIONS
        if wire and not unsigned and self.rendering.owns(part.signature_provider):
            wire["thoughtSignature"] = base64.b64encode(part.signature).decode()
            return True
        return kind == "reasoning"

    def blank(self, part: content_pb2.Part, text: str) -> bool:
        return not text and not (part.signature and self.rendering.owns(part.signature_provider))

    def text(self, part: content_pb2.Part, text: content_pb2.TextPart) -> Wire | None:
        if self.inner >= 0:
            self.texts.append(text.text)
            return LOOSE
        if self.blank(part, text.text) and not self.single and self.role not in _INSTRUCTIONS:
            return None
        return {"text": text.text}

    def refusal(self, part: content_pb2.Part, refusal: content_pb2.RefusalPart) -> Wire:
        self.notes.emulated(self.at, "Gemini has no refusals: sent as text")
        return {"text": refusal.text}

    def opaque(self, part: content_pb2.Part, opaque: content_pb2.OpaquePart) -> Wire:
        return decoded_object(opaque.json, f"{self.at}.opaque.json")

    def reasoning(self, part: content_pb2.Part, reasoning: content_pb2.ReasoningPart) -> Wire | None:
        if reasoning.encrypted:
            self.dropped("", "reasoning of another provider")
            return None
        return None if self.blank(part, reasoning.text) else {"text": reasoning.text, "thought": True}

    def call_id(self, given: str) -> Wire:
        return {"id": given} if self.family.call_ids and not callids.is_made_up(given) else {}

    def tool_call(self, part: content_pb2.Part, call: content_pb2.ToolCall) -> Wire:
        if not call.name:
            self.refuse(".tool_call.name", "is required", "REQUIRED")
        self.calls.call(call.id, call.name)
        arguments = self.object(self.arguments(call), ".tool_call.arguments_json")
        wire: Wire = {"functionCall": {**self.call_id(call.id), "name": call.name, "args": arguments}}
        if part.signature and not self.rendering.owns(part.signature_provider):
            wire["thoughtSignature"] = UNVALIDATED
        return wire

    def tool_result(self, part: content_pb2.Part, result: content_pb2.ToolResult) -> Wire:
        place = self.calls.result(result.tool_call_id, result.name)
        self.answered = len(self.calls.names) if place is None else place
        name = result.name if place is None else self.calls.names[place]
        if not name:
            told = "Gemini matches results by name: name the tool, or keep the call in the conversation"
            self.refuse(".tool_result.name", told, "REQUIRED")
        text, media = plain(result.parts), list[Wire]()
        if text is None:
            self.texts = []
            wires = [self.render(inner) for inner in self.within(result)]
            media = [wire for wire in wires if wire is not None and wire is not LOOSE]
            text = "".join(self.texts)
        inner: Wire = {**self.call_id(result.tool_call_id), "name": name, "response": _response(text, result.is_error)}
        if media and self.family.result_media:
            inner["parts"], media = media, []
        elif media:
            told = "this model takes no media in results: sent beside the result"
            self.notes.emulated(f"{self.at}.tool_result.parts", told)
        self.beside = media
        return {"functionResponse": inner}

    def media(self, part: content_pb2.Part, medium: Medium) -> Wire:
        media = medium.part
        inner: Wire = {"mimeType": medium.type} if medium.type else {}
        if medium.source == "data":
            if not inner:
                self.refuse(".media.mime_type", "is required with data", "REQUIRED")
            inner["data"] = medium.base64(f"{self.at}.media")
            wire: Wire = {"inlineData": inner}
        elif medium.source:
            inner["fileUri"] = medium.uri or self.file(media.file_id)
            wire = {"fileData": inner}
        else:
            self.refuse(".media", "one of data, uri and file_id is required", "REQUIRED")
        medium.take("start_offset", "end_offset")
        if media.filename and self.dialect.display_names:
            medium.take("filename")
            inner["displayName"] = media.filename
        clip = {
            key: getattr(media, field).ToJsonString()
            for key, field in (("startOffset", "start_offset"), ("endOffset", "end_offset"))
            if media.HasField(field)  # type: ignore[arg-type]
        }
        if clip:
            wire["videoMetadata"] = clip
        if media.detail == "auto":
            medium.take("detail")
        elif media.detail and self.family.part_resolution:
            medium.take("detail")
            wire["mediaResolution"] = {"level": _RESOLUTIONS.get(media.detail.lower(), media.detail)}
        return wire

    def file(self, file_id: str) -> str:
        if "://" in file_id:
            return file_id
        if not self.dialect.files:
            self.refuse(".media.file_id", "this service has no uploaded files: use a gs:// URI", "UNSUPPORTED")
        return self.dialect.files + (file_id if file_id.startswith("files/") else f"files/{file_id}")


_INSTRUCTIONS = (content_pb2.ROLE_SYSTEM, content_pb2.ROLE_DEVELOPER)


class _Request:
    """One rendering in progress."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._request = rendering.request
        self._notes = rendering.notes
        self._dialect: Dialect = rendering.dialect
        self._family: Family = family_of(rendering.model)

    def outgoing(self) -> Outgoing:
        body = self._rendering.body(self._body())
        headers: tuple[tuple[str, str], ...] = ()
        tier = REQUESTED_TIERS.get(self._request.generation_config.service_tier)
        if tier and self._dialect.tier == "header" and tier != "standard":
            headers = (("x-vertex-ai-llm-shared-request-type", tier),)
        return Outgoing(path=self._path(), body=json.encode(body), headers=headers)

    def _path(self) -> str:
        settings, dialect = self._rendering.settings, self._dialect
        method = "streamGenerateContent?alt=sse" if self._rendering.stream else "generateContent"
        model = self._rendering.model_in_path(safe="/@:").removeprefix("models/")
        version = settings.get("api_version") or dialect.version
        if model.startswith(("projects/", "publishers/", "tunedModels/")):
            return f"/{version}/{model}:{method}"
        parent = dialect.parent
        if "{project}" in parent:
            if settings.get("project"):
                parent = parent.format(
                    project=quote(str(settings["project"]), safe=":"), location=settings.get("location") or "global"
                )
            else:
                parent = parent[parent.index("publishers/") :]
        publisher, _, name = model.rpartition("/")
        if publisher == "endpoints":
            return f"/{version}/{parent.removesuffix('publishers/google/')}{model}:{method}"
        if publisher and "publishers/" in parent:
            parent, model = parent.replace("publishers/google/", f"publishers/{publisher}/"), name
        return f"/{version}/{parent}models/{model}:{method}"

    # ------------------------------------------------------------ body
    def _body(self) -> dict[str, Any]:
        request = self._request
        system, contents = _Contents(self._rendering, self._family).rendered()
        body: dict[str, Any] = {}
        if system:
            body["systemInstruction"] = {"parts": system}
        body["contents"] = contents
        declared = self._tools()
        if declared:
            body["tools"] = declared
            choice = self._tool_choice(declared)
            if choice:
                body["toolConfig"] = {"functionCallingConfig": choice}
        elif request.tool_config.mode == gateway_pb2.ToolConfig.MODE_REQUIRED:
            self._notes.dropped("tool_config.mode", "there are no tools to call")
        config = self._generation()
        if config:
            body["generationConfig"] = config
        if request.safety_settings:
            body["safetySettings"] = [
                {"category": s.category, "threshold": s.threshold} for s in request.safety_settings
            ]
        if request.cache_config.cached_content:
            body["cachedContent"] = request.cache_config.cached_content
        if request.labels:
            body["labels"] = dict(request.labels)
        settings.note(self._rendering, LACKS)
        tier = REQUESTED_TIERS.get(request.generation_config.service_tier)
        if tier and self._dialect.tier == "body":
            body["serviceTier"] = tier
        return body

    # ------------------------------------------------------------ tools
    def _tools(self) -> list[dict[str, Any]]:
        functions: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for tool, wire in tools(self._rendering, self._function, self._provider_tool):
            (functions if tool.HasField("function") else others).append(wire)
        return ([{"functionDeclarations": functions}] if functions else []) + others

    def _function(self, wire: Wire, function: gateway_pb2.FunctionTool, at: str) -> Wire:
        schema = function.parameters_json_schema
        if schema:
            key = "parameters" if _is_openapi(schema) else "parametersJsonSchema"
            wire[key] = json_object(schema, f"{at}.parameters_json_schema")
        return wire

    def _provider_tool(self, tool: gateway_pb2.ProviderTool, at: str) -> dict[str, Any]:
        key = PROVIDER_TOOLS.get(tool.type, tool.type)
        if not key:
            refuse(f"{at}.type", "is required", "REQUIRED")
        options: dict[str, Any] = {}
        if tool.options_json:
            options = decoded_object(tool.options_json, f"{at}.options_json")
        if "type" in options:
            self._notes.dropped(f"{at}.options_json", "options in the shape of another provider")
            options = {}
        snake = "".join("_" + c.lower() if c.isupper() else c for c in key)
        return options if key in options or snake in options else {key: options}

    def _tool_choice(self, declared: list[dict[str, Any]]) -> dict[str, Any]:
        config = self._request.tool_config
        if config.HasField("parallel_tool_calls") and not config.parallel_tool_calls:
            self._notes.dropped("tool_config.parallel_tool_calls", "Gemini may always call several tools in one turn")
        if "functionDeclarations" not in declared[0]:
            if config.mode == gateway_pb2.ToolConfig.MODE_REQUIRED:
                self._notes.dropped("tool_config.mode", "Gemini does not force tools of its own")
            return {}
        mode = _MODES.get(config.mode, "")
        names = list(config.allowed_tool_names)
        strict = [tool.function.name for tool in self._request.tools if tool.function.strict]
        if mode in ("", "AUTO") and (strict or names):
            if self._family.validated:
                mode = "VALIDATED"
            elif strict:
                index = next(i for i, tool in enumerate(self._request.tools) if tool.function.strict)
                self._notes.dropped(
                    f"tools[{index}].function.strict", "this model does not hold arguments to their schema"
                )
        if names and mode not in ("ANY", "VALIDATED"):
            self._notes.dropped(
                "tool_config.allowed_tool_names", "Gemini narrows the choice in the modes ANY and VALIDATED only"
            )
            names = []
        choice: dict[str, Any] = {"mode": mode} if mode else {}
        if names:
            choice["allowedFunctionNames"] = names
        return choice

    # ------------------------------------------------------------ generationConfig
    def _generation(self) -> dict[str, Any]:
        config, notes = self._request.generation_config, self._notes
        wire: dict[str, Any] = {}
        for field, key in _SAMPLING.items():
            if config.HasField(field):  # type: ignore[arg-type]
                if self._family.sampling:
                    wire[key] = getattr(config, field)
                else:
                    notes.dropped(f"generation_config.{field}", "this model chooses its sampling itself")
        for field, key in _OTHERS.items():
            if config.HasField(field):  # type: ignore[arg-type]
                wire[key] = getattr(config, field)
        if config.HasField("candidate_count"):
            if self._family.candidates or config.candidate_count == 1:
                wire["candidateCount"] = config.candidate_count
            else:
                notes.dropped("generation_config.candidate_count", "this model gives one answer")
        if config.stop_sequences:
            wire["stopSequences"] = list(config.stop_sequences)
        if config.output_modalities:
            unknown = [m for m in config.output_modalities if m not in _OUTPUTS]
            if unknown:
                refuse(
                    "generation_config.output_modalities", "Gemini gives text, images, sound and video", "UNSUPPORTED"
                )
            wire["responseModalities"] = [_OUTPUTS[m] for m in config.output_modalities]
        self._output_format(wire)
        thinking = self._thinking()
        if thinking:
            wire["thinkingConfig"] = thinking
        return wire

    def _output_format(self, wire: dict[str, Any]) -> None:
        kind = self._request.output_format.WhichOneof("format")
        if kind is None:
            return
        wire["responseMimeType"] = "application/json"
        if kind == "json_schema":
            schema = self._request.output_format.json_schema
            key = "responseSchema" if _is_openapi(schema.schema_json) else "responseJsonSchema"
            wire[key] = json_object(schema.schema_json, "output_format.json_schema.schema_json")
            if schema.description:
                self._notes.dropped(
                    "output_format.json_schema.description", "Gemini takes no description beside the schema"
                )

    def _thinking(self) -> dict[str, Any]:
        reasoning, family = self._request.reasoning, self._family
        word = effort.word(reasoning)
        asked = word or reasoning.HasField("budget_tokens") or reasoning.HasField("include_reasoning")
        if not asked:
            return {}
        wire: dict[str, Any] = {}
        if reasoning.HasField("include_reasoning"):
            wire["includeThoughts"] = reasoning.include_reasoning
        if family.thinking == "none":
            if word not in ("", "none") or reasoning.budget_tokens or reasoning.include_reasoning:
                self._notes.dropped("reasoning", "this model does not think")
            return {}
        if reasoning.HasField("budget_tokens"):
            wire["thinkingBudget"] = self._budget(reasoning.budget_tokens, "reasoning.budget_tokens")
        elif word == "none":
            if family.thinking == "level":
                wire["thinkingLevel"] = family.levels[0]
                wire.setdefault("includeThoughts", False)
                self._notes.adjusted("reasoning.effort", "this model cannot stop thinking: the least level")
            else:
                wire["thinkingBudget"] = self._budget(0, "reasoning.effort")
        elif word:
            if family.thinking == "budget":
                wire["thinkingBudget"] = min(BUDGETS.get(word, family.budget[1]), family.budget[1])
                self._notes.emulated("reasoning.effort", "this model thinks by a budget of tokens")
            else:
                wire["thinkingLevel"] = self._level(word)
        return wire

    def _level(self, word: str) -> str:
        """The level asked for, or the nearest that the family has."""
        levels = self._family.levels
        if word not in levels:
            self._notes.adjusted("reasoning.effort", f"this model thinks at {', '.join(levels)}")
        return effort.nearest(word, levels)

    def _budget(self, tokens: int, at: str) -> int:
        """-1 lets the model choose; anything else is held to what the family takes."""
        family = self._family
        if family.thinking != "budget" or tokens == -1 or (tokens == 0 and family.can_stop_thinking):
            return tokens
        least, most = family.budget
        held = min(max(tokens, least), most)
        if held != tokens:
            self._notes.adjusted(at, f"this model thinks with {least} to {most} tokens")
        return held


_OPENAPI = re.compile(r'"type"\s*:\s*"(?:STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT)"')


def _is_openapi(schema: str) -> bool:
    """Whether the schema is in Google's own dialect, whose types are upper case. It goes into the older fields."""
    return _OPENAPI.search(schema) is not None


def _response(text: str, is_error: bool) -> Any:
    """`functionResponse.response` is an object: other results go under `output` or `error`, the names that the API documents."""
    key = "error" if is_error else "output"
    try:
        value = json.raw_object(text)
    except json.MalformedJson:
        return {key: text}
    return value if not is_error or "error" in json.fields(value) else {key: value}
