"""The servicer: four RPCs, each a few lines. Send is the fold of the events that StreamSend writes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import grpc
from google.protobuf import timestamp_pb2
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2, usage_pb2
from msgspec.structs import replace

from llm_gateway.calls.call import Call, Handler, Reply
from llm_gateway.catalogue.pricing.total import total_usage
from llm_gateway.errors import (
    CallerTooSlow,
    GatewayError,
    InvalidRequest,
    ProviderError,
    StreamInterrupted,
    UnsupportedField,
    Violation,
)
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.protocols.summary import Summary
from llm_gateway.routing.needs import CHARACTERS_PER_TOKEN, needs_of
from llm_gateway.routing.table import ListsNeeded, RoutingTable
from llm_gateway.routing.targets import Route, Target
from llm_gateway.rpc.chain import REQUEST_ID, Rpc, current
from llm_gateway.rpc.pacing import Stall, paced
from llm_gateway.rpc.validation import validate, validate_names, validate_stream

T = TypeVar("T")
Context = grpc.aio.ServicerContext
RESERVE = 0.05
"""Seconds of the caller's deadline kept back, so that our status reaches it instead of its own timeout."""


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
    """What a configuration gives the servicer. A reload swaps it; a call keeps the one it began with.

    list_models, health: the other two RPCs. learn: asks providers for their lists, for `routing`. check_override: raises OverrideNotAllowed for a provider and a model that metadata may
    not name. send_timeout: seconds that one event may wait for a client that does not read. max_output_tokens: for requests that set
    none. calls: those that are served by it.
    """

    routing: RoutingTable
    call: Handler[Call]
    list_models: Callable[[model_pb2.ListModelsRequest], Awaitable[model_pb2.ListModelsResponse]]
    health: Callable[[health_pb2.HealthRequest], Awaitable[health_pb2.HealthResponse]]
    check_override: Callable[[str, str, Route], None]
    learn: Callable[[Sequence[str]], Awaitable[None]]
    send_timeout: float = 60.0
    max_output_tokens: int | None = None
    calls: Calls = field(default_factory=Calls)


class Service(gateway_pb2_grpc.LLMGatewayServicer):
    """llmgateway.v1.LLMGateway."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    async def Send(  # noqa: N802 - the contract's name
        self, request: gateway_pb2.SendRequest, context: Context[Any, Any]
    ) -> gateway_pb2.SendResponse:
        with self.snapshot.calls:
            summary = validate(request)
            rpc = current.get()
            call = await self.learned(
                lambda asked: self._call(request, rpc, context, summary=summary, stream=False, asked=asked)
            )
            accumulator = Accumulator()
            reply = await self._reply(call, rpc)
            async with reply:
                async for event in reply:
                    accumulator.add(event)
            if request.routing.HasField("first_event_timeout"):
                accumulator.add(_unbounded())
            accumulator.add(_completed(call, reply))
            _tell(context, rpc)
            response = accumulator.response()
            response.response_id = _response_id()
            response.create_time.CopyFrom(_created(reply))
            return response

    async def StreamSend(  # type: ignore[override]  # noqa: N802 - writes through the context instead of yielding
        self, request: gateway_pb2.StreamSendRequest, context: Context[Any, Any]
    ) -> None:
        with self.snapshot.calls:
            summary = validate_stream(request)
            rpc = current.get()
            call = await self.learned(
                lambda asked: self._call(request.request, rpc, context, summary=summary, stream=True, asked=asked)
            )
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
                        await context.write(event)
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
            _tell(context, rpc)

    async def ListModels(  # noqa: N802 - the contract's name
        self, request: model_pb2.ListModelsRequest, context: Context[Any, Any]
    ) -> model_pb2.ListModelsResponse:
        with self.snapshot.calls:
            return await self.snapshot.list_models(request)

    async def Health(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthRequest, context: Context[Any, Any]
    ) -> health_pb2.HealthResponse:
        with self.snapshot.calls:
            return await self.snapshot.health(request)

    async def learned(self, resolve: Callable[[bool], T]) -> T:
        """What `resolve` finds; where it needs lists of models, after they were asked for, which its argument says."""
        try:
            return resolve(False)
        except ListsNeeded as needed:
            await self.snapshot.learn(needed.providers)
            return resolve(True)

    def _call(
        self,
        request: gateway_pb2.SendRequest,
        rpc: Rpc,
        context: Context[Any, Any],
        *,
        summary: Summary,
        stream: bool,
        asked: bool,
    ) -> Call:
        policy = request.routing
        strict = policy.unsupported_fields == policy.UNSUPPORTED_FIELDS_REJECT
        if strict and not stream and policy.HasField("first_event_timeout"):
            found = Violation(field=_FIRST_EVENT, description=_NO_FIRST_EVENT, reason="UNSUPPORTED_FIELD")
            raise UnsupportedField(violations=[found])
        limit = self.snapshot.max_output_tokens
        if limit is not None and not request.generation_config.HasField("max_output_tokens"):
            request.generation_config.max_output_tokens = limit
        if "x-request-id" not in rpc.metadata and REQUEST_ID.fullmatch(request.request_id):
            rpc.request_id = request.request_id
        remaining = context.time_remaining()
        deadline = None
        if remaining is not None:
            deadline = asyncio.get_running_loop().time() + max(0.0, remaining - min(RESERVE, remaining / 10))
        return Call(
            request=request,
            stream=stream,
            request_id=rpc.request_id,
            route=self._route(request, rpc, summary=summary, stream=stream, asked=asked),
            deadline=deadline,
            principal=rpc.principal,
        )

    def _route(
        self, request: gateway_pb2.SendRequest, rpc: Rpc, *, stream: bool, asked: bool, summary: Summary | None = None
    ) -> Route:
        metadata = rpc.metadata
        provider, model = metadata.get("x-llm-provider", ""), metadata.get("x-llm-model", "")
        if provider or model:
            for key in ("x-llm-provider", "x-llm-model"):
                if key in rpc.repeated:
                    raise InvalidRequest(
                        violations=[Violation(field=key, description="Send this metadata key once.", reason="REPEATED")]
                    )
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
        """The stream's events but for their sequence numbers: started, content, completed."""
        reply = await self._reply(call, rpc)
        async with reply:
            yield _started(call, reply)
            async for event in reply:
                yield event
        yield _completed(call, reply)

    async def _reply(self, call: Call, rpc: Rpc) -> Reply:
        """The committed answer. Its errors, now and later, say what was tried."""
        started = monotonic()
        try:
            reply = await self.snapshot.call(call)
        except BaseException as error:
            if isinstance(error, GatewayError):
                error.attempts = call.journal.attempts
                error.spent = call.journal.calls >= call.route.max_attempts
            _note_failed(rpc, call)
            raise
        seconds = monotonic() - started
        reply.on_close(lambda closed: _closed(rpc, call, closed, seconds))
        return reply


_FIRST_EVENT = "routing.first_event_timeout"
_NO_FIRST_EVENT = "A whole answer has no first event before its last; attempt_timeout bounds it."


def _unbounded() -> Event:
    """The warning of a Send that limits the first event."""
    return Event(warning=gateway_pb2.Warning(reason="FIELD_DROPPED", field=_FIRST_EVENT, message=_NO_FIRST_EVENT))


def _closed(rpc: Rpc, call: Call, reply: Reply, seconds: float) -> None:
    """Whole, broken or abandoned: what was tried, and what it used. seconds: until its first content."""
    error, told = reply.error, reply.usage
    if error is not None:
        _count_what_was_said(call, reply.writer)
    if isinstance(error, GatewayError):
        error.attempts = call.journal.attempts
    if isinstance(error, ProviderError) and error.usage is told:
        error.usage = reply.usage
    _note(rpc, call, reply, seconds)


def _count_what_was_said(call: Call, writer: EventWriter) -> None:
    """Usage of an answer that ended before its provider had told it, or while it was still counting (Claude says 1 output token at its
    start): what no count covers is estimated. It may be billed all the same."""
    writer.report_held()
    usage = usage_pb2.Usage()
    if writer.usage is None:
        usage.input_tokens = needs_of(call.request).input_tokens
    elif writer.characters == writer.counted:
        return
    else:
        usage.CopyFrom(writer.usage)
        for field in ("total_tokens", "cost_nano_usd", "provider_cost_nano_usd", "price_id"):
            usage.ClearField(field)
    usage.output_tokens += -(-(writer.characters - writer.counted) // CHARACTERS_PER_TOKEN)
    usage.estimated = True
    writer.report_usage(usage)


def _started(call: Call, reply: Reply) -> Event:
    event = Event()
    started = event.started
    started.response_id = _response_id()
    _route_info(started.route, call, reply)
    started.create_time.CopyFrom(_created(reply))
    return event


def _response_id() -> str:
    return f"resp_{random.getrandbits(96):024x}"


def _created(reply: Reply) -> timestamp_pb2.Timestamp:
    """When the provider says that it made the answer, else now."""
    created = reply.writer.create_time
    return created if created is not None else timestamp_pb2.Timestamp(seconds=int(time.time()))


def _completed(call: Call, reply: Reply) -> Event:
    writer = reply.writer
    event = Event()
    completed = event.completed
    if writer.usage is not None:
        completed.usage.CopyFrom(writer.usage)
    _route_info(completed.route, call, reply)
    failed = [attempt.usage for attempt in call.journal.attempts if attempt.HasField("usage")]
    if failed:
        served = [writer.usage] if writer.usage is not None else []
        completed.route.total_usage.CopyFrom(total_usage([*failed, *served]))
    completed.service_tier = writer.service_tier
    completed.system_fingerprint = writer.system_fingerprint
    if writer.metadata:
        completed.provider_metadata_json = writer.metadata_json()
    return event


def _route_info(info: gateway_pb2.RouteInfo, call: Call, reply: Reply) -> None:
    writer = reply.writer
    target, endpoint = reply.target, reply.endpoint
    info.provider = target.provider.id
    info.model = target.model
    info.response_model = writer.response_model
    info.provider_response_id = writer.response_id
    info.deployment = endpoint.deployment
    info.route = call.route.name
    if call.route.experiment is not None:
        info.experiment, info.experiment_arm = call.route.experiment.name, call.route.arm
    info.fallback_used = _fell_back(call, target)
    call.journal.fill(info)


def _fell_back(call: Call, target: Target) -> bool:
    return target not in call.route.groups[0]


def _note_failed(rpc: Rpc, call: Call) -> None:
    """What the access log says of a call that no provider answered: the last place it went to, or would have gone to."""
    target, endpoint = call.journal.last or (call.route.groups[0][0], None)
    _note_place(rpc.outcome, call, target)
    if endpoint is not None:
        rpc.outcome["endpoint"] = endpoint.where


def _note_place(outcome: dict[str, Any], call: Call, target: Target) -> None:
    outcome["provider"], outcome["model"] = target.provider.id, target.model
    if call.route.name:
        outcome["route"] = call.route.name
    outcome["stream"] = call.stream
    outcome["fallback"] = _fell_back(call, target)
    outcome["attempts"] = call.journal.calls


def _note(rpc: Rpc, call: Call, reply: Reply, seconds: float) -> None:
    """What the access log and the trailers say of a call that was answered, whole or in part."""
    target, endpoint = reply.target, reply.endpoint
    outcome = rpc.outcome
    _note_place(outcome, call, target)
    if reply.error is not None:
        outcome["endpoint"] = endpoint.where
    if call.stream:
        outcome["first_event_ms"] = round(seconds * 1000, 3)
    finishes = reply.writer.finishes()
    if finishes:
        outcome["finish_reason"] = ",".join([_FINISH[finish.finish_reason] for finish in finishes])
    usage = reply.usage
    if usage is not None:
        outcome["input_tokens"], outcome["output_tokens"] = usage.input_tokens, usage.output_tokens
        if usage.HasField("cost_nano_usd"):
            outcome["cost_nano_usd"] = usage.cost_nano_usd


_FINISH = {number: name.removeprefix("FINISH_REASON_").lower() for name, number in gateway_pb2.FinishReason.items()}


def _tell(context: Context[Any, Any], rpc: Rpc) -> None:
    """Trailers for access logs and quota filters of a mesh; clients find the same in RouteInfo and Usage."""
    outcome = rpc.outcome
    context.set_trailing_metadata(
        (
            ("x-request-id", rpc.request_id),
            ("x-llm-served-provider", _ascii(outcome["provider"])),
            ("x-llm-served-model", _ascii(outcome["model"])),
            ("x-llm-attempts", str(outcome["attempts"])),
            ("x-llm-input-tokens", str(outcome.get("input_tokens", 0))),
            ("x-llm-output-tokens", str(outcome.get("output_tokens", 0))),
        )
    )


def _ascii(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text[:256]
    return "".join(c if " " <= c <= "~" else "?" for c in text[:256])
