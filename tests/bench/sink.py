"""A sink for OTLP over HTTP that counts the spans it gets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench.http1 import listen, response

_ACCEPTED = response(b"", "application/x-protobuf")
_QUIET_S = 1.0


class SpanSink:
    """Counts the CLIENT spans, one of which belongs to every provider call."""

    def __init__(self) -> None:
        self.client_spans = 0
        self.port = 0

    def respond(self, transport: asyncio.Transport, path: str, body: bytes) -> None:
        """Accepts one export."""
        transport.write(_ACCEPTED)
        self.client_spans += sum(
            span.kind == Span.SPAN_KIND_CLIENT
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )

    async def quiet(self) -> None:
        """Waits until no more spans come."""
        seen = -1
        while seen != self.client_spans:
            seen = self.client_spans
            await asyncio.sleep(_QUIET_S)


@asynccontextmanager
async def span_sink() -> AsyncIterator[SpanSink]:
    """A sink that listens on `port` of loopback until the block ends."""
    sink = SpanSink()
    server, sink.port = await listen(sink.respond)
    async with server:
        yield sink
