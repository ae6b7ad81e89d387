"""The walk over a conversation: every format says what it does with every kind of part, and nothing falls out on the way."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from llm_gateway.errors import InvalidRequest
from llm_gateway.protocols import conversation, effort
from llm_gateway.protocols.conversation import KINDS, Conversation
from llm_gateway.protocols.media import Medium
from llm_gateway.protocols.summary import summary_of
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.support.targets import TARGETS
from tests.unit import test_losses
from tests.unit.test_losses import FIELDS, MARK, OPTIONS, ROLES

Part = content_pb2.Part
NAMES = frozenset(
    {
        "item_id", "phase", "signature_provider", "media.mime_type", "media.modality", "tool_call.id", "tool_call.provider_tool_type",
        "tool_result.tool_call_id", "tool_result.name", "reasoning.is_summary", "opaque.provider", "opaque.type",
    }
)  # fmt: skip
"""Fields that say what a part is or belongs to: nothing is lost with them."""


def walks(of: type[Conversation] = Conversation) -> Iterator[type[Conversation]]:
    """The formats' own walks: classes that are given to no other."""
    for found in of.__subclasses__():
        yield found
        yield from walks(found)


WALKS = [walk for walk in walks() if hasattr(walk, "rendered")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "walk", WALKS, ids=lambda walk: walk.__module__.split("protocols.")[1].removesuffix(".request")
)
def test_every_format_has_a_leaf_or_a_reason_for_every_kind_of_part(walk: type[Conversation], kind: str) -> None:
    """A kind that is new in the contract fails here until each format has said what becomes of it."""
    assert (kind in walk.leaves) != (kind in walk.lacks)


def test_every_wire_format_takes_the_walk() -> None:
    """No format reads parts by a loop of its own."""
    formats = {target.wire.__name__ for target in TARGETS.values()}  # type: ignore[attr-defined]
    assert formats == {walk.__module__.removesuffix(".request") for walk in WALKS}


def test_the_probes_know_every_kind_and_every_field_of_a_part() -> None:
    """What is new in the contract fails here until the test of losses asks after it, or it is said to be a name."""
    kinds = {make().WhichOneof("kind") for make in test_losses.KINDS.values()}
    assert kinds == set(KINDS)

    def fields(of: Descriptor | None, below: str) -> set[str]:
        assert of is not None
        return {below + field.name for field in of.fields if field.name not in KINDS}

    every = fields(Part.DESCRIPTOR, "")
    marked: set[str] = set()
    for kind in KINDS:
        every |= fields(Part.DESCRIPTOR.fields_by_name[kind].message_type, f"{kind}.")
    for make in test_losses.KINDS.values():
        part = make()
        kind = part.WhichOneof("kind") or ""
        marked |= {f"{kind}.{field.name}" for field, _ in getattr(part, kind).ListFields()}
    assert every - {path for path, _ in FIELDS.values()} - marked == NAMES - marked


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "text"])
@pytest.mark.parametrize(
    "name",
    [
        "chat-generic",
        "responses-openai",
        "anthropic-anthropic",
        "bedrock-claude",
        "gemini-gemini-gemini-3-pro",
        "ollama",
        "claude_code",
    ],
)
def test_a_kind_without_a_leaf_is_named(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that has no leaf for a part says so by its path, or refuses it by that, in every role."""
    for walk in WALKS:
        monkeypatch.setattr(walk, "leaves", {one: leaf for one, leaf in walk.leaves.items() if one != kind})
    for role in ROLES:
        part = Part(**{kind: {"provider": "p", "json": "{}"} if kind == "opaque" else {}})  # type: ignore[arg-type]
        request, place = test_losses.conversation(role, part)
        try:
            _, warnings = TARGETS[name].render(request)
            told = {warning.field for warning in warnings if warning.reason == "FIELD_DROPPED"}
        except InvalidRequest as refused:
            told = {violation.field for violation in refused.violations}
        assert any(field.startswith(("messages[", "messages")) for field in told)
        assert any(
            f"messages[{place}].parts[".startswith(field) or field.startswith(f"messages[{place}]") for field in told
        )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", TARGETS)
def test_name_and_options_of_a_message_are_sent_or_told(name: str, role: str) -> None:
    """In every role, first and later, with one part and with several."""
    for first in (True, False):
        for parts in (1, 2):
            for field in ("name", "provider_options_json"):
                request, place = _with_message(role, first=first, parts=parts)
                message = request.messages[place]
                if field == "name":
                    message.name = MARK
                else:
                    message.provider_options_json["p"] = OPTIONS
                try:
                    outgoing, warnings = TARGETS[name].render(request)
                except InvalidRequest:
                    continue
                told = {warning.field for warning in warnings}
                assert MARK in outgoing.body.decode() or f"messages[{place}].{field}" in told


def _with_message(role: str, *, first: bool, parts: int) -> tuple[gateway_pb2.SendRequest, int]:
    """A conversation with a message of the role, and the message's place."""
    text = Part(text=content_pb2.TextPart(text="Hello."))
    request = gateway_pb2.SendRequest()
    if not first:
        request.messages.add(role=content_pb2.ROLE_USER).parts.append(text)
    if role == "tool":
        calls = [content_pb2.ToolCall(id=f"c{number}", name="f", arguments_json="{}") for number in range(parts)]
        request.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.extend(Part(tool_call=call) for call in calls)
    place = len(request.messages)
    message = request.messages.add(role=ROLES[role])
    for number in range(parts):
        result = content_pb2.ToolResult(tool_call_id=f"c{number}", name="f", parts=[text])
        message.parts.append(Part(tool_result=result) if role == "tool" else text)
    request.messages.add(role=content_pb2.ROLE_USER).parts.append(text)
    return request, place


@pytest.mark.parametrize("name", TARGETS)
def test_the_short_way_of_plain_texts_says_what_the_long_way_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is one text, and a result that is one, are rendered as any other is: bodies and warnings are the same."""
    for text in ("Hello.", "", " \n"):
        for role in ROLES:
            request, _ = test_losses.conversation(role, Part(text=content_pb2.TextPart(text=text)))
            alone = gateway_pb2.SendRequest()
            for message in request.messages:
                alone.messages.add(role=message.role).parts.append(message.parts[-1])
            seen = []
            for long in (False, True):
                with monkeypatch.context() as patched:
                    for walk in WALKS if long else ():
                        patched.setattr(sys.modules[walk.__module__], "plain", lambda parts: None, raising=False)
                    try:
                        outgoing, warnings = TARGETS[name].render(alone)
                        seen.append((json.loads(outgoing.body), warnings))
                    except InvalidRequest as refused:
                        seen.append(([(v.field, v.description) for v in refused.violations], []))
            assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("media", "kind", "mime"),
    [
        ({"mime_type": "Image/PNG; q=1"}, "IMAGE", "image/png"),
        ({"mime_type": "application/octet-stream", "modality": 4}, "VIDEO", "application/octet-stream"),
        ({"mime_type": "audio/wav", "modality": 5}, "AUDIO", "audio/wav"),
        ({"mime_type": "application/pdf"}, "DOCUMENT", "application/pdf"),
        ({"uri": "https://a.test/b.MP4?x=1.png#c"}, "VIDEO", "video/mp4"),
        ({"uri": "https://a.test/b"}, "IMAGE", ""),
        ({"uri": "https://[a.test/b"}, "IMAGE", ""),
        ({"uri": "data:audio/mpeg;base64,AQI="}, "AUDIO", "audio/mpeg"),
        ({"uri": "DATA:;base64,AQI="}, "DOCUMENT", "text/plain"),
        ({"file_id": "f"}, "UNSPECIFIED", ""),
        ({"file_id": "f", "filename": "a.jpg"}, "IMAGE", "image/jpeg"),
        ({"file_id": "f", "modality": 2}, "IMAGE", ""),
    ],
)
def test_what_a_medium_is_has_one_answer(media: dict[str, object], kind: str, mime: str) -> None:
    """By its type, as said, in its data URI or by its name's ending; else by what the caller says; a bare URI is an image."""
    medium = Medium(content_pb2.MediaPart(**media))  # type: ignore[arg-type]
    assert (content_pb2.Modality.Name(medium.modality).removeprefix("MODALITY_"), medium.mime) == (kind, mime)


@pytest.mark.parametrize(
    "name", ["anthropic-anthropic", "bedrock-claude", "gemini-gemini-gemini-3-pro", "ollama", "claude_code"]
)
@pytest.mark.parametrize("uri", ["data:image/png;base64,%%%", "data:image/png", "data:image/png;base64,AQI"])
def test_a_broken_data_uri_is_refused_by_its_path(name: str, uri: str) -> None:
    """Wherever the bytes are needed."""
    request = gateway_pb2.SendRequest()
    request.messages.add(role=content_pb2.ROLE_USER).parts.add(media=content_pb2.MediaPart(uri=uri))
    with pytest.raises(InvalidRequest) as caught:
        TARGETS[name].render(request)
    assert [violation.field for violation in caught.value.violations] == ["messages[0].parts[0].media.uri"]


@pytest.mark.parametrize(
    ("wanted", "taken", "ties", "found"),
    [
        ("medium", ("low", "high"), 1, "high"),
        ("medium", ("low", "high"), -1, "low"),
        ("xhigh", ("low", "medium", "high", "max"), 1, "max"),
        ("xhigh", ("low", "medium", "high", "max"), -1, "high"),
        ("minimal", ("none", "low"), 1, "low"),
        ("max", ("low", "medium"), -1, "medium"),
        ("none", ("none", "low"), 1, "none"),
        ("low", ("none",), 1, "none"),
    ],
)
def test_effort_is_rounded_to_the_nearest_word(wanted: str, taken: tuple[str, ...], ties: int, found: str) -> None:
    """Of two as near the stronger, or the weaker where a format says so; none stands in for nothing but where there is nothing else."""
    assert effort.nearest(wanted, taken, ties=ties) == found


def test_a_walk_has_no_leaf_of_its_own() -> None:
    """What a format does not say is named by the walk, not guessed."""
    assert conversation.Conversation.leaves == {}


def test_a_summary_knows_what_a_conversation_holds() -> None:
    """Parts, also those of results, characters, media with what they are and where, and the places of all that is more than a text."""
    request = gateway_pb2.SendRequest()
    text = Part(text=content_pb2.TextPart(text="four"))
    kept = Part(text=content_pb2.TextPart(text="six666"), cache_control=content_pb2.CacheControl())
    shown = Part(media=content_pb2.MediaPart(mime_type="image/png"))
    request.messages.add(role=content_pb2.ROLE_USER).parts.extend([text, kept, shown])
    said = request.messages.add(role=content_pb2.ROLE_ASSISTANT, prefix=True)
    said.parts.add(reasoning=content_pb2.ReasoningPart(text="ab"))
    said.parts.add(tool_call=content_pb2.ToolCall(name="f", arguments_json="{}"))
    request.messages.add(role=content_pb2.ROLE_TOOL).parts.add(
        tool_result=content_pb2.ToolResult(
            parts=[
                text,
                Part(media=content_pb2.MediaPart(uri="https://a.test/b.mp3")),
                Part(media=content_pb2.MediaPart()),
            ]
        )
    )
    found = summary_of(request)
    assert (found.parts, found.characters, found.media) == (9, 4 + 6 + 2 + 2 + 4, 3)
    assert found.in_messages == {content_pb2.MODALITY_IMAGE}
    assert found.modalities == {content_pb2.MODALITY_IMAGE, content_pb2.MODALITY_AUDIO, content_pb2.MODALITY_DOCUMENT}
    assert found.odd == [(0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0)]


def test_a_summary_stops_where_there_are_too_many_parts() -> None:
    """What is refused anyway is not read to its end."""
    request = gateway_pb2.SendRequest()
    for _ in range(5):
        request.messages.add(role=content_pb2.ROLE_USER).parts.add(text=content_pb2.TextPart(text="x"))
    assert summary_of(request, most_parts=3).parts == 4
    assert summary_of(request).parts == 5


SETTINGS: dict[str, object] = {
    "end_user_id": "u1",
    "labels": {"a": "b"},
    "safety_settings": [{"category": "c", "threshold": "t"}],
    **{f"cache_config.{name}": value for name, value in {"cache_key": "k", "cached_content": "c", "ttl": "600s"}.items()},
    **{
        f"generation_config.{name}": value
        for name, value in {
            "max_output_tokens": 77, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "min_p": 0.1, "frequency_penalty": 0.1,
            "presence_penalty": 0.1, "repetition_penalty": 1.1, "seed": 5, "candidate_count": 2, "stop_sequences": ["s"], "logprobs": True,
            "top_logprobs": 2, "logit_bias": {"1": 0.5}, "output_modalities": ["MODALITY_IMAGE"], "service_tier": "SERVICE_TIER_FLEX",
        }.items()
    },
    "reasoning.effort": "EFFORT_HIGH",
    "reasoning.budget_tokens": 2000,
    "output_format.json_object": {},
    "output_format.json_schema": {"schema_json": "{}", "name": "n"},
    "tools": [{"function": {"name": "f"}}],
}  # fmt: skip


def test_the_settings_are_all_there_are() -> None:
    """What is new in the contract fails here until the test below asks after it."""
    groups = {"generation_config", "cache_config", "reasoning"}
    known = {path for path in SETTINGS if path.partition(".")[0] in groups}
    of = gateway_pb2.SendRequest.DESCRIPTOR.fields_by_name
    every = {
        f"{group}.{field.name}" for group in groups for field in (of[group].message_type or Part.DESCRIPTOR).fields
    }
    assert every - known == {
        "reasoning.include_reasoning"
    }  # asks for what most do anyway, so that leaving it out loses nothing


@pytest.mark.parametrize("name", TARGETS)
def test_a_setting_is_sent_or_told(name: str) -> None:
    """A setting changes what goes out, or a warning or violation names it."""
    lost = []
    for path, value in SETTINGS.items():
        bare, asked = gateway_pb2.SendRequest(), gateway_pb2.SendRequest()
        bare.messages.add(role=content_pb2.ROLE_USER).parts.add(text=content_pb2.TextPart(text="Hello."))
        group, _, inner = path.partition(".")
        json_format.ParseDict({group: {inner: value} if inner else value}, asked)
        asked.MergeFrom(bare)
        try:
            outgoing, warnings = TARGETS[name].render(asked)
        except InvalidRequest:
            continue
        told = any(path == warning.field or path.startswith(f"{warning.field}.") for warning in warnings)
        if outgoing == TARGETS[name].render(bare)[0] and not told:
            lost.append(path)
    assert lost == []


@pytest.mark.parametrize("name", TARGETS)
def test_what_hangs_on_a_tool_is_sent_or_told(name: str) -> None:
    """Breakpoint, options, and that arguments are held to their schema; of functions and of the provider's own tools."""
    lost = []
    for kind in ("function", "provider_tool"):
        for field in ("cache_control", "provider_options_json", "strict"):
            request = gateway_pb2.SendRequest()
            request.messages.add(role=content_pb2.ROLE_USER).parts.add(text=content_pb2.TextPart(text="Hello."))
            tool = request.tools.add()
            if kind == "function":
                tool.function.name = "f"
            else:
                tool.provider_tool.type = "web_search"
            if field == "cache_control":
                tool.cache_control.SetInParent()
            elif field == "provider_options_json":
                tool.provider_options_json["p"] = OPTIONS
            else:
                tool.function.strict = True
            try:
                outgoing, warnings = TARGETS[name].render(request)
            except InvalidRequest:
                continue
            body = outgoing.body.decode()
            sent = any(mark in body for mark in (MARK, "cache_control", "cachePoint", '"strict":true', "VALIDATED"))
            if not sent and not any(warning.field.startswith("tools") for warning in warnings):
                lost.append(f"{kind}.{field}")
    assert lost == []


def test_a_tool_that_holds_nothing_is_refused() -> None:
    """By every format that takes tools: it is no function without a name."""
    request = gateway_pb2.SendRequest()
    request.messages.add(role=content_pb2.ROLE_USER).parts.add(text=content_pb2.TextPart(text="Hello."))
    request.tools.add()
    for name in TARGETS:
        if name != "claude_code":
            with pytest.raises(InvalidRequest) as caught:
                TARGETS[name].render(request)
            assert [violation.field for violation in caught.value.violations] == ["tools[0]"]
