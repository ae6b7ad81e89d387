"""A request with something in every place, and each of its places for text, so that what is said of one field is shown for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from llmgateway.v1 import content_pb2, gateway_pb2

Put = Callable[[Any, str], None]
"""Puts a text into its place in a request."""
Place = tuple[str, Put]
"""A path, and what puts a text there."""


def filled(model: str) -> gateway_pb2.SendRequest:
    """A request that formats take, with every kind of message, part and setting that holds text."""
    request = gateway_pb2.SendRequest(model=model, conversation_id="conversation", end_user_id="user", request_id="r1")
    request.messages.add(role=content_pb2.ROLE_SYSTEM).parts.add().text.text = "system"
    user = request.messages.add(role=content_pb2.ROLE_USER, name="name")
    user.parts.add().text.text = "hi"
    picture = user.parts.add().media
    picture.mime_type, picture.data = "image/png", b"png"
    if not model.startswith(("bedrock", "ollama")):  # which take no URLs
        user.parts.add().media.uri = "https://example.test/a.png"
        user.parts[2].media.mime_type = "image/png"
    call = request.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add().tool_call
    call.id, call.name, call.arguments_json = "c1", "look", "{}"
    result = request.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
    result.tool_call_id, result.name = "c1", "look"
    result.parts.add().text.text = "seen"
    function = request.tools.add().function
    function.name, function.description, function.parameters_json_schema = "look", "looks", '{"type": "object"}'
    request.generation_config.stop_sequences.append("end")
    request.output_format.json_schema.name, request.output_format.json_schema.schema_json = "n", '{"type": "object"}'
    request.cache_config.cache_key = "key"
    request.routing.affinity_key = "key"
    request.labels["label"] = "value"
    return request


def places(request: Message) -> Iterator[Place]:
    """Each place for text of a request, those of its present messages and of single ones that are not there."""
    yield from _places(request, (), "")


def _places(message: Message, steps: tuple[tuple[str, int], ...], path: str) -> Iterator[Place]:
    fields: Iterable[Any] = message.DESCRIPTOR.fields
    for field in fields:
        at = f"{path}.{field.name}" if path else field.name
        if field.type == FieldDescriptor.TYPE_STRING:
            yield at, _put(steps, field)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_STRING:
                yield f"{at}[key]", _put_key(steps, field.name)
                yield f"{at}[value]", _put_value(steps, field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not field.message_type.full_name.startswith("google."):
            inner: Any = getattr(message, field.name)
            if field.is_repeated:
                for index, one in enumerate(inner):
                    yield from _places(one, (*steps, (field.name, index)), f"{at}[{index}]")
            elif message.HasField(field.name) or field.containing_oneof is None:
                yield from _places(inner, (*steps, (field.name, -1)), at)


def _found(request: Any, steps: tuple[tuple[str, int], ...]) -> Any:
    for name, index in steps:
        request = getattr(request, name) if index < 0 else getattr(request, name)[index]
    return request


def _put(steps: tuple[tuple[str, int], ...], field: FieldDescriptor) -> Put:
    def put(request: Any, text: str) -> None:
        message = _found(request, steps)
        if field.is_repeated:
            getattr(message, field.name).append(text)
        else:
            setattr(message, field.name, text)

    return put


def _put_key(steps: tuple[tuple[str, int], ...], name: str) -> Put:
    def put(request: Any, text: str) -> None:
        getattr(_found(request, steps), name)[text] = "{}"

    return put


def _put_value(steps: tuple[tuple[str, int], ...], name: str) -> Put:
    def put(request: Any, text: str) -> None:
        getattr(_found(request, steps), name)["label"] = text

    return put
