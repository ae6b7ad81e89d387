"""Answers of the wrong types: whatever a provider says in place of any value, the caller is told an answer or a documented error."""

from __future__ import annotations

import copy
import functools
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llm_gateway.errors import GatewayError, InternalError, ProviderError
from llm_gateway.protocols import framing, ollama
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.wire import Api, WireFormat, guarded
from llm_gateway.upstream import caller

from tests.golden import runner
from tests.support.answers import FORMATS, Case, Frames, Streamed, encoded, frames_of, told

pytestmark = pytest.mark.no_cover
Path = tuple[str | int, ...]

HUGE = int("9" * 30)
"""More than any integer of the contract holds."""
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 50_000_000, HUGE, 0.5, 1e300, "", "x", "\u00fc", [], [{}], ["x"], [5], [[]], [None], {}, {"x": [{}]},
    {"type": "x"},
)  # fmt: skip
"""Each JSON type, in the forms that code takes for something else: `bytes(50_000_000)` are as many zeros."""


AGAIN: tuple[Any, ...] = (5, ["x"], [{}], {"x": 1})


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """The path of every value inside a JSON value, and of itself."""
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*at, index))


def replaced(value: Any, path: Path, by: Any) -> Any:
    if not path:
        return by
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], by)
    return changed


def whole(wire: WireFormat, dialect: Any, value: Any) -> None:
    writer = EventWriter("p", whole=True)
    caller._parse_whole(wire, encoded(value), writer, dialect)
    told(writer)


def streamed(wire: WireFormat, dialect: Any, frames: Frames, together: bool) -> None:
    """The stream through the caller's own reading, in one segment or in one for each frame; what was told before an error is told."""
    stream = Streamed(wire, dialect)
    data = [(name, encoded(payload)) for name, payload in frames]
    try:
        for segment in [data] if together else [[frame] for frame in data]:
            stream.read(segment)
        stream.end()
    finally:
        stream.answer()


def failure(parse: Callable[[], object]) -> str:
    """Run it; only documented errors may come, and others are told."""
    try:
        parse()
    except GatewayError as error:
        documented = not isinstance(error, InternalError) and error.told.endswith(".")
        return "" if documented else repr(error)
    except Exception as error:
        return repr(error)
    return ""


def checked(name: str, parse: Callable[[Any], object], value: Any, seen: Counter[Any]) -> list[str]:
    """Failures of `parse` for the value with each of its values replaced: by every type at a place that was not `seen` before, by a few when
    it comes again (a second text is added to the first), by none after that."""
    failures = []
    for path in places(value):
        kind = tuple("*" if isinstance(step, int) else step for step in path)
        around = functools.reduce(lambda at, step: at[step], path[:-1], value)
        key = (kind, str(around.get("type"))[:40] if isinstance(around, dict) else "")
        seen[key] += 1
        for wrong in WRONG if seen[key] == 1 else AGAIN if seen[key] < 4 else ():
            found = failure(functools.partial(parse, replaced(value, path, wrong)))
            if found:
                failures.append(f"{name} {'.'.join(map(str, path))} = {str(wrong)[:20]!r}: {found[:200]}")
    return failures


def cases(module: str, holding: str) -> Iterator[tuple[str, Case, Any]]:
    _, dialects, usual = FORMATS[module]
    for found in runner.cases(module, holding):
        case = found.values[0]
        yield str(found.id), case, getattr(dialects, case.get("dialect", usual))


@pytest.mark.parametrize("module", FORMATS)
def test_value_of_another_type_in_a_whole_answer_is_a_documented_error_or_an_answer(module: str) -> None:
    """Every value of every golden answer replaced by every JSON type."""
    wire = FORMATS[module][0]
    seen = Counter[Any]()
    failures = []
    for name, case, dialect in cases(module, "response_body"):
        if not isinstance(case["response_body"], str):
            failures += checked(name, functools.partial(whole, wire, dialect), case["response_body"], seen)
    assert failures == []


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("module", FORMATS)
def test_value_of_another_type_in_a_stream_is_a_documented_error_or_an_answer(module: str, together: bool) -> None:
    """Every value of every event of every golden stream replaced by every JSON type, all events in one segment and one by one."""
    wire = FORMATS[module][0]
    seen = Counter[Any]()
    failures = []
    for name, case, dialect in [*cases(module, "stream"), *cases(module, "events")]:
        frames = frames_of(case, wire.framing)
        if not isinstance(case.get("stream", ""), str):
            continue
        for at, (event, payload) in enumerate(frames):
            if isinstance(payload, bytes):
                continue

            def parse(
                changed: Any, at: int = at, event: str = event, frames: Frames = frames, dialect: Any = dialect
            ) -> None:
                streamed(wire, dialect, [*frames[:at], (event, changed), *frames[at + 1 :]], together)

            failures += checked(f"{name}[{at}]", parse, payload, seen)
    assert failures == []


@pytest.mark.parametrize("module", FORMATS)
def test_value_of_another_type_in_an_error_or_a_list_is_a_documented_error(module: str) -> None:
    """Every value of every golden error body and list of models replaced by every JSON type."""
    wire = FORMATS[module][0]
    seen = Counter[Any]()
    failures = []
    for name, case, dialect in cases(module, "error_body"):
        headers = runner.LowerCase(case.get("headers", {}))

        def parse(body: Any, case: Case = case, headers: runner.LowerCase = headers, dialect: Any = dialect) -> None:
            error = wire.parse_error(case["status"], headers, encoded(body), dialect)
            assert isinstance(error, ProviderError)
            assert error.told.endswith(".")

        if not isinstance(case["error_body"], str):
            failures += checked(name, parse, case["error_body"], seen)
    for name, case, dialect in cases(module, "models_body"):
        read = functools.partial(_list, wire, dialect)
        failures += checked(name, read, case["models_body"], seen)
    assert failures == []


def _list(wire: WireFormat, dialect: Any, value: Any) -> None:
    page = caller._page(Api(wire=wire, dialect=dialect), encoded(value))
    assert isinstance(page.next, str)
    for model in page.models:
        assert model.model_id


@pytest.mark.parametrize("parse", [ollama.parse_show, ollama.parse_loaded])
def test_value_of_another_type_in_what_ollama_tells_of_models_is_a_documented_error(
    parse: Callable[[bytes], object],
) -> None:
    """Descriptions of a model and the list of those in memory."""
    value = {
        "capabilities": ["completion", "tools"],
        "parameters": "num_ctx 5",
        "model_info": {"x.context_length": 5},
        "models": [{"model": "m", "name": "n"}],
    }
    assert checked("", lambda body: guarded(parse, encoded(body)), value, Counter()) == []


def message(payload: bytes) -> bytes:
    """A message of the event stream without headers."""
    prelude = struct.pack(">II", len(payload) + 16, 0)
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("sse", lambda value: b"data: " + value + b"\n\n"),
        ("ndjson", lambda value: value + b"\r\n"),
        ("eventstream", lambda value: message(value) * 2),
    ],
    ids=["sse", "ndjson", "eventstream"],
)
def test_large_frame_in_tiny_reads_is_read_in_linear_time(kind: str, of: Callable[[bytes], bytes]) -> None:
    """Megabytes in pieces of 16 bytes take eight times the processor's time of an eighth of them, not sixty-four times."""

    def seconds(size: int) -> float:
        value = b'{"data": "' + b"\\u00fc" * (size // 6) + b'"}'
        body = of(value)
        frames = framing.of(kind)
        began = time.process_time()
        found = [frame for at in range(0, len(body), 16) for frame in frames.feed(body[at : at + 16])] + frames.close()
        took = time.process_time() - began
        assert found == [("", value)] * body.count(value)
        return took

    assert seconds(1 << 21) < 30 * min(seconds(1 << 18) for _ in range(3))
