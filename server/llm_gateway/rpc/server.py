"""The seam to gRPC's Python server: its calls as Rpcs, and the one interceptor that hosts the links.

gRPC could chain the links itself, but each of its interceptors costs a call some 10 µs; these cost one interceptor in all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, NoReturn

import grpc
from google.protobuf import message

from llm_gateway.calls.chain import Chain
from llm_gateway.errors import Code, InvalidRequest, MessageTooLarge, forget_frames
from llm_gateway.rpc.chain import Handler, Link, Pairs, Rpc

STATUS = {code.value[0]: code for code in grpc.StatusCode}


class AioRpc(Rpc):
    """A call of grpc.aio. Servicers are given it in place of gRPC's context."""

    __slots__ = ("context",)

    def __init__(self, details: grpc.HandlerCallDetails) -> None:
        super().__init__(details.method, details.invocation_metadata or ())
        self.context: Any = None

    def peer(self) -> str:
        return self.context.peer()  # type: ignore[no-any-return]

    def time_remaining(self) -> float | None:
        return self.context.time_remaining()  # type: ignore[no-any-return]

    def set_trailers(self, pairs: Pairs) -> None:
        self.context.set_trailing_metadata(tuple(pairs))

    async def through(self, run: Handler) -> Any:
        """The call's answer. With its end it lets go of what it holds: gRPC keeps the exception that ended a call, and that its frames."""
        try:
            return await run(self)
        except BaseException as error:
            forget_frames(error)
            raise
        finally:
            del self.request, self.context, self.write

    async def end(self, code: Code, text: str = "", trailers: Pairs = ()) -> NoReturn:
        self.ended = True
        with suppress(
            grpc.aio.InternalError
        ):  # a message waits for a client that reads nothing: no status overtakes it
            await self.context.abort(STATUS[code], text, tuple(trailers))
        raise asyncio.CancelledError


_current: ContextVar[AioRpc] = ContextVar("rpc")
"""grpc.aio runs the interceptor and the handler of a call in one task."""


class RpcChain(grpc.aio.ServerInterceptor):
    """Runs the links, outermost first, around every method. A guard's refusal passes through the links outside it, so that it is logged and
    answered like any other failure."""

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
        rpc = AioRpc(details)
        _current.set(rpc)
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
            known = self._hosted[id(handler)] = (handler, self._host(handler, early=rpc.method.open))
        return known[1]

    def _refusal(self, error: Exception, outer: Sequence[Link]) -> Any:
        """A handler that ends the call before a message is read; the links outside the one that refused see the error."""

        async def refuse(_: Rpc) -> None:
            raise error

        run = behind(outer, refuse)

        async def hosted(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            rpc = _current.get()
            rpc.context, rpc.write = context, context.write
            del context
            await rpc.through(run)

        return grpc.stream_stream_rpc_method_handler(hosted)

    def _host(self, handler: Any, *, early: bool) -> Any:
        """early: the links run before the message has come, so that they can end a call whose message never does."""
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
            return await behavior(request, rpc)

        async def serve_early(rpc: Rpc) -> None:
            rpc.request = await anext(rpc.request, b"")
            answer = await serve(rpc)
            if answer is not None:
                await rpc.write(answer)

        async def converse(rpc: Rpc) -> None:
            async for response in handler.stream_stream(_parsed(rpc.request, parse), rpc):
                await rpc.write(response)

        streams = handler.request_streaming  # reflection: both sides stream
        run = behind(self._links, converse if streams else serve_early if early else serve)

        async def hosted(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            rpc = _current.get()
            rpc.request, rpc.context, rpc.write = request, context, context.write
            del request, context
            return await rpc.through(run)

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


def behind(links: Sequence[Link], handler: Handler) -> Handler:
    """The handler behind those of the links that are more than guards."""
    return Chain(*(link for link in links if callable(link))).to(handler)
