"""trace: the outcome of the logical call, on the RPC's span, and trace_attempt: a CLIENT span and a journal entry per provider call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from google.protobuf import duration_pb2
from llmgateway.v1 import gateway_pb2, usage_pb2
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from llm_gateway import telemetry
from llm_gateway.call import Call, Handler, Reply
from llm_gateway.errors import Code, GatewayError, ProviderError

_FINISH = {
    gateway_pb2.FINISH_REASON_STOP: "stop",
    gateway_pb2.FINISH_REASON_STOP_SEQUENCE: "stop",
    gateway_pb2.FINISH_REASON_MAX_TOKENS: "length",
    gateway_pb2.FINISH_REASON_CONTEXT_WINDOW: "length",
    gateway_pb2.FINISH_REASON_TOOL_CALLS: "tool_call",
    gateway_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    gateway_pb2.FINISH_REASON_REFUSAL: "content_filter",
}


class Trace:
    """Puts who served, how many attempts it took, usage and cost on the RPC's own span."""

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        span = trace.get_current_span()
        if not span.is_recording():
            return await proceed(call)
        span.set_attribute(telemetry.REQUEST_ID, call.request_id)
        if call.route.name:
            span.set_attribute(telemetry.ROUTE, call.route.name)
        if call.route.experiment is not None:
            span.set_attribute(telemetry.EXPERIMENT, call.route.experiment.name)
            span.set_attribute(telemetry.EXPERIMENT_ARM, call.route.arm)
        if call.request.conversation_id:
            span.set_attribute(telemetry.CONVERSATION, call.request.conversation_id)
        try:
            reply = await proceed(call)
        except BaseException:
            _tried(span, call)
            raise
        reply.on_close(lambda closed: _outcome(span, call, closed))
        return reply


def _outcome(span: Span, call: Call, reply: Reply) -> None:
    assert reply.target is not None  # noqa: S101 - set by load_balance
    _tried(span, call)
    span.set_attribute(telemetry.SERVED_PROVIDER, reply.target.provider.id)
    span.set_attribute(telemetry.SERVED_MODEL, reply.target.model)
    usage = reply.usage
    if usage is not None and usage.HasField("cost_nano_usd"):
        span.set_attribute(telemetry.COST, usage.cost_nano_usd)


def _tried(span: Span, call: Call) -> None:
    """How many provider calls it took, and which targets were left out, each with its reason as RouteInfo has it."""
    span.set_attribute(telemetry.ATTEMPTS, call.journal.calls)
    excluded = [f"{a.provider}/{a.model}: {a.skip_reason}" for a in call.journal.attempts if a.skip_reason]
    if excluded:
        span.set_attribute(telemetry.EXCLUDED, excluded)


class TraceAttempt:
    """One CLIENT span and one journal entry per provider call, failed ones too."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        assert call.target is not None and call.endpoint is not None  # noqa: S101, PT018 - load_balance runs before
        journal = call.journal
        journal.calls += 1
        attempt = gateway_pb2.Attempt(
            provider=call.target.provider.id, model=call.target.model, deployment=call.endpoint.deployment
        )
        journal.attempts.append(attempt)
        started = self._clock()
        span = self._span(call)
        try:
            reply = await proceed(call)
        except BaseException as error:
            _fail(attempt, error, self._clock() - started)
            _end_failed(span, error)
            raise
        seconds = self._clock() - started
        _took(attempt, seconds)
        reply.started_at = started
        if span is None:
            reply.on_close(lambda closed: _settle(attempt, closed))
        else:
            reply.on_close(lambda closed: _end(span, attempt, closed, seconds))
        return reply

    def _span(self, call: Call) -> Span | None:
        if not trace.get_current_span().is_recording():
            return None
        assert call.target is not None and call.endpoint is not None  # noqa: S101, PT018
        kind = call.target.provider.kind
        operation = telemetry.OPERATIONS.get(kind, "chat")
        failures = call.journal.failures
        attributes: dict[str, str | int | float | bool] = {
            telemetry.OPERATION: operation,
            telemetry.PROVIDER: telemetry.OTEL_PROVIDERS.get(kind, kind),
            telemetry.REQUEST_MODEL: call.target.model,
            "gen_ai.request.stream": call.stream,
            telemetry.ATTEMPT: call.journal.calls,
            telemetry.ATTEMPT_KIND: "primary"
            if not failures
            else "retry"
            if call.group is call.route.groups[0]
            else "fallback",
        }
        if call.endpoint.deployment:
            attributes[telemetry.DEPLOYMENT] = call.endpoint.deployment
        if call.request.conversation_id:
            attributes[telemetry.CONVERSATION] = call.request.conversation_id
        if failures and call.group is not call.route.groups[0]:
            attributes[telemetry.FALLBACK_FROM] = call.route.groups[0][0].label
        config = call.request.generation_config
        for field, value in config.ListFields():
            if field.name in _SAMPLING:
                attributes[_SAMPLING[field.name]] = value
        return telemetry.tracer().start_span(
            f"{operation} {call.target.model}", kind=SpanKind.CLIENT, attributes=attributes
        )


_SAMPLING = {
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "candidate_count": "gen_ai.request.choice.count",
}


def _took(attempt: gateway_pb2.Attempt, seconds: float) -> None:
    attempt.duration.CopyFrom(_duration(seconds))


def _duration(seconds: float) -> duration_pb2.Duration:
    whole = int(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))


def _fail(attempt: gateway_pb2.Attempt, error: BaseException, seconds: float) -> None:
    _took(attempt, seconds)
    if isinstance(error, asyncio.CancelledError):
        attempt.code, attempt.reason = Code.CANCELLED, "CANCELLED"
    elif isinstance(error, GatewayError):
        attempt.code, attempt.reason = error.code, error.reason
        if error.retry_after is not None:
            attempt.retry_delay.CopyFrom(_duration(error.retry_after))
        if isinstance(error, ProviderError):
            attempt.provider_status = error.status
            if error.usage is not None:
                attempt.usage.CopyFrom(error.usage)
    else:
        attempt.code, attempt.reason = Code.INTERNAL, "INTERNAL_ERROR"


def _settle(attempt: gateway_pb2.Attempt, reply: Reply) -> None:
    if reply.error is not None:
        duration = attempt.duration
        _fail(attempt, reply.error, duration.seconds + duration.nanos / 1e9)


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "CANCELLED"
    return error.reason if isinstance(error, GatewayError) else "INTERNAL_ERROR"


def _end_failed(span: Span | None, error: BaseException) -> None:
    if span is None:
        return
    span.set_attribute(telemetry.ERROR_TYPE, _reason(error))
    if isinstance(error, ProviderError) and error.status:
        span.set_attribute("http.response.status_code", error.status)
    if not isinstance(error, asyncio.CancelledError):
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _end(span: Span, attempt: gateway_pb2.Attempt, reply: Reply, seconds: float) -> None:
    _settle(attempt, reply)
    writer = reply.writer
    attributes: dict[str, str | int | float | list[str]] = {telemetry.TIME_TO_FIRST_CHUNK: round(seconds, 6)}
    if writer.response_id:
        attributes[telemetry.RESPONSE_ID] = writer.response_id
    if writer.response_model:
        attributes[telemetry.RESPONSE_MODEL] = writer.response_model
    finish = writer.finished()
    if reply.error is not None:
        attributes[telemetry.FINISH_REASONS] = ["error"]
    elif finish is not None:
        attributes[telemetry.FINISH_REASONS] = [_FINISH.get(finish.finish_reason, "error")]
    if writer.usage is not None:
        attributes |= _usage(writer.usage)
    span.set_attributes(attributes)
    if reply.error is not None:
        _end_failed(span, reply.error)
    else:
        span.end()


def _usage(usage: usage_pb2.Usage) -> dict[str, int]:
    found = {telemetry.INPUT_TOKENS: usage.input_tokens, telemetry.OUTPUT_TOKENS: usage.output_tokens}
    for field, name in (
        ("cache_read_input_tokens", telemetry.CACHE_READ_TOKENS),
        ("cache_write_input_tokens", telemetry.CACHE_WRITE_TOKENS),
        ("reasoning_output_tokens", telemetry.REASONING_TOKENS),
        ("cost_nano_usd", telemetry.COST),
        ("provider_cost_nano_usd", telemetry.PROVIDER_COST),
    ):
        if usage.HasField(field):  # type: ignore[arg-type]  # the four names above are optional fields
            found[name] = getattr(usage, field)
    return found
