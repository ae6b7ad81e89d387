"""What a provider says, in each wire format: as a whole answer, an error, a list of models, and a stream."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterator
from typing import Any

from llm_gateway.errors import GatewayError, ProviderError
from llm_gateway.protocols import framing
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.wire import Api
from llm_gateway.upstream import caller

from tests.fuzz import mutations
from tests.fuzz.engine import Mutate, Target
from tests.fuzz.properties import KEY, PROMPT, check_told, guarded
from tests.golden import runner
from tests.support.answers import FORMATS, Streamed, encoded, frames_of, told
from tests.support.aws import event_message

STATUSES = (400, 401, 403, 404, 413, 429, 500, 503, 529)
HEADERS = runner.LowerCase({"retry-after": "2", "x-request-id": "r1"})
ECHO = f"Incorrect API key provided: {KEY}. You said {PROMPT}."


def dialects_of(module: str) -> list[Any]:
    """The usual dialect of a format first, then the others that its golden cases name."""
    _, holder, usual = FORMATS[module]
    named = {
        case.values[0].get("dialect", usual)
        for case in (*runner.cases(module, "stream"), *runner.cases(module, "response_body"))
    }
    return [getattr(holder, name) for name in (usual, *sorted(named - {usual}))]


def check(module: str, data: bytes) -> None:
    """Everything that is read of a provider's, as if the input were that; with the usual dialect, and another by turns."""
    wire = FORMATS[module][0]
    usual, *others = _dialects(module)
    turn = zlib.crc32(data)
    for dialect in (usual, *others[turn % len(others) : turn % len(others) + 1]) if others else (usual,):
        guarded(functools.partial(_whole, wire, dialect, data))
        error = wire.parse_error(STATUSES[turn % len(STATUSES)], HEADERS, data, dialect)
        assert isinstance(error, ProviderError)
        check_told(error)
        guarded(functools.partial(_models, wire, dialect, data))
        frames = _frames(wire.framing, data)
        together, apart = (_stream(wire, dialect, frames, size) for size in (len(frames) or 1, 1))
        assert together == apart, f"{str(together)[:200]} in one read, {str(apart)[:200]} in several"


_dialects = functools.cache(dialects_of)


def _whole(wire: Any, dialect: Any, data: bytes) -> None:
    writer = EventWriter("p", whole=True)
    caller._parse_whole(wire, data, writer, dialect)
    told(writer)


def _models(wire: Any, dialect: Any, data: bytes) -> None:
    for model in caller._page(Api(wire=wire, dialect=dialect), data).models:
        assert model.SerializeToString()


def _frames(kind: str, data: bytes) -> list[framing.Frame]:
    parts = framing.of(kind)
    try:
        return [*parts.feed(data), *parts.close()]
    except GatewayError:
        return []


def _stream(wire: Any, dialect: Any, frames: list[framing.Frame], size: int) -> tuple[Any, str]:
    """The answer that the stream adds up to, and its error, when so many frames are read at a time."""
    streamed = Streamed(wire, dialect)
    failed = ""
    try:
        for at in range(0, len(frames), size):
            streamed.read(frames[at : at + size])
        streamed.end()
    except GatewayError as error:
        check_told(error)
        failed = f"{error.reason}: {error.told}"
    return streamed.answer(), failed


# ---------------------------------------------------------------- inputs
def _body(case: dict[str, Any], kind: str) -> bytes:
    text = case.get("stream")
    if isinstance(text, str) and kind != "eventstream":
        return text.encode()
    frames = frames_of(case, kind)
    if kind == "eventstream":
        return b"".join(
            event_message(name, payload, _kind(name)) for name, payload in frames if isinstance(payload, dict)
        )
    ends = {"sse": ("data: ", "\n\n"), "ndjson": ("", "\n")}[kind]
    return b"".join(ends[0].encode() + encoded(payload) + ends[1].encode() for _, payload in frames)


def _kind(name: str) -> str:
    return "exception" if name.endswith("Exception") else "event"


def _golden(module: str) -> Iterator[bytes]:
    kind = FORMATS[module][0].framing
    for holding in ("stream", "events"):
        for case in runner.cases(module, holding):
            yield _body(case.values[0], kind)
    for holding in ("response_body", "error_body", "models_body"):
        for case in runner.cases(module, holding):
            body = case.values[0][holding]
            yield body.encode() if isinstance(body, str) else json.dumps(body).encode()


@functools.cache
def bodies(kind: str) -> list[bytes]:
    """Golden streams of this framing."""
    found = [
        _body(case.values[0], kind)
        for module, (wire, _, _) in FORMATS.items()
        if wire.framing == kind
        for holding in ("stream", "events")
        for case in runner.cases(module, holding)
    ]
    return sorted(found, key=len)


def _seeds(module: str) -> list[bytes]:
    echoes = (
        {"error": {"message": ECHO, "code": "invalid_api_key", "type": ECHO}},
        {"message": ECHO, "__type": KEY},
        {"detail": ECHO},
        {"error": ECHO},
    )
    echoed = [json.dumps(value).encode() for value in echoes]
    kind = FORMATS[module][0].framing
    if kind == "sse":
        echoed += [b"event: error\ndata: " + one + b"\n\n" for one in echoed]
    elif kind == "eventstream":
        echoed += [event_message("throttlingException", {"message": ECHO}, "exception")]
    return [*_golden(module), *echoed]


_MUTATIONS: dict[str, Mutate] = {
    "sse": mutations.of_frames(mutations.split_sse, mutations.of_frame),
    "ndjson": mutations.of_frames(mutations.split_lines, mutations.of_frame),
    "eventstream": mutations.of_frames(mutations.split_messages, mutations.of_message),
}
TARGETS = tuple(
    Target(
        name=f"answers-{module.replace('_', '-')}",
        check=functools.partial(check, module),
        make_seeds=functools.partial(_seeds, module),
        mutate=_MUTATIONS[wire.framing],
        tokens=(
            KEY.encode(),
            b'{"error": ',
            b"data: ",
            b"\n\n",
            b'"type": ',
            b"null",
            b'"\\ud800"',
            b"1e999",
            b"[DONE]",
        ),
    )
    for module, (wire, _, _) in FORMATS.items()
)
