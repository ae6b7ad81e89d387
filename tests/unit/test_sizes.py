"""What a large request repeats is counted as protobuf would read it, before it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llm_gateway.errors import InvalidRequest
from llm_gateway.rpc.sizes import SMALL, Sizes
from llmgateway import make_request
from llmgateway.v1 import content_pb2, gateway_pb2

SEND = "/llmgateway.v1.LLMGateway/Send"
STREAM_SEND = "/llmgateway.v1.LLMGateway/StreamSend"
Text = content_pb2.TextPart


class Called:
    """As much of an RPC as the link looks at."""

    def __init__(self, path: str, request: bytes) -> None:
        self.path, self.request = path, request


async def passes(path: str, request: bytes) -> None:
    async def proceed(_: Any) -> None:
        return None

    await Sizes(1 << 25)(Called(path, request), proceed)  # type: ignore[arg-type]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


MANY = 140_000
BOMBS = {
    "messages": field(3, b"") * MANY,
    "parts": field(3, field(2, b"") * MANY),
    "parts of a result": field(3, field(2, field(4, field(3, b"") * MANY))),
    "parts in results in results": field(3, field(2, field(4, field(3, field(4, field(3, b"") * MANY))))),
    "citations": field(3, field(2, field(1, field(2, b"") * MANY))),
    "text": field(3, field(2, (field(1, b"") + field(2, b"")) * MANY)),
    "tools": field(5, b"") * MANY,
    "labels": field(15, b"") * MANY,
    "provider_options_json": field(3, field(5, b"") * MANY),
    "fallback_models": field(11, field(1, b"") * MANY),
    "stop_sequences": field(4, field(11, b"") * MANY),
    "a tag of five bytes": b"\x9a\x80\x80\x80\x00\x00" * MANY,
    "numbers": b"\x08\x00" * 700_000,
    "texts": b"\x0a\x00" * 700_000,
    "what nobody knows": b"\xba\x3e\x00" * 700_000,
    "behind numbers": b"\x08\x96\x01\x09" + bytes(8) + b"\x0d" + bytes(4) + field(3, b"") * MANY,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_repeated_too_often_is_refused_before_it_is_parsed(name: str, stream: bool) -> None:
    """Wherever it stands, however its tags are written, in both methods; the field and the limit are named."""
    request = field(1, BOMBS[name]) if stream else BOMBS[name]
    with pytest.raises(InvalidRequest) as caught:
        await passes(STREAM_SEND if stream else SEND, request)
    (found,) = caught.value.violations
    assert f"(max_{found.field})" in found.description
    if name in ("messages", "parts", "citations", "tools", "labels"):
        assert found.field == name


FILLS: dict[str, Callable[[gateway_pb2.SendRequest], object]] = {
    "an image": lambda r: r.messages[0].parts.add(media=content_pb2.MediaPart(data=b"\x1a\x00" * SMALL)),
    "a long text": lambda r: setattr(r.messages[0].parts[0].text, "text", "\x1a\0" * SMALL),
    "as many parts as may be": lambda r: [r.messages[0].parts.add(text=Text(text="x")) for _ in range(99_999)],
    "options": lambda r: r.provider_options_json.update({"p": "\x12\0" * SMALL}),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", FILLS)
async def test_what_is_long_is_not_many(name: str) -> None:
    """Bytes and texts are looked over, whatever they hold; so is what is as much as is allowed."""
    request = make_request("hi")
    FILLS[name](request)
    await passes(SEND, request.SerializeToString())
    await passes(STREAM_SEND, gateway_pb2.StreamSendRequest(request=request).SerializeToString())


@pytest.mark.parametrize(
    "end",
    [b"\x1a", b"\x1a\xff", b"\xff" * 20, b"\x1a\xff\xff\xff\xff\x0f", b"\x08\x80", b"\x0e\x00", b"\x08" + b"\xff" * 50],
)
async def test_what_is_no_message_is_left_to_protobuf(end: bytes) -> None:
    """Cut tags, sizes and numbers, sizes beyond the end, kinds that there are not."""
    await passes(SEND, field(3, b"") * 10 + field(200, bytes(SMALL)) + end)


async def test_small_requests_and_other_methods_are_not_looked_at() -> None:
    """The costs are for those that can be a burden."""
    await passes(SEND, field(3, b"") * (SMALL // 2))
    await passes("/grpc.health.v1.Health/Check", BOMBS["messages"])
