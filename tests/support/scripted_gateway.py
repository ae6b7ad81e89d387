"""A scripted gateway: the contract on a real socket, answering as the test says. For tests of clients, not of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2

Context = grpc.ServicerContext


def text(value: str) -> content_pb2.Part:
    return content_pb2.Part(text=content_pb2.TextPart(text=value))


def answer(value: str = "Hello world") -> gateway_pb2.SendResponse:
    """A whole answer of one text part."""
    response = gateway_pb2.SendResponse(response_id="r1")
    candidate = response.candidates.add(finish_reason=gateway_pb2.FINISH_REASON_STOP)
    candidate.message.role = content_pb2.ROLE_ASSISTANT
    candidate.message.parts.append(text(value))
    response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens = 3, 2, 5
    response.route.provider, response.route.model = "echo", "echo-1"
    response.route.attempts.add(provider="echo", model="echo-1")
    return response


def events(*pieces: str) -> Iterator[gateway_pb2.StreamSendResponse]:
    """The answer of these pieces as events, one delta for each."""
    whole = answer()
    bodies: list[dict[str, Any]] = [
        {"started": {"response_id": whole.response_id, "route": whole.route}},
        {"part_started": {"part": text("")}},
        *({"part_delta": {"text": piece}} for piece in pieces),
        {"part_completed": {}},
        {"candidate_completed": {"finish_reason": gateway_pb2.FINISH_REASON_STOP}},
        {"completed": {"usage": whole.usage, "route": whole.route}},
    ]
    for sequence, body in enumerate(bodies):
        yield gateway_pb2.StreamSendResponse(sequence=sequence, **body)


def fail(context: Context, code: grpc.StatusCode, message: str, *details: Message) -> NoReturn:
    """End the call with a status and its details."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)
    raise AssertionError("abort returned")


@dataclass(kw_only=True)
class Seen:
    """One call as it arrived. deadline: seconds that were left. ended: set when the call is over, however."""

    method: str
    request: Any
    metadata: dict[str, str | bytes]
    deadline: float | None
    ended: threading.Event = field(default_factory=threading.Event)


class ScriptedGateway(gateway_pb2_grpc.LLMGatewayServicer):
    """Each RPC calls an attribute that a test may replace; by default all is well."""

    def __init__(self) -> None:
        self.address = ""
        self.calls: list[Seen] = []
        self.send: Callable[[gateway_pb2.SendRequest, Context], gateway_pb2.SendResponse] = lambda *_: answer()
        self.stream: Callable[[gateway_pb2.StreamSendRequest, Context], Iterator[gateway_pb2.StreamSendResponse]] = (
            lambda *_: events("Hello", " ", "world")
        )
        self.models: Callable[[model_pb2.ListModelsRequest, Context], model_pb2.ListModelsResponse] = lambda *_: (
            model_pb2.ListModelsResponse()
        )
        self.health: Callable[[health_pb2.HealthRequest, Context], health_pb2.HealthResponse] = lambda *_: (
            health_pb2.HealthResponse(status=health_pb2.HEALTH_STATUS_SERVING)
        )

    def _see(self, method: str, request: Message, context: Context) -> None:
        metadata = dict(context.invocation_metadata())
        seen = Seen(method=method, request=request, metadata=metadata, deadline=context.time_remaining())
        self.calls.append(seen)
        if not context.add_callback(seen.ended.set):
            seen.ended.set()

    def Send(self, request: gateway_pb2.SendRequest, context: Context) -> gateway_pb2.SendResponse:
        self._see("Send", request, context)
        return self.send(request, context)

    def StreamSend(
        self, request: gateway_pb2.StreamSendRequest, context: Context
    ) -> Iterator[gateway_pb2.StreamSendResponse]:
        self._see("StreamSend", request, context)
        yield from self.stream(request, context)

    def ListModels(self, request: model_pb2.ListModelsRequest, context: Context) -> model_pb2.ListModelsResponse:
        self._see("ListModels", request, context)
        return self.models(request, context)

    def Health(self, request: health_pb2.HealthRequest, context: Context) -> health_pb2.HealthResponse:
        self._see("Health", request, context)
        return self.health(request, context)


@contextmanager
def running(
    credentials: grpc.ServerCredentials | None = None, options: Sequence[tuple[str, Any]] = ()
) -> Iterator[ScriptedGateway]:
    """A scripted gateway on an ephemeral loopback port; its `address` says which."""
    gateway = ScriptedGateway()
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, options=options)
        gateway_pb2_grpc.add_LLMGatewayServicer_to_server(gateway, server)
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        gateway.address = f"127.0.0.1:{port}"
        server.start()
        try:
            yield gateway
        finally:
            server.stop(0).wait()
