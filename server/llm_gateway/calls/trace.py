"""trace: the outcome of the logical call, on the RPC's span, and trace_attempt: a CLIENT span and a journal entry per provider call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from llm_gateway import durations
from llm_gateway.calls.call import Attempt, Call, Handler, Reply, outcome
from llm_gateway.errors import GatewayError, ProviderError
from llm_gateway.telemetry import names
from llm_gateway.telemetry.redaction import without_known

_FINISH = {
    gateway_pb2.FINISH_REASON_STOP: "stop",
    gateway_pb2.FINISH_REASON_STOP_SEQUENCE: "stop",
    gateway_pb2.FINISH_REASON_MAX_TOKENS: "length",
    gateway_pb2.FINISH_REASON_CONTEXT_WINDOW: "length",
    gateway_pb2.FINISH_REASON_TOOL_CALLS: "tool_call",
    gateway_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    gateway_pb2.FINISH_REASON_REFUSAL: "content_filter",
    gateway_pb2.FINISH_REASON_RECITATION: "content_filter",
    gateway_pb2.FINISH_REASON_PAUSED: "stop",
}
_OUTPUT_TYPES: Mapping[int, str] = {
    content_pb2.MODALITY_TEXT: "text",
    content_pb2.MODALITY_IMAGE: "image",
    content_pb2.MODALITY_AUDIO: "speech",
}
_ERROR = Status(StatusCode.ERROR)
MAX_CAUSE = 120
"""Characters of an attempt's cause: sixteen attempts have to fit into trailers."""
Attribute = str | int | float | Sequence[str]


class Trace:
    """Puts who served, how many attempts it took and the cost on the RPC's own span, all at the end: one attribute set alone
    costs as much as three together."""

    async def __call__(self, call: Call, proceed: Handler[Call]) -> Reply:
        span = trace.get_current_span()
        if not span.is_recording():
            return await proceed(call)
        try:
            reply = await proceed(call)
        except BaseException:
            span.set_attributes(_outcome(call))
            raise
        reply.on_close(lambda closed: span.set_attributes(_outcome(call, closed)))
        return reply


def _outcome(call: Call, reply: Reply | None = None) -> dict[str, Attribute]:
    route = call.route
    attributes: dict[str, Attribute] = {names.ATTEMPTS: call.journal.calls}
    if route.name:
        attributes[names.ROUTE] = route.name
    if route.experiment is not None:
        attributes[names.EXPERIMENT], attributes[names.EXPERIMENT_ARM] = route.experiment.name, route.arm
    if call.request.conversation_id:
        attributes[names.CONVERSATION] = call.request.conversation_id
    excluded = [f"{a.provider}/{a.model}: {a.skip_reason}" for a in call.journal.attempts if a.skip_reason]
    if excluded:
        attributes[names.EXCLUDED] = tuple(excluded)
    if reply is not None:
        attributes[names.SERVED_PROVIDER] = reply.target.provider.id
        attributes[names.SERVED_MODEL] = reply.target.model
        usage = reply.usage
        if usage is not None and usage.HasField("cost_nano_usd"):
            attributes[names.COST] = usage.cost_nano_usd
    return attributes


class TraceAttempt:
    """One CLIENT span and one journal entry per provider call, failed ones too. The span is current while the call is made, so that
    the request can carry its context."""

    def __init__(self, tracer: trace.Tracer | None = None, *, clock: Callable[[], float] = monotonic) -> None:
        """tracer: makes the spans; without one there are none."""
        self._tracer = tracer
        self._clock = clock

    async def __call__(self, attempt: Attempt, proceed: Handler[Attempt]) -> Reply:
        call, target = attempt.call, attempt.target
        call.journal.calls += 1
        entry = gateway_pb2.Attempt(
            provider=target.provider.id, model=target.model, deployment=attempt.endpoint.deployment
        )
        call.journal.attempts.append(entry)
        started = self._clock()
        span = self._span(attempt)
        token = None if span is None else otel_context.attach(trace.set_span_in_context(span))
        try:
            reply = await proceed(attempt)
        except BaseException as error:
            _fail(entry, error, self._clock() - started)
            if span is not None:
                _end(span, error, {})
            raise
        finally:
            if token is not None:
                otel_context.detach(token)
        seconds = self._clock() - started
        _took(entry, seconds)
        reply.on_close(lambda closed: _settle(entry, closed))
        if span is not None:
            reply.on_close(lambda closed: _end(span, closed.error, _answered(call, closed, seconds)))
        return reply

    def _span(self, attempt: Attempt) -> Span | None:
        if self._tracer is None or not trace.get_current_span().is_recording():
            return None
        call, target, endpoint = attempt.call, attempt.target, attempt.endpoint
        operation = target.provider.row.operation
        first = call.route.groups[0]
        again = "primary" if call.journal.calls == 1 else "retry"
        attributes: dict[str, Attribute] = {
            names.OPERATION: operation,
            names.PROVIDER: target.provider.row.otel or target.provider.settings.kind,
            names.REQUEST_MODEL: target.model,
            names.REQUEST_STREAM: call.stream,
            names.ATTEMPT: call.journal.calls,
            names.ATTEMPT_KIND: again if attempt.group is first else "fallback",
        }
        if endpoint.address is not None:
            attributes[names.SERVER_ADDRESS], attributes[names.SERVER_PORT] = endpoint.address
        if endpoint.deployment:
            attributes[names.DEPLOYMENT] = endpoint.deployment
        if attempt.group is not first:
            attributes[names.FALLBACK_FROM] = first[0].label
        _asked(attributes, call.request)
        return self._tracer.start_span(f"{operation} {target.model}", kind=SpanKind.CLIENT, attributes=attributes)


def _asked(attributes: dict[str, Attribute], request: gateway_pb2.SendRequest) -> None:
    """What the caller asked for, without any of its text."""
    if request.conversation_id:
        attributes[names.CONVERSATION] = request.conversation_id
    if request.HasField("reasoning") and request.reasoning.effort:
        effort = gateway_pb2.ReasoningConfig.Effort.Name(request.reasoning.effort)
        attributes[names.REASONING_LEVEL] = effort.removeprefix("EFFORT_").lower()
    if request.HasField("output_format") and request.output_format.WhichOneof("format"):
        attributes[names.OUTPUT_TYPE] = "json"
    if not request.HasField("generation_config"):
        return
    for field, value in request.generation_config.ListFields():
        if field.name in names.SAMPLING:
            attributes[names.SAMPLING[field.name]] = value
        elif field.name == "output_modalities":
            wanted = [_OUTPUT_TYPES[each] for each in value if each in _OUTPUT_TYPES]
            if wanted:
                attributes[names.OUTPUT_TYPE] = wanted[-1]


def _took(attempt: gateway_pb2.Attempt, seconds: float) -> None:
    attempt.duration.CopyFrom(durations.to_proto(seconds))


def _fail(attempt: gateway_pb2.Attempt, error: BaseException, seconds: float) -> None:
    _took(attempt, seconds)
    attempt.code, attempt.reason = outcome(error)
    if isinstance(error, GatewayError) and error.retry_after is not None:
        attempt.retry_delay.CopyFrom(durations.to_proto(error.retry_after))
    if isinstance(error, ProviderError):
        attempt.cause = error.cause[:MAX_CAUSE]
        attempt.provider_status = error.status
        if error.usage is not None:
            attempt.usage.CopyFrom(error.usage)


def _settle(attempt: gateway_pb2.Attempt, reply: Reply) -> None:
    if reply.error is not None:
        _fail(attempt, reply.error, durations.to_seconds(attempt.duration))


def _answered(call: Call, reply: Reply, seconds: float) -> dict[str, Attribute]:
    """What is known of an answer, even a broken one."""
    writer = reply.writer
    attributes: dict[str, Attribute] = {}
    if call.stream:
        attributes[names.TIME_TO_FIRST_CHUNK] = round(seconds, 6)
    if writer.response_id:
        attributes[names.RESPONSE_ID] = without_known(writer.response_id)
    if writer.response_model:
        attributes[names.RESPONSE_MODEL] = without_known(writer.response_model)
    if reply.error is not None:
        attributes[names.FINISH_REASONS] = ("error",)
    else:
        attributes[names.FINISH_REASONS] = tuple(
            _FINISH.get(finish.finish_reason, "error") for finish in writer.finishes()
        )
    if writer.usage is not None:
        attributes |= _usage(writer.usage)
    return attributes


def _end(span: Span, error: BaseException | None, attributes: dict[str, Attribute]) -> None:
    """End the span of a call that succeeded, failed, broke or was abandoned; abandoning is no error."""
    if error is not None:
        attributes[names.ERROR_TYPE] = outcome(error)[1]
        if isinstance(error, ProviderError) and error.status:
            attributes[names.HTTP_STATUS] = error.status
        if not isinstance(error, asyncio.CancelledError):
            span.set_status(_ERROR)
    span.set_attributes(attributes)
    span.end()


def _usage(usage: usage_pb2.Usage) -> dict[str, int]:
    found = {names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens}
    for field, name in (
        ("cache_read_input_tokens", names.CACHE_READ_TOKENS),
        ("cache_write_input_tokens", names.CACHE_WRITE_TOKENS),
        ("reasoning_output_tokens", names.REASONING_TOKENS),
        ("cost_nano_usd", names.COST),
        ("provider_cost_nano_usd", names.PROVIDER_COST),
    ):
        if usage.HasField(field):  # type: ignore[arg-type]  # the four names above are optional fields
            found[name] = getattr(usage, field)
    return found
