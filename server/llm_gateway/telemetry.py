"""Logs and traces: structlog JSON lines and OpenTelemetry spans, and the names both use.

Nothing is exported by default; the standard OTEL_* variables turn tracing on. Attribute names are OpenTelemetry's RPC and GenAI
conventions (the latter still "development") and stand here only, because they move.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SCOPE = "llm_gateway"

RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.status_code"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
PEER_ADDRESS = "network.peer.address"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
CONVERSATION = "gen_ai.conversation.id"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
ATTEMPT = "llmgateway.attempt.number"
ATTEMPT_KIND = "llmgateway.attempt.kind"
ATTEMPTS = "llmgateway.attempts"
ROUTE = "llmgateway.route.name"
EXCLUDED = "llmgateway.route.excluded"
DEPLOYMENT = "llmgateway.deployment"
FALLBACK_FROM = "llmgateway.fallback.from"
EXPERIMENT = "llmgateway.experiment"
EXPERIMENT_ARM = "llmgateway.experiment.arm"
COST = "llmgateway.cost.nano_usd"
PROVIDER_COST = "llmgateway.provider_cost.nano_usd"
REQUEST_ID = "llmgateway.request.id"
SERVED_PROVIDER = "llmgateway.served.provider"
SERVED_MODEL = "llmgateway.served.model"
PREVIOUS_ATTEMPTS = "llmgateway.grpc.previous_attempts"

OTEL_PROVIDERS: Mapping[str, str] = {
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
    "mistral": "mistral_ai",
    "bedrock": "aws.bedrock",
    "azure_openai": "azure.ai.openai",
    "lmstudio": "lm_studio",
}
"""`gen_ai.provider.name` by provider kind; a kind that is not here is its own name."""

OPERATIONS: Mapping[str, str] = {"gemini": "generate_content", "vertex": "generate_content"}
"""`gen_ai.operation.name` by provider kind, `chat` for all others."""


class TelemetryError(Exception):
    """The OTEL_* variables ask for what cannot be done."""


def tracer() -> trace.Tracer:
    """The gateway's tracer; its spans cost next to nothing while no exporter is configured."""
    return trace.get_tracer(SCOPE)


def configure_tracing(env: Mapping[str, str] = os.environ) -> TracerProvider | None:
    """Install a tracer provider when OTEL_TRACES_EXPORTER names one (`otlp` or `console`), or an OTLP endpoint is set.

    Returns it, for shutdown, or None. Sampling, resource, endpoint, headers and batching follow the OTEL_* variables
    (OpenTelemetry environment variable specification). Raises TelemetryError for an unknown
    exporter, and when the `otlp` extra is missing.
    """
    endpoint = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    names = [name.strip() for name in env.get("OTEL_TRACES_EXPORTER", "otlp" if endpoint else "none").split(",")]
    names = [name for name in names if name and name != "none"]
    if not names or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

    from llm_gateway import __version__

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": env.get("OTEL_SERVICE_NAME", "llm-gateway"), "service.version": __version__}
        )
    )
    for name in names:
        exporter: SpanExporter
        if name == "console":
            exporter = ConsoleSpanExporter(out=sys.stderr)
        elif name == "otlp":
            exporter = _otlp_exporter()
        else:
            raise TelemetryError(f"OTEL_TRACES_EXPORTER={name} is not known; use otlp, console or none.")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _otlp_exporter() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise TelemetryError("OTLP export needs the extra: pip install 'llm-gateway[otlp]'.") from None
    return OTLPSpanExporter()


# ---------------------------------------------------------------- logs
SECRET_KEYS = frozenset(
    {"api_key", "api_keys", "authorization", "x-api-key", "api-key", "x-goog-api-key", "password", "token", "secret"}
)
_encode = msgspec.json.Encoder(enc_hook=repr).encode


def _redact(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key in SECRET_KEYS & event.keys():
        event[key] = "[redacted]"
    return event


def _frames(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Where an exception came from, without its text and without values: either may hold a prompt or a key."""
    if event.pop("exc_info", None):
        found = sys.exc_info()[2]
        frames = traceback.extract_tb(found)
        event["frames"] = [
            f"{frame.filename.rpartition('llm_gateway/')[2]}:{frame.lineno} {frame.name}" for frame in frames
        ]
    return event


def _render(_: Any, __: str, event: structlog.typing.EventDict) -> bytes:
    return _encode(event)


def configure_logging(level: str = "info", *, human: bool = False) -> None:
    """JSON lines on standard error, one object a line; `human` gives coloured text instead."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
        _frames,
    ]
    if human:
        logger: Any = structlog.PrintLoggerFactory(sys.stderr)
        processors.append(structlog.dev.ConsoleRenderer())
    else:
        logger = structlog.BytesLoggerFactory(sys.stderr.buffer)
        processors.append(_render)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=logger,
        cache_logger_on_first_use=True,
    )


def log() -> structlog.typing.FilteringBoundLogger:
    """The gateway's logger."""
    return structlog.get_logger(SCOPE)  # type: ignore[no-any-return]
