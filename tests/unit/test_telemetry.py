"""OTLP as opentelemetry-proto reads it, the OTEL_* variables, what happens to spans that nobody takes, and log lines without secrets."""

import gzip
import json
import logging
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from llm_gateway.telemetry import logs, otlp, tracing
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, StaticSampler
from opentelemetry.trace import SpanKind, StatusCode
from structlog import reset_defaults

PATIENCE = 120.0
SECRET = "CANARY0123456789abcdefCANARY"


@dataclass(slots=True)
class Collector:
    """Answers POSTs with these statuses, then with 200 (once `hold` is set, where there is one); keeps what it got."""

    port: int = 0
    answers: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    says: bytes = b""
    """The body of its answers."""
    hold: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self) -> list[ProtoSpan]:
        messages = [ExportTraceServiceRequest.FromString(body) for _, _, body in self.requests]
        return [
            span
            for message in messages
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    with collecting() as seen:
        yield seen


@contextmanager
def collecting(tls: ssl.SSLContext | None = None) -> Iterator[Collector]:
    seen = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            seen.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.requests.append((self.path, dict(self.headers.items()), body))
            if seen.hold is not None and not seen.answers:
                seen.hold.wait(PATIENCE)
            status, headers = seen.answers.pop(0) if seen.answers else (200, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(seen.says)))
            self.end_headers()
            self.wfile.write(seen.says)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


@dataclass(slots=True)
class Exporting:
    """A tracer, the processor behind it and what it said of drops."""

    tracer: trace.Tracer
    processor: otlp.OtlpProcessor
    drops: list[tuple[int, str]]

    def span(self, name: str = "s", **attributes: Any) -> None:
        self.tracer.start_span(name, attributes=attributes).end()


Exporter = Callable[..., Exporting]


@pytest.fixture
def exporter(collector: Collector) -> Iterator[Exporter]:
    """Starts processors that post to the collector, by these variables."""
    running: list[TracerProvider] = []

    def start(sampler: Sampler | None = None, **env: str) -> Exporting:
        settings = otlp.Settings.of({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **env})
        drops: list[tuple[int, str]] = []
        resource = Resource({"service.name": "test"})
        processor = otlp.OtlpProcessor(settings, resource, lambda count, why: drops.append((count, why)))
        provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        running.append(provider)
        return Exporting(tracing.tracer(provider), processor, drops)

    yield start
    if collector.hold is not None:
        collector.hold.set()
    for provider in running:
        provider.shutdown()


# ---------------------------------------------------------------- encoding
def values(span: ProtoSpan) -> dict[str, AnyValue]:
    return {one.key: one.value for one in span.attributes}


def test_a_span_is_read_back_as_it_was(collector: Collector, exporter: Exporter) -> None:
    """Ids, parent, state, times, kind, status, flags, scope and resource come through OTLP."""
    exporting = exporter()
    remote = tracing.W3C.extract(
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1,b=2"}
    )
    server = exporting.tracer.start_span("outer", context=remote, kind=SpanKind.SERVER)
    client = exporting.tracer.start_span("inner", context=trace.set_span_in_context(server), kind=SpanKind.CLIENT)
    client.set_status(StatusCode.ERROR)
    client.end(end_time=2**63)
    server.set_status(StatusCode.OK)
    server.end()
    exporting.processor.force_flush()
    ((path, headers, body),) = collector.requests
    assert (path, headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert [(one.key, one.value.string_value) for one in resource.resource.attributes] == [("service.name", "test")]
    (scope,) = resource.scope_spans
    assert (scope.scope.name, bool(scope.scope.version)) == ("llm_gateway", True)
    inner, outer = scope.spans
    assert outer.trace_id.hex() == inner.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert outer.parent_span_id.hex() == "b7ad6b7169203331"
    assert inner.parent_span_id == outer.span_id
    assert outer.trace_state == inner.trace_state == "a=1,b=2"
    assert (outer.kind, inner.kind) == (ProtoSpan.SPAN_KIND_SERVER, ProtoSpan.SPAN_KIND_CLIENT)
    assert (outer.status.code, inner.status.code) == (1, 2)
    assert (outer.name, inner.name) == ("outer", "inner")
    assert outer.start_time_unix_nano <= inner.start_time_unix_nano
    assert inner.end_time_unix_nano == 2**63
    assert (outer.flags & 0x301, inner.flags & 0x301) == (0x301, 0x101)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", AnyValue(string_value="text")),
        ("", AnyValue(string_value="")),
        ("ü€😀" * 100, AnyValue(string_value="ü€😀" * 100)),
        ("x" * 20_000, AnyValue(string_value="x" * 20_000)),
        ("lone \ud800", AnyValue(string_value="lone ?")),
        (0, AnyValue(int_value=0)),
        (-1, AnyValue(int_value=-1)),
        (2**63 - 1, AnyValue(int_value=2**63 - 1)),
        (-(2**63), AnyValue(int_value=-(2**63))),
        (300, AnyValue(int_value=300)),
        (0.1, AnyValue(double_value=0.1)),
        (True, AnyValue(bool_value=True)),
        (False, AnyValue(bool_value=False)),
    ],
)
def test_a_value_keeps_its_type(collector: Collector, exporter: Exporter, value: Any, expected: AnyValue) -> None:
    """Every scalar is the AnyValue that it should be."""
    exporting = exporter()
    exporting.span(k=value)
    exporting.processor.force_flush()
    assert values(collector.spans()[0])["k"] == expected


def test_equal_values_of_other_types_are_not_confused(collector: Collector, exporter: Exporter) -> None:
    """1, True and 1.0 are equal to Python and differ on the wire, alone and in sequences."""
    exporting = exporter()
    for value in (1, True, 1.0, (1, 2), (True, 2), (1.0, 2), ["a", "b"]):
        exporting.span(k=value)
    exporting.processor.force_flush()
    read = [values(span)["k"] for span in collector.spans()]
    assert [one.WhichOneof("value") for one in read[:3]] == ["int_value", "bool_value", "double_value"]
    firsts = [one.array_value.values[0].WhichOneof("value") for one in read[3:]]
    assert firsts == ["int_value", "bool_value", "double_value", "string_value"]
    assert [one.string_value for one in read[6].array_value.values] == ["a", "b"]


@pytest.mark.parametrize(("decision", "recording"), [(Decision.DROP, False), (Decision.RECORD_ONLY, True)])
def test_what_the_sampler_does_not_sample_stays_here(
    collector: Collector, exporter: Exporter, decision: Decision, recording: bool
) -> None:
    """A dropped span takes no attributes, one that is only recorded is not exported; both have ids."""
    exporting = exporter(sampler=StaticSampler(decision))
    span = exporting.tracer.start_span("s")
    assert span.is_recording() is recording
    assert span.get_span_context().is_valid
    assert not span.get_span_context().trace_flags.sampled
    span.end()
    exporting.processor.force_flush()
    assert collector.requests == []


def test_a_span_that_ended_changes_no_more(collector: Collector, exporter: Exporter) -> None:
    """A second end exports nothing; attributes and status that come later are lost; exceptions are never recorded."""
    exporting = exporter()
    span = exporting.tracer.start_span("s", attributes={"a": 1})
    span.record_exception(ValueError(SECRET))
    span.add_event(SECRET)
    span.end()
    span.set_attribute("b", 1)
    span.set_status(StatusCode.ERROR)
    span.end()
    exporting.processor.force_flush()
    (seen,) = collector.spans()
    assert (set(values(seen)), seen.status.code) == ({"a"}, 0)
    assert SECRET not in str(seen)


def test_the_sdk_s_own_processors_take_the_spans() -> None:
    """An SDK exporter reads name, ids, times, attributes and resource, and prints them."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "x"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with tracing.tracer(provider).start_as_current_span("s", kind=SpanKind.SERVER, attributes={"a": ("b",)}) as span:
        assert trace.get_current_span() is span
    (read,) = exporter.get_finished_spans()
    printed = json.loads(read.to_json())
    assert (printed["name"], printed["kind"], printed["attributes"]) == ("s", "SpanKind.SERVER", {"a": ["b"]})
    assert (read.end_time or 0) >= (read.start_time or 0) > 0
    provider.shutdown()


# ---------------------------------------------------------------- the way to the collector
def test_spans_leave_by_themselves(collector: Collector, exporter: Exporter) -> None:
    """The thread posts what is queued after the delay, and a full batch at once."""
    soon, full = exporter(OTEL_BSP_SCHEDULE_DELAY="1"), exporter(OTEL_BSP_MAX_EXPORT_BATCH_SIZE="2")
    soon.span("late")
    full.span("one")
    full.span("two")
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if len(collector.spans()) == 3:
            break
        waited.wait(0.01)
    assert sorted(span.name for span in collector.spans()) == ["late", "one", "two"]


def test_shutdown_posts_what_is_queued_and_later_spans_are_dropped(collector: Collector, exporter: Exporter) -> None:
    """Three spans in batches of two; the fourth comes too late and is counted."""
    exporting = exporter(OTEL_BSP_MAX_EXPORT_BATCH_SIZE="2", OTEL_BSP_SCHEDULE_DELAY="600000")
    for name in "abc":
        exporting.span(name)
    exporting.processor.shutdown()
    assert sorted(span.name for span in collector.spans()) == ["a", "b", "c"]
    exporting.span("d")
    assert (exporting.processor.dropped, len(collector.spans())) == (1, 3)


def test_a_full_queue_drops_and_tells(collector: Collector, exporter: Exporter) -> None:
    """Five spans into a queue of three, while nobody posts: three arrive, two are counted, and told once."""
    exporting = exporter(OTEL_BSP_MAX_QUEUE_SIZE="3", OTEL_BSP_SCHEDULE_DELAY="600000")
    for name in "abcde":
        exporting.span(name)
    exporting.processor.force_flush()
    exporting.processor.force_flush()
    assert [span.name for span in collector.spans()] == ["a", "b", "c"]
    assert exporting.drops == [(2, "the queue was full")]


def test_a_refused_batch_is_not_sent_again(collector: Collector, exporter: Exporter) -> None:
    """400 loses the batch; the next one goes through."""
    collector.answers.append((400, {}))
    exporting = exporter()
    exporting.span("a")
    exporting.processor.force_flush()
    exporting.span("b")
    exporting.processor.force_flush()
    assert [span.name for span in collector.spans()] == ["a", "b"]
    assert exporting.drops == [(1, "the collector answered 400")]


def test_a_busy_collector_gets_the_batch_again(
    collector: Collector, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and 429 are repeated until the batch is taken; nothing is lost."""
    monkeypatch.setattr(otlp, "FIRST_BACKOFF", 0.001)
    collector.answers += [(503, {}), (429, {"retry-after": "0"})]
    exporting = exporter()
    exporting.span("a")
    exporting.processor.force_flush()
    assert len(collector.requests) == 3
    assert len({body for _, _, body in collector.requests}) == 1
    assert exporting.drops == []


def test_a_wait_beyond_the_timeout_is_not_made(collector: Collector, exporter: Exporter) -> None:
    """Retry-After of an hour loses the batch at once."""
    collector.answers.append((503, {"retry-after": "3600"}))
    exporting = exporter()
    exporting.span("a")
    exporting.processor.force_flush()
    assert exporting.drops == [(1, "the collector answered 503")]


def test_the_connection_is_kept_and_replaced_when_it_is_gone(collector: Collector, exporter: Exporter) -> None:
    """Two batches share a connection; after the collector has closed it a third one gets another."""
    exporting = exporter()
    collector.answers += [(200, {}), (200, {"connection": "close"})]
    for name in "abc":
        exporting.span(name)
        exporting.processor.force_flush()
    assert [span.name for span in collector.spans()] == ["a", "b", "c"]
    assert collector.connections == 2


def test_a_collector_that_is_away_costs_its_spans_only(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens: the batch is lost, counted, told, and shutdown ends."""
    monkeypatch.setattr(otlp, "FIRST_BACKOFF", 100.0)
    exporting = exporter(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1")
    exporting.processor.shutdown()
    exporting = exporter(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="600000")
    exporting.span("a")
    exporting.span("b")
    exporting.processor.shutdown()
    assert exporting.drops == [(2, "the collector did not answer")]


def test_a_batch_may_be_compressed(collector: Collector, exporter: Exporter) -> None:
    """gzip, with the header that says so."""
    exporting = exporter(OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    exporting.span("a")
    exporting.processor.force_flush()
    ((_, headers, body),) = collector.requests
    assert headers["content-encoding"] == "gzip"
    read = ExportTraceServiceRequest.FromString(gzip.decompress(body))
    assert read.resource_spans[0].scope_spans[0].spans[0].name == "a"


def test_headers_of_the_variable_are_sent(collector: Collector, exporter: Exporter) -> None:
    """Percent-decoded, as the specification has it."""
    exporting = exporter(OTEL_EXPORTER_OTLP_HEADERS="X-Key=a%20b, other=1")
    exporting.span()
    exporting.processor.force_flush()
    headers = collector.requests[0][1]
    assert (headers["x-key"], headers["other"]) == ("a b", "1")


@pytest.mark.parametrize(("told", "lost"), [(2, 2), (99, 3), (0, 0)])
def test_spans_that_an_accepted_batch_lost_are_told(
    collector: Collector, exporter: Exporter, told: int, lost: int
) -> None:
    """The collector's partial success: counted, never sent again, and its words stay out of the log. Zero is a warning to its operator."""
    partial = ExportTracePartialSuccess(rejected_spans=told, error_message=SECRET)
    collector.says = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    exporting = exporter()
    for name in "abc":
        exporting.span(name)
    exporting.processor.force_flush()
    assert len(collector.requests) == 1
    assert exporting.drops == ([(lost, "the collector refused some")] if lost else [])


@pytest.mark.parametrize("says", [b"ok", b"{}", b"\x0a\x05", b"\x0a\x02\x08", b"\x08\x01"])
def test_an_answer_that_is_no_protobuf_loses_nothing(collector: Collector, exporter: Exporter, says: bytes) -> None:
    """The status says that the batch was taken."""
    collector.says = says
    exporting = exporter()
    exporting.span()
    exporting.processor.force_flush()
    assert (len(collector.requests), exporting.drops) == (1, [])


def test_a_collector_that_says_nothing_is_left_after_the_timeout(collector: Collector, exporter: Exporter) -> None:
    """OTEL_EXPORTER_OTLP_TIMEOUT is in milliseconds; the batch is lost and told."""
    collector.hold = threading.Event()
    exporting = exporter(OTEL_EXPORTER_OTLP_TIMEOUT="50")
    exporting.span()
    exporting.processor.force_flush()
    assert exporting.drops == [(1, "the collector did not answer")]


def test_repetitions_are_within_the_timeout(
    collector: Collector, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has what the ones before it left: here hundredths of a second of a day, by a clock that goes on with every request."""
    clock = 86_399.9
    monkeypatch.setattr(otlp, "FIRST_BACKOFF", 0.001)
    monkeypatch.setattr(otlp, "monotonic", lambda: clock + len(collector.requests) / 50 if collector.requests else 0.0)
    collector.answers.append((503, {}))
    exporting = exporter(OTEL_EXPORTER_OTLP_TIMEOUT="86400000")
    exporting.span()
    collector.hold = threading.Event()
    exporting.processor.force_flush()
    assert exporting.drops == [(1, "the collector did not answer")]


@pytest.mark.parametrize("given", ["all", "no client certificate", "no authority"])
def test_certificates_of_the_variables_are_used(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """A collector behind TLS that wants a client's certificate: OTEL_EXPORTER_OTLP_CERTIFICATE is trusted, …_CLIENT_CERTIFICATE and
    …_CLIENT_KEY are shown; without one of these no span gets there."""
    monkeypatch.setattr(otlp, "FIRST_BACKOFF", 100.0)
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    files = {name: str(tmp_path / name) for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")}
    client = authority.issue_cert("client")
    authority.cert_pem.write_to_path(files["CERTIFICATE"])
    client.cert_chain_pems[0].write_to_path(files["CLIENT_CERTIFICATE"])
    client.private_key_pem.write_to_path(files["CLIENT_KEY"])
    for name in {"all": (), "no authority": ("CERTIFICATE",)}.get(given, ("CLIENT_CERTIFICATE", "CLIENT_KEY")):
        del files[name]
    env = {f"OTEL_EXPORTER_OTLP_{name}": path for name, path in files.items()}
    with collecting(tls) as collector:
        url = collector.url.replace("http:", "https:")
        exporting = exporter(OTEL_EXPORTER_OTLP_ENDPOINT=url, **env)
        exporting.span("a")
        exporting.processor.force_flush()
        if given == "all":
            assert ([span.name for span in collector.spans()], exporting.drops) == (["a"], [])
        else:
            assert (collector.requests, exporting.drops) == ([], [(1, "the collector did not answer")])


# ---------------------------------------------------------------- variables
@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, "http://localhost:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1/base/"}, "http://c:1/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/x"}, "http://c:1/x"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d"}, "http://c/x"),
    ],
)
def test_the_signal_s_endpoint_is_taken_as_it_is_and_the_common_one_gets_its_path(
    env: dict[str, str], url: str
) -> None:
    """As the OTLP specification says."""
    assert otlp.Settings.of(env).url == url


def test_variables_of_the_signal_win() -> None:
    """Timeout and headers, in the units of the specification."""
    settings = otlp.Settings.of(
        {
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2500",
            "OTEL_EXPORTER_OTLP_HEADERS": "a=1",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=2",
        }
    )
    assert (settings.timeout, settings.headers, settings.delay) == (2.5, {"a": "2"}, 5.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0ac"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Starting fails with the variable's name; headers may hold a key, which the message does not repeat."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv(name, value)
    with pytest.raises(tracing.TelemetryError, match=name) as error:
        tracing.configure_tracing()
    assert "HEADERS" not in name or value not in str(error.value)


def test_nothing_is_traced_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no provider; an unknown exporter is an error; OTEL_SDK_DISABLED wins over all."""
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert tracing.configure_tracing() is None
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(tracing.TelemetryError, match="zipkin"):
        tracing.configure_tracing()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert tracing.configure_tracing() is None


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, "configured"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=attributed,team=a"}, "attributed"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=attributed", "OTEL_SERVICE_NAME": "named"}, "named"),
    ],
)
def test_the_service_s_name_is_the_most_specific_one(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], name: str
) -> None:
    """OTEL_SERVICE_NAME before OTEL_RESOURCE_ATTRIBUTES before the configuration."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    provider = tracing.configure_tracing("configured")
    assert provider is not None
    provider.shutdown()
    assert provider.resource.attributes["service.name"] == name


# ---------------------------------------------------------------- logs
@pytest.fixture
def lines(capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log lines written so far."""
    logs.configure_logging("info")

    def read() -> list[dict[str, Any]]:
        assert logs.flush(30)
        return [json.loads(line) for line in capfdbinary.readouterr().err.splitlines()]

    yield read
    reset_defaults()


def test_a_line_begins_with_event_level_and_timestamp(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """In this order, then the fields in theirs; below the level nothing is written."""
    logs.log().warning("what", b=1, a={"x": [1, None]})
    logs.log().debug("nothing")
    (line,) = lines()
    assert list(line) == ["event", "level", "timestamp", "b", "a"]
    assert (line["event"], line["level"], line["a"]) == ("what", "warning", {"x": [1, None]})
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"headers": {"X-Api-Key": SECRET, "proxy-authorization": [SECRET]}},
        {"providers": [{"name": "a", "credentials": {"secret_access_key": SECRET}}]},
        {"pairs": ({"client_secret": {"value": SECRET}},)},
        {"problem": f"sent Authorization: Bearer {SECRET} and failed"},
        {"problem": f"basic {SECRET}=="},
        {"problem": f"key sk-{SECRET} is bad"},
        {"problem": f"key sk-ant-api03-{SECRET}_x"},
        {"problem": f"xai-{SECRET}"},
        {"problem": f"gsk_{SECRET}"},
        {"problem": f"AIza{SECRET}{SECRET}"},
        {"problem": f"AKIA{SECRET}"},
        {"problem": f"ya29.{SECRET}"},
        {"problem": f"GET /v1/models?alt=sse&key={SECRET}&x=1"},
        {"nested": {"deep": [{"text": f"bearer {SECRET}"}]}},
        {f"sk-{SECRET}": 1},
    ],
)
@pytest.mark.parametrize("human", [False, True])
def test_no_secret_is_written(capfdbinary: pytest.CaptureFixture[bytes], fields: dict[str, Any], human: bool) -> None:
    """By the field's name, however deep, and by the looks of a text, in JSON and for people."""
    logs.configure_logging("info", human=human)
    logs.log().info("canary", **fields)
    reset_defaults()
    assert logs.flush(30)
    written = capfdbinary.readouterr().err
    assert b"canary" in written
    assert b"[redacted]" in written
    assert SECRET.encode() not in written


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\nb", "a\r", "a\x9b31mb", "a\u2028b", "a\u202eb", "a\0b"])
def test_a_terminal_shows_what_would_move_it(capfdbinary: pytest.CaptureFixture[bytes], text: str) -> None:
    """Control characters in a caller's words are escaped in the text for people: one line, and no escape but ours."""
    logs.configure_logging("info", human=True)
    logs.log().info("rpc", cause=text)
    reset_defaults()
    assert logs.flush(30)
    written = capfdbinary.readouterr().err.decode()
    assert text not in written
    assert text.encode("unicode_escape").decode() in written
    assert written.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["task-1234567890123456", "input_tokens", "basic", "a bearer of news", "gpt-5-risk-assessment-model-v2"]
)
def test_other_texts_are_left_alone(lines: Callable[[], list[dict[str, Any]]], text: str) -> None:
    """What only resembles a credential is written as it is."""
    logs.log().info("e", text=text, tokens=3, input_tokens=4)
    (line,) = lines()
    assert (line["text"], line["tokens"], line["input_tokens"]) == (text, 3, 4)


def test_an_exception_is_told_by_its_place_alone(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Frames, without the exception's text and without values."""
    try:
        raise ValueError(SECRET)
    except ValueError:
        logs.log().error("bug", exc_info=True)
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert line["frames"][-1].endswith("test_an_exception_is_told_by_its_place_alone")


def test_a_library_s_warning_is_a_line_without_its_text(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """By whom, and where from; what it says may hold anything."""
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("some.library").exception("failed for %s", SECRET)
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: " + SECRET)
    first, second = lines()
    assert (first["event"], first["logger"], first["error"]) == ("library", "some.library", "ValueError")
    assert first["frames"][-1].endswith("test_a_library_s_warning_is_a_line_without_its_text")
    assert second["said"] == "Task exception was never retrieved"
    assert SECRET not in json.dumps([first, second])
