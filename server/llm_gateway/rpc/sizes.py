"""sizes: repeated fields of a large request are counted in its bytes, before protobuf makes objects of them.

Two bytes can be a part, which takes 370 once it is parsed: of 32 MiB that is 6 GB, and seconds of the event loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Mapping
from typing import Any

from llmgateway.v1 import gateway_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.rpc import validation
from llm_gateway.rpc.chain import Handler, Rpc

SMALL = 256 << 10
"""Bytes of a request that cannot become more than 50 MB."""
MAX_FIELDS = 250_000
"""Texts, numbers and bytes, in all: enough for one in each of as many messages and parts as may be. A million take a tenth of a second to count."""
DEEPEST = 100
"""Nested messages that protobuf accepts."""
Table = dict[int, tuple[str, int, "Table | None"]]
"""By the tag of a field that can be repeated: its name, how often it may be there in all, and the fields of its message."""


class Sizes:
    """Raises InvalidRequest for a large request that has more of something than is allowed."""

    def __init__(self, most: int) -> None:
        """most: bytes of a request; a larger one is refused anyway."""
        self._most = most
        service = gateway_pb2.DESCRIPTOR.services_by_name["LLMGateway"]
        known: dict[str, Table] = {}
        self._tables: Mapping[str, Table] = {
            f"/{service.full_name}/{method.name}": _table(method.input_type, known) for method in service.methods
        }

    def __call__(self, rpc: Rpc, proceed: Handler) -> Awaitable[Any]:
        request = rpc.request
        if (
            type(request) is bytes
            and SMALL < len(request) <= self._most
            and (table := self._tables.get(rpc.path)) is not None
        ):
            check(request, table)
        return proceed(rpc)


def _table(message: Any, known: dict[str, Table]) -> Table:
    """The fields of a message that are messages, and the texts that are repeated. A map is not looked into."""
    if message.full_name in known:
        return known[message.full_name]
    table = known[message.full_name] = {}
    for field in message.fields:
        if field.message_type is not None:
            inner = None if field.message_type.GetOptions().map_entry else _table(field.message_type, known)
            table[field.number << 3 | 2] = field.name, validation.MOST.get(field.name, validation.MAX_PARTS), inner
        elif field.is_repeated and field.type in (field.TYPE_STRING, field.TYPE_BYTES):
            table[field.number << 3 | 2] = field.name, validation.MOST.get(field.name, validation.MAX_PARTS), None
    return table


def check(request: bytes, table: Table) -> None:
    """Raises InvalidRequest. What is not a message is left for protobuf to refuse: it reads no further than this does."""
    try:
        _Scan(request).fields(0, len(request), table)
    except IndexError:
        return


class _Scan:
    """One look at the bytes of a request (https://protobuf.dev/programming-guides/encoding)."""

    __slots__ = ("_counts", "_data", "_depth", "_left")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._depth = 0
        self._left = MAX_FIELDS

    def fields(self, at: int, end: int, table: Table) -> None:  # noqa: C901 - one loop: a call costs more than a field
        """Count those from `at` to `end`. Raises IndexError where the bytes are no fields, or end too soon."""
        data, counts, left = self._data, self._counts, self._left
        while at < end:
            tag = data[at]
            at += 1
            if tag > 0x7F:
                if data[at] < 0x80:  # the usual two bytes, without a call
                    tag += (data[at] - 1) << 7
                    at += 1
                else:
                    tag, at = _varint(data, at - 1)
            kind = tag & 7
            if tag not in table:
                left -= 1
                if left < 0:
                    raise _too_many("fields", MAX_FIELDS)
            if kind == 2:
                size = data[at]
                at += 1
                if size > 0x7F:
                    size, at = _varint(data, at - 1)
                if tag in table:
                    name, most, inner = table[tag]
                    counts[name] = count = counts[name] + 1
                    if count > most:
                        raise _too_many(name, most)
                    if size > 3 and inner and self._depth < DEEPEST:  # below that there is room for one more
                        self._depth += 1
                        self._left = left
                        self.fields(at, min(at + size, end), inner)
                        left = self._left
                        self._depth -= 1
                at += size
            elif kind == 0:
                longest = at + 10
                while data[at] > 0x7F:
                    at += 1
                    if at == longest:
                        raise IndexError
                at += 1
            elif kind == 1:
                at += 8
            elif kind == 5:
                at += 4
            elif kind > 5:
                raise IndexError
        self._left = left


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError


def _too_many(name: str, most: int) -> InvalidRequest:
    found = Violation(field=name, description=f"Send at most {most} in all (max_{name}).", reason="OUT_OF_RANGE")
    return InvalidRequest(f"The request is not valid. {name}: {found.description}", violations=[found])
