"""The seam of the wire formats.

A wire format is a module of pure functions with the signatures of `WireFormat`. What varies between providers that speak the
same format is data: a `dialect`, a frozen dataclass that the module defines and the provider rows fill in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, ParamSpec, Protocol, TypeVar, runtime_checkable
from urllib.parse import quote

import msgspec
from llmgateway.v1 import gateway_pb2, model_pb2

from llm_gateway.errors import InvalidRequest, ProviderError, ResponseInvalid, UnsupportedField, Violation
from llm_gateway.protocols import json
from llm_gateway.protocols.events import EventWriter

P = ParamSpec("P")
T = TypeVar("T")

BEGINNING = "(The conversation begins with a message of yours.)"
"""What stands in for the user's first turn where a conversation that the model begins is refused."""

CUSTOM = "custom"
"""ToolCall.provider_tool_type of a call whose arguments are free text."""


OWNED: Mapping[str, str] = {
    "background": "The gateway hands on the answer of the call; one that is fetched later would be lost.",
    "contents": "Set `messages`.",
    "deferred": "The gateway hands on the answer of the call; one that is fetched later would be lost.",
    "fallback_model": "Set `routing.fallback_models`; routes, limits and prices go by the model.",
    "input": "Set `messages`.",
    "messages": "Set `messages`.",
    "model": "Set `model`; routes, limits and prices go by it.",
    "models": "Set `routing.fallback_models`; routes, limits and prices go by the model.",
    "n": "Set `generation_config.candidate_count`.",
    "stream": "Call StreamSend for a stream, and Send for a whole answer.",
}
"""Fields of request bodies, of all wire formats, that options may not replace, and what to do instead."""


_SEGMENT = r"(?!\.{1,2}(?:/|$))[\w.:@+~-]+"
MODEL_NAME = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
"""Names that mean the same thing in a path to whatever reads it, however often it decodes: no `..`, no empty step, `?`, `#`, `%`."""


def refuse(field: str, description: str, reason: str = "INVALID_VALUE") -> NoReturn:
    """Raise InvalidRequest for one field."""
    raise InvalidRequest.of(field, description, reason)


def json_object(text: str, field: str) -> json.Raw:
    """JSON text of an object, to be sent as it stands. Raises InvalidRequest for anything else."""
    try:
        return json.raw_object(text)
    except json.MalformedJson:
        refuse(field, "Must be the text of a JSON object.")


def decoded_object(text: str, field: str) -> dict[str, Any]:
    """The object that a JSON text holds. Raises InvalidRequest for anything else."""
    try:
        value = json.decode(text)
    except json.MalformedJson:
        value = None
    if not isinstance(value, dict):
        refuse(field, "Must be the text of a JSON object.")
    return value


class Headers(Protocol):
    """Response headers, looked up by lower-case name."""

    def get(self, name: str, /) -> str | None: ...


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request to a provider, before credentials are added.

    path: appended to the endpoint's base URL, percent-encoded, query included. headers: beyond content-type and credentials.
    """

    path: str
    body: bytes = b""
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPage:
    """One page of a provider's model list. Models lack `name` and `provider`, which the caller fills in; next: token, "" at the end."""

    models: list[model_pb2.Model]
    next: str = ""


class Notes:
    """What rendering could not carry as asked; becomes `warnings` of the answer, or one error when the caller is strict."""

    def __init__(self) -> None:
        self.warnings: list[gateway_pb2.Warning] = []

    def dropped(self, field: str, why: str) -> None:
        """`field` (proto path below SendRequest) was left out because `why` ("Ollama has no tool choice")."""
        self.warnings.append(gateway_pb2.Warning(reason="FIELD_DROPPED", field=field, message=why))

    def emulated(self, field: str, how: str) -> None:
        """`field` was carried by other means, `how`."""
        self.warnings.append(gateway_pb2.Warning(reason="FIELD_EMULATED", field=field, message=how))

    def adjusted(self, field: str, how: str) -> None:
        """`field` was changed to what the provider takes, `how`."""
        self.warnings.append(gateway_pb2.Warning(reason="FIELD_ADJUSTED", field=field, message=how))

    def reject(self) -> None:
        """Raise UnsupportedField when anything was dropped."""
        violations = [
            Violation(field=w.field, description=w.message, reason="UNSUPPORTED_FIELD")
            for w in self.warnings
            if w.reason == "FIELD_DROPPED"
        ]
        if violations:
            raise UnsupportedField(violations=violations)


class Rendering(msgspec.Struct, frozen=True, kw_only=True):
    """What `render_request` is given.

    model: the provider's id of the model. stream: whether the provider is asked to stream.
    provider: configured id of the provider; kind: its row. Options and signatures are addressed to either.
    dialect: the row's data for this wire format. settings: the row's own configuration (region, api_version, ...).
    api: name of the API, of a provider that has several: what one of them signed is nothing to another.
    """

    request: gateway_pb2.SendRequest
    model: str
    stream: bool
    provider: str
    kind: str
    dialect: Any
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    notes: Notes = msgspec.field(default_factory=Notes)
    api: str = ""

    def owns(self, origin: str) -> bool:
        """Whether bytes issued by `origin`, a provider or one of its APIs, may be sent to this one."""
        if origin in (self.provider, self.kind):
            return True
        return bool(self.api) and origin in (f"{self.provider}/{self.api}", f"{self.kind}/{self.api}")

    def candidates(self) -> int:
        """How many answers the provider was asked for, once the request is rendered."""
        wanted = max(1, self.request.generation_config.candidate_count)
        field = "generation_config.candidate_count"
        return 1 if wanted > 1 and any(note.field == field for note in self.notes.warnings) else wanted

    def model_in_path(self, *, safe: str = "") -> str:
        """The model's id as the path of a request may hold it, percent-encoded but for the characters of `safe`.

        Raises InvalidRequest for what is no name (a server between could read it as another path), and for a resource of a Google
        project that is not the configured one's, unless the operator's file names it: `settings["named"]`.
        """
        name = self.model
        _, elsewhere, rest = f"/{name}".partition("/projects/")
        if (
            elsewhere
            and rest.split("/")[0] != self.settings.get("project")
            and name not in self.settings.get("named", ())
        ):
            raise self._no_model("Is of a project that is not the configured one; the provider's `models` can list it.")
        if not MODEL_NAME.fullmatch(name):
            told = "Must be letters, digits and any of _ . : @ + ~ - /, without an empty step, `.` or `..`: it stands in a path."
            raise self._no_model(told)
        return quote(name, safe=safe)

    def _no_model(self, description: str) -> InvalidRequest:
        """The error of the model's name, at the field that has it: the first choice's, or a fallback's."""
        fallbacks = enumerate(self.request.routing.fallback_models)
        found = [f"routing.fallback_models[{index}]" for index, name in fallbacks if name.endswith(self.model)]
        field = found[0] if found and not self.request.model.endswith(self.model) else "model"
        return InvalidRequest.of(field, description)

    def options(self, by_provider: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object that a `provider_options_json` map holds for this provider; {} when none. Validation has parsed it before."""
        found: dict[str, Any] = {}
        for _, options in self.addressed(by_provider):
            found = json.merge(found, options)
        return found

    def addressed(self, by_provider: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects of such a map that are for this provider, with their keys: of its kind, of itself, of the API, which wins."""
        if by_provider:
            api = f"{self.provider}/{self.api}" if self.api else self.provider
            for name in dict.fromkeys((self.kind, self.provider, api)):
                if name in by_provider:
                    yield name, json.decode(by_provider[name])

    def merged(self, wire: dict[str, Any], by_provider: Mapping[str, str]) -> dict[str, Any]:
        """`wire` with the caller's options for this provider merged last."""
        options = self.options(by_provider) if by_provider else None  # most parts and messages have none
        return json.merge(wire, options) if options else wire

    def body(self, wire: dict[str, Any]) -> dict[str, Any]:
        """The body of the request: `wire` with the caller's options for this provider merged last.

        Raises InvalidRequest for an option that would replace what the call was routed, limited, checked and priced by, or how its answer
        is read: that has a field of its own.
        """
        violations = []
        for name, options in self.addressed(self.request.provider_options_json):
            more = options.get("extra_body")  # LiteLLM lays it over the body
            for at, found in (("", options), (".extra_body", more if isinstance(more, dict) else {})):
                violations += [
                    Violation(
                        field=f'provider_options_json["{name}"]{at}.{key}', description=OWNED[key], reason="NOT_ALLOWED"
                    )
                    for key in found.keys() & OWNED.keys()
                    if (found[key] or None) != (wire.get(key) or None)
                ]
        if violations:
            raise InvalidRequest(violations=sorted(violations, key=lambda violation: violation.field))
        return self.merged(wire, self.request.provider_options_json)


class StreamParser(Protocol):
    """Reads one stream, frame by frame, into an EventWriter.

    Both methods raise ProviderError for an error that the provider reported in the stream, MalformedJson for a frame that is not JSON (the
    caller counts and skips it), and one of json.WRONG_SHAPE for one that is not in the format.
    """

    def feed(self, event: str, data: bytes) -> None:
        """One frame: its SSE event name ("" when it has none) and its payload."""

    def close(self) -> None:
        """The body ended. Calls `writer.end()` when the format ends by closing, else does nothing: a stream that is not at its
        end by then is truncated."""


class WireFormat(Protocol):
    """What a wire format module offers. Its parsers read values as the format has them, and leave it to `guarded` to say that one has not."""

    framing: Literal["sse", "ndjson", "eventstream"]

    def render_request(self, rendering: Rendering, /) -> Outgoing:
        """The provider's request. Unsupported fields go to `rendering.notes`; raises InvalidRequest for what cannot be sent at all."""

    def parse_response(self, body: bytes, writer: EventWriter, dialect: Any, /) -> None:
        """A whole answer, written as events up to and with `writer.end()`. Raises ProviderError for an error inside HTTP 200."""

    def stream_parser(self, writer: EventWriter, dialect: Any, /) -> StreamParser:
        """A parser for one streamed answer."""

    def parse_error(self, status: int, headers: Headers, body: bytes, dialect: Any, /) -> ProviderError:
        """The error for an answer that is not 2xx. Never raises, whatever the body."""

    def render_list_models(self, token: str, dialect: Any, /) -> Outgoing:
        """The request for the page of models at `token`, "" for the first. It costs nothing, so it also serves as the health probe."""

    def parse_models(self, body: bytes, dialect: Any, /) -> ModelPage:
        """One page of models."""


def guarded(parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a parser returns. Raises ResponseInvalid for values of another type or form than the format's."""
    try:
        return parse(*args, **kwargs)
    except json.WRONG_SHAPE as error:
        raise ResponseInvalid(f"The provider's answer is not of its format ({type(error).__name__}).") from None


def render(wire: WireFormat, rendering: Rendering) -> Outgoing:
    """The provider's request. An option that gives a field a type which the wire format cannot go on with is refused by its path.

    Raises InvalidRequest.
    """
    try:
        return wire.render_request(rendering)
    except (TypeError, AttributeError, LookupError, ValueError):
        bare = gateway_pb2.SendRequest()
        bare.CopyFrom(rendering.request)
        paths = []
        for path, options in _options_of(bare):
            paths += [f'{path}["{name}"]' for name, _ in rendering.addressed(options)]
            options.clear()
        if not paths:
            raise
        wire.render_request(msgspec.structs.replace(rendering, request=bare, notes=Notes()))  # else it is a bug of ours
        told = "One of these options gives a field a type that it cannot have there."
        raise InvalidRequest(
            violations=[Violation(field=path, description=told, reason="INVALID_VALUE") for path in paths[:MOST_BLAMED]]
        ) from None


MOST_BLAMED = 20


def _options_of(request: gateway_pb2.SendRequest) -> Iterator[tuple[str, MutableMapping[str, str]]]:
    """The path and the options of all that has some."""
    yield "provider_options_json", request.provider_options_json
    for index, tool in enumerate(request.tools):
        yield f"tools[{index}].provider_options_json", tool.provider_options_json
    for index, message in enumerate(request.messages):
        at = f"messages[{index}]"
        yield f"{at}.provider_options_json", message.provider_options_json
        for place, part in enumerate(message.parts):
            yield f"{at}.parts[{place}].provider_options_json", part.provider_options_json
            for inner, piece in enumerate(part.tool_result.parts):
                where = f"{at}.parts[{place}].tool_result.parts[{inner}].provider_options_json"
                yield where, piece.provider_options_json


@runtime_checkable
class DescribesModels(Protocol):
    """What a wire format module offers beside `WireFormat` where a provider describes its models one by one only."""

    def render_show(self, model: str, /) -> Outgoing:
        """The request for what one model can do; it loads nothing and costs nothing."""

    def parse_show(self, body: bytes, /) -> model_pb2.Model:
        """What the answer says, to be merged into the model's entry of the list."""


@runtime_checkable
class TellsLoaded(Protocol):
    """What a wire format module offers beside `DescribesModels` where the server keeps some of its models in memory."""

    def render_loaded(self) -> Outgoing:
        """The request for the models that are in memory."""

    def parse_loaded(self, body: bytes, /) -> frozenset[str]:
        """Their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API of a provider: a wire format in the provider's dialect. name: "" where the provider has only this one."""

    wire: WireFormat
    dialect: Any
    name: str = ""
