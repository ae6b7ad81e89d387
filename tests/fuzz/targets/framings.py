"""Bytes to frames: whatever comes, and wherever it is cut, the same frames and the same error."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from llm_gateway.errors import GatewayError
from llm_gateway.protocols import framing

from tests.fuzz import mutations
from tests.fuzz.engine import Mutate, Target
from tests.fuzz.properties import check_same, check_told, cut
from tests.fuzz.targets.answers import bodies
from tests.support.aws import event_message

_END = re.compile(rb"\r\n|\r|\n")
Outcome = tuple[list[framing.Frame], str]


def read(kind: str, pieces: list[bytes]) -> Outcome:
    """The frames, and what ended them."""
    parts = framing.of(kind)
    frames: list[framing.Frame] = []
    try:
        for piece in pieces:
            frames += parts.feed(piece)
        frames += parts.close()
    except GatewayError as error:
        check_told(error)
        return frames, repr(error)
    return frames, ""


def check(kind: str, data: bytes) -> None:
    outcomes = [read(kind, pieces) for pieces in cut(data)]
    check_same(outcomes)
    frames, _ = outcomes[0]
    if kind != "eventstream":  # errors of that are made from their headers, as JSON
        assert kind != "ndjson" or [line for _, line in frames] == [one for one in _END.split(data) if one.strip()]
        assert sum(len(payload) for _, payload in frames) <= len(data)


def _target(
    name: str, kind: str, seeds: Sequence[bytes], tokens: tuple[bytes, ...], mutate: Mutate | None = None
) -> Target:
    def made() -> list[bytes]:
        return [*seeds, *bodies(kind)[:12]]

    return Target(name=name, check=functools.partial(check, kind), make_seeds=made, mutate=mutate, tokens=tokens)


EXCEPTION = mutations.message(
    b"\x0d:message-type\x07\x00\x05error\x0b:error-code\x07\x00\x05Fault\x0e:error-message\x07\x00\x04told", b""
)
OTHER_HEADERS = mutations.message(
    b"\x01a\x00\x01b\x01\x01c\x02\x07\x01d\x03\x00\x07\x01e\x04\x00\x00\x00\x07\x01f\x05"
    + bytes(8)
    + b"\x01g\x06\x00\x02ab\x01h\x08"
    + bytes(8)
    + b"\x01i\x09"
    + bytes(16),
    b"{}",
)

TARGETS = (
    _target(
        "sse",
        "sse",
        [
            b"\xef\xbb\xbfevent: a\ndata: {}\ndata: x\n\n: c\r\ndata:y\r\rid: 1\rretry: 5\n\nerror: {}\n",
            b'[{\n "error": {}\n}]\n',
        ],
        (
            b"data:",
            b"data: ",
            b"event:",
            b"event: x",
            b"error: ",
            b": c",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"[",
            b"{",
            b"\xef\xbb\xbf",
            b"id: 1",
        ),
        mutations.of_frames(mutations.split_sse, mutations.of_frame),
    ),
    _target(
        "ndjson",
        "ndjson",
        [b'{"a": 1}\r\n\r\n  \n{"b": 2}\r{"c": 3}'],
        (b"{}", b"\n", b"\r", b"\r\n", b" ", b'{"a":1}\n'),
        mutations.of_frames(mutations.split_lines, mutations.of_frame),
    ),
    _target(
        "event-stream",
        "eventstream",
        [
            event_message("messageStart", {"role": "assistant"})
            + event_message("messageStop", {"stopReason": "end_turn"}),
            event_message("chunk", {})
            + EXCEPTION
            + event_message("throttlingException", {"message": "slow"}, "exception"),
            OTHER_HEADERS,
        ],
        (b":event-type", b":message-type", b"\x07\x00", b"\x05error", b":exception-type", b"\xff"),
        mutations.of_frames(mutations.split_messages, mutations.of_message),
    ),
)
