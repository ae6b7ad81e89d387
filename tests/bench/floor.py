"""The floor: a bare `grpc.aio` servicer on uvloop that answers from prepared messages, with no upstream behind it.

Any gateway on grpcio pays at least this. `python -m tests.bench.floor PORT` serves on loopback.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from tests.bench.http1 import LOOPBACK
from tests.bench.processes import SERVICE
from tests.bench.upstream import DELTA_TEXT, DELTAS, GAP_S, PACED, UNARY_TEXT

Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"

_USAGE = usage_pb2.Usage(input_tokens=21, output_tokens=DELTAS, total_tokens=21 + DELTAS)
_ROUTE = gateway_pb2.RouteInfo(
    provider="edge",
    model="m",
    response_model="m",
    provider_response_id="chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    attempts=[gateway_pb2.Attempt(provider="edge", model="m")],
)
_RESPONSE = gateway_pb2.SendResponse(
    response_id="01990f5e-6c51-7d61-8d0c-5f0a3b1c9e77",
    candidates=[
        gateway_pb2.Candidate(
            message=content_pb2.Message(
                role=content_pb2.ROLE_ASSISTANT,
                parts=[content_pb2.Part(text=content_pb2.TextPart(text=UNARY_TEXT))],
            ),
            finish_reason=gateway_pb2.FINISH_REASON_STOP,
            provider_finish_reason="stop",
        )
    ],
    usage=_USAGE,
    route=_ROUTE,
    system_fingerprint="fp_44709d6fcb",
)
_DELTA = gateway_pb2.StreamSendResponse(sequence=3, part_delta=gateway_pb2.PartDelta(text=DELTA_TEXT))
_COMPLETED = gateway_pb2.StreamSendResponse(
    sequence=DELTAS + 3, completed=gateway_pb2.StreamCompleted(usage=_USAGE, route=_ROUTE)
)


async def send(request: gateway_pb2.SendRequest, context: Context) -> gateway_pb2.SendResponse:
    """Answers at once."""
    return _RESPONSE


async def stream_send(
    request: gateway_pb2.StreamSendRequest, context: Context
) -> AsyncIterator[gateway_pb2.StreamSendResponse]:
    """Yields the deltas back to back or, for the paced model, as far apart as the fake upstream sends them."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for sent in range(DELTAS):
        yield _DELTA
        if request.request.model.endswith(PACED):
            await asyncio.sleep(start + (sent + 1) * GAP_S - loop.time())
    yield _COMPLETED


async def serve(port: int) -> None:
    """Serves until the process is stopped."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Send": grpc.unary_unary_rpc_method_handler(
            send,
            request_deserializer=gateway_pb2.SendRequest.FromString,
            response_serializer=gateway_pb2.SendResponse.SerializeToString,
        ),
        "StreamSend": grpc.unary_stream_rpc_method_handler(
            stream_send,
            request_deserializer=gateway_pb2.StreamSendRequest.FromString,
            response_serializer=gateway_pb2.StreamSendResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    checks = health.aio.HealthServicer()
    await checks.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    server.add_insecure_port(f"{LOOPBACK}:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
