"""The servicer: four RPCs, each a few lines. Send is the fold of the events that StreamSend writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from llmgateway.accumulator import Accumulator
from llmgateway.v1 import gateway_pb2, health_pb2, model_pb2
from msgspec.structs import replace

from llm_gateway.calls.call import Call, Handler, Reply
from llm_gateway.errors import (
    CallerTooSlow,
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    ProviderNotConfigured,
    StoreUnavailable,
    StreamInterrupted,
    UnknownModel,
)
from llm_gateway.protocols.events import Event
from llm_gateway.protocols.summary import Summary
from llm_gateway.routing.table import ListsNeeded, RoutingTable
from llm_gateway.routing.targets import Route
from llm_gateway.rpc import answer
from llm_gateway.rpc.chain import REQUEST_ID, Rpc
from llm_gateway.rpc.pacing import Stall, paced
from llm_gateway.rpc.validation import validate, validate_names, validate_stream

T = TypeVar("T")
RESERVE = 0.05
"""Seconds of the caller's deadline held in reserve, so that our status reaches it before its own timeout."""


class Calls:
    """Counts the calls that run inside ``with``."""

    __slots__ = ("_none", "_running")

    def __init__(self) -> None:
        self._running = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._running += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._running -= 1
        if not self._running:
            self._none.set()

    async def over(self) -> None:
        """Wait until none is left."""
        await self._none.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a configuration gives the servicer. A reload swaps it; a call keeps the one it began with."""

    routing: RoutingTable
    call: Handler[Call]
    """The provider-call chain."""
    list_models: Callable[[model_pb2.ListModelsRequest], Awaitable[model_pb2.ListModelsResponse]]
    health: Callable[[health_pb2.HealthRequest], Awaitable[health_pb2.HealthResponse]]
    check_override: Callable[[str, str, Route], None]
    """Raises OverrideNotAllowed for a provider and a model that metadata may not name."""
    learn: Callable[[Sequence[str]], Awaitable[None]]
    """Fetches the model lists of providers, for `routing`."""
    send_timeout: float = 60.0
    """Seconds that one event may wait for a client that does not read."""
    max_output_tokens: int | None = None
    """For requests that set none."""
    calls: Calls = field(default_factory=Calls)
    """Those it serves."""


STORE_AGAIN = 1.0
"""Seconds after which a store that could not be reached is tried again."""


class Service:
    """llmgateway.v1.LLMGateway."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.unread = ""
        """Why it is not known what was set at run time, so that a name which is unknown may be one of it."""
        self.bare = False
        """Whether nothing but that is configured."""

    async def Send(self, request: gateway_pb2.SendRequest, rpc: Rpc) -> gateway_pb2.SendResponse:  # noqa: N802 - the contract's name
        with self.snapshot.calls:
            summary = validate(request)
            call = await self._call(request, rpc, summary, stream=False)
            accumulator = Accumulator()
            reply = await self._reply(call, rpc)
            async with reply:
                async for event in reply:
                    accumulator.add(event)
            if request.routing.HasField("first_event_timeout"):
                accumulator.add(answer.unbounded())
            accumulator.add(answer.completed(call, reply))
            rpc.set_trailers(answer.trailers(rpc))
            response = accumulator.response()
            answer.stamp(response, reply)
            return response

    async def StreamSend(self, request: gateway_pb2.StreamSendRequest, rpc: Rpc) -> None:  # noqa: N802 - the contract's name
        with self.snapshot.calls:
            summary = validate_stream(request)
            call = await self._call(request.request, rpc, summary, stream=True)
            whole = Accumulator() if request.options.include_final_response else None
            events = self._events(call, rpc)
            if request.options.HasField("heartbeat_interval") or request.options.HasField("coalesce_interval"):
                events = paced(events, request.options)
            sequence = 0
            stall = Stall(self.snapshot.send_timeout)
            try:
                async with aclosing(events):
                    async for event in events:
                        if whole is not None:
                            whole.add(event)
                            if event.HasField("completed"):
                                event.completed.response.CopyFrom(whole.response())
                        event.sequence = sequence
                        stall.writing_since = stall.now()
                        await rpc.write(event)
                        stall.writing_since = None
                        sequence += 1
            except StreamInterrupted as error:
                error.events_sent = sequence
                raise
            except asyncio.CancelledError:
                if not stall.over:
                    raise
                stall.task.uncancel()
                raise CallerTooSlow() from None
            finally:
                stall.close()
            rpc.set_trailers(answer.trailers(rpc))

    async def ListModels(self, request: model_pb2.ListModelsRequest, rpc: Rpc) -> model_pb2.ListModelsResponse:  # noqa: N802 - the contract's name
        with self.snapshot.calls:
            try:
                return await self.snapshot.list_models(request)
            except ProviderNotConfigured as error:
                raise self._unknown(error) from None

    async def Health(self, request: health_pb2.HealthRequest, rpc: Rpc) -> health_pb2.HealthResponse:  # noqa: N802 - the contract's name
        with self.snapshot.calls:
            try:
                return await self.snapshot.health(request)
            except ProviderNotConfigured as error:
                raise self._unknown(error) from None

    async def _call(self, request: gateway_pb2.SendRequest, rpc: Rpc, summary: Summary, *, stream: bool) -> Call:
        answer.check_first_event(request, stream=stream)
        limit = self.snapshot.max_output_tokens
        if limit is not None and not request.generation_config.HasField("max_output_tokens"):
            request.generation_config.max_output_tokens = limit
        if "x-request-id" not in rpc.metadata and REQUEST_ID.fullmatch(request.request_id):
            rpc.request_id = request.request_id
        route = await self.learned(lambda asked: self._route(request, rpc, summary, stream=stream, asked=asked))
        remaining = rpc.time_remaining()
        deadline = None
        if remaining is not None:
            deadline = asyncio.get_running_loop().time() + max(0.0, remaining - min(RESERVE, remaining / 10))
        return Call(
            request=request,
            summary=summary,
            stream=stream,
            request_id=rpc.request_id,
            route=route,
            deadline=deadline,
            principal=rpc.principal,
        )

    async def learned(self, resolve: Callable[[bool], T]) -> T:
        """What `resolve` finds; if it needs model lists, it is called again with True once they are fetched."""
        try:
            if self.unread and self.bare:
                raise ProviderNotConfigured
            return resolve(False)
        except ListsNeeded as needed:
            await self.snapshot.learn(needed.providers)
            try:
                return resolve(True)
            except UnknownModel as error:
                raise self._unknown(error) from None
        except (UnknownModel, ProviderNotConfigured) as error:
            raise self._unknown(error) from None

    def _unknown(self, error: GatewayError) -> GatewayError:
        """The error for a name that is unknown, where the store may know it."""
        if not self.unread:
            return error
        told = StoreUnavailable(
            f"What was set at run time is not known yet, where this name may be: the store {self.unread}.",
            retry_after=STORE_AGAIN,
        )
        told.attempts = error.attempts
        return told

    def _route(
        self, request: gateway_pb2.SendRequest, rpc: Rpc, summary: Summary | None = None, *, stream: bool, asked: bool
    ) -> Route:
        metadata = rpc.metadata
        provider, model = metadata.get("x-llm-provider", ""), metadata.get("x-llm-model", "")
        if provider or model:
            for key in ("x-llm-provider", "x-llm-model"):
                if key in rpc.repeated:
                    raise InvalidRequest.of(key, "Send this metadata key once.", "REPEATED")
        validate_names(metadata)
        route = self.snapshot.routing.resolve(
            request,
            provider=provider,
            model=model,
            affinity=metadata.get("x-llm-routing-key", ""),
            fallback=metadata.get("x-llm-fallback", "").lower() != "off",
            stream=stream,
            asked=asked,
            summary=summary,
        )
        if provider or model:
            self.snapshot.check_override(provider, model, route)
        if previous := rpc.previous_attempts:  # retries of a client or mesh must not multiply with ours
            route = replace(route, max_attempts=max(1, route.max_attempts - previous))
        return route

    async def _events(self, call: Call, rpc: Rpc) -> AsyncGenerator[Event]:
        """The stream's events, without sequence numbers: started, content, completed."""
        reply = await self._reply(call, rpc)
        async with reply:
            yield answer.started(call, reply)
            async for event in reply:
                yield event
        yield answer.completed(call, reply)

    async def _reply(self, call: Call, rpc: Rpc) -> Reply:
        """The committed answer. Its errors, now and later, list what was tried."""
        started = monotonic()
        try:
            reply = await self.snapshot.call(call)
        except BaseException as error:
            if isinstance(error, GatewayError):
                error.attempts = call.journal.attempts
                error.spent = call.journal.calls >= call.route.max_attempts
            answer.note_failed(rpc, call)
            if isinstance(error, ModelNotFound):  # a provider that is alone is sent every name
                raise self._unknown(error) from None
            raise
        seconds = monotonic() - started
        reply.on_close(lambda closed: answer.closed(rpc, call, closed, seconds))
        return reply
