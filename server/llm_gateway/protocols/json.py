"""JSON as the wire formats read and write it."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import msgspec

Raw = msgspec.Raw
"""JSON text that `encode` writes as it stands: schemas and tool arguments keep their key order and number spelling."""

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
fields = msgspec.json.Decoder(dict[str, Raw]).decode
"""The fields of an object, each as its own text."""
items = msgspec.json.Decoder(list[Raw]).decode
"""Those of an array."""


class MalformedJson(ValueError):
    """The bytes are not JSON."""


WRONG_SHAPE = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    ArithmeticError,
    StopIteration,
    RecursionError,
    msgspec.MsgspecError,
)
"""What code raises that reads a value of another type or form than it was told to expect."""


def decode(data: bytes | str) -> Any:
    """Any JSON value. Lone surrogates, NaN and out-of-range numbers, which some servers send, are read as Python reads them.

    Raises MalformedJson.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            return _without_surrogates(json.loads(text))
        except (ValueError, RecursionError):
            raise MalformedJson("not JSON") from None
    except RecursionError:
        raise MalformedJson("nested too deeply") from None


def _without_surrogates(value: Any) -> Any:
    """Protobuf strings hold no lone surrogates: U+FFFD stands in for them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def text(value: Any) -> str:
    """A JSON value as compact JSON text."""
    return encode(value).decode()


def name(value: Any) -> str:
    """A name or id that an answer gives of itself: text, or a number as text; other values say nothing."""
    if isinstance(value, str):
        return value
    return text(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def raw_at(data: bytes, *path: str | int) -> Raw:
    """The text of a value as it stands inside objects and arrays: with its spelling of numbers and its order of keys, which `decode`
    would lose. Raises one of WRONG_SHAPE where nothing stands at the path."""
    for step in path:
        data = items(data)[step] if isinstance(step, int) else fields(data)[step]
    return Raw(data)


def spelled(value: Any, data: bytes, *path: str | int) -> bytes:
    """The text of a decoded value as it stands at a path of the data; written anew where only `decode` can read that."""
    try:
        return bytes(raw_at(data, *path))
    except _NOT_PLAIN:
        return encode(value)


def compact(value: Any, data: bytes, *path: str | int) -> str:
    """The same without white space between what it holds."""
    try:
        return msgspec.json.format(bytes(raw_at(data, *path)), indent=-1).decode()
    except _NOT_PLAIN:
        return text(value)


_NOT_PLAIN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def beyond(value: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields of an object that are neither known nor null."""
    return {key: field for key, field in value.items() if key not in known and field is not None}


def octets(value: Any) -> bytes:
    """The bytes of an array of numbers from 0 to 255, which others raise ValueError for; none for anything else (`bytes` of a number
    would be as many zeros)."""
    return bytes(value) if isinstance(value, list) else b""


def is_blank(value: Any) -> bool:
    """Whether a value says nothing: null, false, 0, an empty text, or objects and arrays of such. Some servers write the fields that an
    answer does not have with their zero values (Snowflake: an empty function_call, an empty audio)."""
    if isinstance(value, dict):
        return all(map(is_blank, value.values()))
    return all(map(is_blank, value)) if isinstance(value, list) else not value


def deeper_than(most: int, value: Any) -> bool:
    """Whether arrays and objects of a value stand more than `most` deep in each other."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return bool(level)


def raw_object(text: str) -> Raw:
    """The text of an object, to be embedded as it stands; one that only `decode` can read (NaN, lone surrogates) is written anew.

    Raises MalformedJson for anything else.
    """
    try:
        fields(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = decode(text)
        if not isinstance(value, dict):
            raise MalformedJson("no object") from None
        try:
            return Raw(encode(value))
        except RecursionError:
            raise MalformedJson("nested too deeply") from None
    return Raw(text.encode())


def merge(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`more` laid over `into`, objects merged key by key, everything else replaced. A null in `more` removes the key."""
    out = dict(into)
    for key, value in more.items():
        old = out.get(key)
        if isinstance(old, Raw) and isinstance(value, dict):
            old = decode(bytes(old))
        if value is None:
            out.pop(key, None)
        elif isinstance(old, dict) and isinstance(value, dict):
            out[key] = merge(old, value)
        else:
            out[key] = value
    return out
