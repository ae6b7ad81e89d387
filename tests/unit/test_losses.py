"""Nothing of a message is lost without a word: format by role by kind of part, each with a mark in one field.

A mark is in the request that goes out, or a warning or violation names its field.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import pytest
from google.protobuf import duration_pb2
from llm_gateway.errors import InvalidRequest
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.support.targets import TARGETS, Target

Message = content_pb2.Message
Part = content_pb2.Part
MARK = "marked-by-the-test"
OPTIONS = json.dumps({"x_option": MARK})
SECONDS = duration_pb2.Duration(seconds=7301)


# ---------------------------------------------------------------- parts, each with a mark in one field
Change = Callable[[Part], object]
KINDS: dict[str, Callable[[], Part]] = {
    "text": lambda: Part(text=content_pb2.TextPart(text=MARK)),
    "image": lambda: Part(media=content_pb2.MediaPart(mime_type="image/png", data=MARK.encode())),
    "image_uri": lambda: Part(media=content_pb2.MediaPart(mime_type="image/png", uri=f"https://a.test/{MARK}.png")),
    "pdf": lambda: Part(media=content_pb2.MediaPart(mime_type="application/pdf", data=MARK.encode())),
    "audio": lambda: Part(media=content_pb2.MediaPart(mime_type="audio/wav", data=MARK.encode())),
    "video": lambda: Part(media=content_pb2.MediaPart(mime_type="video/mp4", data=MARK.encode())),
    "file": lambda: Part(media=content_pb2.MediaPart(mime_type="application/pdf", file_id=MARK)),
    "tool_call": lambda: Part(tool_call=content_pb2.ToolCall(id="c1", name="f", arguments_json=f'{{"x":"{MARK}"}}')),
    "own_call": lambda: Part(
        tool_call=content_pb2.ToolCall(id="c1", name="f", arguments_json=f'"{MARK}"', provider_executed=True)
    ),
    "tool_result": lambda: Part(
        tool_result=content_pb2.ToolResult(tool_call_id="c1", name="f", parts=[KINDS["text"]()])
    ),
    "reasoning": lambda: Part(reasoning=content_pb2.ReasoningPart(text=MARK)),
    "encrypted": lambda: Part(reasoning=content_pb2.ReasoningPart(encrypted=MARK.encode())),
    "refusal": lambda: Part(refusal=content_pb2.RefusalPart(text=MARK)),
    "own_opaque": lambda: Part(
        opaque=content_pb2.OpaquePart(provider="p", type="t", json=f'{{"type":"t","m":"{MARK}"}}')
    ),
    "foreign_opaque": lambda: Part(opaque=content_pb2.OpaquePart(provider="q", type="t", json=f'{{"m":"{MARK}"}}')),
}


def _cited(part: Part) -> None:
    part.text.citations.add(uri=f"https://a.test/{MARK}", provider_json=f'{{"url":"{MARK}"}}')


def _signed(provider: str) -> Change:
    def sign(part: Part) -> None:
        part.signature, part.signature_provider = MARK.encode(), provider

    return sign


FIELDS: dict[str, tuple[str, Change]] = {
    "cache_control": ("cache_control", lambda part: part.cache_control.SetInParent()),
    "options": ("provider_options_json", lambda part: part.provider_options_json.update({"p": OPTIONS})),
    "own_signature": ("signature", _signed("p")),
    "foreign_signature": ("signature", _signed("q")),
    "citations": ("text.citations", _cited),
    "filename": ("media.filename", lambda part: setattr(part.media, "filename", MARK)),
    "detail": ("media.detail", lambda part: setattr(part.media, "detail", MARK)),
    "transcript": ("media.transcript", lambda part: setattr(part.media, "transcript", MARK)),
    "start_offset": ("media.start_offset", lambda part: part.media.start_offset.CopyFrom(SECONDS)),
    "end_offset": ("media.end_offset", lambda part: part.media.end_offset.CopyFrom(SECONDS)),
    "is_error": ("tool_result.is_error", lambda part: setattr(part.tool_result, "is_error", True)),
    "category": ("refusal.category", lambda part: setattr(part.refusal, "category", MARK)),
}
OF_KIND = {
    "text": ("citations",),
    **dict.fromkeys(
        ("image", "pdf", "audio", "video"), ("filename", "detail", "transcript", "start_offset", "end_offset")
    ),
    "tool_result": ("is_error",),
    "refusal": ("category",),
}
OF_ALL = ("cache_control", "options", "own_signature", "foreign_signature")
ROLES = {
    "system": content_pb2.ROLE_SYSTEM,
    "developer": content_pb2.ROLE_DEVELOPER,
    "user": content_pb2.ROLE_USER,
    "assistant": content_pb2.ROLE_ASSISTANT,
    "tool": content_pb2.ROLE_TOOL,
}


def plain(kind: str) -> Part:
    """The part without its mark."""
    return Part.FromString(KINDS[kind]().SerializeToString().replace(MARK.encode(), b"x" * len(MARK)))


def probes() -> Iterator[tuple[str, str, str, Part]]:
    """(role, name, field below the part, part)."""
    for role in ROLES:
        for kind, make in KINDS.items():
            yield role, kind, "", make()
            for name in (*OF_ALL, *OF_KIND.get(kind, ())):
                part = plain(kind)
                FIELDS[name][1](part)
                yield role, f"{kind}-{name}", FIELDS[name][0], part
            if kind in ("tool_call", "tool_result", "own_call"):
                continue
            inner = make()
            result = Part(tool_result=content_pb2.ToolResult(tool_call_id="c1", name="f", parts=[inner]))
            yield role, f"in_result-{kind}", "tool_result.parts[0]", result
            for name in (*OF_ALL, *OF_KIND.get(kind, ())):
                inner = plain(kind)
                FIELDS[name][1](inner)
                result = Part(tool_result=content_pb2.ToolResult(tool_call_id="c1", name="f", parts=[inner]))
                yield role, f"in_result-{kind}-{name}", f"tool_result.parts[0].{FIELDS[name][0]}", result


def conversation(role: str, part: Part) -> tuple[gateway_pb2.SendRequest, int]:
    """A conversation with the part in a message of the role, and the message's place: calls are answered, results have their call."""
    request = gateway_pb2.SendRequest()

    def say(who: str, *parts: Part) -> None:
        request.messages.add(role=ROLES[who]).parts.extend(parts)

    text = Part(text=content_pb2.TextPart(text="Hello."))
    call = Part(tool_call=content_pb2.ToolCall(id="c1", name="f", arguments_json="{}"))
    result = Part(tool_result=content_pb2.ToolResult(tool_call_id="c1", name="f", parts=[text]))
    if role not in ("system", "developer"):
        say("user", text)
    if part.HasField("tool_result"):
        say("assistant", text, call)
    place = len(request.messages)
    say(role, *((text, part) if role in ("user", "system", "developer") else (part,)))
    if role == "assistant":
        request.messages[-1].parts.append(text)
    if part.HasField("tool_call") and not part.tool_call.provider_executed:
        say("tool", result)
    say("user", text)
    return request, place


def marks(part: Part, field: str) -> list[str]:
    """What stands for the mark on the wire."""
    if field.endswith("cache_control"):
        return ["cache_control", "cachePoint", "prompt_cache_breakpoint"]
    if field.endswith("offset"):
        return ["7301"]
    if field.endswith("is_error"):
        return ['"is_error":true', '"status":"error"', '"error":', "[error of c1]"]
    return [MARK, base64.b64encode(MARK.encode()).decode().rstrip("=")]


def lost(target: Target, role: str, field: str, part: Part) -> bool:
    """Whether the mark went neither out nor into a warning or violation of its field."""
    request, place = conversation(role, part)
    try:
        outgoing, warnings = target.render(request)
    except InvalidRequest:
        return False
    body = outgoing.body.decode().replace("\\/", "/")
    if any(mark in body for mark in marks(part, field)):
        return False
    at = next(number for number, one in enumerate(request.messages[place].parts) if one == part)
    whole = f"messages[{place}].parts[{at}].{field}"
    here = f"messages[{place}].parts[{at}]"
    return not any(_names(warning.field, here, whole) for warning in warnings if warning.reason == "FIELD_DROPPED")


def _names(said: str, here: str, whole: str) -> bool:
    """Whether a warning's field is what was lost, or holds it: the message, the part, or its kind as a whole."""
    inner = whole.rpartition("parts[")[0] + "parts[" + whole.rpartition("parts[")[2].partition(".")[0]
    kinds = ("reasoning", "opaque", "tool_call")
    return said in ("messages", here, inner, whole, *(f"{one}.{kind}" for one in (here, inner) for kind in kinds))


@pytest.mark.parametrize("name", TARGETS)
def test_no_part_and_no_field_of_a_part_is_lost_without_a_word(name: str) -> None:
    """Every role by every kind of part, alone and inside a tool's result, by every field of it."""
    found = [f"{role}: {probe}" for role, probe, field, part in probes() if lost(TARGETS[name], role, field, part)]
    assert found == []
