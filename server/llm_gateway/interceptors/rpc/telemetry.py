"""telemetry: the request id, the SERVER span in the caller's trace, and one log line a call."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Sequence
from time import monotonic
from typing import Any
from urllib.parse import unquote

import grpc
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from llm_gateway import telemetry
from llm_gateway.errors import Code, GatewayError
from llm_gateway.interceptors.rpc.state import Behavior, Continuation, Details, RpcState, Wrapping, current, is_open

_REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,128}")
_SERVER_FAULTS = {
    Code.UNKNOWN,
    Code.DEADLINE_EXCEEDED,
    Code.UNIMPLEMENTED,
    Code.INTERNAL,
    Code.UNAVAILABLE,
    Code.DATA_LOSS,
}
_ERROR = Status(StatusCode.ERROR)
_NO_CONTEXT = Context()


class Telemetry(Wrapping, grpc.aio.ServerInterceptor):
    """Sets `state.current`; sees refusals of the inner links as well as the servicer's outcome."""

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        """tracer: makes the SERVER spans; without one there are none."""
        super().__init__()
        self._tracer = tracer
        self._log = telemetry.log()
        self._server: dict[str, str | int] = {telemetry.RPC_SYSTEM: "grpc"}

    def serves_at(self, listen: str, port: int) -> None:
        """What spans call this server: the host it listens at, the machine's name where that is all of them, and the port."""
        host = listen.rpartition(":")[0].strip("[]")
        name = socket.gethostname() if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
        self._server |= {telemetry.SERVER_ADDRESS: name, telemetry.SERVER_PORT: port}

    async def intercept_service(self, continuation: Continuation, details: Details) -> Any:
        state = _state(details)
        current.set(state)
        started = monotonic()
        try:
            return self.wrap(await continuation(details))
        except GatewayError as error:
            state.error = error
            self._finish(state, self._start(state), started)
            raise

    def around(self, behavior: Behavior, handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            state = current.get()
            if is_open(state.method):
                return await behavior(request, context)
            started = monotonic()
            if self._tracer is None:
                try:
                    return await behavior(request, context)
                except BaseException as error:
                    state.error = error
                    raise
                finally:
                    self._finish(state, trace.INVALID_SPAN, started)
            span = self._start(state)
            token = otel_context.attach(trace.set_span_in_context(span))
            try:
                return await behavior(request, context)
            except BaseException as error:  # never recorded: its text may hold a provider's words
                state.error = error
                raise
            finally:
                otel_context.detach(token)
                self._finish(state, span, started, context.peer())

        return run

    def _start(self, state: RpcState) -> Span:
        """The SERVER span, in the caller's trace. What is known only later, and all that costs, is set when it ends: most samplers
        have decided by then that there is none."""
        if self._tracer is None:
            return trace.INVALID_SPAN
        method = state.method.lstrip("/")
        parent = _NO_CONTEXT
        if "traceparent" in state.metadata and "traceparent" not in state.repeated:
            parent = telemetry.W3C.extract(state.metadata, _NO_CONTEXT)
        return self._tracer.start_span(
            method, context=parent, kind=SpanKind.SERVER, attributes={**self._server, telemetry.RPC_METHOD: method}
        )

    def _finish(self, state: RpcState, span: Span, started: float, peer: str = "") -> None:
        """End the span and write the line."""
        code, reason = _outcome(state.error)
        fault = code in _SERVER_FAULTS
        if span.is_recording():
            span.set_attributes(_attributes(state, code, reason, peer))
            if fault:
                span.set_status(_ERROR)
            span.end()
        fields: dict[str, Any] = {
            "method": state.method.rpartition("/")[2],
            "code": code.name,
            "duration_ms": round((monotonic() - started) * 1000, 3),
            "request_id": state.request_id,
            **state.outcome,
        }
        if reason:
            fields["reason"] = reason
        if state.principal:
            fields["principal"] = state.principal
        ids = span.get_span_context()
        if ids.is_valid:
            fields["trace_id"], fields["span_id"] = f"{ids.trace_id:032x}", f"{ids.span_id:016x}"
        (self._log.warning if fault else self._log.info)("rpc", **fields)


def _attributes(state: RpcState, code: Code, reason: str, peer: str) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {telemetry.RPC_STATUS: code.name, telemetry.REQUEST_ID: state.request_id}
    if reason:
        attributes[telemetry.ERROR_TYPE] = reason
    previous = state.metadata.get("grpc-previous-rpc-attempts", "")
    if previous.isdigit():
        attributes[telemetry.PREVIOUS_ATTEMPTS] = int(previous)
    kind, _, address = peer.partition(":")
    host, _, port = address.rpartition(":")
    if kind in ("ipv4", "ipv6") and port.isdigit():
        attributes[telemetry.PEER_ADDRESS] = unquote(host).strip("[]")
        attributes[telemetry.PEER_PORT] = int(port)
    return attributes


def _state(details: Details) -> RpcState:
    metadata: dict[str, str] = {}
    repeated: set[str] = set()
    pairs: Sequence[tuple[str, str | bytes]] = details.invocation_metadata or ()
    for key, value in pairs:
        if key in metadata:
            repeated.add(key)
        elif isinstance(value, str):
            metadata[key] = value
    given = metadata.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(12).hex()
    return RpcState(details.method, request_id, metadata, frozenset(repeated))


def _outcome(error: BaseException | None) -> tuple[Code, str]:
    if error is None:
        return Code.OK, ""
    if isinstance(error, GatewayError):
        return error.code, error.reason
    if isinstance(error, asyncio.CancelledError):
        return Code.CANCELLED, ""
    return Code.INTERNAL, "INTERNAL_ERROR"
