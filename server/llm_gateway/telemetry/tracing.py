"""Tracing: nothing is exported by default; the standard OTEL_* variables turn it on. No span holds a prompt, an answer, a key or a provider's words."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from llm_gateway import __version__
from llm_gateway.telemetry.logs import log
from llm_gateway.telemetry.names import SCOPE

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

W3C = TraceContextTextMapPropagator()
"""How a trace's context travels, in gRPC metadata and HTTP headers alike."""


class TelemetryError(Exception):
    """The OTEL_* variables ask for something that the gateway cannot do."""


def configure_tracing(service: str = "llm-gateway") -> TracerProvider | None:
    """A tracer provider when OTEL_TRACES_EXPORTER names one (`otlp` or `console`), or an OTLP endpoint is set; else None.

    service: name of the service where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has one. Sampling, resource, endpoint,
    headers and batching follow the OTEL_* variables of this process (OpenTelemetry environment variable specification). Nothing global
    is set. Raises TelemetryError for values that cannot be followed.
    """
    env = os.environ
    endpoint = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    names = [name.strip() for name in env.get("OTEL_TRACES_EXPORTER", "otlp" if endpoint else "none").split(",")]
    names = [name for name in names if name and name != "none"]
    if not names or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    ours = Resource.create({"service.name": service, "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    for name in names:
        if name == "console":
            provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
        elif name == "otlp":
            provider.add_span_processor(_otlp(provider.resource))
        else:
            raise TelemetryError(f"OTEL_TRACES_EXPORTER={name} is not known; use otlp, console or none.")
    return provider


def tracer(provider: TracerProvider) -> trace.Tracer:
    """The gateway's tracer. Keep it: finding it again costs as much as a span."""
    from opentelemetry.sdk.trace import Tracer

    from llm_gateway.telemetry import spans

    inner = provider.get_tracer(SCOPE, __version__)
    return spans.Tracer(inner, SCOPE, __version__) if isinstance(inner, Tracer) else inner


def trace_headers() -> Sequence[tuple[str, str]]:
    """`traceparent` and `tracestate` of the current span (W3C Trace Context), none where there is none. Baggage never leaves."""
    carrier: dict[str, str] = {}
    W3C.inject(carrier)
    return tuple(carrier.items())


def _otlp(resource: Resource) -> SpanProcessor:
    from llm_gateway.telemetry import otlp

    def warn(spans: int, problem: str) -> None:
        log().warning("spans dropped", spans=spans, problem=problem)

    try:
        return otlp.OtlpProcessor(otlp.Settings.of(os.environ), resource, warn)
    except otlp.SettingsError as error:
        raise TelemetryError(str(error)) from None
    except OSError:
        raise TelemetryError("OTEL_EXPORTER_OTLP_CERTIFICATE, or the client's, cannot be read.") from None
