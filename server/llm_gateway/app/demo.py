"""The main job in one screen: `make demo`. A real gateway on the embedded provider, called by the generated client over a real socket.

Needs no keys and no network. Exit code 0 means that every step did what it prints.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

import grpc
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import content_pb2, gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llm_gateway import config
from llm_gateway.app.gateway import Gateway
from llm_gateway.telemetry import logs, names, tracing

CONFIG = config.Config(
    server=config.Server(listen="127.0.0.1:0", lame_duck=0.0),
    providers={"echo": config.Provider(kind="echo", default_model="echo")},
    routes={
        "safe": config.Route(
            targets=(config.Target(provider="echo", model="echo-fail"),),
            fallbacks=(config.Target(provider="echo", model="echo"),),
            retry=config.Retry(max_attempts=3),
        )
    },
    default_provider="echo",
)


async def main() -> None:
    """Start, call, print, stop."""
    logs.configure_logging("warning")
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))

    gateway = Gateway(CONFIG, tracer=tracing.tracer(provider))
    port = await gateway.start()
    print(f"gateway on 127.0.0.1:{port}, provider echo (embedded)\n")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = gateway_pb2_grpc.LLMGatewayStub(channel)
        await _send(stub)
        await _stream(stub)
        await _list_and_health(stub)
        await _fall_back(stub)
        await _fail(stub)
    await gateway.stop()
    print("spans (SERVER, and one CLIENT for every provider call)")
    _print_tree(spans.get_finished_spans())


async def _send(stub: gateway_pb2_grpc.LLMGatewayAsyncStub) -> None:
    response = await stub.Send(_request("echo/echo", "Hello from Send."), timeout=10)
    print(f"Send         {_text(response)!r}")
    _print_route(response)


async def _stream(stub: gateway_pb2_grpc.LLMGatewayAsyncStub) -> None:
    accumulator = Accumulator()
    print("StreamSend   ", end="")
    call = stub.StreamSend(gateway_pb2.StreamSendRequest(request=_request("echo/echo", "Word by word.")), timeout=10)
    async for event in call:
        if event.HasField("part_delta"):
            print(f"[{event.part_delta.text}]", end="", flush=True)
        accumulator.add(event)
    print(f"  finished={accumulator.finished}")
    _print_route(accumulator.response())


async def _list_and_health(stub: gateway_pb2_grpc.LLMGatewayAsyncStub) -> None:
    models = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=10)
    print("ListModels   " + ", ".join(model.model_id for model in models.models) + "\n")
    health = await stub.Health(health_pb2.HealthRequest(), timeout=10)
    states = ", ".join(f"{p.provider} {health_pb2.HealthStatus.Name(p.status)[14:]}" for p in health.providers)
    print(f"Health       {health_pb2.HealthStatus.Name(health.status)[14:]}: {states}; version {health.version}\n")


async def _fall_back(stub: gateway_pb2_grpc.LLMGatewayAsyncStub) -> None:
    response = await stub.Send(_request("safe", "The first target is down, you still read this."), timeout=10)
    print(f"fallback     {_text(response)!r}")
    _print_route(response)
    if not response.route.fallback_used:
        sys.exit("the call should have fallen back")


async def _fail(stub: gateway_pb2_grpc.LLMGatewayAsyncStub) -> None:
    request = _request("echo/echo-cut", "This stream breaks after three words, and says so.")
    words = 0
    try:
        async for event in stub.StreamSend(gateway_pb2.StreamSendRequest(request=request), timeout=10):
            words += event.HasField("part_delta")
    except grpc.aio.AioRpcError as error:
        print(f"cut stream   {words} words, then {error.code().name}: {error.details()}\n")
    else:
        sys.exit("a cut stream ended as if it were whole")


def _request(model: str, text: str) -> gateway_pb2.SendRequest:
    part = content_pb2.Part(text=content_pb2.TextPart(text=text))
    return gateway_pb2.SendRequest(
        model=model, messages=[content_pb2.Message(role=content_pb2.ROLE_USER, parts=[part])]
    )


def _text(response: gateway_pb2.SendResponse) -> str:
    return "".join(part.text.text for part in response.candidates[0].message.parts)


def _print_route(response: gateway_pb2.SendResponse) -> None:
    for number, attempt in enumerate(response.route.attempts, 1):
        outcome = attempt.reason or attempt.skip_reason or "OK"
        milliseconds = attempt.duration.ToTimedelta().total_seconds() * 1000
        print(f"             attempt {number}: {attempt.provider}/{attempt.model} {outcome} {milliseconds:.1f} ms")
    usage = response.usage
    print(
        f"             tokens {usage.input_tokens} in, {usage.output_tokens} out; cost {usage.cost_nano_usd / 1e9:.6f} USD\n"
    )


def _print_tree(spans: Iterable[ReadableSpan]) -> None:
    spans = sorted(spans, key=lambda span: span.start_time or 0)
    for root in [span for span in spans if span.parent is None]:
        print(f"  {root.kind.name:6} {root.name}  {root.attributes and root.attributes.get(names.RPC_STATUS)}")
        for child in spans:
            if child.parent and root.context and child.parent.span_id == root.context.span_id:
                attributes = child.attributes or {}
                outcome = attributes.get(names.ERROR_TYPE, "OK")
                print(f"    └ {child.kind.name} {child.name}  {attributes.get(names.ATTEMPT_KIND)} {outcome}")


if __name__ == "__main__":
    asyncio.run(main())
