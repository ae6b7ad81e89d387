"""telemetry: the request id, the SERVER span in the caller's trace, and one log line per call."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any
from urllib.parse import unquote

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from llm_gateway.calls.call import outcome
from llm_gateway.errors import Code, GatewayError
from llm_gateway.rpc.chain import Handler, Rpc
from llm_gateway.telemetry import logs, names, tracing

_SERVER_FAULTS = {
    Code.UNKNOWN,
    Code.DEADLINE_EXCEEDED,
    Code.UNIMPLEMENTED,
    Code.INTERNAL,
    Code.UNAVAILABLE,
    Code.DATA_LOSS,
}
_ERROR = Status(StatusCode.ERROR)
MAX_CAUSE = 300
"""Characters of a cause in a log line."""
_NO_CONTEXT = Context()


class Telemetry:
    """Sees refusals of the inner links as well as the servicer's outcome."""

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        """tracer: makes the SERVER spans; without one there are none."""
        self._tracer = tracer
        self._log = logs.log()
        self._server: dict[str, str | int] = {names.RPC_SYSTEM: "grpc"}

    def serves_at(self, listen: str, port: int) -> None:
        """The server's address in spans: the host it listens on (the machine's name for a wildcard address) and the port, or the path of
        its socket."""
        if listen.startswith("unix:"):
            self._server[names.SERVER_ADDRESS] = listen.removeprefix("unix:")
            return
        host = listen.rpartition(":")[0].strip("[]")
        name = socket.gethostname() if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        self._server |= {names.SERVER_ADDRESS: name, names.SERVER_PORT: port}

    async def __call__(self, rpc: Rpc, proceed: Handler) -> Any:
        if rpc.method.open:
            return await proceed(rpc)
        started = monotonic()
        error: BaseException | None = None
        span: Span = trace.INVALID_SPAN
        token = None
        if self._tracer is not None:
            span = self._start(self._tracer, rpc)
            token = otel_context.attach(trace.set_span_in_context(span))
        try:
            return await proceed(rpc)
        except BaseException as failure:  # never recorded: its text may hold a provider's words
            error = failure
            raise
        finally:
            if token is not None:
                otel_context.detach(token)
            self._finish(rpc, error, span, started)

    def _start(self, tracer: trace.Tracer, rpc: Rpc) -> Span:
        """The SERVER span, in the caller's trace. Attributes that are known later, or cost something, are set when it ends, and only if
        it was sampled."""
        method = rpc.path.lstrip("/")
        parent = _NO_CONTEXT
        if "traceparent" in rpc.metadata and "traceparent" not in rpc.repeated:
            parent = tracing.W3C.extract(rpc.metadata, _NO_CONTEXT)
        return tracer.start_span(
            method, context=parent, kind=SpanKind.SERVER, attributes={**self._server, names.RPC_METHOD: method}
        )

    def _finish(self, rpc: Rpc, error: BaseException | None, span: Span, started: float) -> None:
        """End the span and write the line."""
        code, reason = outcome(error)
        reason = "" if code is Code.CANCELLED else reason
        fault = code in _SERVER_FAULTS
        if span.is_recording():
            span.set_attributes(_attributes(rpc, code, reason))
            if fault:
                span.set_status(_ERROR)
            span.end()
        fields: dict[str, Any] = {
            "method": rpc.path.rpartition("/")[2],
            "code": code.name,
            "duration_ms": round((monotonic() - started) * 1000, 3),
            "request_id": rpc.request_id,
            **rpc.outcome,
        }
        if reason:
            fields["reason"] = reason
        if isinstance(error, GatewayError):
            fields["cause"] = error.cause[:MAX_CAUSE]
        if rpc.principal:
            fields["principal"] = rpc.principal
        ids = span.get_span_context()
        if ids.is_valid:
            fields["trace_id"], fields["span_id"] = f"{ids.trace_id:032x}", f"{ids.span_id:016x}"
        (self._log.warning if fault else self._log.info)("rpc", **fields)


def _attributes(rpc: Rpc, code: Code, reason: str) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {names.RPC_STATUS: code.name, names.REQUEST_ID: rpc.request_id}
    if reason:
        attributes[names.ERROR_TYPE] = reason
    if previous := rpc.previous_attempts:
        attributes[names.PREVIOUS_ATTEMPTS] = previous
    kind, _, address = rpc.peer().partition(":")
    host, _, port = address.rpartition(":")
    if kind in ("ipv4", "ipv6") and port.isdigit():
        attributes[names.PEER_ADDRESS] = unquote(host).strip("[]")
        attributes[names.PEER_PORT] = int(port)
    return attributes
