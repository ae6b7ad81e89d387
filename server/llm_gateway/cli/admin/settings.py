"""Settings as people write them, in the form of the file, ↔ the contract's messages. The descriptors say what there is; the gateway checks the values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from google.protobuf import duration_pb2, struct_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from llmgateway.admin.v1 import settings_pb2

from llm_gateway import durations
from llm_gateway.cli import UsageError
from llm_gateway.config.effective import HIDDEN
from llm_gateway.config.problems import ConfigError
from llm_gateway.config.reading import Node, Reading, join
from llm_gateway.config.values import Unfit, boolean, duration, nearest, variables
from llm_gateway.telemetry.redaction import redact

Field: TypeAlias = Any
"""A FieldDescriptor; its stubs leave open whether a message has a descriptor."""
_KEY = "keys are kept apart: leave it out, and give --api-key, which asks for it, or run `llm-gateway keys add`"
_FILE = "can be set in the configuration file only"
_ELSEWHERE = {
    "api_keys": _KEY,
    "credentials": f"{_FILE}, as secrets of kinds that need more than a key",
    "tls": f"{_FILE}, since it names files of the gateway's machine",
    "enabled": "use `llm-gateway providers enable` and `disable`",
}
"""Keys of the file that are no settings here, and what to do instead."""
_SHORT: Mapping[type[Message], Callable[[str], Mapping[str, str]]] = {
    settings_pb2.EndpointSettings: lambda text: {"url": text},
    settings_pb2.TargetSettings: lambda text: dict(zip(("provider", "model"), text.split("/", 1), strict=False)),
}
"""What one text may stand for."""
_STEP = re.compile(r'"([^"]*)"|([^."=]+)')
_ASSIGNED = re.compile(r'((?:"[^"]*"|[^."=]+)(?:\.(?:"[^"]*"|[^."=]+))*)=(.*)', re.DOTALL)


def read(text: str, file: str, settings: Message, around: Sequence[str] = ()) -> None:
    """Fill the settings from a text in the form of the file. around: keys that may stand around it, such as providers and its name.
    Raises UsageError with every problem, one a line."""
    writer = _Writer(file)
    node = writer.reading.parse(text)
    if node is None and not writer.reading.problems:
        writer.problem("", "is empty", "write the settings as they would stand in the configuration file")
    for key in around:
        if node is not None and node.id == "mapping" and [name.value for name, _ in node.value] == [key]:
            node = node.value[0][1]
    if node is not None:
        writer.fill(settings, node, "")
    writer.finish()


def assign(settings: Message, assignment: str) -> str:
    """Set one of the settings: `timeouts.connect=2s`. Returns the path of what is set as a whole. Raises UsageError."""
    found = _ASSIGNED.fullmatch(assignment)
    if found is None:
        raise UsageError("--set: write a key, = and its value, such as timeouts.connect=2s")
    return _Setting("--set", found[1], found[2]).assign(settings)


def unset(settings: Message, key: str) -> str:
    """Take one of the settings out. Returns the path of what is set as a whole. Raises UsageError."""
    if not _ASSIGNED.fullmatch(f"{key}="):
        raise UsageError("--unset: write a key alone, such as timeouts.connect")
    return _Setting("--unset", key, None).assign(settings)


def put(settings: Message, field: str, value: str | Sequence[str]) -> None:
    """Set a field to a text or a list of texts, each as the file would have it."""
    settings.ClearField(field)
    if isinstance(value, str):
        setattr(settings, field, value)
        return
    held = getattr(settings, field)
    for one in value:
        kind: Field = type(settings).DESCRIPTOR.fields_by_name[field].message_type
        if kind is None:
            held.append(one)
        else:
            target = held.add()
            for name, text in _SHORT[type(target)](one).items():
                setattr(target, name, text)


def as_in_file(settings: Message) -> dict[str, Any]:
    """The settings in the form of the file; what is unset is left out."""
    return {field.name: _plain(field, value) for field, value in settings.ListFields()}


# --- text to message


class _Writer:
    """Writes nodes into messages; notes what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.reading = Reading(file, {})
        self._file = file

    def problem(self, path: str, wrong: str, right: str = "", node: Node = None) -> None:
        """Notes a problem; of a file with the node's line."""
        line = None if node is None or self._file.startswith("--") else node.start_mark.line + 1
        self.reading.problem(path, wrong, right, line=line)

    def finish(self) -> None:
        """Raises UsageError with every problem, one a line."""
        if text := "\n".join(map(str, ConfigError(self.reading.problems).errors)):
            raise UsageError(text)

    def fill(self, message: Message, node: Node, path: str) -> None:
        """Every field that a mapping has, or what one text stands for."""
        kind = type(message)
        if node.id == "scalar" and kind in _SHORT:
            for name, text in _SHORT[kind](node.value).items():
                setattr(message, name, text)
            return
        for key, item in self._items(node, path):
            at = join(path, key)
            field = self.field(message, key, at, item)
            if field is not None:
                self.set(message, field, item, at)

    def field(self, message: Message, key: str, path: str, node: Node = None) -> Field:
        """The field that a key names; None where a problem was noted."""
        fields: Mapping[str, Field] = type(message).DESCRIPTOR.fields_by_name
        field = fields.get(key)
        if field is None:
            known = list(fields)
            if isinstance(message, settings_pb2.ProviderSettings) and key in _ELSEWHERE:
                self.problem(path, "is none of these settings", _ELSEWHERE[key], node)
            else:
                self.problem(path, "is unknown", nearest(key, known) or f"known here: {', '.join(known)}", node)
        return field

    def set(self, message: Message, field: Field, node: Node, path: str) -> None:
        """A field from a node, in place of what it had."""
        if field.name == "api_key" and node.value != "none":
            self.problem(path, "may only be none here", _KEY, node)
            return
        message.ClearField(field.name)
        if field.name == "api_key" and getattr(node, "value", node) != "none":
            self.problem(path, "may only be none, where the server wants no key", _KEY, node)
            return
        if _is_map(field):
            self._set_map(getattr(message, field.name), field.message_type.fields_by_name["value"], node, path)
        elif _is_list(field):
            self._set_list(getattr(message, field.name), field, node, path)
        elif field.message_type is None:
            if (one := self.scalar(field, node, path)) is not None:
                setattr(message, field.name, one)
        elif field.message_type is duration_pb2.Duration.DESCRIPTOR:
            if (one := self.scalar(field, node, path)) is not None:
                getattr(message, field.name).CopyFrom(one)
        elif field.message_type is struct_pb2.Struct.DESCRIPTOR:
            plain = self.reading.read(node, Mapping[str, Any], path)
            if isinstance(plain, Mapping):
                getattr(message, field.name).update(plain)
        else:
            self.fill(getattr(message, field.name), node, path)
            getattr(message, field.name).SetInParent()

    def _set_map(self, held: Any, value: Field, node: Node, path: str) -> None:
        if node.id == "sequence" and value.cpp_type == FieldDescriptor.CPPTYPE_BOOL:  # capabilities: [tools, vision]
            held.update({item.value: True for item in node.value})
            return
        for key, item in self._items(node, path):
            at = join(path, key)
            if value.message_type is not None:
                held[key].SetInParent()
                if not _is_empty(item):
                    self.fill(held[key], item, at)
            elif (one := self.scalar(value, item, at)) is not None:
                held[key] = one

    def _set_list(self, held: Any, field: Field, node: Node, path: str) -> None:
        if node.id != "sequence":
            self._not(node, path, "a list", f"write [{node.value}]" if node.id == "scalar" else "write [ … ]")
            return
        for index, item in enumerate(node.value):
            at = f"{path}[{index}]"
            if field.message_type is not None:
                self.fill(held.add(), item, at)
            elif (one := self.scalar(field, item, at)) is not None:
                held.append(one)

    def scalar(self, field: Field, node: Node, path: str) -> Any:
        """The value of a node as the field has it; None where a problem was noted."""
        text = node.value
        if node.id != "scalar":
            self._not(node, path, "a single value")
        elif _is_empty(node) or not text:
            self.problem(path, "is empty", "give a value or take it out", node)
        elif variables(text):
            right = "write the value itself: only the configuration file may name variables of the gateway's machine"
            self.problem(path, "names a variable", right, node)
        elif text == HIDDEN:
            self.problem(path, "is *** where the gateway does not tell a value", "write the value itself", node)
        elif redact(text) != text:
            self.problem(path, "looks like a key", _KEY, node)
        else:
            try:
                return _PARSERS[field.message_type.name if field.message_type is not None else field.cpp_type](text)
            except Unfit as unfit:
                self.problem(path, f"{text!r} {unfit.wrong}", unfit.right, node)
        return None

    def _items(self, node: Node, path: str) -> list[tuple[str, Node]]:
        """The keys and values of a mapping, each key once."""
        if node.id != "mapping":
            self._not(node, path, "a mapping", "write {key: value}, or one key a line")
            return []
        found: dict[str, Node] = {}
        for name, item in node.value:
            if name.id != "scalar":
                self.problem(path, "has a key that is no single word", "write key: value", name)
            elif name.value in found:
                self.problem(join(path, name.value), "is given twice", "take one out", name)
            else:
                found[name.value] = item
        return list(found.items())

    def _not(self, node: Node, path: str, wanted: str, right: str = "") -> None:
        found = {"scalar": "a single value", "sequence": "a list", "mapping": "a mapping"}[node.id]
        self.problem(path, f"must be {wanted}, not {found}", right, node)


def _is_map(field: Field) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise Unfit("is no whole number", "write digits, such as 8")
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", text):
        raise Unfit("is no number", "write digits, such as 0.5")
    return float(text)


_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    "Duration": lambda text: durations.to_proto(duration(text)),
    FieldDescriptor.CPPTYPE_BOOL: boolean,
    FieldDescriptor.CPPTYPE_DOUBLE: _number,
    FieldDescriptor.CPPTYPE_INT32: _whole,
    FieldDescriptor.CPPTYPE_STRING: str,
}


def _is_list(field: Field) -> bool:
    return bool(field.default_value == [])


def _is_empty(node: Node) -> bool:
    return node.id == "scalar" and not node.style and node.value in ("", "~", "null")


# --- one of them


class _Setting:
    """One setting by its key, and the text of its value; None takes it out."""

    def __init__(self, file: str, key: str, text: str | None) -> None:
        self.key, self.text = key, text
        self._writer = _Writer(file)

    def assign(self, settings: Message) -> str:
        """Returns the path of what is set as a whole. Raises UsageError."""
        steps = [quoted or plain for quoted, plain in _STEP.findall(self.key)]
        path = ".".join(self._assign(settings, steps))
        self._writer.finish()
        return path

    def _assign(self, message: Message, steps: Sequence[str]) -> Sequence[str]:
        """The steps to what is set as a whole, which a mask may name."""
        step, *rest = steps
        field = self._writer.field(message, step, self.key)
        if field is None:
            return ()
        inner = field.message_type
        if not rest:
            if self.text is None:
                message.ClearField(step)
            elif (node := self._node(field)) is not None:
                self._writer.set(message, field, node, self.key)
        elif inner is struct_pb2.Struct.DESCRIPTOR:
            self._assign_free(getattr(message, step), rest)
        elif _is_map(field):
            self._assign_entry(getattr(message, step), field, rest)
        elif inner is None or _is_list(field) or inner is duration_pb2.Duration.DESCRIPTOR:
            right = f"a list is set as a whole: {step}=[…]" if _is_list(field) else f"write {step}=…"
            self._writer.problem(self.key, f"goes on below {step}", right)
        else:
            return (step, *self._assign(getattr(message, step), rest))
        return (step,)

    def _assign_free(self, held: Any, steps: Sequence[str]) -> None:
        """A setting that only the kind knows. Those beside it stay."""
        plain = tidy(MessageToDict(held))
        inside = plain
        for step in steps[:-1]:
            inside = inside.setdefault(step, {})
            if not isinstance(inside, dict):
                self._writer.problem(self.key, f"goes on below {step}", "that has a single value")
                return
        inside.pop(steps[-1], None)
        if self.text is not None and (node := self._writer.reading.parse(self.text)) is not None:
            inside[steps[-1]] = self._writer.reading.read(node, Any, self.key)
        held.Clear()
        held.update(plain)

    def _assign_entry(self, held: Any, field: Field, steps: Sequence[str]) -> None:
        """An entry of a map, or what lies below it. Those beside it stay."""
        name, *rest = steps
        value = field.message_type.fields_by_name["value"]
        right = f'a name with dots is quoted: {field.name}."gpt-4.1"'
        if self.text is None and not rest:
            held.pop(name, None)
        elif value.message_type is None and rest:
            self._writer.problem(self.key, f"goes on below {name}", right)
        elif value.message_type is None:
            if (node := self._node(value)) is not None and (
                one := self._writer.scalar(value, node, self.key)
            ) is not None:
                held[name] = one
        elif not rest:
            if (node := self._node(value)) is not None:
                held[name].Clear()
                self._writer.fill(held[name], node, self.key)
        elif rest[0] not in value.message_type.fields_by_name:
            known = ", ".join(value.message_type.fields_by_name)
            self._writer.problem(self.key, f"has no {rest[0]} below {name}", f"known there: {known}; {right}")
        else:
            self._assign(held[name], rest)

    def _node(self, field: Field) -> Node:
        """What is set: a single value as it is written, anything else as YAML; None where a problem was noted."""
        import yaml

        assert self.text is not None  # noqa: S101 - what has none is taken out
        inner = field.message_type
        if not _is_list(field) and (inner is None or inner is duration_pb2.Duration.DESCRIPTOR):
            mark = yaml.Mark("", 0, 0, 0, None, 0)
            return yaml.ScalarNode("tag:yaml.org,2002:str", self.text, mark, mark, '"')
        return self._writer.reading.parse(self.text)


# --- message to text


def _plain(field: Field, value: Any) -> Any:
    if _is_map(field):
        inner = field.message_type.fields_by_name["value"]
        return {key: _one(inner, one) for key, one in sorted(value.items())}
    if _is_list(field):
        return [_one(field, one) for one in value]
    return _one(field, value)


def _one(field: Field, value: Any) -> Any:
    if field.message_type is None:
        return tidy(value)
    if isinstance(value, duration_pb2.Duration):
        return f"{Decimal(repr(durations.to_seconds(value))):f}".removesuffix(".0") + "s"
    if isinstance(value, struct_pb2.Struct):
        return tidy(MessageToDict(value))
    found = as_in_file(value)
    if set(found) == {"url"}:
        return found["url"]
    return f"{found['provider']}/{found['model']}" if set(found) == {"provider", "model"} else found


def tidy(value: Any) -> Any:
    """With whole numbers as such: a Struct has no others than floats."""
    if isinstance(value, dict):
        return {key: tidy(one) for key, one in value.items()}
    if isinstance(value, list):
        return [tidy(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
