"""The vocabulary of the RPC chain: Rpc, Handler, Interceptor, and the one gRPC interceptor that hosts the links.

gRPC could chain the links itself; every link of its own costs a call some 10 µs, these cost one.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import grpc
from google.protobuf import message

from llm_gateway.errors import InvalidRequest, MessageTooLarge

REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
"""What a caller's id of a request may be: it goes into metadata and log lines."""
_ATTEMPTS = re.compile(r"\d{1,9}", re.ASCII)
_OPEN_SERVICES = ("/grpc.health.v1.Health/",)


class Rpc:
    """One RPC.

    metadata: the first value of each key; repeated: the keys that came more than once. principal: who calls, set by auth; keys: those
    that it was known by.
    request: its bytes, not parsed, or an iterator of them. outcome: what the servicer tells the access log (who served, usage).
    open: whether it needs neither a key nor a place, as probes do, which must work when nothing else does.
    """

    __slots__ = (
        "context",
        "keys",
        "metadata",
        "method",
        "open",
        "outcome",
        "principal",
        "repeated",
        "request",
        "request_id",
    )

    def __init__(self, details: grpc.HandlerCallDetails) -> None:
        metadata: dict[str, str] = {}
        repeated: list[str] = []
        pairs: Sequence[tuple[str, str | bytes]] = details.invocation_metadata or ()
        for key, value in pairs:
            if key in metadata:
                repeated.append(key)
            elif isinstance(value, str):
                metadata[key] = value
        self.method: str = details.method
        self.metadata = metadata
        self.repeated = repeated
        self.open = self.method.startswith(_OPEN_SERVICES)
        given = metadata.get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(96):024x}"
        self.principal = ""
        self.keys: object = None
        self.outcome: dict[str, Any] = {}
        self.request: Any = b""
        self.context: Any = None

    @property
    def previous_attempts(self) -> int:
        """How often gRPC has tried this call before, by its own word (gRFC A6); 0 where that is no such number."""
        told = self.metadata.get("grpc-previous-rpc-attempts", "")
        return int(told) if _ATTEMPTS.fullmatch(told) else 0


current: ContextVar[Rpc] = ContextVar("rpc")
"""The RPC under way: grpc.aio runs the interceptor and the handler of a call in one task."""

Handler = Callable[[Rpc], Awaitable[Any]]


class Interceptor(Protocol):
    """A link around the handler: does its part and calls `proceed`."""

    def __call__(self, rpc: Rpc, proceed: Handler, /) -> Awaitable[Any]: ...


class Guard(Protocol):
    """A link that runs before any byte of the request is read. It may be an Interceptor too."""

    def admit(self, rpc: Rpc, /) -> None:
        """Raise GatewayError to refuse the call."""


Link = Interceptor | Guard


class RpcChain(grpc.aio.ServerInterceptor):
    """Runs the links, outermost first, around every method. A refusal passes through those outside it, so that it is logged and answered
    like any other failure."""

    def __init__(self, *links: Link, most: int) -> None:
        """most: bytes that a request may have."""
        self._links = links
        self._most = most
        self._admit: list[tuple[int, Callable[[Rpc], None]]] = [
            (number, link.admit) for number, link in enumerate(links) if hasattr(link, "admit")
        ]
        self._hosted: dict[int, tuple[Any, Any]] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        rpc = Rpc(details)
        current.set(rpc)
        for number, admit in self._admit:
            try:
                admit(rpc)
            except Exception as error:
                return self._refusal(error, self._links[:number])
        handler = await continuation(details)
        if handler is None:
            return handler
        known = self._hosted.get(id(handler))
        if known is None or known[0] is not handler:
            known = self._hosted[id(handler)] = (handler, self._host(handler, early=rpc.open))
        return known[1]

    def _refusal(self, error: Exception, outer: Sequence[Link]) -> Any:
        """A handler that ends the call before a message is read: the links outside the one that refused see the error."""

        async def refuse(_: Rpc) -> None:
            raise error

        run = _chain(refuse, outer)

        async def hosted(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            rpc = current.get()
            rpc.context = context
            await run(rpc)

        return grpc.stream_stream_rpc_method_handler(hosted)

    def _host(self, handler: Any, *, early: bool) -> Any:
        """early: the links run before the message is there, so that they can end a call whose message never comes."""
        parse = handler.request_deserializer or bytes
        behavior = handler.unary_stream if handler.response_streaming else handler.unary_unary

        most = self._most

        async def serve(rpc: Rpc) -> Any:
            if len(rpc.request) > most:
                raise MessageTooLarge(
                    f"The request has {len(rpc.request):,} bytes; the gateway takes {most:,} (server.max_message_bytes)."
                )
            try:
                request = parse(rpc.request)
            except message.DecodeError:
                raise InvalidRequest("The request is not a message of this method.") from None
            return await behavior(request, rpc.context)

        async def serve_early(rpc: Rpc) -> None:
            rpc.request = await anext(rpc.request, b"")
            answer = await serve(rpc)
            if answer is not None:
                await rpc.context.write(answer)

        async def converse(rpc: Rpc) -> None:
            async for response in handler.stream_stream(_parsed(rpc.request, parse), rpc.context):
                await rpc.context.write(response)

        streams = handler.request_streaming  # reflection: both sides stream
        run = _chain(converse if streams else serve_early if early else serve, self._links)

        async def hosted(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            rpc = current.get()
            rpc.request, rpc.context = request, context
            return await run(rpc)

        make = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        if streams or early:
            make = grpc.stream_stream_rpc_method_handler
        return make(hosted, response_serializer=handler.response_serializer)


async def _parsed(requests: AsyncIterator[bytes], parse: Callable[[bytes], Any]) -> AsyncIterator[Any]:
    async for raw in requests:
        try:
            yield parse(raw)
        except message.DecodeError:
            raise InvalidRequest("The request is not a message of this method.") from None


def _chain(handler: Handler, links: Sequence[Link]) -> Handler:
    for link in reversed(links):
        if callable(link):
            handler = _link(link, handler)
    return handler


def _link(link: Interceptor, proceed: Handler) -> Handler:
    def run(rpc: Rpc) -> Awaitable[Any]:
        return link(rpc, proceed)

    return run
