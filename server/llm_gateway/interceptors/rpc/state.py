"""What the RPC chain knows of the call under way, and how a link wraps a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc

Behavior = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]
Details = grpc.HandlerCallDetails
Continuation = Callable[[Details], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]]

OPEN_SERVICES = ("/grpc.health.v1.Health/",)
"""Services that need neither a key nor a place: probes must work when nothing else does."""


@dataclass(slots=True)
class RpcState:
    """One RPC. `metadata` holds the first value of each key; `repeated` the keys that came more than once.

    outcome: what the servicer tells the access log (who served, usage); error: what ended the call, None when OK.
    """

    method: str
    request_id: str
    metadata: dict[str, str]
    repeated: frozenset[str]
    principal: str = ""
    error: BaseException | None = None
    outcome: dict[str, Any] = field(default_factory=dict)


current: ContextVar[RpcState] = ContextVar("rpc_state")


def is_open(method: str) -> bool:
    return method.startswith(OPEN_SERVICES)


class Wrapping:
    """Base of links that run around the handler. Wrapped handlers are kept: a method is wrapped once, not once a call.

    Handlers whose requests are streams (reflection only) are left as they are.
    """

    def __init__(self) -> None:
        self._wrapped: dict[int, tuple[Any, Any]] = {}

    def around(self, behavior: Behavior, handler: grpc.RpcMethodHandler[Any, Any]) -> Behavior:
        raise NotImplementedError

    def wrap(self, handler: grpc.RpcMethodHandler[Any, Any] | None) -> grpc.RpcMethodHandler[Any, Any] | None:
        if handler is None or handler.request_streaming:
            return handler
        known = self._wrapped.get(id(handler))
        if known is not None and known[0] is handler:
            return known[1]  # type: ignore[no-any-return]
        if handler.response_streaming:
            wrapped = grpc.unary_stream_rpc_method_handler(
                self.around(handler.unary_stream, handler),  # type: ignore[arg-type]
                request_deserializer=self.deserializer(handler),
                response_serializer=handler.response_serializer,
            )
        else:
            wrapped = grpc.unary_unary_rpc_method_handler(
                self.around(handler.unary_unary, handler),  # type: ignore[arg-type]
                request_deserializer=self.deserializer(handler),
                response_serializer=handler.response_serializer,
            )
        self._wrapped[id(handler)] = (handler, wrapped)
        return wrapped

    def deserializer(self, handler: grpc.RpcMethodHandler[Any, Any]) -> Any:
        return handler.request_deserializer
