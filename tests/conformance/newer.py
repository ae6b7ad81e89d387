"""A gateway newer than its clients: the four methods in raw bytes, scripted by data, on a real socket.

`newer` of a conversation is an array of answers, one for each RPC, the last one stays. An answer holds

    messages    array of {"json": response message as proto JSON, "raw": hex appended to its bytes}: fields that no client knows
    status      {"code", "message", "details": array of {"type", "json" | "raw"}}, perhaps; OK without it
    trailers    object of strings, perhaps

In strings of `json`, `${name}` is the call's metadata of that name (`none` without it), and `${deadline}` the whole minutes it has left.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf import any_pb2, json_format, message, message_factory
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2, status_pb2
from llmgateway.v1 import error_pb2, gateway_pb2

SERVICE = "llmgateway.v1.LLMGateway"
_DETAILS = (error_details_pb2, error_pb2)  # imported so that their types are in the pool
_CODES = {code.name: code for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[bytes, bytes]


class NewerGateway:
    """The running server. calls: RPCs so far."""

    def __init__(self, answers: Sequence[Mapping[str, Any]]) -> None:
        self._answers = answers
        self.address = ""
        self.calls = 0

    async def send(self, _: bytes, context: Context) -> bytes:
        answer = self._next()
        await self._end(answer, context)
        return _encoded(answer["messages"][0], gateway_pb2.SendResponse, context)

    async def stream_send(self, _: bytes, context: Context) -> AsyncIterator[bytes]:
        answer = self._next()
        for item in answer.get("messages", ()):
            yield _encoded(item, gateway_pb2.StreamSendResponse, context)
        await self._end(answer, context)

    def _next(self) -> Mapping[str, Any]:
        answer = self._answers[min(self.calls, len(self._answers) - 1)]
        self.calls += 1
        return answer

    async def _end(self, answer: Mapping[str, Any], context: Context) -> None:
        trailers: list[tuple[str, str | bytes]] = list(answer.get("trailers", {}).items())
        status = answer.get("status")
        if status is None:
            context.set_trailing_metadata(tuple(trailers))
            return
        code = _CODES[status["code"]]
        details = [_packed(detail) for detail in status.get("details", ())]
        if details:
            packed = status_pb2.Status(code=code.value[0], message=status["message"], details=details)
            trailers.append(("grpc-status-details-bin", packed.SerializeToString()))
        await context.abort(code, status["message"], tuple(trailers))


def _encoded(item: Mapping[str, Any], kind: type[message.Message], context: Context) -> bytes:
    metadata = dict(context.invocation_metadata() or ())
    metadata["deadline"] = str(round((context.time_remaining() or 0) / 60))
    text = re.sub(r"\$\{([\w-]+)\}", lambda found: str(metadata.get(found[1], "none")), json.dumps(item["json"]))
    return json_format.Parse(text, kind()).SerializeToString() + bytes.fromhex(item.get("raw", ""))


def _packed(detail: Mapping[str, Any]) -> any_pb2.Any:
    url = f"type.googleapis.com/{detail['type']}"
    if "raw" in detail:
        return any_pb2.Any(type_url=url, value=bytes.fromhex(detail["raw"]))
    kind = message_factory.GetMessageClass(Default().FindMessageTypeByName(detail["type"]))
    return any_pb2.Any(type_url=url, value=json_format.ParseDict(detail["json"], kind()).SerializeToString())


@asynccontextmanager
async def running(answers: Sequence[Mapping[str, Any]]) -> AsyncIterator[NewerGateway]:
    """The server on an ephemeral loopback port; its `address` says which."""
    gateway = NewerGateway(answers)
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Send": grpc.unary_unary_rpc_method_handler(gateway.send),
        "StreamSend": grpc.unary_stream_rpc_method_handler(gateway.stream_send),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    gateway.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(0)
