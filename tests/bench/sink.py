"""A sink for OTLP over HTTP that counts the spans it gets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench.http1 import listen, response

_ACCEPTED = response(b"", "application/x-protobuf")


class SpanSink:
    """Spans received, by kind. Bodies are kept as they come and read only when asked for, out of the measured time."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self.port = 0

    def respond(self, transport: asyncio.Transport, path: str, body: bytes) -> None:
        """Accepts one export."""
        self._bodies.append(body)
        transport.write(_ACCEPTED)

    def take(self) -> Counter[int]:
        """Spans received since the last time, by `Span.SpanKind`."""
        bodies, self._bodies = self._bodies, []
        return Counter(
            span.kind
            for body in bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )

    async def settle(self, client_spans: int, timeout_s: float = 8.0) -> int:
        """Waits until as many CLIENT spans have come, or none comes any more; how many came."""
        received = self.take()[Span.SPAN_KIND_CLIENT]
        deadline = asyncio.get_running_loop().time() + timeout_s
        while received < client_spans and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            received += self.take()[Span.SPAN_KIND_CLIENT]
        return received


@asynccontextmanager
async def span_sink() -> AsyncIterator[SpanSink]:
    """A sink that listens on `port` of loopback until the block ends."""
    sink = SpanSink()
    server, sink.port = await listen(sink.respond)
    async with server:
        yield sink
