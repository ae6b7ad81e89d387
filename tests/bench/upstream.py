"""The fake upstream: OpenAI chat completions from prepared bytes. `python -m tests.bench.upstream PORT` serves them.

The model's name chooses what a stream does: 100 text deltas back to back, the same with a pause between them, or one
delta and then silence. A call without `stream` gets the same short completion from each.
"""

import asyncio
import sys

import msgspec
import uvloop

from tests.bench.http1 import listen, response

BACK_TO_BACK, PACED, SILENT = "m", "m-paced", "m-silent"
MODELS = (BACK_TO_BACK, PACED, SILENT)
DELTAS = 100
GAP_S = 0.002

UNARY_TEXT = "Gateways forward requests, watch for faults and retry them before the first word reaches the caller."
DELTA_TEXT = " word"
STREAM_TEXT = DELTA_TEXT * DELTAS


class ChatRequest(msgspec.Struct):
    """What the fake upstream reads of a request."""

    model: str
    stream: bool = False


_USAGE = {"prompt_tokens": 21, "completion_tokens": DELTAS, "total_tokens": 21 + DELTAS}


def _unary() -> bytes:
    message: dict[str, object] = {"role": "assistant", "content": UNARY_TEXT, "refusal": None, "annotations": []}
    completion = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }
    return response(msgspec.json.encode(completion))


def _chunk(**fields: object) -> bytes:
    """One SSE event in one HTTP chunk."""
    chunk = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "m",
        "system_fingerprint": "fp_44709d6fcb",
        **fields,
    }
    return _http_chunk(b"data: " + msgspec.json.encode(chunk) + b"\n\n")


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    return _chunk(choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}])


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + _choice(
    {"role": "assistant", "content": ""}
)
_DELTA = _choice({"content": DELTA_TEXT})
_STREAM_TAIL = (
    _choice({}, "stop") + _chunk(choices=[], usage=_USAGE) + _http_chunk(b"data: [DONE]\n\n") + _http_chunk(b"")
)
_UNARY = _unary()
_MODEL_LIST = response(msgspec.json.encode({"object": "list", "data": [{"id": m, "object": "model"} for m in MODELS]}))
_decode = msgspec.json.Decoder(ChatRequest).decode


def respond(transport: asyncio.Transport, path: str, body: bytes) -> None:
    """Answers one chat completion; any request without a body gets the model list."""
    if not body:
        transport.write(_MODEL_LIST)
        return
    request = _decode(body)
    if not request.stream:
        transport.write(_UNARY)
        return
    transport.write(_STREAM_HEAD)
    if request.model == SILENT:
        transport.write(_DELTA)
    elif request.model == PACED:
        loop = asyncio.get_running_loop()
        _send_paced(transport, loop, loop.time(), 0)
    else:
        for _ in range(DELTAS):
            transport.write(_DELTA)
        transport.write(_STREAM_TAIL)


def _send_paced(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, start: float, sent: int) -> None:
    if transport.is_closing():
        return
    if sent == DELTAS:
        transport.write(_STREAM_TAIL)
        return
    transport.write(_DELTA)
    loop.call_at(start + (sent + 1) * GAP_S, _send_paced, transport, loop, start, sent + 1)


async def serve(port: int) -> None:
    """Serves until the process is stopped."""
    server, _ = await listen(respond, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
