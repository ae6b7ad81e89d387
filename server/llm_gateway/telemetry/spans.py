"""A tracer of cheap spans: with the SDK's sampler, ids, resource and processors, but without a span's locks, copies and limits.

A span of the gateway is touched by one task at a time, and gets a few dozen attributes of plain types. The SDK's own span is made for every
other case too, and takes twice as long. Processors and exporters of the SDK take either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

Attributes = Mapping[str, Any] | None
_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)


class Span(sdk.ReadableSpan, trace.Span):
    """A recording span until it ends. Attributes are str, bool, int, float or sequences of one of these.

    Events and exceptions are not recorded: an exception's text may hold a prompt or a provider's words.
    """

    def __init__(self, processor: sdk.SpanProcessor, **fields: Any) -> None:
        super().__init__(**fields)
        self._processor = processor

    def get_span_context(self) -> SpanContext:
        return self._context  # type: ignore[return-value]  # always given

    def is_recording(self) -> bool:
        return self._end_time is None

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self._end_time is None:
            self._attributes.update(attributes)  # type: ignore[union-attr]  # a dict, see Tracer

    def set_attribute(self, key: str, value: Any) -> None:
        self.set_attributes({key: value})

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self._end_time is None:
            self._status = status if isinstance(status, Status) else Status(status, description)

    def update_name(self, name: str) -> None:
        self._name = name

    def add_event(self, *_: Any, **__: Any) -> None:
        pass

    record_exception = add_event

    def end(self, end_time: int | None = None) -> None:
        if self._end_time is None:
            self._end_time = time_ns() if end_time is None else end_time
            self._processor.on_end(self)


class Tracer(trace.Tracer):
    """Makes these spans as `inner` would make its own."""

    def __init__(self, inner: sdk.Tracer, scope: str, version: str) -> None:
        self._sampler = inner.sampler
        self._ids = inner.id_generator
        self._resource = inner.resource
        self._processor = inner.span_processor
        self._scope = InstrumentationScope(scope, version)

    def start_span(  # noqa: PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        *_: Any,
        **__: Any,
    ) -> trace.Span:
        parent: SpanContext | None = trace.get_current_span(context).get_span_context()
        if parent is not None and parent.is_valid:
            trace_id = parent.trace_id
        else:
            parent, trace_id = None, self._ids.generate_trace_id()
        sampling = self._sampler.should_sample(context, trace_id, name, kind, attributes, links)
        flags = _SAMPLED if sampling.decision is Decision.RECORD_AND_SAMPLE else _NOT_SAMPLED
        own = SpanContext(trace_id, self._ids.generate_span_id(), False, flags, sampling.trace_state)
        if sampling.decision is Decision.DROP:
            return NonRecordingSpan(own)
        span = Span(
            self._processor,
            name=name,
            context=own,
            parent=parent,
            resource=self._resource,
            attributes=dict(sampling.attributes or {}),
            kind=kind,
            start_time=time_ns() if start_time is None else start_time,
            instrumentation_scope=self._scope,
        )
        self._processor.on_start(span, parent_context=context)  # type: ignore[arg-type]  # all that processors ask of a span
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # a plain context manager
        self, name: str, *args: Any, end_on_exit: bool = True, **kwargs: Any
    ) -> Iterator[trace.Span]:
        with trace.use_span(self.start_span(name, *args, **kwargs), end_on_exit=end_on_exit) as span:
            yield span
