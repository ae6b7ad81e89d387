"""Validation of requests: all violations at once, each with its proto path, before anything is sent.

It checks what no provider could make sense of. What only some providers cannot do is for the wire formats to say, and what a
model wrote (such as tool arguments) is passed back as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from llmgateway.v1 import content_pb2, gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols import json
from llm_gateway.protocols.summary import Summary, summary_of

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ROLES = frozenset(content_pb2.Role.values())
MAX_REPORTED = 50
MAX_MESSAGES = 100_000
MAX_PARTS = 100_000
"""Of all messages, including those in tool results."""
MAX_TOOLS = 10_000
MAX_VALUES = 1_000
"""In a list or a map without a limit of its own."""
MAX_BIASES = 10_000
MAX_FALLBACKS = 100
MAX_JSON = 1 << 20
"""Characters of a JSON text that the caller writes: options, schemas. What a provider wrote has no such limit."""
MAX_JSON_VALUES = 200_000
"""In all JSON texts of a request, by their commas and brackets: an empty object takes 3 bytes of text, and 70 when read. It takes twelve megabytes
of prose to have as many commas."""
MAX_DEPTH = 100
MAX_SECONDS = 315_576_000_000
MOST = {
    "messages": MAX_MESSAGES,
    "tools": MAX_TOOLS,
    "allowed_tool_names": MAX_TOOLS,
    "logit_bias": MAX_BIASES,
    "fallback_models": MAX_FALLBACKS,
    **dict.fromkeys(
        ("labels", "safety_settings", "stop_sequences", "required_specialisations", "excluded_providers"), MAX_VALUES
    ),
}
"""By the names of fields that occur in one message only; MAX_VALUES where none is set. Those that occur in several messages (options) may be there
MAX_PARTS times in all."""
MAX_NAME = 1024
"""Characters of a name or an id: they are kept as keys, and appear in trailers, spans and log lines."""


def validate(request: gateway_pb2.SendRequest, prefix: str = "") -> Summary:
    """A summary of the conversation. Raises InvalidRequest with every violation, up to MAX_REPORTED; `prefix` goes before their paths."""
    violations: list[Violation] = []
    few = len(request.messages) <= MAX_MESSAGES
    summary = summary_of(request, most_parts=MAX_PARTS) if few else Summary()
    for field, description, reason in _violations(request, summary):
        violations.append(Violation(field=prefix + field, description=description, reason=reason))
        if len(violations) == MAX_REPORTED:
            break
    if violations:
        listed = "; ".join(f"{v.field}: {v.description}" for v in violations[:3])
        more = f"; and {len(violations) - 3} more" if len(violations) > 3 else ""
        raise InvalidRequest(f"The request is not valid. {listed}{more}", violations=violations)
    return summary


def validate_names(metadata: Mapping[str, str]) -> None:
    """Raise InvalidRequest for a name in metadata that would be too long for the request's own field."""
    for key in ("x-llm-provider", "x-llm-model", "x-llm-routing-key"):
        for field, description, reason in _long(key, metadata.get(key, "")):
            raise InvalidRequest(violations=[Violation(field=field, description=description, reason=reason)])


def validate_stream(request: gateway_pb2.StreamSendRequest) -> Summary:
    """The same for a stream, whose options count too."""
    violations: list[tuple[str, str, str]] = []
    for name in ("heartbeat_interval", "coalesce_interval"):
        if request.options.HasField(name):
            violations += _duration(f"options.{name}", getattr(request.options, name), zero=True)
    if violations:
        raise InvalidRequest(
            violations=[Violation(field=at, description=wrong, reason=reason) for at, wrong, reason in violations]
        )
    return validate(request.request, prefix="request.")


Found = Iterator[tuple[str, str, str]]
"""(path, what is wrong and what would be right, reason)."""


class _Texts:
    """The JSON texts of a request, with their paths and kinds. All are counted before one is read."""

    __slots__ = ("_cited", "_found", "_left", "beyond")

    def __init__(self) -> None:
        self._found: list[tuple[str, str, _Kind]] = []
        self._left = MAX_JSON_VALUES
        self._cited = 0
        self.beyond: list[tuple[str, str, str]] = []
        """The limit that was exceeded; nothing more is taken then."""

    def add(self, path: str, text: str, kind: _Kind) -> None:
        if self.beyond:
            return
        for at in range(0, len(text), MAX_JSON):  # no further than it takes to see that there are too many
            end = at + MAX_JSON
            self._left -= text.count(",", at, end) + text.count("{", at, end) + text.count("[", at, end)
            if self._left < 0:
                told = f"Send at most {MAX_JSON_VALUES} values in all options, schemas and other JSON texts (max_json_values)."
                self.beyond.append((path, told, "OUT_OF_RANGE"))
                return
        if kind != "passed":
            self._found.append((path, text, kind))

    def options(self, path: str, options: Mapping[str, str]) -> None:
        """A map of options; its size is limited too."""
        if len(options) > MAX_VALUES:
            name = path.rpartition(".")[2]
            self.beyond.append((path, f"Send at most {MAX_VALUES} (max_{name}).", "OUT_OF_RANGE"))
        for provider in options:
            if self.beyond:
                return
            self.add(f'{path}["{provider[:64]}"]', options[provider], "merged")

    def cited(self, path: str, citations: Sequence[content_pb2.Citation]) -> None:
        """The sources of a text: at most MAX_PARTS in all texts together."""
        self._cited += len(citations)
        if self._cited > MAX_PARTS:
            told = f"Send at most {MAX_PARTS} in all messages (max_citations)."
            self.beyond.append((path, told, "OUT_OF_RANGE"))
        for index, citation in enumerate(citations):
            if self.beyond:
                return
            self.add(f"{path}[{index}].provider_json", citation.provider_json, "passed")

    def violations(self) -> Found:
        for path, text, kind in self._found:
            yield from _object(path, text, kind)


_Kind = Literal["embedded", "merged", "theirs", "passed"]
"""embedded: copied into bodies. merged: merged into bodies, so its numbers must fit ours. theirs: written by a provider, so it may
hold NaN and the like. passed: written by a model, so it may be anything."""


def _violations(request: gateway_pb2.SendRequest, summary: Summary) -> Found:
    for name in ("model", "provider", "conversation_id", "end_user_id"):
        yield from _long(name, getattr(request, name))
    if request.labels and len(request.labels) <= MAX_VALUES:
        yield from _long("labels", *request.labels.keys(), *request.labels.values())
    fallbacks = request.routing.fallback_models
    for path, name in (("model", request.model), *_numbered("routing.fallback_models", fallbacks[: MAX_FALLBACKS + 1])):
        if _CONTROL.search(name[:MAX_NAME]):
            yield path, "Must hold no control characters.", "INVALID_VALUE"
    messages = request.messages
    if not messages and not request.provider_options_json:  # a stored prompt of the provider's may stand in for them
        yield "messages", "Send at least one message.", "REQUIRED"
    beyond = [
        *_most(request, "messages", "tools", "labels", "safety_settings", "provider_options_json"),
        *_most(request.routing, "fallback_models", path="routing."),
    ]
    if not beyond and summary.parts > MAX_PARTS:
        beyond = [("messages", f"Send at most {MAX_PARTS} parts in all messages (max_parts).", "OUT_OF_RANGE")]
    if beyond:  # looking at the rest would take as long as it is large
        yield from beyond
        return
    last = len(messages) - 1
    texts = _Texts()
    for index, place in summary.odd:
        message = messages[index]
        if place < 0:
            yield from _message(f"messages[{index}]", message, texts, last=index == last)
        else:
            yield from _part(f"messages[{index}].parts[{place}]", message.parts[place], texts)
        if texts.beyond:
            yield from texts.beyond
            return
    if request.HasField("generation_config"):
        yield from _generation(request.generation_config)
    if request.tools:
        yield from _tools(request, texts)
    if request.HasField("tool_config"):
        yield from _tool_config(request)
    if request.HasField("output_format"):
        yield from _output_format(request.output_format, texts)
    yield from _known("reasoning.effort", gateway_pb2.ReasoningConfig.Effort, request.reasoning.effort)
    if request.reasoning.HasField("budget_tokens") and request.reasoning.budget_tokens < -1:
        yield "reasoning.budget_tokens", "Must be 0 or more, or -1 for the model to decide.", "OUT_OF_RANGE"
    if request.HasField("cache_config"):
        yield from _long("cache_config.cache_key", request.cache_config.cache_key)
        if request.cache_config.HasField("ttl"):
            yield from _duration("cache_config.ttl", request.cache_config.ttl)
    if request.HasField("routing"):
        yield from _routing(request.routing)
    texts.options("provider_options_json", request.provider_options_json)
    yield from texts.beyond or texts.violations()


def _message(path: str, message: content_pb2.Message, texts: _Texts, *, last: bool) -> Found:
    if message.role == content_pb2.ROLE_UNSPECIFIED:
        yield f"{path}.role", "Set the role.", "REQUIRED"
    elif message.role not in _ROLES:
        yield f"{path}.role", "This server does not know the role.", "UNKNOWN_VALUE"
    if message.prefix and not (last and message.role == content_pb2.ROLE_ASSISTANT):
        yield f"{path}.prefix", "Only the last message, by the assistant, can be a prefix.", "INVALID_VALUE"
    if message.provider_options_json:
        texts.options(f"{path}.provider_options_json", message.provider_options_json)


def _part(path: str, part: content_pb2.Part, texts: _Texts) -> Found:
    kind = part.WhichOneof("kind")
    if kind == "text":
        if part.text.citations:
            texts.cited(f"{path}.text.citations", part.text.citations)
    elif kind is None:
        yield path, "Set one of text, media, tool_call, tool_result, reasoning, refusal, opaque.", "REQUIRED"
    elif kind == "media":
        yield from _known(f"{path}.media.modality", content_pb2.Modality, part.media.modality)
        source = part.media.WhichOneof("source")
        if source is None:
            yield f"{path}.media", "Set one of data, uri, file_id.", "REQUIRED"
        elif source == "data" and not part.media.mime_type:
            yield f"{path}.media.mime_type", "Required with data, such as image/png.", "REQUIRED"
        for name in ("start_offset", "end_offset"):
            if part.media.HasField(name):
                yield from _duration(f"{path}.media.{name}", getattr(part.media, name), zero=True)
    elif kind == "tool_call":
        if not part.tool_call.name:
            yield f"{path}.tool_call.name", "Name the tool.", "REQUIRED"
        texts.add(f"{path}.tool_call.arguments_json", part.tool_call.arguments_json, "passed")
    elif kind == "tool_result":
        if not part.tool_result.tool_call_id and not part.tool_result.name:
            yield f"{path}.tool_result.tool_call_id", "Say which call this answers.", "REQUIRED"
        for index, inner in enumerate(part.tool_result.parts):
            where = f"{path}.tool_result.parts[{index}]"
            if inner.WhichOneof("kind") in ("tool_call", "tool_result"):
                yield where, "A tool result cannot hold tool calls or results.", "INVALID_VALUE"
            else:
                yield from _part(where, inner, texts)
    elif kind == "opaque":
        if not part.opaque.provider:
            yield f"{path}.opaque.provider", "Say which provider the block is for.", "REQUIRED"
        texts.add(f"{path}.opaque.json", part.opaque.json, "theirs")
    if part.HasField("cache_control") and part.cache_control.HasField("ttl"):
        yield from _duration(f"{path}.cache_control.ttl", part.cache_control.ttl)
    if part.provider_options_json:
        texts.options(f"{path}.provider_options_json", part.provider_options_json)


_RANGES: Mapping[str, tuple[float, float]] = {
    "max_output_tokens": (1, math.inf),
    "temperature": (0, 100),
    "top_p": (0, 1),
    "top_k": (-1, math.inf),
    "min_p": (0, 1),
    "frequency_penalty": (-100, 100),
    "presence_penalty": (-100, 100),
    "repetition_penalty": (0, 100),
    "candidate_count": (1, 128),
    "top_logprobs": (0, 100),
}


def _generation(config: gateway_pb2.GenerationConfig) -> Found:
    beyond = [*_most(config, "stop_sequences", "output_modalities", "logit_bias", path="generation_config.")]
    if beyond:
        yield from beyond
        return
    yield from _known("generation_config.service_tier", gateway_pb2.ServiceTier, config.service_tier)
    for index, modality in enumerate(config.output_modalities):
        yield from _known(f"generation_config.output_modalities[{index}]", content_pb2.Modality, modality)
    for field, value in config.ListFields():
        bounds = _RANGES.get(field.name)
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            upper = "" if math.isinf(bounds[1]) else f" and at most {bounds[1]:g}"
            yield f"generation_config.{field.name}", f"Must be at least {bounds[0]:g}{upper}.", "OUT_OF_RANGE"
    for index, text in enumerate(config.stop_sequences):
        if not text:
            yield f"generation_config.stop_sequences[{index}]", "Must not be empty.", "REQUIRED"
    for token, bias in config.logit_bias.items():
        if not math.isfinite(bias):
            yield f"generation_config.logit_bias[{token}]", "Must be finite.", "OUT_OF_RANGE"


def _tools(request: gateway_pb2.SendRequest, texts: _Texts) -> Found:
    names: set[str] = set()
    for index, tool in enumerate(request.tools):
        path = f"tools[{index}]"
        kind = tool.WhichOneof("kind")
        if kind is None:
            yield path, "Set function or provider_tool.", "REQUIRED"
        elif kind == "function":
            name = tool.function.name
            if not name:
                yield f"{path}.function.name", "Name the function.", "REQUIRED"
            elif name in names:
                yield f"{path}.function.name", "Another tool has this name.", "DUPLICATE"
            names.add(name)
            schema = tool.function.parameters_json_schema
            if schema:
                texts.add(f"{path}.function.parameters_json_schema", schema, "embedded")
        else:
            if not tool.provider_tool.type:
                yield f"{path}.provider_tool.type", "Say which tool.", "REQUIRED"
            if tool.provider_tool.options_json:
                texts.add(f"{path}.provider_tool.options_json", tool.provider_tool.options_json, "merged")
        if tool.provider_options_json:
            texts.options(f"{path}.provider_options_json", tool.provider_options_json)


def _tool_config(request: gateway_pb2.SendRequest) -> Found:
    config = request.tool_config
    yield from _most(config, "allowed_tool_names", path="tool_config.")
    yield from _known("tool_config.mode", gateway_pb2.ToolConfig.Mode, config.mode)
    if config.mode == gateway_pb2.ToolConfig.MODE_REQUIRED and not request.tools and not request.provider_options_json:
        yield "tool_config.mode", "REQUIRED needs tools.", "INVALID_VALUE"
    names = {tool.function.name or tool.provider_tool.type for tool in request.tools}
    for index, name in enumerate(config.allowed_tool_names):
        if name not in names and not request.provider_options_json:
            yield f"tool_config.allowed_tool_names[{index}]", "No tool of the request has this name.", "UNKNOWN_VALUE"


def _output_format(output: gateway_pb2.OutputFormat, texts: _Texts) -> Found:
    if not output.HasField("json_schema"):
        return
    schema = output.json_schema.schema_json
    if not schema:
        yield "output_format.json_schema.schema_json", "Give the schema.", "REQUIRED"
    else:
        texts.add("output_format.json_schema.schema_json", schema, "embedded")


def _routing(policy: gateway_pb2.RoutingPolicy) -> Found:
    yield from _known("routing.strategy", gateway_pb2.RoutingPolicy.Strategy, policy.strategy)
    unsupported = policy.unsupported_fields
    yield from _known("routing.unsupported_fields", gateway_pb2.RoutingPolicy.UnsupportedFields, unsupported)
    if policy.max_attempts < 0:
        yield "routing.max_attempts", "Must be 0 or more.", "OUT_OF_RANGE"
    for name in ("attempt_timeout", "first_event_timeout"):
        if policy.HasField(name):
            yield from _duration(f"routing.{name}", getattr(policy, name))
    if policy.HasField("max_cost_nano_usd") and policy.max_cost_nano_usd < 0:
        yield "routing.max_cost_nano_usd", "Must be 0 or more.", "OUT_OF_RANGE"
    yield from _long("routing.affinity_key", policy.affinity_key)
    lists = ("required_capabilities", "required_specialisations", "excluded_providers")
    yield from _most(policy, *lists, path="routing.")
    for field in ("required_specialisations", "excluded_providers", "fallback_models"):
        yield from _long(f"routing.{field}", *getattr(policy, field))
    for index, name in enumerate(policy.fallback_models):
        if not name:
            yield f"routing.fallback_models[{index}]", "Name a model.", "REQUIRED"


def _numbered(path: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((f"{path}[{index}]", value) for index, value in enumerate(values))


def _most(message: Message, *names: str, path: str = "") -> Found:
    """Lists and maps of a message, by their names."""
    for name in names:
        most = MOST.get(name, MAX_VALUES)
        if len(getattr(message, name)) > most:
            yield f"{path}{name}", f"Send at most {most} (max_{name}).", "OUT_OF_RANGE"


def _long(path: str, *names: str) -> Found:
    if any(len(name) > MAX_NAME for name in names):
        yield path, f"Must have at most {MAX_NAME} characters (max_name).", "TOO_LONG"


def _known(path: str, enum: Any, value: int) -> Found:
    if value and value not in enum.values():
        yield path, "This server does not know the value.", "UNKNOWN_VALUE"


def _duration(path: str, duration: duration_pb2.Duration, *, zero: bool = False) -> Found:
    """zero: it may be 0. The bounds are those of google/protobuf/duration.proto."""
    if not (0 <= duration.seconds <= MAX_SECONDS and 0 <= duration.nanos < 1_000_000_000):
        what = "0 or more" if zero else "longer than 0"
        yield path, f"Must be {what}: at most {MAX_SECONDS} seconds, and 0 to 999999999 nanos.", "OUT_OF_RANGE"
    elif not (zero or duration.seconds or duration.nanos):
        yield path, "Must be longer than 0.", "OUT_OF_RANGE"


def _object(path: str, text: str, kind: _Kind) -> Found:
    """A text is an object by RFC 8259, nested no deeper than MAX_DEPTH. One that goes into bodies as it stands is read only where it is
    large enough to hold what cannot be read."""
    theirs, read = kind == "theirs", kind == "merged"
    if len(text) > MAX_JSON and not theirs:
        yield path, f"Must have at most {MAX_JSON} characters (max_json).", "TOO_LONG"
        return
    try:
        if theirs:
            found = json.decode(text)
        elif read:
            found = _decode(text)
        else:
            json.fields(text)
            small = len(text) < _DIGITS and text.count("{") + text.count("[") <= MAX_DEPTH
            found = {} if small else json.decode(text)
    except msgspec.ValidationError:
        if read:  # without a type nothing else is out of place
            yield path, "Holds a number beyond the range of a double, or of too many digits.", "OUT_OF_RANGE"
        else:
            yield path, "Must be a JSON object.", "INVALID_JSON"
    except (msgspec.MsgspecError, UnicodeError, json.MalformedJson):
        yield path, "Must be a JSON object.", "INVALID_JSON"
    except RecursionError:
        yield _too_deep(path)
    else:
        if not isinstance(found, dict):
            yield path, "Must be a JSON object.", "INVALID_JSON"
        elif json.deeper_than(MAX_DEPTH, found):
            yield _too_deep(path)


def _too_deep(path: str) -> tuple[str, str, str]:
    return path, f"Must nest at most {MAX_DEPTH} arrays and objects in each other (max_depth).", "OUT_OF_RANGE"


_decode = msgspec.json.Decoder().decode
_DIGITS = 4300
"""Digits of a whole number that Python reads; a shorter text holds none that is longer."""
