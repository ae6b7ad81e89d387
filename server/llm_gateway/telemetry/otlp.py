"""Sends spans to a collector: OTLP over HTTP, encoded here and posted by one thread.

A span is encoded when it ends, in one pass and without protobuf objects, which would cost more than the rest of the span. So half a kilobyte
waits in the queue for each, and the thread that posts them does no work for which the event loop would have to wait.

Sources: opentelemetry-proto 1.x (collector/trace/v1, trace/v1, common/v1), the OTLP specification (paths, retries) and OpenTelemetry's
environment variable specification. The gateway's spans have no events, links or status texts, so none are written.
"""

from __future__ import annotations

import gzip
import http.client
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from random import uniform
from time import monotonic
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanContext, StatusCode

RETRYABLE = frozenset({0, 429, 502, 503, 504})
"""HTTP statuses after which a batch is sent again (OTLP specification); 0 stands for no answer."""
FIRST_BACKOFF = 1.0
"""Seconds before the first repetition; before each further one it is twice as long."""
MOST_RESPONSE = 64 << 10


class SettingsError(ValueError):
    """An OTEL_* variable that cannot be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where spans go, and how many may wait. url: for traces. timeout: seconds for a batch with its repetitions. delay: seconds between
    batches. queue, batch: in spans. tls: None for plaintext."""

    url: str
    headers: Mapping[str, str]
    timeout: float
    compressed: bool
    tls: ssl.SSLContext | None
    delay: float
    queue: int
    batch: int

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """The settings of the OTEL_EXPORTER_OTLP_* and OTEL_BSP_* variables; those for traces win. Raises SettingsError, and OSError for a
        certificate that cannot be read."""

        def otlp(name: str, default: str = "") -> str:
            return env.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or env.get(f"OTEL_EXPORTER_OTLP_{name}") or default

        if otlp("PROTOCOL", "http/protobuf") != "http/protobuf":
            raise SettingsError("OTEL_EXPORTER_OTLP_PROTOCOL: the gateway speaks http/protobuf only.")
        compression = otlp("COMPRESSION", "none")
        if compression not in ("none", "gzip"):
            raise SettingsError("OTEL_EXPORTER_OTLP_COMPRESSION is none or gzip.")
        url = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
        if not url:
            url = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "") or "http://localhost:4318"
            url = f"{url.rstrip('/')}/v1/traces"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT is a URL, http://host:4318 say.")
        return cls(
            url=url,
            headers=_headers(otlp("HEADERS")),
            timeout=_number("OTEL_EXPORTER_OTLP_TIMEOUT", otlp("TIMEOUT", "10000")) / 1000,
            compressed=compression == "gzip",
            tls=_tls(otlp("CERTIFICATE"), otlp("CLIENT_CERTIFICATE"), otlp("CLIENT_KEY"))
            if parts.scheme == "https"
            else None,
            delay=_number("OTEL_BSP_SCHEDULE_DELAY", env.get("OTEL_BSP_SCHEDULE_DELAY") or "5000") / 1000,
            queue=_number("OTEL_BSP_MAX_QUEUE_SIZE", env.get("OTEL_BSP_MAX_QUEUE_SIZE") or "2048"),
            batch=_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", env.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") or "512"),
        )


class OtlpProcessor(SpanProcessor):
    """Queues ended spans and posts them, a batch at a time, from a thread of its own.

    A span that finds the queue full is dropped, and so is a batch that the collector refuses or does not take within `timeout`. `dropped` counts
    the spans; `on_drop` is told how many there are since it was told last, and why.
    """

    def __init__(self, settings: Settings, resource: Resource, on_drop: Callable[[int, str], None]) -> None:
        url = urlsplit(settings.url)
        self._settings = settings
        self._on_drop = on_drop
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._headers = {"content-type": "application/x-protobuf", "user-agent": "llm-gateway", **settings.headers}
        if settings.compressed:
            self._headers["content-encoding"] = "gzip"
        host = url.hostname or ""
        self._connection = (
            http.client.HTTPConnection(host, url.port or 80, timeout=settings.timeout)
            if settings.tls is None
            else http.client.HTTPSConnection(host, url.port or 443, timeout=settings.timeout, context=settings.tls)
        )
        self._resource = _field(0x0A, _attributes(resource.attributes, 0x0A))
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._refused = self._lost = self._reported = 0  # the first belongs to on_end, the others to who posts
        self._posting = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Spans that no collector took."""
        return self._refused + self._lost

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        queue = self._queue
        waiting = len(queue)
        if waiting >= self._settings.queue or self._stopping.is_set():
            self._refused += 1
            return
        scope = span.instrumentation_scope
        name, version = (scope.name, scope.version or "") if scope is not None else ("", "")
        queue.append((_scope(name, version), encode(span, context)))
        if waiting + 1 == self._settings.batch:
            self._wake.set()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self._drain()
        return True

    def shutdown(self) -> None:
        """Post what is queued, for at most `timeout`, and end the thread. Spans that end later are dropped."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(self._settings.timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._settings.delay)
            self._wake.clear()
            self._drain()
        self._connection.close()

    def _drain(self) -> None:
        queue, problem = self._queue, "the queue was full"
        with self._posting:
            while queue:
                batch = [queue.popleft() for _ in range(min(len(queue), self._settings.batch))]
                status, refused = self._post(self._message(batch))
                if refused:
                    problem = "the collector refused some"
                    self._lost += min(refused, len(batch))
                if not 200 <= status < 300:
                    problem = f"the collector answered {status}" if status else "the collector did not answer"
                    self._lost += len(batch)
                    if self._stopping.is_set():  # one try: a collector that is away must not hold the process
                        self._lost += len(queue)
                        queue.clear()
            dropped, self._reported = self.dropped - self._reported, self.dropped
        if dropped:
            self._on_drop(dropped, problem)

    def _message(self, batch: Sequence[tuple[bytes, bytes]]) -> bytes:
        """ExportTraceServiceRequest of one resource."""
        scopes: dict[bytes, list[bytes]] = {}
        for scope, span in batch:
            scopes.setdefault(scope, []).append(span)
        spans = b"".join([_field(0x12, b"".join((scope, *each))) for scope, each in scopes.items()])
        message = _field(0x0A, self._resource + spans)
        return gzip.compress(message, 1) if self._settings.compressed else message

    def _post(self, body: bytes) -> tuple[int, int]:
        """Post a batch, and repeat it where that is allowed, until `timeout` has passed. Returns the last status, 0 for no answer, and how many spans of
        a batch that was accepted were refused all the same."""
        end = monotonic() + self._settings.timeout
        backoff = FIRST_BACKOFF
        while True:
            status, wait, refused = self._exchange(body, end - monotonic())
            if status not in RETRYABLE:
                return status, refused
            wait = wait or backoff * uniform(0.8, 1.2)  # noqa: S311 - jitter
            if monotonic() + wait > end or self._stopping.wait(wait):
                return status, 0
            backoff *= 2

    def _exchange(self, body: bytes, left: float) -> tuple[int, float, int]:
        """(status, Retry-After in seconds or 0, spans refused). A kept connection that the collector had closed is replaced once."""
        connection = self._connection
        connection.timeout = left
        kept = connection.sock is not None
        if kept:
            connection.sock.settimeout(left)
        try:
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            answer = response.read(MOST_RESPONSE)
            if not response.isclosed():  # more to come, which nobody reads
                connection.close()
        except (OSError, http.client.HTTPException):
            connection.close()
            return self._exchange(body, left) if kept else (0, 0.0, 0)
        after = response.getheader("retry-after", "")
        wait = float(after) if after.isascii() and after.isdigit() else 0.0
        return response.status, wait, _rejected(answer) if 200 <= response.status < 300 else 0


def _rejected(answer: bytes) -> int:
    """ExportTraceServiceResponse.partial_success.rejected_spans, read as unknown fields: generated code for it would be one more package."""
    with suppress(DecodeError):
        partial = _fields(answer).get(1)
        rejected = _fields(partial).get(1) if isinstance(partial, bytes) else 0
        return rejected if isinstance(rejected, int) else 0
    return 0


def _fields(message: bytes) -> dict[int, Any]:
    fields = UnknownFieldSet(Empty.FromString(message))
    return {fields[at].field_number: fields[at].data for at in range(len(fields))}


# ---------------------------------------------------------------- encoding
_FIXED = struct.Struct("<BB16sBB8sBBBQBQBBI")
"""trace_id, span_id, kind, start_time_unix_nano, end_time_unix_nano and flags, each after its tag."""
_DOUBLE = struct.Struct("<Bd")
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_STATUS = {StatusCode.UNSET: b"", StatusCode.OK: b"\x7a\x02\x18\x01", StatusCode.ERROR: b"\x7a\x02\x18\x02"}


def encode(span: ReadableSpan, context: SpanContext) -> bytes:
    """A span as field 2 of ScopeSpans."""
    parent = span.parent
    flags = context.trace_flags & 0xFF | _HAS_IS_REMOTE
    head = b""
    if parent is not None:
        if parent.is_remote:
            flags |= _IS_REMOTE
        head = b"\x22\x08" + parent.span_id.to_bytes(8, "big")
    if context.trace_state:
        head += _field(0x1A, context.trace_state.to_header().encode())
    fixed = _FIXED.pack(
        0x0A, 16, context.trace_id.to_bytes(16, "big"), 0x12, 8, context.span_id.to_bytes(8, "big"), 0x30, span.kind.value + 1,
        0x39, span.start_time, 0x41, span.end_time, 0x85, 0x01, flags,
    )  # fmt: skip
    name = _field(0x2A, span.name.encode(errors="replace"))
    status = _STATUS[span.status.status_code]
    return _field(0x12, b"".join((fixed, head, name, _attributes(span.attributes, 0x4A), status)))


@lru_cache
def _scope(name: str, version: str) -> bytes:
    """InstrumentationScope as field 1 of ScopeSpans."""
    return _field(0x0A, _field(0x0A, name.encode()) + _field(0x12, version.encode()))


def _attributes(attributes: Mapping[str, Any] | None, tag: int) -> bytes:
    """KeyValues, each as the field of this tag."""
    if not attributes:
        return b""
    return b"".join(
        [
            _kept_attribute(tag, key, value) if type(value) in _KEPT else _attribute(tag, key, value)
            for key, value in _items(attributes)
        ]
    )


def _items(attributes: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The SDK hands out a view of its own mapping, whose `copy` is a plain dict at a tenth of the cost of going through it."""
    plain: Mapping[str, Any] = attributes.copy() if isinstance(attributes, MappingProxyType) else attributes
    return plain.items()


def _attribute(tag: int, key: str, value: Any) -> bytes:
    """One KeyValue."""
    return _field(tag, _field(0x0A, key.encode()) + _field(0x12, _value(value)))


_KEPT = frozenset({str, int, bool})
_kept_attribute = lru_cache(maxsize=2048, typed=True)(_attribute)
"""Most KeyValues are the same from span to span. Values that are equal and of different types (1 and True) are told apart."""


def _value(value: Any) -> bytes:
    """An AnyValue; whatever is neither a scalar nor a sequence is sent as text."""
    if isinstance(value, str):
        return _field(0x0A, value.encode(errors="replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, float):
        return _DOUBLE.pack(0x21, value)
    if isinstance(value, (tuple, list)):
        return _field(0x2A, b"".join(_field(0x0A, _value(each)) for each in value))
    return _field(0x0A, str(value).encode(errors="replace"))


def _field(tag: int, data: bytes) -> bytes:
    """A length-delimited field; its tag is one byte."""
    size = len(data)
    return bytes((tag, size)) + data if size < 0x80 else bytes((tag,)) + _varint(size) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# ---------------------------------------------------------------- settings
def _headers(text: str) -> dict[str, str]:
    """`key=value,key2=value2` with percent-encoded values."""
    headers = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        name, equals, value = pair.partition("=")
        value = unquote(value.strip())
        if not equals or not name.strip() or not (name + value).isprintable() or not (name + value).isascii():
            raise SettingsError("OTEL_EXPORTER_OTLP_HEADERS holds pairs key=value, separated by commas.")
        headers[name.strip().lower()] = value
    return headers


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise SettingsError(f"{name}={text} is not a positive whole number.")
    return int(text)


def _tls(ca_file: str, cert_file: str, key_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    context.hostname_checks_common_name = False
    if cert_file:
        context.load_cert_chain(cert_file, key_file or None)
    return context
