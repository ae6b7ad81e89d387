"""Changes of inputs: of bytes, of JSON, of frames, of protobuf messages. All choices are a `Random`'s, so that a number repeats them."""

from __future__ import annotations

import copy
import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from google.protobuf import message as protobuf
from google.protobuf.descriptor import FieldDescriptor

GROWN = (100, 1000, 20_000, 60_000)
ODD_BYTES = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\x80",
    b"\xef\xbb\xbf",
    b" ",
    b'"',
    b"\\",
    b"\xe2\x80\xa8",
    b"\xc2\xb2",
)
ODD_NUMBERS = (
    0,
    -1,
    1,
    5,
    99,
    400,
    429,
    2**31 - 1,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e300,
    5e-324,
)
"""429: statuses are looked up."""
ODD_TEXTS = (
    "", " ", "x", "\0", "\n", "\r\nx: y", "\N{SNOWMAN}", "\ud800", "\u00b2", "\u2028", "null", "true", "0", "-1", "1e999", "9" * 5000, "{", "[" * 3000,
    '{"a": 1}', "data:x;base64,AA", "AA==", "A", "../x", "a" * 3000, "%2e", "2026-05-04T20:01:02Z", "1s", "https://e.test/a?b#c",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [{}],
    [None],
    ["x"],
    {"type": "x"},
    {"text": 5},
    float("nan"),
)
_DIGITS = re.compile(rb"\d+")


# ---------------------------------------------------------------- bytes
def _at(data: bytes, random: Random) -> tuple[int, int]:
    """A place and an end behind it, near more often than far."""
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 1, 2, 4, 16, 64, len(data) // 2)))


def of_bytes(data: bytes, random: Random, pool: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """One change or some more."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        start, end = _at(data, random)
        piece = data[start:end]
        number = random.random()
        if number < 0.12:
            data = data[:start] + data[end:]
        elif number < 0.24:
            data = data[:start] + piece + data[start:]
        elif number < 0.36:
            data = data[:start] + bytes(byte ^ 1 << random.randrange(8) for byte in piece[:1]) + data[start + 1 :]
        elif number < 0.46:
            data = data[:start] + random.choice(ODD_BYTES) + data[start + random.randrange(2) :]
        elif number < 0.66 and tokens:
            data = data[:start] + random.choice(tokens) + data[random.choice((start, end)) :]
        elif number < 0.72:
            data = _DIGITS.sub(lambda _: str(random.choice(ODD_NUMBERS)).encode(), data, count=random.choice((1, 2)))
        elif number < 0.84:
            other = random.choice(pool)
            first, last = _at(other, random)
            data = data[:start] + random.choice((other[first:], other[first:last])) + data[end:]
        elif number < 0.85:
            data = data[:start] + piece * (random.choice(GROWN) // max(1, len(piece))) + data[end:]
        elif number < 0.92:
            data = data[:start]
        else:
            data = data[:start] + random.randbytes(end - start) + data[end:]
    return data


# ---------------------------------------------------------------- JSON
def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside a JSON value."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        holder = left.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        found += [(holder, key) for key in keys]
        left += [holder[key] for key in keys]
    return found


def of_value(value: Any, random: Random, others: Sequence[Any]) -> Any:
    """A JSON value with some of its values replaced, taken out, repeated, renamed or exchanged. others: JSON values to take parts from.
    The value itself is changed where it can be."""
    for _ in range(random.choice((1, 1, 2, 3))):
        inside = places(value)
        if not inside:
            return copy.deepcopy(random.choice((*ODD_VALUES, *ODD_NUMBERS, *ODD_TEXTS)))
        holder, key = random.choice(inside)
        number = random.random()
        if number < 0.2:
            holder[key] = random.choice(ODD_NUMBERS)
        elif number < 0.4:
            holder[key] = random.choice(ODD_TEXTS)
        elif number < 0.5:
            holder[key] = copy.deepcopy(random.choice(ODD_VALUES))
        elif number < 0.6:
            del holder[key]
        elif number < 0.75:
            found = places(random.choice(others)) if others else inside
            other, name = random.choice(found or inside)
            copied = json.loads(json.dumps(other[name]))
            if isinstance(holder, list):
                holder.insert(key, copied)
            elif isinstance(name, str):
                holder[name] = copied
            else:
                holder[key] = copied
        elif number < 0.85:
            if isinstance(holder, list):
                times = random.choice(
                    (1, 2, 50 if len(inside) < 100 else 1)
                )  # fifty times fifty times fifty fill the memory
                holder[key:key] = [json.loads(json.dumps(holder[key]))] * times
            else:
                holder[random.choice(("type", "x", "", "id", "index", "error", "message"))] = holder.pop(key)
        elif number < 0.95:
            holder[key] = random.choice(([holder[key]], {"x": holder[key]}, str(holder[key])))
        else:
            deep: Any = holder[key]
            for _ in range(random.choice((3, 100, 600))):
                deep = [deep] if random.random() < 0.5 else {"a": deep}
            holder[key] = deep
    return value


def text_of(value: Any, random: Random) -> bytes:
    """JSON text, with or without escapes; lone surrogates and NaN stand in it too, which some servers send."""
    try:
        text = json.dumps(
            value, ensure_ascii=random.random() < 0.5, separators=random.choice(((",", ":"), (", ", ": ")))
        )
    except (RecursionError, ValueError):
        return b"[" * 2000
    return text.encode("utf-8", "surrogatepass")


def read(data: bytes) -> Any:
    """The JSON value of a text; None where it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def of_json(data: bytes, random: Random, pool: Sequence[bytes]) -> bytes:
    """A JSON text changed as a value; what is none stays."""
    value = read(data)
    if value is None:
        return data
    return text_of(of_value(value, random, [read(random.choice(pool))]), random)


# ---------------------------------------------------------------- frames
Split = Callable[[bytes], list[bytes]]
Payload = tuple[bytes, bytes, bytes]
"""Of a frame: what stands before its JSON text, the text, and what stands behind it."""


def split_sse(data: bytes) -> list[bytes]:
    return [frame for frame in re.split(rb"(?<=\n\n)", data) if frame]


def split_lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def of_frames(
    split: Split, frame: Callable[[bytes, Random, Sequence[bytes]], bytes]
) -> Callable[[bytes, Random, Sequence[bytes]], bytes]:
    """Changes of a body that is a row of frames: of one frame, or of their order. A body of one frame is changed as JSON."""

    def mutate(data: bytes, random: Random, pool: Sequence[bytes]) -> bytes:
        frames = split(data)
        if len(frames) < 2:
            return of_json(data, random, pool)
        others = split(random.choice(pool)) or list(frames)
        for _ in range(random.choice((1, 1, 2, 4))):
            at = random.randrange(len(frames)) if frames else 0
            number = random.random()
            if number < 0.6 and frames:
                frames[at] = frame(frames[at], random, others)
            elif number < 0.7:
                del frames[at : at + random.choice((1, 1, 3))]
            elif number < 0.8:
                frames[at:at] = frames[at : at + random.choice((1, 2))]
            elif number < 0.9 and len(frames) > 1:
                other = random.randrange(len(frames))
                frames[at], frames[other] = frames[other], frames[at]
            else:
                frames.insert(at, random.choice(others))
        return b"".join(frames)

    return mutate


_JSON = re.compile(rb"\{.*\}", re.DOTALL)


def of_frame(frame: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A frame whose JSON text is changed as a value."""
    found = _JSON.search(frame)
    if found is None:
        return of_bytes(frame, random, others)
    values = [text[0] for other in others if (text := _JSON.search(other))] or [b"{}"]
    return frame[: found.start()] + of_json(found[0], random, values) + frame[found.end() :]


# ---------------------------------------------------------------- AWS event stream
def split_messages(data: bytes) -> list[bytes]:
    """Messages by the lengths that they state; what is left at the end is one too."""
    found, at = [], 0
    while len(data) - at >= 12:
        size = int.from_bytes(data[at : at + 4], "big")
        if not 16 <= size <= len(data) - at:
            break
        found.append(data[at : at + size])
        at += size
    return [*found, data[at:]] if at < len(data) else found


def message(headers: bytes, payload: bytes) -> bytes:
    """A message with its lengths and both checksums."""
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def of_message(frame: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A message with other headers or another payload, whose checksums are right all the same."""
    if len(frame) < 16:
        return of_bytes(frame, random, others)
    end = 12 + int.from_bytes(frame[4:8], "big")
    headers, payload = frame[12:end], frame[end:-4]
    if random.random() < 0.4:
        headers = of_bytes(headers, random, others)
    elif _JSON.search(payload):
        payload = of_frame(payload, random, [other[:-4] for other in others])
    else:
        payload = of_bytes(payload, random, others)
    return message(headers, payload)


# ---------------------------------------------------------------- protobuf
def _messages(top: protobuf.Message) -> list[protobuf.Message]:
    """The message and all that are in it."""
    found, left = [], [top]
    while left:
        one = left.pop()
        found.append(one)
        for name, value in one.ListFields():
            if name.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(name):
                left += list(value) if name.is_repeated else [value]
    return found


def _is_map(name: FieldDescriptor) -> bool:
    return name.message_type is not None and name.message_type.GetOptions().map_entry


def _scalar(name: Any, random: Random, others: Sequence[str]) -> Any:
    kind = name.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.7
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice((*name.enum_type.values_by_number, 99, -1, 2**31 - 1))
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return random.choice((0.0, 0.5, 1.0, 2.0, -1.0, 1e300, float("nan"), float("inf"), -0.0))
    if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        bits = 31 if kind == FieldDescriptor.CPPTYPE_INT32 else 63
        return random.choice((0, 1, 2, 5, 1000, -1, 2**bits - 1, -(2**bits)))
    if name.type == FieldDescriptor.TYPE_BYTES:
        return random.choice((b"", b"\0", b"\xff\xfe", b"x" * 100, random.randbytes(5)))
    if name.name.endswith("_json") or name.name == "json":
        return text_of(of_value({"type": "object", "a": [1], "b": {"c": "x"}}, random, []), random).decode(
            errors="replace"
        )
    texts = (*others, *(text.encode(errors="replace").decode() for text in ODD_TEXTS))
    return random.choice(texts)


def of_proto(make: Callable[[], protobuf.Message]) -> Callable[[bytes, Random, Sequence[bytes]], bytes]:
    """Changes of a message by its descriptor: any field of any message in it set, cleared, repeated, or taken from another."""

    def parsed(data: bytes) -> protobuf.Message:
        found = make()
        try:
            found.ParseFromString(data)
        except protobuf.DecodeError:
            found.Clear()
        return found

    def mutate(data: bytes, random: Random, pool: Sequence[bytes]) -> bytes:
        top = parsed(data)
        other = parsed(random.choice(pool))
        for _ in range(random.choice((1, 1, 2, 4))):
            inside = _messages(top)
            _change(random.choice(inside[:2] if random.random() < 0.3 else inside), random, _messages(other))
        return top.SerializeToString()

    return mutate


def _change(one: protobuf.Message, random: Random, others: Sequence[protobuf.Message]) -> None:
    same = [other for other in others if other.DESCRIPTOR is one.DESCRIPTOR]
    number = random.random()
    held = [name for name, _ in one.ListFields()]
    if number < 0.15 and same:
        one.MergeFrom(random.choice(same))
    elif number < 0.3 and held:
        one.ClearField(random.choice(held).name)
    elif number < 0.4 and held:
        name = random.choice(held)
        if name.is_repeated and not _is_map(name):
            value: Any = getattr(one, name.name)
            value.extend(list(value) * random.choice((1, 3)))
    else:
        _set(
            one,
            random.choice(held if held and random.random() < 0.5 else one.DESCRIPTOR.fields or [None]),
            random,
            others,
        )


def _set(one: protobuf.Message, name: Any, random: Random, others: Sequence[protobuf.Message]) -> None:
    if name is None:
        return
    texts = [
        str(value)
        for other in others[:20]
        for field, value in other.ListFields()
        if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
    ]
    value: Any = getattr(one, name.name)
    if _is_map(name):
        key, item = (name.message_type.fields_by_name[part] for part in ("key", "value"))
        if item.message_type is None:
            value[_scalar(key, random, (*texts, "anthropic", "openai", "gemini", "provider"))] = _scalar(
                item, random, texts
            )
    elif name.message_type is not None:
        inner = value.add() if name.is_repeated else value
        inner.SetInParent()
        if inner.DESCRIPTOR.fields and random.random() < 0.8:
            _set(inner, random.choice(inner.DESCRIPTOR.fields), random, others)
    elif name.is_repeated:
        value.append(_scalar(name, random, texts))
    elif isinstance(value, str) and random.random() < 0.3:
        at = random.randrange(len(value) + 1)
        setattr(one, name.name, value[:at] + _scalar(name, random, texts) + value[at + random.randrange(3) :])
    else:
        setattr(one, name.name, _scalar(name, random, texts))
