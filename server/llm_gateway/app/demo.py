"""The main job in one screen: `make demo`. A real gateway on the embedded provider, called by the Python client over a real socket.

Needs no keys and no network. Exit code 0 means that every step did what it prints.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

from llmgateway import AsyncClient, GatewayError
from llmgateway.v1 import gateway_pb2, health_pb2
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
    async with AsyncClient(f"127.0.0.1:{port}", timeout=10) as client:
        await _call(client)
    await gateway.stop()
    print("spans (SERVER, and one CLIENT for every provider call)")
    _print_tree(spans.get_finished_spans())


async def _call(client: AsyncClient) -> None:
    reply = await client.chat("Hello from Send.", "echo/echo")
    print(f"Send         {reply.text!r}")
    _print_route(reply.response)

    stream = client.stream("Word by word.", "echo/echo")
    pieces = [f"[{piece}]" async for piece in stream]
    print(f"StreamSend   {''.join(pieces)}")
    _print_route(stream.response)

    models = await client.list_models()
    print(f"ListModels   {', '.join(model.model_id for model in models)}\n")
    health = await client.get_status()
    states = ", ".join(f"{p.provider} {health_pb2.HealthStatus.Name(p.status)[14:]}" for p in health.providers)
    print(f"Health       {health_pb2.HealthStatus.Name(health.status)[14:]}: {states}; version {health.version}\n")

    reply = await client.chat("The first target is down, you still read this.", "safe")
    print(f"fallback     {reply.text!r}")
    _print_route(reply.response)
    if not reply.route.fallback_used:
        sys.exit("the call should have fallen back")

    pieces = []
    try:
        async for piece in client.stream("This stream breaks after three words, and says so.", "echo/echo-cut"):
            pieces.append(piece)
    except GatewayError as error:
        print(f"cut stream   {''.join(pieces)!r}, then {error}\n")
    else:
        sys.exit("a cut stream ended as if it were whole")


def _print_route(response: gateway_pb2.SendResponse) -> None:
    for number, attempt in enumerate(response.route.attempts, 1):
        outcome = attempt.reason or attempt.skip_reason or "OK"
        milliseconds = attempt.duration.ToTimedelta().total_seconds() * 1000
        print(f"             attempt {number}: {attempt.provider}/{attempt.model} {outcome} {milliseconds:.1f} ms")
    usage = response.usage
    cost = usage.cost_nano_usd / 1e9
    print(f"             tokens {usage.input_tokens} in, {usage.output_tokens} out; cost {cost:.6f} USD\n")


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
