"""telemetry: the request id, the SERVER span in the caller's trace, and one log line a call."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from time import monotonic
from typing import Any

import grpc
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.propagate import extract
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


class Telemetry(Wrapping, grpc.aio.ServerInterceptor):
    """Sets `state.current`; sees refusals of the inner links as well as the servicer's outcome."""

    def __init__(self, *, tracing: bool = False) -> None:
        """tracing: whether spans are exported; without, none are made."""
        super().__init__()
        self._tracing = tracing
        self._log = telemetry.log()

    async def intercept_service(self, continuation: Continuation, details: Details) -> Any:
        state = _state(details)
        current.set(state)
        try:
            return self.wrap(await continuation(details))
        except GatewayError as error:
            state.error = error
            with self._span(state) as span:
                self._finish(state, span, 0.0)
            raise

    def around(self, behavior: Behavior, handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            state = current.get()
            if is_open(state.method):
                return await behavior(request, context)
            started = monotonic()
            if not self._tracing:
                try:
                    return await behavior(request, context)
                except BaseException as error:
                    state.error = error
                    raise
                finally:
                    self._finish(state, trace.INVALID_SPAN, monotonic() - started)
            with self._span(state) as span:
                if span.is_recording():
                    span.set_attribute(telemetry.PEER_ADDRESS, context.peer())
                try:
                    return await behavior(request, context)
                except BaseException as error:
                    state.error = error
                    raise
                finally:
                    self._finish(state, span, monotonic() - started)

        return run

    def _span(self, state: RpcState) -> _ServerSpan:
        return _ServerSpan(state, self._tracing)

    def _finish(self, state: RpcState, span: Span, seconds: float) -> None:
        code, reason = _outcome(state.error)
        if span.is_recording():
            span.set_attribute(telemetry.RPC_STATUS, code.name)
            if reason:
                span.set_attribute(telemetry.ERROR_TYPE, reason)
            if code in _SERVER_FAULTS:
                span.set_status(Status(StatusCode.ERROR))
        fields: dict[str, Any] = {
            "method": state.method.rpartition("/")[2],
            "code": code.name,
            "duration_ms": round(seconds * 1000, 3),
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
        (self._log.warning if code in _SERVER_FAULTS else self._log.info)("rpc", **fields)


class _ServerSpan:
    """The SERVER span as the current one, ended on exit. Exceptions are never recorded: their text may hold a provider's words."""

    __slots__ = ("_span", "_state", "_token", "_tracing")

    def __init__(self, state: RpcState, tracing: bool) -> None:
        self._state = state
        self._tracing = tracing
        self._token: Any = None
        self._span: Span = trace.INVALID_SPAN

    def __enter__(self) -> Span:
        if self._tracing:
            state = self._state
            method = state.method.lstrip("/")
            attributes: dict[str, str | int] = {telemetry.RPC_SYSTEM: "grpc", telemetry.RPC_METHOD: method}
            previous = state.metadata.get("grpc-previous-rpc-attempts", "")
            if previous.isdigit():
                attributes[telemetry.PREVIOUS_ATTEMPTS] = int(previous)
            self._span = telemetry.tracer().start_span(
                method, context=extract(state.metadata), kind=SpanKind.SERVER, attributes=attributes
            )
            self._token = otel_context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._span.end()


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
