"""Requests that no provider could make sense of: which field, and why."""

from collections.abc import Callable

import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from llm_gateway.errors import InvalidRequest
from llm_gateway.rpc.errors import MAX_DETAIL, status_of
from llm_gateway.rpc.validation import MAX_REPORTED, validate, validate_stream
from llmgateway import make_request
from llmgateway.v1 import content_pb2, gateway_pb2

Request = gateway_pb2.SendRequest
Change = Callable[[Request], object]


def part(request: Request) -> content_pb2.Part:
    """A new part of the first message."""
    return request.messages[0].parts.add()


def tool(request: Request, name: str = "f") -> gateway_pb2.Tool:
    """A new function."""
    added = request.tools.add()
    added.function.name = name
    return added


WIDE = '{"a":[' + ",".join(["{}"] * 60_000) + "]}"
"""Three fifths of the values that all JSON of a request may have."""


WRONG: list[tuple[str, Change, str, str]] = [
    ("no messages", lambda r: r.ClearField("messages"), "messages", "REQUIRED"),
    *(
        (
            f"offset of {seconds} s and {nanos} ns",
            lambda r, seconds=seconds, nanos=nanos: part(r).media.MergeFrom(
                content_pb2.MediaPart(
                    uri="https://e.test", end_offset=duration_pb2.Duration(seconds=seconds, nanos=nanos)
                )
            ),
            "messages[0].parts[1].media.end_offset",
            "OUT_OF_RANGE",
        )
        for seconds, nanos in ((-(2**63), 0), (2**63 - 1, 0), (-1, 0), (0, -1), (0, 10**9), (315_576_000_001, 0))
    ),
    (
        "time limit longer than any",
        lambda r: setattr(r.routing.attempt_timeout, "seconds", 2**63 - 1),
        "routing.attempt_timeout",
        "OUT_OF_RANGE",
    ),
    *(
        (
            f"options that hold {name}",
            lambda r, text=text: r.provider_options_json.update({"p": text}),
            'provider_options_json["p"]',
            reason,
        )
        for name, text, reason in (
            ("a number of 5,000 digits", '{"a": ' + "9" * 5000 + "}", "OUT_OF_RANGE"),
            ("a number beyond a double", '{"a": 1e999}', "OUT_OF_RANGE"),
            ("NaN", '{"a": NaN}', "INVALID_JSON"),
            ("101 levels", '{"a": ' + "[" * 100 + "]" * 100 + "}", "OUT_OF_RANGE"),
            ("levels without end", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "OUT_OF_RANGE"),
        )
    ),
    (
        "schema of 101 levels",
        lambda r: r.tools.add().function.MergeFrom(
            gateway_pb2.FunctionTool(name="f", parameters_json_schema='{"a": ' + "[" * 100 + "]" * 100 + "}")
        ),
        "tools[0].function.parameters_json_schema",
        "OUT_OF_RANGE",
    ),
    ("model with a line end", lambda r: setattr(r, "model", "a\r\nb"), "model", "INVALID_VALUE"),
    (
        "fallback with a NUL",
        lambda r: r.routing.fallback_models.extend(["a", "b\0"]),
        "routing.fallback_models[1]",
        "INVALID_VALUE",
    ),
    ("no role", lambda r: r.messages.add(), "messages[1].role", "REQUIRED"),
    ("role of a newer contract", lambda r: setattr(r.messages[0], "role", 99), "messages[0].role", "UNKNOWN_VALUE"),
    ("part without a kind", part, "messages[0].parts[1]", "REQUIRED"),
    ("media without a source", lambda r: part(r).media.SetInParent(), "messages[0].parts[1].media", "REQUIRED"),
    (
        "call without a name",
        lambda r: part(r).tool_call.SetInParent(),
        "messages[0].parts[1].tool_call.name",
        "REQUIRED",
    ),
    (
        "result of no call",
        lambda r: part(r).tool_result.SetInParent(),
        "messages[0].parts[1].tool_result.tool_call_id",
        "REQUIRED",
    ),
    (
        "result that holds a call",
        lambda r: part(r).tool_result.MergeFrom(
            content_pb2.ToolResult(
                tool_call_id="1", parts=[content_pb2.Part(tool_call=content_pb2.ToolCall(id="2", name="f"))]
            )
        ),
        "messages[0].parts[1].tool_result.parts[0]",
        "INVALID_VALUE",
    ),
    (
        "opaque block that is no object",
        lambda r: part(r).opaque.MergeFrom(content_pb2.OpaquePart(provider="p", json="[]")),
        "messages[0].parts[1].opaque.json",
        "INVALID_JSON",
    ),
    (
        "cache for no time",
        lambda r: r.messages[0].parts[0].cache_control.ttl.SetInParent(),
        "messages[0].parts[0].cache_control.ttl",
        "OUT_OF_RANGE",
    ),
    ("prefix of the user", lambda r: setattr(r.messages[0], "prefix", True), "messages[0].prefix", "INVALID_VALUE"),
    (
        "temperature that is no number",
        lambda r: setattr(r.generation_config, "temperature", float("nan")),
        "generation_config.temperature",
        "OUT_OF_RANGE",
    ),
    (
        "top_p above 1",
        lambda r: setattr(r.generation_config, "top_p", 1.5),
        "generation_config.top_p",
        "OUT_OF_RANGE",
    ),
    (
        "no tokens at all",
        lambda r: setattr(r.generation_config, "max_output_tokens", 0),
        "generation_config.max_output_tokens",
        "OUT_OF_RANGE",
    ),
    (
        "empty stop sequence",
        lambda r: r.generation_config.stop_sequences.append(""),
        "generation_config.stop_sequences[0]",
        "REQUIRED",
    ),
    ("tool without a kind", lambda r: r.tools.add(), "tools[0]", "REQUIRED"),
    (
        "schema that is no object",
        lambda r: r.tools.add().function.MergeFrom(gateway_pb2.FunctionTool(name="f", parameters_json_schema="1")),
        "tools[0].function.parameters_json_schema",
        "INVALID_JSON",
    ),
    (
        "two tools of one name",
        lambda r: r.tools.extend([gateway_pb2.Tool(function=gateway_pb2.FunctionTool(name="f"))] * 2),
        "tools[1].function.name",
        "DUPLICATE",
    ),
    (
        "a tool must be called and there is none",
        lambda r: setattr(r.tool_config, "mode", gateway_pb2.ToolConfig.MODE_REQUIRED),
        "tool_config.mode",
        "INVALID_VALUE",
    ),
    (
        "allowed tool that is not there",
        lambda r: r.tool_config.allowed_tool_names.append("g"),
        "tool_config.allowed_tool_names[0]",
        "UNKNOWN_VALUE",
    ),
    (
        "schema format without a schema",
        lambda r: r.output_format.json_schema.SetInParent(),
        "output_format.json_schema.schema_json",
        "REQUIRED",
    ),
    (
        "budget below -1",
        lambda r: setattr(r.reasoning, "budget_tokens", -2),
        "reasoning.budget_tokens",
        "OUT_OF_RANGE",
    ),
    ("negative attempts", lambda r: setattr(r.routing, "max_attempts", -1), "routing.max_attempts", "OUT_OF_RANGE"),
    (
        "no time for an attempt",
        lambda r: r.routing.attempt_timeout.SetInParent(),
        "routing.attempt_timeout",
        "OUT_OF_RANGE",
    ),
    (
        "fallback without a name",
        lambda r: r.routing.fallback_models.append(""),
        "routing.fallback_models[0]",
        "REQUIRED",
    ),
    (
        "options that are no object",
        lambda r: r.provider_options_json.update({"p": "[1]"}),
        'provider_options_json["p"]',
        "INVALID_JSON",
    ),
]


@pytest.mark.parametrize(("change", "field", "reason"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_named_with_its_path(change: Change, field: str, reason: str) -> None:
    """One thing wrong, one violation, also below a prefix."""
    request = make_request("hi")
    change(request)
    with pytest.raises(InvalidRequest) as caught:
        validate(request, prefix="request.")
    assert [(v.field, v.reason) for v in caught.value.violations] == [(f"request.{field}", reason)]


def test_a_plain_request_is_valid() -> None:
    """So is one whose messages are a stored prompt of the provider's."""
    validate(make_request("hi", temperature=0.0, top_p=1.0))
    validate(Request(provider_options_json={"openai": '{"prompt": {"id": "p"}}'}))


def test_a_flood_of_violations_is_cut_off() -> None:
    """The answer must fit into trailers."""
    request = make_request("hi")
    for _ in range(1000):
        request.messages[0].parts.add()
    with pytest.raises(InvalidRequest) as caught:
        validate(request)
    assert len(caught.value.violations) == MAX_REPORTED


@pytest.mark.parametrize("key", ["p" * 300, "\N{SNOWMAN}" * 300])
def test_violations_of_long_paths_fit_into_the_trailers(key: str) -> None:
    """As many as find room, one at least: beyond its limit of metadata a client is told nothing but that."""
    request = make_request("hi")
    for _ in range(30):
        part(request).MergeFrom(
            content_pb2.Part(text=content_pb2.TextPart(text="x"), provider_options_json={key: "[]"})
        )
    with pytest.raises(InvalidRequest) as caught:
        validate(request)
    status = status_of(caught.value, "r" * 128)
    assert status.ByteSize() <= MAX_DETAIL
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert 1 <= len(bad.field_violations) < 20


@pytest.mark.parametrize("name", ["heartbeat_interval", "coalesce_interval"])
@pytest.mark.parametrize("seconds", [-1, -(2**63), 2**63 - 1])
def test_intervals_of_a_stream_are_lengths_of_time(name: str, seconds: int) -> None:
    """Neither negative nor longer than google.protobuf.Duration says; 0 is one."""
    request = gateway_pb2.StreamSendRequest(request=make_request("hi"))
    getattr(request.options, name).seconds = seconds
    with pytest.raises(InvalidRequest) as caught:
        validate_stream(request)
    assert [one.field for one in caught.value.violations] == [f"options.{name}"]
    getattr(request.options, name).seconds = 0
    validate_stream(request)


def test_a_hundred_levels_are_taken() -> None:
    """The limit itself is allowed, in options and in schemas, and brackets in texts are none."""
    request = make_request("hi")
    request.provider_options_json["p"] = '{"a": ' + "[" * 99 + "]" * 99 + "}"
    request.tools.add().function.MergeFrom(
        gateway_pb2.FunctionTool(name="f", parameters_json_schema='{"a": "' + "[{" * 1000 + '"}')
    )
    validate(request)


@pytest.mark.parametrize(
    ("field", "fill"),
    [
        ("messages", lambda r: [r.messages.add(role=1) for _ in range(100_001)]),
        ("messages", lambda r: [r.messages[0].parts.add() for _ in range(100_001)]),
        ("messages", lambda r: [part(r).tool_result.parts.add() for _ in range(1)] and [r.messages[0].parts[1].tool_result.parts.add() for _ in range(100_000)]),
        ("tools", lambda r: [r.tools.add() for _ in range(10_001)]),
        ("labels", lambda r: r.labels.update({str(n): "" for n in range(1001)})),
        ("safety_settings", lambda r: [r.safety_settings.add() for _ in range(1001)]),
        ("provider_options_json", lambda r: r.provider_options_json.update({str(n): "{}" for n in range(1001)})),
        ("generation_config.stop_sequences", lambda r: r.generation_config.stop_sequences.extend(["x"] * 1001)),
        ("generation_config.output_modalities", lambda r: r.generation_config.output_modalities.extend([1] * 1001)),
        ("generation_config.logit_bias", lambda r: r.generation_config.logit_bias.update(dict.fromkeys(range(10_001), 1))),
        ("routing.fallback_models", lambda r: r.routing.fallback_models.extend(["m"] * 101)),
        ("routing.required_capabilities", lambda r: r.routing.required_capabilities.extend([1] * 1001)),
        ("routing.required_specialisations", lambda r: r.routing.required_specialisations.extend(["m"] * 1001)),
        ("routing.excluded_providers", lambda r: r.routing.excluded_providers.extend(["m"] * 1001)),
        ("provider_options_json[\"p\"]", lambda r: r.provider_options_json.update({"p": '{"a":"' + "x" * 2**20 + '"}'})),
        ("messages[0].provider_options_json", lambda r: r.messages[0].provider_options_json.update({str(n): "{}" for n in range(1001)})),
        ("messages[0].parts[0].provider_options_json", lambda r: r.messages[0].parts[0].provider_options_json.update({str(n): "{}" for n in range(1001)})),
        ("tools[0].provider_options_json", lambda r: tool(r).provider_options_json.update({str(n): "{}" for n in range(1001)})),
        ("messages[0].parts[0].text.citations", lambda r: [r.messages[0].parts[0].text.citations.add() for _ in range(100_001)]),
        ("labels", lambda r: r.labels.update({"a": "x" * 1025})),
        ("labels", lambda r: r.labels.update({"x" * 1025: "a"})),
        ("model", lambda r: setattr(r, "model", "x" * 1025)),
        ("messages[0].parts[1].provider_options_json[\"p\"]", lambda r: [r.messages[0].parts.add(text=content_pb2.TextPart(text="x"), provider_options_json={"p": WIDE}), r.messages[0].parts[0].provider_options_json.update({"p": WIDE})]),
        ("tools[1].function.parameters_json_schema", lambda r: [r.tools.add(function=gateway_pb2.FunctionTool(name=name, parameters_json_schema=WIDE)) for name in "fg"]),
        ("messages[0].parts[1].tool_call.arguments_json", lambda r: r.messages[0].parts.add().tool_call.MergeFrom(content_pb2.ToolCall(name="f", arguments_json=WIDE * 2))),
        ("messages[0].parts[1].opaque.json", lambda r: r.messages[0].parts.add().opaque.MergeFrom(content_pb2.OpaquePart(provider="p", json=WIDE * 2))),
        ("messages[0].parts[0].text.citations[0].provider_json", lambda r: r.messages[0].parts[0].text.citations.add(provider_json=WIDE * 2)),
    ],
)  # fmt: skip
def test_what_is_beyond_a_limit_is_refused_by_the_limits_name(field: str, fill: Change) -> None:
    """At once: of a request that is too large nothing else is looked at."""
    request = make_request("hi")
    fill(request)
    with pytest.raises(InvalidRequest) as caught:
        validate(request)
    (found,) = caught.value.violations
    assert found.field == field
    assert "(max_" in found.description


def test_more_allowed_tools_than_there_may_be_tools_are_refused() -> None:
    """By the limit's name too, beside what else is wrong with them."""
    request = make_request("hi")
    request.tools.add().function.name = "f"
    request.tool_config.allowed_tool_names.extend(["f"] * 10_001)
    with pytest.raises(InvalidRequest, match="max_allowed_tool_names"):
        validate(request)
