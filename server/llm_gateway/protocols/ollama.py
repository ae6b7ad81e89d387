"""Ollama's native `/api/chat`: JSON lines, with options that its OpenAI-compatible routes lack.

Facts: docs/api.md and api/types.go of github.com/ollama/ollama.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from llmgateway.v1 import content_pb2, gateway_pb2, model_pb2, usage_pb2

from llm_gateway import errors
from llm_gateway.protocols import callids, effort, failures, json, reading, settings
from llm_gateway.protocols.conversation import LOOSE, Conversation, Wire, plain
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.media import IMAGE, Medium
from llm_gateway.protocols.tools import tools
from llm_gateway.protocols.wire import Headers, ModelPage, Outgoing, Rendering, json_object

framing: Literal["sse", "ndjson", "eventstream"] = "ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What differs between Ollama servers."""

    local: bool = True
    """Whether models run on the operator's own machines, unless the server says that it passes one on."""
    truncate: bool | None = None
    """What the server is told about a conversation longer than the context window: False makes it refuse instead of silently leaving
    out the oldest messages, None leaves it its default. The setting `truncate` of a provider wins."""


OLLAMA = Dialect()

# ---------------------------------------------------------------- request
_OPTIONS = {
    "max_output_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "repetition_penalty": "repeat_penalty",
    "seed": "seed",
}
_ROLES = {
    content_pb2.ROLE_SYSTEM: "system",
    content_pb2.ROLE_DEVELOPER: "system",
    content_pb2.ROLE_ASSISTANT: "assistant",
}
_LEVELS = ("low", "medium", "high", "max")
_ALWAYS_THINKS = re.compile(r"(?:.*/)?gpt-oss")
"""Models that ignore think: false and know levels only."""


def render_request(rendering: Rendering, /) -> Outgoing:
    """The request to `/api/chat`."""
    request, notes = rendering.request, rendering.notes
    body: dict[str, Any] = {
        "model": rendering.model,
        "messages": _Messages(rendering).rendered(),
        "stream": rendering.stream,
    }
    declared = _tools(rendering)
    if declared:
        body["tools"] = declared
    kind = request.output_format.WhichOneof("format")
    if kind == "json_object":
        body["format"] = "json"
    elif kind == "json_schema":
        schema = request.output_format.json_schema
        body["format"] = json_object(schema.schema_json, "output_format.json_schema.schema_json")
        if schema.description:
            notes.dropped("output_format.json_schema.description", "Ollama takes the schema alone")
    think = _think(rendering)
    if think is not None:
        body["think"] = think
    options = _options(rendering)
    if options:
        body["options"] = options
    config = request.generation_config
    if config.HasField("logprobs"):
        body["logprobs"] = config.logprobs
    if config.HasField("top_logprobs"):
        body["top_logprobs"] = config.top_logprobs
    truncate = rendering.settings.get("truncate", rendering.dialect.truncate)
    if truncate is not None:
        body["truncate"] = body["shift"] = bool(truncate)
    settings.note(rendering, LACKS)
    return Outgoing(path="/api/chat", body=json.encode(rendering.body(body)))


class _Messages(Conversation):
    """Renders the messages of one request. A message, and a result, has one text, the images, the thinking, and the calls."""

    lacks = {"opaque": "Ollama has no blocks of its own."}  # noqa: RUF012

    def __init__(self, rendering: Rendering) -> None:
        super().__init__(rendering)
        self.calls = callids.Calls()
        self.out: list[Wire] = []
        self.wire: Wire = {}
        """The message or result that is being rendered, and its texts."""
        self.texts: list[str] = []

    def rendered(self) -> list[Wire]:
        self.walk()
        return self.out

    def begin(self, role: str) -> None:
        self.wire, self.texts = {"role": role, "content": ""}, []

    def message(self, message: content_pb2.Message) -> None:
        role = _ROLES.get(message.role, "user" if message.role == content_pb2.ROLE_USER else "tool")
        text = plain(message.parts)
        if text is not None:
            self.out.append(self.whole({"role": role, "content": text}, message))
            return
        results = 0
        self.begin(role)
        for part in self.each(message.parts):
            wire = self.render(part)
            if wire is None or wire is LOOSE:
                continue
            if part.HasField("tool_result"):
                self.out.append(wire)
                results += 1
            else:
                self.wire.setdefault("tool_calls", []).append(wire)
        wire = self.wire
        if self.texts or len(wire) > 2 or not results:
            wire["content"] = ("" if self.assistant else "\n").join(self.texts)
            self.out.append(self.whole(wire, message))

    def text(self, part: content_pb2.Part, text: content_pb2.TextPart) -> Wire:
        self.texts.append(text.text)
        return LOOSE

    def refusal(self, part: content_pb2.Part, refusal: content_pb2.RefusalPart) -> Wire:
        self.notes.emulated(self.at, "Ollama has no refusals: sent as text")
        self.texts.append(refusal.text)
        return LOOSE

    def reasoning(self, part: content_pb2.Part, reasoning: content_pb2.ReasoningPart) -> Wire | None:
        if reasoning.encrypted:
            self.dropped("", "reasoning of another provider")
            return None
        self.wire["thinking"] = self.wire.get("thinking", "") + reasoning.text
        return LOOSE

    def tool_call(self, part: content_pb2.Part, call: content_pb2.ToolCall) -> Wire:
        if not call.name:
            self.refuse(".tool_call.name", "is required", "REQUIRED")
        self.calls.call(call.id, call.name)
        arguments = self.object(self.arguments(call), ".tool_call.arguments_json")
        wire: Wire = {"function": {"name": call.name, "arguments": arguments}}
        return wire if callids.is_made_up(call.id) else {"id": call.id, **wire}

    def tool_result(self, part: content_pb2.Part, result: content_pb2.ToolResult) -> Wire:
        """A message of its own. Servers before tool_call_id match by tool_name: the caller's word, else the name of the call."""
        outer = self.wire, self.texts
        self.begin("tool")
        for inner in self.within(result):
            self.render(inner)
        wire, texts = self.wire, self.texts
        self.wire, self.texts = outer
        wire["content"] = "\n".join(texts)
        place = self.calls.result(result.tool_call_id, result.name)
        name = result.name or (self.calls.names[place] if place is not None else "")
        if name:
            wire["tool_name"] = name
        if not callids.is_made_up(result.tool_call_id):
            wire["tool_call_id"] = result.tool_call_id
        if result.is_error:
            told = "Ollama has no mark for a failed tool: the text must say so"
            self.dropped(".tool_result.is_error", told)
        return wire

    def media(self, part: content_pb2.Part, medium: Medium) -> Wire:
        if medium.source != "data":
            self.refuse(".media", "Ollama fetches nothing: send the bytes of the image", "UNSUPPORTED")
        if medium.modality != IMAGE:
            self.refuse(".media.mime_type", "Ollama takes images only", "UNSUPPORTED")
        if medium.part.detail == "auto":
            medium.take("detail")
        self.wire.setdefault("images", []).append(medium.base64(f"{self.at}.media"))
        return LOOSE


def _tools(rendering: Rendering) -> list[dict[str, Any]]:
    """Ollama has no tool choice: what it can be given is fewer tools."""
    config, notes = rendering.request.tool_config, rendering.notes
    if config.mode == gateway_pb2.ToolConfig.MODE_NONE:
        return []
    if config.mode == gateway_pb2.ToolConfig.MODE_REQUIRED:
        notes.dropped("tool_config.mode", "Ollama cannot be made to call a tool")
    if config.HasField("parallel_tool_calls") and not config.parallel_tool_calls:
        notes.dropped("tool_config.parallel_tool_calls", "Ollama may always call several tools in one turn")
    allowed = set(config.allowed_tool_names)
    if allowed:
        notes.emulated("tool_config.allowed_tool_names", "the other tools are not sent")
    chosen = [
        (index, tool)
        for index, tool in enumerate(rendering.request.tools)
        if not (allowed and tool.HasField("function") and tool.function.name not in allowed)
    ]
    return [wire for _, wire in tools(rendering, _function, strict=False, chosen=chosen)]


def _function(inner: Wire, function: gateway_pb2.FunctionTool, at: str) -> Wire:
    if function.parameters_json_schema:
        inner["parameters"] = json_object(function.parameters_json_schema, f"{at}.parameters_json_schema")
    return {"type": "function", "function": inner}


def _think(rendering: Rendering) -> bool | str | None:
    reasoning, notes = rendering.request.reasoning, rendering.notes
    levels_only = _ALWAYS_THINKS.match(rendering.model)
    word = effort.word(reasoning)
    if reasoning.HasField("budget_tokens"):
        if reasoning.budget_tokens == 0 and not word:
            word = "none"
        else:
            notes.dropped("reasoning.budget_tokens", "Ollama has no budget for thinking")
    if word == "none":
        if levels_only:
            notes.adjusted("reasoning.effort", "this model cannot stop thinking: the least level")
            return "low"
        return False
    if word:
        if word not in _LEVELS:
            notes.adjusted("reasoning.effort", f"Ollama thinks at {', '.join(_LEVELS)}")
        return effort.nearest(word, _LEVELS)
    if reasoning.include_reasoning:
        return True
    if reasoning.HasField("include_reasoning"):
        notes.dropped("reasoning.include_reasoning", "Ollama returns what a model thinks")
    return None


def _options(rendering: Rendering) -> dict[str, Any]:
    config = rendering.request.generation_config
    options: dict[str, Any] = {
        key: getattr(config, field)
        for field, key in _OPTIONS.items()
        if config.HasField(field)  # type: ignore[arg-type]
    }
    if config.stop_sequences:
        options["stop"] = list(config.stop_sequences)
    return options


LACKS = {
    "generation_config.candidate_count": "Ollama gives one answer",
    "generation_config.logit_bias": "Ollama has no logit bias",
    "generation_config.output_modalities": "Ollama answers with what the model writes",
    "generation_config.service_tier": "Ollama has one tier",
    "cache_config.cache_key": "Ollama finds what to cache by itself",
    "cache_config.cached_content": "Ollama finds what to cache by itself",
    "cache_config.ttl": "Ollama keeps a cache as long as it keeps the model",
    "safety_settings": "Ollama has no safety filters",
    "end_user_id": "Ollama has no place for the end user",
    "labels": "Ollama has no labels",
}

# ---------------------------------------------------------------- response
FINISH_REASONS: Mapping[str, gateway_pb2.FinishReason.ValueType] = {
    "stop": gateway_pb2.FINISH_REASON_STOP,
    "length": gateway_pb2.FINISH_REASON_MAX_TOKENS,
    "": gateway_pb2.FINISH_REASON_UNSPECIFIED,
}
"""What is not here, such as load and unload, is OTHER. Servers before done_reason give none."""

_LINE_KEYS = {
    "model", "created_at", "message", "done", "done_reason", "prompt_eval_count", "eval_count", "logprobs", "error",
}  # fmt: skip
_TEXT_KEYS = {"role", "content", "thinking"}
_MESSAGE_KEYS = {"role", "content", "thinking", "tool_calls", "images"}
_MAGIC = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


class Reader:
    """Reads the lines of an answer; a whole answer is one line."""

    __slots__ = ("_calls", "_metadata", "_scores", "_writer")

    def __init__(self, writer: EventWriter, dialect: object = None, /) -> None:
        self._writer = writer
        self._calls = 0
        self._metadata: dict[str, Any] = {}
        self._scores: list[gateway_pb2.TokenLogprob] = []

    def feed(self, event: str, data: bytes) -> None:
        """One line. Nothing follows the end mark."""
        if self._writer.done:
            return
        self._line(json.decode(data), data)

    def close(self) -> None:
        """The end mark is a line of its own: a stream without it was cut."""

    def _line(self, line: dict[str, Any], data: bytes) -> None:
        writer = self._writer
        message = line.get("message")
        if not json.is_blank(line.get("error")):
            error = _in_stream_error(line)
            with suppress(*json.WRONG_SHAPE):
                self._line({key: value for key, value in line.items() if key not in ("error", "done")}, data)
            with suppress(*json.WRONG_SHAPE):
                self._count(line)  # which covers the text of this line
            raise error
        if message is not None:
            logprobs = line.get("logprobs")
            scores = reading.logprobs(logprobs) if logprobs else ()
            text, thinking = message.get("content"), message.get("thinking")
            if thinking:
                writer.flow("reasoning", thinking, logprobs=() if text else scores)
            if text:
                writer.flow("text", text, logprobs=scores)
            if not message.keys() <= _TEXT_KEYS:
                self._rest(message, data, line.get("created_at") or "")
            if scores and not text and not thinking:
                self._scores.extend(scores)
        if writer.create_time is None:
            writer.response_model = json.name(line.get("model"))
            writer.create_time = reading.moment(line.get("created_at"))
        if line.get("done"):
            self._done(line)

    def _rest(self, message: dict[str, Any], data: bytes, created_at: str) -> None:
        writer = self._writer
        for image in message.get("images") or ():
            blob = base64.b64decode(image)
            mime_type = next((kind for magic, kind in _MAGIC if blob.startswith(magic)), "application/octet-stream")
            writer.whole(content_pb2.Part(media=content_pb2.MediaPart(mime_type=mime_type, data=blob)))
        calls = message.get("tool_calls")
        if calls:
            raws = json.items(json.spelled(calls, data, "message", "tool_calls"))
            for call, raw in zip(calls, raws, strict=True):
                if json.is_blank(call):
                    continue
                call_id = call.get("id") or callids.make_up(created_at, self._calls)
                self._calls += 1
                given = call["function"].get("arguments")
                if not isinstance(given, str):  # with numbers as the model spelled them
                    given = "{}" if given is None else json.compact(given, raw, "function", "arguments")
                part = content_pb2.ToolCall(id=call_id, name=call["function"]["name"], arguments_json=given)
                writer.whole(content_pb2.Part(tool_call=part))
        self._metadata.update((key, value) for key, value in message.items() if key not in _MESSAGE_KEYS)

    def _count(self, line: dict[str, Any]) -> None:
        prompt, answer = line.get("prompt_eval_count"), line.get("eval_count")
        if prompt is not None or answer is not None:
            self._writer.report_usage(usage_pb2.Usage(input_tokens=prompt or 0, output_tokens=answer or 0))

    def _done(self, line: dict[str, Any]) -> None:
        writer = self._writer
        writer.metadata.update((key, value) for key, value in line.items() if key not in _LINE_KEYS)
        self._count(line)
        said = line.get("done_reason") or ""
        reason = FINISH_REASONS.get(said, gateway_pb2.FINISH_REASON_OTHER)
        if said in ("", "stop") and writer.saw_tool_call():
            reason = gateway_pb2.FINISH_REASON_TOOL_CALLS
        completed = writer.finish(reason, said, metadata=json.text(self._metadata) if self._metadata else "")
        completed.logprobs.extend(self._scores)
        writer.end()


stream_parser = Reader


def parse_response(body: bytes, writer: EventWriter, dialect: Dialect, /) -> None:
    """A whole answer; one without its end mark was cut on the server."""
    Reader(writer).feed("", body)
    if not writer.done:
        raise errors.ResponseInvalid


# ---------------------------------------------------------------- errors
_UNSUPPORTED = re.compile(r"\S+ does not support ")  # the model stands between quotation marks, or bare
_USED_UP = re.compile(r"you\b.{0,80}\b(?:reached|exceeded) your .{0,40}usage limit", re.IGNORECASE)


def parse_error(status: int, headers: Headers, body: bytes, dialect: Dialect, /) -> errors.ProviderError:
    """The error for an answer that is not 2xx: `{"error": text}`."""
    found, message = failures.body_words(body)
    code = ""
    if status == 400 and _UNSUPPORTED.match(failures.spoken(message)):
        code = "unsupported"
    elif status == 429 and failures.asked_delay(headers) is None and _USED_UP.match(failures.spoken(message)):
        code = "usage_limit"
    codes: dict[str, type[errors.ProviderError]] = {
        "unsupported": errors.NotSupported,
        "usage_limit": errors.QuotaExhausted,
    }
    return failures.from_http(status, headers, code=found.get("code") or code, message=message, codes=codes)


def _in_stream_error(line: dict[str, Any]) -> errors.ProviderError:
    """A line in place of an answer; the status was sent before."""
    error = line["error"]
    message = failures.word(error.get("message") if isinstance(error, dict) else error)
    status = failures.named_status(line.get("status_code") or line.get("code")) or 500
    return failures.from_http(status, failures.NO_HEADERS, message=message)


# ---------------------------------------------------------------- models
_CAPABILITIES: Mapping[str, model_pb2.ModelCapability.ValueType] = {
    "tools": model_pb2.MODEL_CAPABILITY_TOOLS,
    "thinking": model_pb2.MODEL_CAPABILITY_REASONING,
}
_INPUTS: Mapping[str, content_pb2.Modality.ValueType] = {
    "vision": content_pb2.MODALITY_IMAGE,
    "audio": content_pb2.MODALITY_AUDIO,
}
_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)", re.MULTILINE)


def render_list_models(token: str, dialect: Dialect, /) -> Outgoing:
    """The request for the models the server holds; there is one page."""
    return Outgoing(path="/api/tags", method="GET")


def parse_models(body: bytes, dialect: Dialect, /) -> ModelPage:
    """The models the server holds. What they can do is told by `render_show`, model by model."""
    models = []
    for wire in json.decode(body).get("models") or ():
        model_id = wire.get("model") or wire["name"]
        model = model_pb2.Model(model_id=model_id, display_name=wire.get("name") or model_id, local=dialect.local)
        if wire.get("remote_host") or wire.get("remote_model"):
            model.local = False
        reading.set_moment(model.create_time, wire.get("modified_at"))
        models.append(model)
    return ModelPage(models=models)


def render_show(model: str, /) -> Outgoing:
    """The request for what one model can do; it loads nothing."""
    return Outgoing(path="/api/show", body=json.encode({"model": model}))


def parse_show(body: bytes, /) -> model_pb2.Model:
    """Capabilities, modalities and context window of one model, to be merged into the entry of the list. The window is num_ctx
    where the model's file sets it, because that is what the server allocates."""
    wire = json.decode(body)
    able = wire.get("capabilities") or ()
    model = model_pb2.Model()
    if not able or "completion" in able:
        model.capabilities.extend((model_pb2.MODEL_CAPABILITY_STREAMING, model_pb2.MODEL_CAPABILITY_JSON_SCHEMA))
        model.output_modalities.append(content_pb2.MODALITY_TEXT)
    model.capabilities.extend(found for name, found in _CAPABILITIES.items() if name in able)
    model.input_modalities.append(content_pb2.MODALITY_TEXT)
    model.input_modalities.extend(found for name, found in _INPUTS.items() if name in able)
    if "image" in able:
        model.output_modalities.append(content_pb2.MODALITY_IMAGE)
    own = _NUM_CTX.search(wire.get("parameters") or "")
    window = next((v for k, v in (wire.get("model_info") or {}).items() if k.endswith(".context_length")), None)
    if own is not None:
        model.input_token_limit = int(own[1])
    elif window:
        model.input_token_limit = window
    return model


def render_loaded() -> Outgoing:
    """The request for the models that are in memory."""
    return Outgoing(path="/api/ps", method="GET")


def parse_loaded(body: bytes, /) -> frozenset[str]:
    """Ids of the models that are in memory."""
    return frozenset(str(wire.get("model") or wire["name"]) for wire in json.decode(body).get("models") or ())
