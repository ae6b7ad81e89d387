"""Plays golden cases: what goes over the wire and what the contract says, side by side, as data.

`<module>/*.yaml` holds cases by their names. What stands under `base` holds for every case of its file: a case is laid over it, objects key by
key, anything else in place of what the base says. A case has `about` (one sentence), perhaps `dialect`, `provider`, `kind`, and one of

    request       {"request": SendRequest as proto JSON, "model", "stream", "settings", "wire": the body, "path", "headers": {...},
                   "warnings": [fields]}, or "violations": [fields] in place of "wire"
    response      {"response_body": JSON or text | "stream": text of the body, with "newline" for its line ends where they are others |
                   "events": [[type, payload]] of an AWS event stream, "response": SendResponse as proto JSON, the fields named are
                   compared, with "metadata" for provider_metadata_json as an object}, or "raises": ErrorInfo.reason
    error         {"status", "headers", "error_body": JSON or text, "reason", "code", "retry_after", "request_id"}
    models        {"models_body": JSON, "models": [Model as proto JSON]}

JSON is YAML, so what a provider sent can be pasted. A stream is a block as it came: `|` ends it with its last line, `|+` with the blank line that
ends its last event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from llm_gateway.errors import Code, GatewayError, InvalidRequest, StreamTruncated
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.protocols.framing import Ndjson, Sse
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import Rendering, WireFormat, guarded
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import gateway_pb2

HERE = Path(__file__).parent
Case = dict[str, Any]


class LowerCase(dict[str, str]):
    """Response headers as wire formats look them up."""

    def get(self, name: str, /) -> str | None:  # type: ignore[override]
        return dict.get(self, name)


class _Loader(yaml.CSafeLoader):
    """YAML with the values of JSON: `no`, 12:30 and 2026-01-01 are texts, 1e5 is a number, and a key that stands twice is an error."""

    yaml_implicit_resolvers = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key stands twice in this object", problem_mark=node.start_mark)
        return found


for _tag, _pattern, _first in (
    ("null", "null", "n"),
    ("bool", "true|false", "tf"),
    ("int", r"-?(0|[1-9]\d*)", "-0123456789"),
    ("float", r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"({_pattern})$"), list(_first))


def _over(base: Any, case: Any) -> Any:
    """The case laid over the base. What the base has cannot be taken away, so that null stays a value."""
    if not (isinstance(base, dict) and isinstance(case, dict)):
        return case
    return {**base, **{key: _over(base.get(key), value) for key, value in case.items()}}


@cache
def every(module: str) -> dict[str, Case]:
    """All cases of a module by their names, in the order of these."""
    found: dict[str, Case] = {}
    for path in (HERE / module).glob("*.yaml"):
        written = yaml.load(path.read_text(), _Loader)
        base = written.pop("base", {})
        assert found.keys().isdisjoint(written), f"{path}: a name of another file"
        found |= {name: _over(base, case) for name, case in written.items()}
    for case in found.values():
        if "newline" in case:
            case["stream"] = case["stream"].replace("\n", case.pop("newline"))
    return dict(sorted(found.items()))


def cases(module: str, holding: str) -> list[Any]:
    """The cases of a module that have the field `holding`, as pytest parameters with their names."""
    return [
        pytest.param(case, id=name)
        for name, case in every(module).items()
        if holding in case and not (holding == "stream" and "request" in case)
    ]


def rendering(case: Case, dialect: Any, provider: str) -> Rendering:
    provider = case.get("provider", provider)
    return Rendering(
        request=json_format.ParseDict(case["request"], gateway_pb2.SendRequest()),
        model=case.get("model", "model"),
        stream=case.get("stream", False),
        provider=provider,
        kind=case.get("kind", provider),
        dialect=dialect,
        settings=case.get("settings", {}),
    )


def check_request(wire: WireFormat, dialect: Any, provider: str, case: Case) -> None:
    """The rendered body, path, headers and warnings are the case's."""
    given = rendering(case, dialect, provider)
    if "violations" in case:
        with pytest.raises(InvalidRequest) as caught:
            wire.render_request(given)
        assert [violation.field for violation in caught.value.violations] == case["violations"]
        return
    outgoing = wire.render_request(given)
    assert json.loads(outgoing.body) == case["wire"]
    if "path" in case:
        assert outgoing.path == case["path"]
    if "headers" in case:
        assert dict(outgoing.headers) == case["headers"]
    assert [warning.field for warning in given.notes.warnings] == case.get("warnings", [])


def fold(events: list[Event], writer: EventWriter) -> Case:
    """The answer that the events add up to, as proto JSON, with what the writer knows of the response."""
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    answer = accumulator.response()
    answer.route.response_model = writer.response_model
    answer.route.provider_response_id = writer.response_id
    answer.service_tier = writer.service_tier
    answer.system_fingerprint = writer.system_fingerprint
    if writer.create_time is not None:
        answer.create_time.CopyFrom(writer.create_time)
    found = json_format.MessageToDict(answer, preserving_proto_field_name=True)
    if writer.metadata:
        found["metadata"] = json.loads(json.dumps(writer.metadata))
    for candidate in found.get("candidates", []):
        if "provider_metadata_json" in candidate:
            candidate["provider_metadata_json"] = json.loads(candidate["provider_metadata_json"])
    return found


def parse_whole(wire: WireFormat, dialect: Any, provider: str, body: bytes) -> Case:
    writer = EventWriter(provider)
    wire.parse_response(body, writer, dialect)
    assert writer.done
    return fold(writer.drain(), writer)


def parse_stream(wire: WireFormat, dialect: Any, provider: str, chunks: list[bytes]) -> Case:
    """The answer to a streamed body that arrives in these chunks. Raises StreamTruncated when it has no end mark."""
    writer = EventWriter(provider)
    parser = wire.stream_parser(writer, dialect)
    framing = Sse() if wire.framing == "sse" else Ndjson()
    events: list[Event] = []

    def feed(frames: list[tuple[str, bytes]]) -> None:
        for name, data in frames:
            try:
                parser.feed(name, data)
            except MalformedJson:
                writer.malformed += 1
        events.extend(writer.drain())

    for chunk in chunks:
        feed(framing.feed(chunk))
    feed(framing.close())
    parser.close()
    events.extend(writer.drain())
    if not writer.done:
        raise StreamTruncated
    return fold(events, writer)


def cuts(body: bytes) -> Iterator[list[bytes]]:
    """The body whole, in single bytes, and cut in two: at every place of a short body, at every seventh of a long one."""
    yield [body]
    yield [body[i : i + 1] for i in range(len(body))]
    for at in range(1, len(body), 1 if len(body) < 600 else 7):
        yield [body[:at], body[at:]]


def check_response(wire: WireFormat, dialect: Any, provider: str, case: Case) -> None:
    """The answer is the case's, however its stream is cut."""
    provider = case.get("provider", provider)
    if "response_body" in case:
        body = case["response_body"]
        raw = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
        runs = [partial(parse_whole, wire, dialect, provider, raw)]
    else:
        runs = [partial(parse_stream, wire, dialect, provider, chunks) for chunks in cuts(case["stream"].encode())]
    for run in runs:
        if "raises" in case:
            with pytest.raises(GatewayError) as caught:
                guarded(run)
            assert caught.value.reason == case["raises"]
            continue
        seen = run()
        for field, value in case["response"].items():
            assert seen.get(field) == value, field


def check_error(wire: WireFormat, dialect: Any, case: Case) -> None:
    """The error is of the case's class, with its hints."""
    body = case["error_body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = wire.parse_error(case["status"], LowerCase(case.get("headers", {})), raw, dialect)
    assert error.reason == case["reason"]
    if "code" in case:
        assert error.code == Code[case["code"]]
    assert error.retry_after == case.get("retry_after")
    if "request_id" in case:
        assert error.provider_request_id == case["request_id"]


def check_models(wire: WireFormat, dialect: Any, case: Case) -> None:
    """The model list is the case's."""
    page = wire.parse_models(json.dumps(case["models_body"]).encode(), dialect)
    assert [json_format.MessageToDict(model, preserving_proto_field_name=True) for model in page.models] == case[
        "models"
    ]
