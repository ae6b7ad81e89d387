"""What goes with an answer's content: who served, what was tried and used; for the caller, the trailers and the access log."""

from __future__ import annotations

import random
import time
from typing import Any

from google.protobuf import timestamp_pb2
from llmgateway.v1 import gateway_pb2, usage_pb2

from llm_gateway.calls.call import Call, Reply
from llm_gateway.catalogue.pricing.total import total_usage
from llm_gateway.errors import GatewayError, ProviderError, UnsupportedField, Violation
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.routing.needs import CHARACTERS_PER_TOKEN, needs_of
from llm_gateway.routing.targets import Target
from llm_gateway.rpc.chain import Pairs, Rpc

_FIRST_EVENT = "routing.first_event_timeout"
_NO_FIRST_EVENT = "A whole answer has no first event before its last; attempt_timeout bounds it."


def check_first_event(request: gateway_pb2.SendRequest, *, stream: bool) -> None:
    """Raises UnsupportedField for a strict Send that limits its first event."""
    policy = request.routing
    strict = policy.unsupported_fields == policy.UNSUPPORTED_FIELDS_REJECT
    if strict and not stream and policy.HasField("first_event_timeout"):
        found = Violation(field=_FIRST_EVENT, description=_NO_FIRST_EVENT, reason="UNSUPPORTED_FIELD")
        raise UnsupportedField(violations=[found])


def unbounded() -> Event:
    """The warning for a Send that limits its first event."""
    return Event(warning=gateway_pb2.Warning(reason="FIELD_DROPPED", field=_FIRST_EVENT, message=_NO_FIRST_EVENT))


def closed(rpc: Rpc, call: Call, reply: Reply, seconds: float) -> None:
    """Note what was tried and used by an answer that is complete, broken or abandoned. seconds: until its first content."""
    error, told = reply.error, reply.usage
    if error is not None:
        _count_what_was_said(call, reply.writer)
    if isinstance(error, GatewayError):
        error.attempts = call.journal.attempts
    if isinstance(error, ProviderError) and error.usage is told:
        error.usage = reply.usage
    _note(rpc, call, reply, seconds)


def _count_what_was_said(call: Call, writer: EventWriter) -> None:
    """Usage of an answer that ended before its provider reported it, or while it was still counting (Claude reports 1 output token at the
    start): what no count covers is estimated, since it may be billed all the same."""
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


def started(call: Call, reply: Reply) -> Event:
    event = Event()
    stamp(event.started, reply)
    _route_info(event.started.route, call, reply)
    return event


def stamp(message: gateway_pb2.SendResponse | gateway_pb2.StreamStarted, reply: Reply) -> None:
    """An id of our own, and when the provider says that it made the answer, else now."""
    message.response_id = f"resp_{random.getrandbits(96):024x}"
    created = reply.writer.create_time
    message.create_time.CopyFrom(created or timestamp_pb2.Timestamp(seconds=int(time.time())))


def completed(call: Call, reply: Reply) -> Event:
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


def note_failed(rpc: Rpc, call: Call) -> None:
    """What the access log says of a call that no provider answered: the last target it went to, or would have gone to."""
    target, endpoint = call.journal.last or (call.route.groups[0][0], None)
    _note_target(rpc.outcome, call, target)
    if endpoint is not None:
        rpc.outcome["endpoint"] = endpoint.where


def _note_target(outcome: dict[str, Any], call: Call, target: Target) -> None:
    outcome["provider"], outcome["model"] = target.provider.id, target.model
    if call.route.name:
        outcome["route"] = call.route.name
    outcome["stream"] = call.stream
    outcome["fallback"] = _fell_back(call, target)
    outcome["attempts"] = call.journal.calls


def _note(rpc: Rpc, call: Call, reply: Reply, seconds: float) -> None:
    """What the access log and the trailers say of a call that was answered, at least in part."""
    target, endpoint = reply.target, reply.endpoint
    outcome = rpc.outcome
    _note_target(outcome, call, target)
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


def trailers(rpc: Rpc) -> Pairs:
    """For access logs and quota filters of a mesh; clients find the same in RouteInfo and Usage."""
    outcome = rpc.outcome
    return (
        ("x-request-id", rpc.request_id),
        ("x-llm-served-provider", _ascii(outcome["provider"])),
        ("x-llm-served-model", _ascii(outcome["model"])),
        ("x-llm-attempts", str(outcome["attempts"])),
        ("x-llm-input-tokens", str(outcome.get("input_tokens", 0))),
        ("x-llm-output-tokens", str(outcome.get("output_tokens", 0))),
    )


def _ascii(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text[:256]
    return "".join(c if " " <= c <= "~" else "?" for c in text[:256])
