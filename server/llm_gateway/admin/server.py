"""The administration's server, and the seam to gRPC's threads: each call has a thread, and an event loop, of its own.

Not grpc.aio: all its servers share one queue of events, and every event wakes each of their loops, so that a second loop would cost the one that
serves calls, and each would handle some of the other's events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NoReturn

import grpc
from google.protobuf import message, message_factory
from grpc_health.v1 import health_pb2

from llm_gateway.admin.methods import SERVICES
from llm_gateway.errors import CallerTooSlow, Code, GatewayError, InvalidRequest
from llm_gateway.rpc.chain import Guard, Handler, Interceptor, Pairs, Rpc
from llm_gateway.rpc.server import STATUS, behind

THREADS, CALLS = 4, 64
"""Calls that run at once, and calls that run or wait; more are refused. Threads share one interpreter with the loop that serves calls: a flood
of strangers on eight made its calls wait three times as long as on four."""
FIRST_WITHIN = 5.0
"""Seconds in which the request must have come: until then its call holds a thread."""
GRACE = 1.0
"""Seconds that calls under way have when the port closes."""


class _Ended(Exception):
    """A call that was ended with a status."""

    def __init__(self, code: Code, text: str, trailers: Pairs) -> None:
        super().__init__()
        self.code, self.text, self.trailers = code, text, trailers


class ThreadRpc(Rpc):
    """A call of gRPC's threaded server."""

    __slots__ = ("context",)

    def __init__(self, path: str, context: grpc.ServicerContext) -> None:
        super().__init__(path, context.invocation_metadata())
        self.context = context

    def peer(self) -> str:
        return self.context.peer()

    def certificate_names(self) -> Sequence[str]:
        names: Iterable[Any] = self.context.auth_context().get("x509_subject_alternative_name", ())
        return [name.decode(errors="replace") for name in names]

    def time_remaining(self) -> float | None:
        return self.context.time_remaining()

    def set_trailers(self, pairs: Pairs) -> None:
        self.context.set_trailing_metadata(tuple(pairs))

    async def end(self, code: Code, text: str = "", trailers: Pairs = ()) -> NoReturn:
        self.ended = True
        raise _Ended(code, text, trailers)


class AdminServer:
    """Serves the administration's services behind a guard and these links, the outermost first."""

    def __init__(
        self,
        servicers: Mapping[str, object],
        guard: Guard,
        links: Sequence[Interceptor],
        options: Sequence[tuple[str, int]],
    ) -> None:
        """servicers: by the full name of their service. guard: runs first, and its refusals pass through the links."""
        self._readers = ThreadPoolExecutor(THREADS, thread_name_prefix="administration-reader")
        handlers = [
            _service(service, servicers[service.full_name], guard, links, self._readers) for service in SERVICES
        ]
        handlers.append(_health())
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="administration")
        self._server = grpc.server(pool, handlers, options=options, maximum_concurrent_rpcs=CALLS)

    def start(self, listen: str, credentials: grpc.ServerCredentials | None) -> int:
        """Bind and serve. Returns the port. Raises OSError when the address cannot be bound."""
        try:
            if credentials is not None:
                port = self._server.add_secure_port(listen, credentials)
            else:
                port = self._server.add_insecure_port(listen)
        except RuntimeError:
            port = None
        if port is None:
            raise OSError(
                f"the administration cannot listen on {listen}; is the port in use, or a file of admin.tls not PEM?"
            )
        self._server.start()
        return port

    async def stop(self) -> None:
        """Refuse new calls, let those under way finish for GRACE, then end them."""
        await asyncio.to_thread(self._server.stop(GRACE).wait)
        self._readers.shutdown(wait=False)


def _health() -> grpc.GenericRpcHandler:
    """grpc.health.v1, Check alone: whoever watched would keep a thread. It needs no key, and tells no more than that the port answers."""
    known = {"", *(service.full_name for service in SERVICES)}
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    def check(request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext) -> health_pb2.HealthCheckResponse:
        if request.service not in known:
            context.abort(grpc.StatusCode.NOT_FOUND, "The administration has no such service.")
        return serving

    handler = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=health_pb2.HealthCheckRequest.FromString,
        response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})


def _service(
    service: Any, servicer: object, guard: Guard, links: Sequence[Interceptor], readers: Executor
) -> grpc.GenericRpcHandler:
    """Every method of a service, hosted as a stream of requests, so that its guard and links run before the message is there."""
    methods: dict[str, Any] = {}
    for name, method in service.methods_by_name.items():
        parse = _parser(method)
        run = behind(links, _serving(parse, getattr(servicer, name), readers))
        hosted = _hosted(f"/{service.full_name}/{name}", guard, links, run)
        methods[name] = grpc.stream_unary_rpc_method_handler(
            hosted, response_serializer=lambda answer: answer.SerializeToString()
        )
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _parser(method: Any) -> Callable[[bytes], Any]:
    return message_factory.GetMessageClass(method.input_type).FromString


def _serving(parse: Callable[[bytes], Any], behavior: Callable[[Any, Rpc], Any], readers: Executor) -> Handler:
    async def serve(rpc: Rpc) -> Any:
        coming = asyncio.get_running_loop().run_in_executor(readers, next, rpc.request, b"")
        try:
            raw = await asyncio.wait_for(coming, FIRST_WITHIN)
        except TimeoutError:
            raise CallerTooSlow(f"The request has not come within {FIRST_WITHIN:g} s.") from None
        try:
            request = parse(raw)
        except message.DecodeError:
            raise InvalidRequest("The request is not a message of this method.") from None
        return await behavior(request, rpc)

    return serve


def _refuse(rpc: Rpc, links: Sequence[Interceptor], error: GatewayError) -> None:
    """Take the error through the links. They wait for nothing, so a stranger's call needs no event loop."""

    async def refuse(_: Rpc) -> NoReturn:
        raise error

    async def refused() -> None:
        await behind(links, refuse)(rpc)

    refused().send(None)


def _hosted(
    path: str, guard: Guard, links: Sequence[Interceptor], run: Handler
) -> Callable[[Iterator[bytes], grpc.ServicerContext], Any]:
    def hosted(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        rpc = ThreadRpc(path, context)
        rpc.request = requests

        async def call() -> Any:
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            assert task is not None  # noqa: S101 - a coroutine that asyncio runs

            def cancel() -> None:
                with suppress(RuntimeError):  # the call is over, and its loop closed
                    loop.call_soon_threadsafe(task.cancel)

            if not context.add_callback(cancel):
                raise asyncio.CancelledError
            return await run(rpc)

        try:
            try:
                guard.admit(rpc)
            except GatewayError as error:
                return _refuse(rpc, links, error)
            return asyncio.run(call())
        except _Ended as ended:
            context.set_trailing_metadata(tuple(ended.trailers))
            context.abort(STATUS[ended.code], ended.text)
        except (asyncio.CancelledError, grpc.RpcError):  # the caller has left, also while its message was awaited
            context.abort(grpc.StatusCode.CANCELLED, "The call was cancelled.")

    return hosted
