"""The contract to a generateContent request."""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Any, NoReturn
from urllib.parse import quote, unquote_to_bytes

from google.protobuf import duration_pb2
from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols import callids, json
from llm_gateway.protocols.gemini.dialect import Dialect, Family, family_of
from llm_gateway.protocols.wire import BEGINNING, Outgoing, Rendering

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

_E = gateway_pb2.ReasoningConfig
EFFORTS: dict[gateway_pb2.ReasoningConfig.Effort.ValueType, str] = {
    _E.EFFORT_MINIMAL: "minimal",
    _E.EFFORT_LOW: "low",
    _E.EFFORT_MEDIUM: "medium",
    _E.EFFORT_HIGH: "high",
    _E.EFFORT_XHIGH: "xhigh",
    _E.EFFORT_MAX: "max",
}
_RANKS = ("minimal", "low", "medium", "high", "xhigh", "max")
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Effort to thinkingBudget as Google's OpenAI compatibility layer has it; above that, the family's most."""

_MODES = {
    gateway_pb2.ToolConfig.MODE_AUTO: "AUTO",
    gateway_pb2.ToolConfig.MODE_REQUIRED: "ANY",
    gateway_pb2.ToolConfig.MODE_NONE: "NONE",
}
_TIERS = {
    gateway_pb2.SERVICE_TIER_STANDARD: "standard",
    gateway_pb2.SERVICE_TIER_FLEX: "flex",
    gateway_pb2.SERVICE_TIER_PRIORITY: "priority",
}
_OUTPUTS = {
    content_pb2.MODALITY_TEXT: "TEXT",
    content_pb2.MODALITY_IMAGE: "IMAGE",
    content_pb2.MODALITY_AUDIO: "AUDIO",
    content_pb2.MODALITY_VIDEO: "VIDEO",
}
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


def render_request(rendering: Rendering, /) -> Outgoing:
    """The request to `:generateContent` or `:streamGenerateContent`."""
    return _Request(rendering).outgoing()


def _refuse(field: str, description: str, reason: str = "INVALID_VALUE") -> NoReturn:
    raise InvalidRequest(violations=[Violation(field=field, description=description, reason=reason)])


def json_object(text: str, field: str) -> json.Raw:
    """JSON text of an object, to be sent as it stands. Raises InvalidRequest for anything else."""
    try:
        return json.raw_object(text)
    except json.MalformedJson:
        _refuse(field, "must be a JSON object")


class _Request:
    """One rendering in progress."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._request = rendering.request
        self._notes = rendering.notes
        self._dialect: Dialect = rendering.dialect
        self._family: Family = family_of(rendering.model)
        self._calls = callids.Calls()
        self._results: dict[int, int] = {}
        """`id` of a functionResponse part to the place of its call."""
        self._unsorted: dict[int, int] = {}
        """Place of a turn that has results to where the first message with some begins in it."""

    def outgoing(self) -> Outgoing:
        body = self._rendering.body(self._body())
        headers: tuple[tuple[str, str], ...] = ()
        tier = _TIERS.get(self._request.generation_config.service_tier)
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
        system, contents = self._conversation()
        body: dict[str, Any] = {}
        if system:
            body["systemInstruction"] = {"parts": system}
        body["contents"] = contents
        tools = self._tools()
        if tools:
            body["tools"] = tools
            choice = self._tool_choice(tools)
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
        cache = request.cache_config
        if cache.cached_content:
            body["cachedContent"] = cache.cached_content
        if cache.cache_key:
            self._notes.dropped("cache_config.cache_key", "Gemini takes no cache key")
        if cache.HasField("ttl"):
            self._notes.dropped("cache_config.ttl", "Gemini sets the retention where the cached content is made")
        if request.labels:
            body["labels"] = dict(request.labels)
        if request.end_user_id:
            self._notes.dropped("end_user_id", "Gemini has no place for the end user")
        tier = _TIERS.get(request.generation_config.service_tier)
        if tier and self._dialect.tier == "body":
            body["serviceTier"] = tier
        return body

    # ------------------------------------------------------------ conversation
    def _conversation(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        system: list[dict[str, Any]] = []
        contents: list[dict[str, Any]] = []
        last = len(self._request.messages) - 1
        for index, message in enumerate(self._request.messages):
            at = f"messages[{index}]"
            if message.name:
                self._notes.dropped(f"{at}.name", "Gemini has no names of participants")
            if message.role in (content_pb2.ROLE_SYSTEM, content_pb2.ROLE_DEVELOPER):
                if contents:
                    self._notes.adjusted(at, "moved to the system instruction, Gemini's only place for it")
                system += self._system(message, at)
                continue
            if message.prefix and (index != last or not self._family.prefill):
                _refuse(f"{at}.prefix", "this model does not continue a turn that is begun for it", "UNSUPPORTED")
            self._add(message, at, contents)
        self._sort_results(contents)
        if not self._family.system and system:
            self._notes.emulated(
                "messages[0]", "this model has no system instruction: sent with the first turn of the user"
            )
            first = next((c for c in contents if c["role"] == "user"), None)
            if first is None:
                contents.insert(0, {"role": "user", "parts": system})
            else:
                first["parts"] = system + first["parts"]
            system = []
        if not contents:
            _refuse("messages", "Gemini needs a turn of the user or of the model", "REQUIRED")
        if contents[0]["role"] == "model":
            contents.insert(0, {"role": "user", "parts": [{"text": BEGINNING}]})
            self._notes.emulated("messages", "a turn of the user was put first: the model may not begin")
        if self._family.signatures:
            for content in contents:
                first_call = next((p for p in content["parts"] if "functionCall" in p), None)
                if first_call is not None:
                    first_call.setdefault("thoughtSignature", UNVALIDATED)
        return system, contents

    def _system(self, message: content_pb2.Message, at: str) -> list[dict[str, Any]]:
        parts = []
        for number, part in enumerate(message.parts):
            where = f"{at}.parts[{number}]"
            if part.WhichOneof("kind") != "text":
                _refuse(where, "a system instruction of Gemini is text")
            self._cache_control(part, where)
            self._rendering.unplaced(part, where)
            parts.append(self._rendering.merged({"text": part.text.text}, part.provider_options_json))
        return parts

    def _add(self, message: content_pb2.Message, at: str, contents: list[dict[str, Any]]) -> None:
        """A message as turns; neighbours of one role become one turn, because roles must alternate."""
        role = "model" if message.role == content_pb2.ROLE_ASSISTANT else "user"
        parts: list[dict[str, Any]] = []
        results = False
        whole = len(message.parts) == 1
        for number, part in enumerate(message.parts):
            where = f"{at}.parts[{number}]"
            self._cache_control(part, where)
            if part.WhichOneof("kind") == "tool_result":
                self._rendering.unplaced(part, where)
                wire, beside, place = self._result(part.tool_result, f"{where}.tool_result")
                wire = self._rendering.merged(wire, part.provider_options_json)
                self._results[id(wire)] = place
                results = True
                parts += [wire, *beside]
                continue
            rendered = self._part(part, where, whole)
            if rendered is not None:
                parts.append(self._rendering.merged(rendered, part.provider_options_json))
        if not parts:
            return
        content: dict[str, Any] = {"role": role, "parts": parts}
        content = self._rendering.merged(content, message.provider_options_json)
        begins = 0
        if contents and contents[-1]["role"] == content.get("role"):
            begins = len(contents[-1]["parts"])
            contents[-1]["parts"] += content.pop("parts", [])
            contents[-1].update(content)
        else:
            contents.append(content)
        if results:
            self._unsorted.setdefault(len(contents) - 1, begins)

    def _sort_results(self, contents: list[dict[str, Any]]) -> None:
        """In each turn that has results: those in the order of their calls, before what stands between and behind them."""
        for place, begins in self._unsorted.items():
            parts = contents[place]["parts"]
            parts[begins:] = sorted(
                parts[begins:], key=lambda wire: self._results.get(id(wire), len(self._calls.names) + 1)
            )

    def _cache_control(self, part: content_pb2.Part, at: str) -> None:
        if part.HasField("cache_control"):
            self._notes.dropped(f"{at}.cache_control", "Gemini finds what to cache by itself")

    def _part(self, part: content_pb2.Part, at: str, whole: bool) -> dict[str, Any] | None:
        kind = part.WhichOneof("kind")
        ours = bool(part.signature) and self._rendering.owns(part.signature_provider)
        wire: dict[str, Any]
        if kind == "text":
            if not part.text.text and not ours and not whole:
                return None
            wire = {"text": part.text.text}
        elif kind == "reasoning":
            if (
                part.signature_provider and not self._rendering.owns(part.signature_provider)
            ) or part.reasoning.encrypted:
                self._notes.dropped(at, "reasoning of another provider")
                return None
            if not part.reasoning.text and not ours:
                return None
            wire = {"text": part.reasoning.text, "thought": True}
        elif kind == "tool_call" and part.tool_call.provider_executed:
            self._notes.dropped(f"{at}.tool_call", "the call was run by another provider")
            return None
        elif kind == "tool_call":
            wire = self._call(part, f"{at}.tool_call")
        elif kind == "media":
            wire = self._media(part.media, f"{at}.media")
        elif kind == "refusal":
            wire = {"text": part.refusal.text}
            self._notes.emulated(at, "Gemini has no refusals: sent as text")
        elif kind == "opaque":
            if not self._rendering.owns(part.opaque.provider):
                self._notes.dropped(at, "block of another provider")
                return None
            self._rendering.unplaced(part, at)
            return dict(json.decode(bytes(json_object(part.opaque.json, f"{at}.opaque.json"))))
        else:
            _refuse(at, "holds nothing", "REQUIRED")
        if ours:
            wire["thoughtSignature"] = base64.b64encode(part.signature).decode()
        if kind != "text" or part.signature or part.text.citations:
            self._rendering.unplaced(part, at, signed=ours or kind == "reasoning")
        return wire

    def _call(self, part: content_pb2.Part, at: str) -> dict[str, Any]:
        call = part.tool_call
        if not call.name:
            _refuse(f"{at}.name", "is required", "REQUIRED")
        self._calls.call(call.id, call.name)
        inner: dict[str, Any] = {}
        if self._family.call_ids and not callids.is_made_up(call.id):
            inner["id"] = call.id
        inner["name"] = call.name
        inner["args"] = json_object(self._rendering.arguments(call, at), f"{at}.arguments_json")
        wire: dict[str, Any] = {"functionCall": inner}
        if part.signature and not self._rendering.owns(part.signature_provider):
            wire["thoughtSignature"] = UNVALIDATED
        return wire

    def _result(self, result: content_pb2.ToolResult, at: str) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
        """The functionResponse, the media parts that this family wants beside it, and the place of the call."""
        place = self._calls.result(result.tool_call_id, result.name)
        name = result.name if place is None else self._calls.names[place]
        if not name:
            _refuse(
                f"{at}.name",
                "Gemini matches results by name: name the tool, or keep the call in the conversation",
                "REQUIRED",
            )
        texts: list[str] = []
        media: list[dict[str, Any]] = []
        for number, part in enumerate(result.parts):
            where = f"{at}.parts[{number}]"
            kind = part.WhichOneof("kind")
            self._cache_control(part, where)
            self._rendering.unplaced(part, where)
            if kind == "text":
                texts.append(part.text.text)
                if self._rendering.options(part.provider_options_json):
                    self._notes.dropped(f"{where}.provider_options_json", "a text of a result has no object of its own")
            elif kind == "media":
                wire = self._media(part.media, f"{where}.media")
                media.append(self._rendering.merged(wire, part.provider_options_json))
            else:
                _refuse(where, "a result of a tool is text or media")
        inner: dict[str, Any] = {}
        if self._family.call_ids and not callids.is_made_up(result.tool_call_id):
            inner["id"] = result.tool_call_id
        inner["name"] = name
        inner["response"] = _response("".join(texts), result.is_error)
        if media and self._family.result_media:
            inner["parts"] = media
            media = []
        elif media:
            self._notes.emulated(f"{at}.parts", "this model takes no media in results: sent beside the result")
        return {"functionResponse": inner}, media, len(self._calls.names) if place is None else place

    def _media(self, media: content_pb2.MediaPart, at: str) -> dict[str, Any]:
        source = media.WhichOneof("source")
        mime_type, data, uri = media.mime_type, media.data, media.uri
        if source == "uri" and uri.startswith("data:"):
            source, (mime_type, data) = "data", _data_uri(uri, mime_type)
        inner: dict[str, Any]
        if source == "data":
            if not mime_type:
                _refuse(f"{at}.mime_type", "is required with data", "REQUIRED")
            inner = {"mimeType": mime_type, "data": base64.b64encode(data).decode()}
            wire = {"inlineData": inner}
        elif source in ("uri", "file_id"):
            uri = uri if source == "uri" else self._file(media.file_id, f"{at}.file_id")
            mime_type = mime_type or mimetypes.guess_type(uri.partition("?")[0])[0] or ""
            inner = {"mimeType": mime_type, "fileUri": uri} if mime_type else {"fileUri": uri}
            wire = {"fileData": inner}
        else:
            _refuse(at, "one of data, uri and file_id is required", "REQUIRED")
        if media.filename:
            if self._dialect.display_names:
                inner["displayName"] = media.filename
            else:
                self._notes.dropped(f"{at}.filename", "this service takes no file names")
        if media.transcript:
            self._notes.dropped(f"{at}.transcript", "Gemini takes no transcripts of sound")
        clip = {
            key: _seconds(duration)
            for key, field, duration in (
                ("startOffset", "start_offset", media.start_offset),
                ("endOffset", "end_offset", media.end_offset),
            )
            if media.HasField(field)  # type: ignore[arg-type]
        }
        if clip:
            wire["videoMetadata"] = clip
        if media.detail and media.detail != "auto":
            if self._family.part_resolution:
                wire["mediaResolution"] = {"level": _RESOLUTIONS.get(media.detail.lower(), media.detail)}
            else:
                self._notes.dropped(f"{at}.detail", "this model has one resolution for the whole request")
        return wire

    def _file(self, file_id: str, at: str) -> str:
        if "://" in file_id:
            return file_id
        if not self._dialect.files:
            _refuse(at, "this service has no uploaded files: use a gs:// URI", "UNSUPPORTED")
        return self._dialect.files + (file_id if file_id.startswith("files/") else f"files/{file_id}")

    # ------------------------------------------------------------ tools
    def _tools(self) -> list[dict[str, Any]]:
        functions: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for index, tool in enumerate(self._request.tools):
            at = f"tools[{index}]"
            if tool.HasField("cache_control"):
                self._notes.dropped(f"{at}.cache_control", "Gemini finds what to cache by itself")
            if tool.WhichOneof("kind") == "function":
                function = tool.function
                wire: dict[str, Any] = {"name": function.name}
                if function.description:
                    wire["description"] = function.description
                if function.parameters_json_schema:
                    schema = json_object(function.parameters_json_schema, f"{at}.function.parameters_json_schema")
                    wire["parameters" if _is_openapi(function.parameters_json_schema) else "parametersJsonSchema"] = (
                        schema
                    )
                functions.append(self._rendering.merged(wire, tool.provider_options_json))
            elif tool.WhichOneof("kind") == "provider_tool":
                wire = self._provider_tool(tool.provider_tool, f"{at}.provider_tool")
                others.append(self._rendering.merged(wire, tool.provider_options_json))
            else:
                _refuse(at, "holds nothing", "REQUIRED")
        return ([{"functionDeclarations": functions}] if functions else []) + others

    def _provider_tool(self, tool: gateway_pb2.ProviderTool, at: str) -> dict[str, Any]:
        key = PROVIDER_TOOLS.get(tool.type, tool.type)
        if not key:
            _refuse(f"{at}.type", "is required", "REQUIRED")
        options: dict[str, Any] = {}
        if tool.options_json:
            options = json.decode(bytes(json_object(tool.options_json, f"{at}.options_json")))
        if "type" in options:
            self._notes.dropped(f"{at}.options_json", "options in the shape of another provider")
            options = {}
        snake = "".join("_" + c.lower() if c.isupper() else c for c in key)
        return options if key in options or snake in options else {key: options}

    def _tool_choice(self, tools: list[dict[str, Any]]) -> dict[str, Any]:
        config = self._request.tool_config
        if config.HasField("parallel_tool_calls") and not config.parallel_tool_calls:
            self._notes.dropped("tool_config.parallel_tool_calls", "Gemini may always call several tools in one turn")
        if "functionDeclarations" not in tools[0]:
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
        for field in ("min_p", "repetition_penalty"):
            if config.HasField(field):  # type: ignore[arg-type]
                notes.dropped(f"generation_config.{field}", f"Gemini has no {field}")
        if config.logit_bias:
            notes.dropped("generation_config.logit_bias", "Gemini has no logit bias")
        if config.output_modalities:
            unknown = [m for m in config.output_modalities if m not in _OUTPUTS]
            if unknown:
                _refuse(
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
        effort = reasoning.effort
        asked = effort or reasoning.HasField("budget_tokens") or reasoning.HasField("include_reasoning")
        if not asked:
            return {}
        wire: dict[str, Any] = {}
        if reasoning.HasField("include_reasoning"):
            wire["includeThoughts"] = reasoning.include_reasoning
        if family.thinking == "none":
            if (
                effort not in (_E.EFFORT_UNSPECIFIED, _E.EFFORT_NONE)
                or reasoning.budget_tokens
                or reasoning.include_reasoning
            ):
                self._notes.dropped("reasoning", "this model does not think")
            return {}
        if reasoning.HasField("budget_tokens"):
            wire["thinkingBudget"] = self._budget(reasoning.budget_tokens, "reasoning.budget_tokens")
        elif effort == _E.EFFORT_NONE:
            if family.thinking == "level":
                wire["thinkingLevel"] = family.levels[0]
                wire.setdefault("includeThoughts", False)
                self._notes.adjusted("reasoning.effort", "this model cannot stop thinking: the least level")
            else:
                wire["thinkingBudget"] = self._budget(0, "reasoning.effort")
        elif effort:
            name = EFFORTS.get(effort, "high")
            if family.thinking == "budget":
                wire["thinkingBudget"] = min(BUDGETS.get(name, family.budget[1]), family.budget[1])
                self._notes.emulated("reasoning.effort", "this model thinks by a budget of tokens")
            else:
                wire["thinkingLevel"] = self._level(name)
        return wire

    def _level(self, name: str) -> str:
        """The level asked for, or the next that the family has: above if there is one, else the highest."""
        levels = self._family.levels
        if name in levels:
            return name
        rank = _RANKS.index(name)
        found = next((level for level in levels if _RANKS.index(level) > rank), levels[-1])
        self._notes.adjusted("reasoning.effort", f"this model thinks at {', '.join(levels)}")
        return found

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
    """`functionResponse.response` is an object: other results stand under `output` or `error`, the names the API documents."""
    key = "error" if is_error else "output"
    try:
        value = json.raw_object(text)
    except json.MalformedJson:
        return {key: text}
    return value if not is_error or "error" in json.fields(value) else {key: value}


def _data_uri(uri: str, mime_type: str) -> tuple[str, bytes]:
    """(media type, bytes) of a data URI (RFC 2397)."""
    head, _, body = uri[5:].partition(",")
    data = unquote_to_bytes(body)
    if head.endswith(";base64"):
        data = base64.b64decode(data)
    return mime_type or head.partition(";")[0] or "text/plain", data


def _seconds(duration: duration_pb2.Duration) -> str:
    return duration.ToJsonString()
