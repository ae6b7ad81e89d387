"""Answers of providers as tests read them: the wire formats with their golden cases, and streams read as the gateway reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from llm_gateway.protocols import (
    anthropic,
    bedrock,
    claude_code,
    framing,
    gemini,
    ollama,
    openai_chat,
    openai_responses,
)
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.protocols.wire import WireFormat
from llm_gateway.upstream import caller, http

from tests.golden import runner
from tests.support import dialects

Case = dict[str, Any]
Frames = list[tuple[str, Any]]

FORMATS: dict[str, tuple[WireFormat, Any, str]] = {
    "anthropic": (anthropic, dialects.MESSAGES, "ANTHROPIC"),
    "bedrock": (bedrock, bedrock, "BEDROCK"),
    "claude_code": (claude_code, anthropic, "ANTHROPIC"),
    "gemini": (gemini, dialects.GEMINI, "GEMINI"),
    "ollama": (ollama, ollama, "OLLAMA"),
    "openai_chat": (openai_chat, dialects.CHAT, "GENERIC"),
    "openai_responses": (openai_responses, dialects.RESPONSES, "OPENAI"),
}
"""Wire format, where its dialects are, and the usual one, by the folder of its golden cases."""


def frames_of(case: Case, kind: str) -> Frames:
    """The frames of a streamed case as values; those that are no JSON as they are."""
    if "events" in case:
        return [(name, payload) for name, payload in case["events"]]
    parts = framing.of(kind)
    found: Frames = []
    for name, data in (*parts.feed(case["stream"].encode()), *parts.close()):
        try:
            found.append((name, json.loads(data)))
        except ValueError:
            found.append((name, data))
    return found


def encoded(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def told(writer: EventWriter, before: Sequence[Event] = ()) -> Case:
    """What the service makes of an answer, of whose events some were read before; nothing in it is larger than what was said."""
    events = writer.drain()
    assert sum(event.ByteSize() for event in events) < 1 << 20
    writer.metadata_json()
    for finish in writer.finishes():
        finish.SerializeToString()
    return runner.fold([*before, *events], writer)


class Streamed:
    """A stream through the caller's own reading, which takes so many frames at a time as one read of the network has."""

    def __init__(self, wire: WireFormat, dialect: Any) -> None:
        self._writer = EventWriter("p")
        self._writer.streamed = True
        self._events: list[Event] = []
        parser = wire.stream_parser(self._writer, dialect)
        self._source = caller._Source(cast(http.HttpResponse, None), self._writer, parser, wire.framing, "h")

    def read(self, frames: list[framing.Frame]) -> None:
        """Raises ProviderError."""
        if not self._writer.done:
            self._source._parse(frames)
            self._events += self._writer.drain()

    def end(self) -> None:
        """The body is over. Raises ProviderError."""
        if not self._writer.done:
            self._source._take(b"")
            self._events += self._writer.drain()

    def answer(self) -> Case:
        """What was told, which an error does not take back."""
        self._writer.report_held()
        return told(self._writer, self._events)
