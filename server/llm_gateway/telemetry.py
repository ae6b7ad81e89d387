"""Logs and traces: structlog JSON lines and OpenTelemetry spans, and the names both use.

Nothing is exported by default; the standard OTEL_* variables turn tracing on. No span and no line holds a prompt, an answer, a key or a
provider's words. Attribute names are OpenTelemetry's RPC and GenAI
conventions (the latter still "development") and stand here only, because they move.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from llm_gateway import __version__
from llm_gateway.lines import Lines
from llm_gateway.redaction import REDACTED, redact

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

SCOPE = "llm_gateway"
W3C = TraceContextTextMapPropagator()
"""How a trace's context travels, in gRPC metadata and HTTP headers alike."""

RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.status_code"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
PEER_ADDRESS = "network.peer.address"
PEER_PORT = "network.peer.port"
HTTP_STATUS = "http.response.status_code"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REASONING_LEVEL = "gen_ai.request.reasoning.level"
OUTPUT_TYPE = "gen_ai.output.type"
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

SAMPLING: Mapping[str, str] = {
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "candidate_count": "gen_ai.request.choice.count",
}
"""Attribute by field of GenerationConfig. Stop sequences are the caller's texts and have none."""

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


def configure_tracing(service: str = "llm-gateway") -> TracerProvider | None:
    """A tracer provider when OTEL_TRACES_EXPORTER names one (`otlp` or `console`), or an OTLP endpoint is set; else None.

    service: name of the service where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has one. Sampling, resource, endpoint,
    headers and batching follow the OTEL_* variables of this process (OpenTelemetry environment variable specification). Nothing global
    is set. Raises TelemetryError for what they may not say.
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
    """The gateway's tracer, which is kept: finding it again costs as much as a span."""
    from opentelemetry.sdk.trace import Tracer

    from llm_gateway import spans

    inner = provider.get_tracer(SCOPE, __version__)
    return spans.Tracer(inner, SCOPE, __version__) if isinstance(inner, Tracer) else inner


def trace_headers() -> Sequence[tuple[str, str]]:
    """`traceparent` and `tracestate` of the current span (W3C Trace Context), none where there is none. Baggage never leaves."""
    carrier: dict[str, str] = {}
    W3C.inject(carrier)
    return tuple(carrier.items())


def _otlp(resource: Resource) -> SpanProcessor:
    from llm_gateway import otlp

    def warn(spans: int, problem: str) -> None:
        log().warning("spans dropped", spans=spans, problem=problem)

    try:
        return otlp.OtlpProcessor(otlp.Settings.of(os.environ), resource, warn)
    except otlp.SettingsError as error:
        raise TelemetryError(str(error)) from None
    except OSError:
        raise TelemetryError("OTEL_EXPORTER_OTLP_CERTIFICATE, or the client's, cannot be read.") from None


# ---------------------------------------------------------------- logs
_SECRET_KEYS = frozenset(
    {
        *("api_key", "api_keys", "apikey", "authorization", "proxy_authorization", "x_api_key", "x_goog_api_key"),
        *("access_token", "refresh_token", "session_token", "token", "cookie", "set_cookie"),
        *("client_secret", "password", "secret", "secret_access_key"),
    }
)
"""Names whose values are never written, in lower case with underscores."""
_encode = msgspec.json.Encoder(enc_hook=repr).encode


@lru_cache
def _is_secret(key: str) -> bool:
    return key.lower().replace("-", "_") in _SECRET_KEYS


def _without_secrets(value: object) -> object:
    """What a field may say: nested values under a secret's name are gone."""
    if isinstance(value, Mapping):
        return {k: REDACTED if _is_secret(str(k)) else _without_secrets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(each) for each in value]
    return value


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename.rpartition('llm_gateway/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-30:]]


def _entry(_: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The line's fields in their order: event, level and timestamp first. An exception is told by its place, without its text and
    without values: either may hold a prompt or a key."""
    entry = {"event": event.pop("event"), "level": level, "timestamp": datetime.now(UTC)}
    if event.pop("exc_info", None):
        entry["frames"] = _frames(sys.exc_info()[2])
    for key, value in event.items():
        if _is_secret(key):
            value = REDACTED
        elif type(value) not in _SCALARS:
            value = _without_secrets(value)
        entry[key] = value
    return entry


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _line(_: object, __: str, event: structlog.typing.EventDict) -> str:
    return redact(_encode(event).decode())


def _parsed(_: object, __: str, line: Any) -> structlog.typing.EventDict:
    """Back to fields, for people: what they get has passed the same redaction."""
    return msgspec.json.decode(line)  # type: ignore[no-any-return]


class _StandardError:
    """Hands a line to the thread that writes it: the event loop never waits for standard error."""

    def write(self, line: str) -> None:
        _lines.put(f"{line}\n".encode(errors="backslashreplace"))

    debug = info = warning = error = critical = write


_lines = Lines(2, lambda count: log().warning("log lines dropped", lines=count))
flush = _lines.flush
"""Wait until the lines so far are written, at most a second or the seconds given."""
atexit.register(flush)


def take_standard_error() -> None:
    """Whatever else writes to standard error, gRPC's core above all, becomes lines of ours from now on, `standard error`: a peer's words stand
    in the core's, with line feeds of its choosing. What it writes as the process is killed is lost."""
    reading, writing = os.pipe()
    _lines.fd = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)

    def read() -> None:
        with open(reading, "rb") as pipe:
            while line := pipe.readline(_LONGEST):
                with suppress(Exception):  # a pipe that nobody reads would stop who writes to it
                    log().info("standard error", text=line.decode(errors="backslashreplace").removesuffix("\n"))

    thread = threading.Thread(target=read, name="standard error", daemon=True)
    thread.start()

    def give_back() -> None:
        os.dup2(_lines.fd, 2)
        thread.join(1.0)
        flush()

    atexit.register(give_back)


_LONGEST = 2048
"""Bytes of a line of others; what is longer becomes several."""


class _Libraries(logging.Handler):
    """Lines of what the libraries log: by whom, and where an exception came from. Their texts may hold anything, so that only the first
    line of what stands in their code is told, without its arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        said = str(record.msg).partition("\n")[0][:200] if not record.args else ""
        fields: dict[str, Any] = {"logger": record.name, "line": record.lineno}
        if record.name == "asyncio":
            fields["said"] = said
        if record.exc_info and record.exc_info[2] is not None:
            fields["error"] = getattr(record.exc_info[0], "__name__", "")
            fields["frames"] = _frames(record.exc_info[2])
        log().log(record.levelno, "library", **fields)


def _unless_in_background(_: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Of calls that went well a background job of a terminal writes nothing to it: that would stand amid what its user runs in front."""
    if method == "info" and event.get("event") == "rpc":
        with suppress(OSError):
            if os.tcgetpgrp(sys.stderr.fileno()) != os.getpgrp():
                raise structlog.DropEvent
    return event


def configure_logging(level: str = "info", *, human: bool = False) -> None:
    """JSON lines on standard error, one object a line; `human` gives coloured text instead. Warnings of libraries are lines too."""
    structlog.configure(
        processors=[
            *((_unless_in_background,) if sys.stderr.isatty() else ()),
            _entry,
            _line,
            *((_parsed, structlog.dev.ConsoleRenderer()) if human else ()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.WARNING))


def log() -> structlog.typing.FilteringBoundLogger:
    """The gateway's logger."""
    return structlog.get_logger(SCOPE)  # type: ignore[no-any-return]
