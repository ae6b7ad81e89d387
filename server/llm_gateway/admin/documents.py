"""The contract's settings ↔ the form of the file: `ProviderSettings` and `RouteSettings` have a field for each key, so that one walk serves all.

A document is the mapping that would stand under `providers.NAME` or `routes.NAME`, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from google.protobuf import duration_pb2, json_format, struct_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from llm_gateway.config.effective import HIDDEN
from llm_gateway.errors import InvalidRequest, Violation

M = TypeVar("M", bound=Message)
Document: TypeAlias = Mapping[str, Any]
SECRETS = ("headers", "proxy")
"""Fields of a provider's document that no answer shows: headers may hold what nobody knows for a secret."""
_SINGLE = frozenset({duration_pb2.Duration.DESCRIPTOR.full_name, struct_pb2.Struct.DESCRIPTOR.full_name})
"""Messages that are one value."""


def document_of(settings: Message, field: str) -> Document:
    """The settings as a document. field: their path in the request. Raises InvalidRequest for what no document can hold."""
    try:
        return json_format.MessageToDict(settings, preserving_proto_field_name=True)
    except (ValueError, json_format.Error):
        right = "Holds a value that is none: a duration out of its range, or a number that is not one."
        raise InvalidRequest.of(field, right) from None


def settings_of(document: Document, kind: type[M]) -> M:
    """A document as the contract's settings, its secrets hidden."""
    return json_format.ParseDict(dict(hidden(document)), kind(), ignore_unknown_fields=True)


def hidden(document: Document) -> Document:
    """Without what nobody is shown."""
    masked = {
        name: dict.fromkeys(document[name], HIDDEN) if isinstance(document[name], Mapping) else HIDDEN
        for name in SECRETS
        if name in document
    }
    return {**document, **masked}


def unhidden(document: Document, field: str) -> None:
    """Raises InvalidRequest for a document that has *** for a value, as answers do."""
    for name in SECRETS:
        value = document.get(name)
        for key, text in value.items() if isinstance(value, Mapping) else [("", value)]:
            if text == HIDDEN:
                right = f"{HIDDEN} stands for a value that is not shown; give the value, or leave the field out of update_mask."
                raise InvalidRequest.of(".".join(filter(None, (field, name, key))), right, "HIDDEN_VALUE")


def updated(old: Document, settings: Message, paths: Iterable[str], field: str) -> Document:
    """A document with what the paths of an update mask name as the settings have it. Raises InvalidRequest.

    paths: such as settings.timeouts.connect; none: what the settings have. field: of the resource in the request.
    """
    new = document_of(settings, f"{field}.settings")
    unhidden(new, f"{field}.settings")
    paths = list(paths) or [f"settings.{path}" for path in _leaves(settings, "")]
    found: Document = old
    for path in paths:
        if path in ("*", "settings"):
            found = new
            continue
        head, _, rest = path.partition(".")
        if head != "settings" or not _is_field(settings.DESCRIPTOR, rest.split(".")):
            right = f"Names no setting in one of its paths; write such as settings.{settings.DESCRIPTOR.fields[1].name}. Lists and maps are replaced as a whole."
            raise InvalidRequest(violations=[Violation(field="update_mask", description=right, reason="INVALID_PATH")])
        found = _put(found, new, rest.split("."))
    return found


def _put(old: Document, new: Document, steps: list[str]) -> Document:
    """`old` with what `new` has at a path, or has not."""
    name, *further = steps
    value = new.get(name)
    if further:
        value = _put(old.get(name) or {}, value or {}, further) or None
    rest = {key: item for key, item in old.items() if key != name}
    return rest if value is None else {**rest, name: value}


def _leaves(settings: Message, path: str) -> Iterator[str]:
    """The paths of the fields that a message has."""
    for field, value in settings.ListFields():
        at = f"{path}.{field.name}" if path else field.name
        if _is_group(field):
            yield from _leaves(value, at)
        else:
            yield at


def _is_field(kind: Any, steps: list[str]) -> bool:
    """Whether a path names a field of a message's descriptor."""
    name, *further = steps
    field = kind.fields_by_name.get(name)
    return field is not None and (not further or (_is_group(field) and _is_field(field.message_type, further)))


def _is_group(field: FieldDescriptor) -> bool:
    """Whether a field holds a mapping of the file, whose keys can be written one by one."""
    return field.message_type is not None and not field.is_repeated and field.message_type.full_name not in _SINGLE
