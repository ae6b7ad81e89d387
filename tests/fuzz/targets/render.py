"""A caller's request, from the bytes on the wire to what each provider is sent: HTTP that can be sent, or the fields at fault."""

from __future__ import annotations

import zlib
from urllib.parse import unquote

from google.protobuf import json_format, message
from hypothesis import strategies as st
from llm_gateway.errors import InvalidRequest
from llm_gateway.protocols.wire import Rendering, render
from llm_gateway.providers import azure_openai, openai, vertex, xai
from llm_gateway.routing.needs import needs_of
from llm_gateway.rpc.validation import validate_stream
from llmgateway.v1 import gateway_pb2

from tests.fuzz import mutations
from tests.fuzz.engine import Target
from tests.fuzz.properties import PROMPT, check_told, guarded
from tests.golden import runner
from tests.support.answers import FORMATS
from tests.support.apis import APIS, SETTINGS, check_rendered
from tests.support.requests import requests

SPOKEN = tuple([one for one in APIS if one[2] is wire] for wire in dict.fromkeys(wire for _, _, wire, _ in APIS))
"""The APIs of each wire format: an input goes to one of each, by turns."""
RULES = (openai.choose, azure_openai.choose_dated, xai.choose, vertex.choose)


def check(data: bytes) -> None:
    request = gateway_pb2.StreamSendRequest()
    try:
        request.ParseFromString(data)
    except message.DecodeError:
        return
    asked = request.request
    try:
        summary = validate_stream(request)
    except InvalidRequest as refused:
        _refused(refused, asked)
        return
    before = asked.SerializeToString(deterministic=True)
    needs_of(asked, summary, stream=request.options.include_final_response)
    model = asked.model or "model"
    assert all(rule(asked, summary, model, SETTINGS) for rule in RULES)
    turn = zlib.crc32(data)
    for spoken in SPOKEN:
        kind, name, wire, dialect = spoken[turn % len(spoken)]
        rendering = Rendering(
            request=asked,
            model=model,
            stream=not request.options.include_final_response,
            provider="provider",
            kind=kind,
            dialect=dialect,
            settings=SETTINGS,
        )
        try:
            outgoing = render(wire, rendering)
        except InvalidRequest as refused:
            _refused(refused, asked)
        else:
            check_rendered(outgoing, rendering)
            check_path(outgoing.path)
            assert rendering.candidates() >= 1
            guarded(rendering.notes.reject)
        assert asked.SerializeToString(deterministic=True) == before, name


def check_path(path: str) -> None:
    """It means the same, however often it is decoded, wherever a model's name stands in it."""
    decoded = path.partition("?")[0]
    for _ in range(3 if path != "/" else 0):  # what is spoken to in a process of its own has no path
        assert {"..", ".", ""}.isdisjoint(decoded.split("/")[1:]), path
        assert "?" not in decoded, path
        assert "#" not in decoded, path
        decoded = unquote(decoded)


def _refused(error: InvalidRequest, asked: gateway_pb2.SendRequest) -> None:
    assert error.violations
    assert all(violation.field and violation.description for violation in error.violations)
    check_told(error)
    said = sum(part.text.text.count(PROMPT) for message in asked.messages for part in message.parts)
    if asked.SerializeToString().count(PROMPT.encode()) == said:  # else it is a name, which errors may quote
        assert PROMPT not in f"{error.told} {error.cause} {error!r} {error.violations!r}", "a prompt is told"


# ---------------------------------------------------------------- inputs
def _as_bytes(request: gateway_pb2.SendRequest, whole: bool = False) -> bytes:
    options = gateway_pb2.StreamOptions(include_final_response=whole)
    return gateway_pb2.StreamSendRequest(request=request, options=options).SerializeToString()


def _seeds() -> list[bytes]:
    """Every golden request, for the model that its case has."""
    found = []
    for module in FORMATS:
        for case in runner.cases(module, "request"):
            request = json_format.ParseDict(case.values[0]["request"], gateway_pb2.SendRequest())
            request.model = request.model or case.values[0].get("model", "")
            for part in (part for said in request.messages for part in said.parts if part.HasField("text")):
                part.text.text += PROMPT
            found.append(_as_bytes(request, not case.values[0].get("stream", False)))
    return found


TARGETS = (
    Target(
        name="render",
        check=check,
        make_seeds=_seeds,
        mutate=mutations.of_proto(gateway_pb2.StreamSendRequest),
        tokens=(
            PROMPT.encode(),
            b"{}",
            b"\x0a\x00",
            b"\xff\xff\xff\xff\x0f",
            b"image/png",
            b"application/pdf",
            b"web_search",
            b"anthropic",
            b"openai",
            b"gemini",
        ),
        drawn=st.builds(_as_bytes, requests(), st.booleans()),
    ),
)
